"""The share of the GPUs that is proposed to a vLLM, and that it reaches its arguments."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.core.servers.support import cleaned, ended, opened, profile, seen, server_of, share_of
from tests.ui.screens.guard.support import gpu, snapshot
from venom_tui.core.servers.holding import processes_of, ram_of, without
from venom_tui.core.servers.proposal import MOST, proposed
from venom_tui.core.settings.control import Profile
from venom_tui.core.types.device import GpuProcess, GuardSnapshot, MigDevice
from venom_tui.core.types.fit import GpuFit, UtilizationRange

GIB = 1024**3
ONE = Profile("a/b")


def card(index: int, free: float, reason: str = "", usable: bool | None = True) -> GpuFit:
    return GpuFit(index, None, None, 80 * GIB, int(free * GIB), usable, reason)


def test_as_much_as_is_free_and_no_more_than_vllm_itself_would() -> None:
    assert proposed(ONE, [card(0, 80)]) == MOST
    assert proposed(ONE, [card(0, 40), card(1, 80)]) == 0.5
    assert proposed(Profile("a/b", tensor_parallel=2), [card(0, 60), card(1, 20), card(2, 0)]) == 0.25
    assert proposed(Profile("a/b", tensor_parallel=2, pipeline_parallel=2), [card(n, 80 - n) for n in range(4)]) == MOST
    assert proposed(ONE, [card(0, 80, usable=False), card(1, 40)]) == 0.5
    assert proposed(ONE, [card(0, 80, reason="its driver does not answer"), card(1, 40)]) == 0.5


def test_nothing_is_proposed_where_nothing_is_known() -> None:
    assert proposed(ONE, []) is None
    assert proposed(ONE, [card(0, 2)]) is None
    assert proposed(ONE, [GpuFit(0, None, None, None, None, True)]) is None


def test_what_does_not_hold_the_model_is_left_to_vllm() -> None:
    assert proposed(ONE, [card(0, 40)], UtilizationRange(0.6, 0.5, (0,))) is None
    assert proposed(ONE, [card(0, 40)], UtilizationRange(0.3, 0.5, (0,), True)) == 0.5
    assert proposed(ONE, [card(0, 40)], UtilizationRange(0.6, 0.5, (0, 1))) == 0.5, "that is about another number"


def test_the_gpus_that_the_server_sees_count() -> None:
    cards = [card(0, 80), card(1, 40), card(2, 20)]
    assert proposed(ONE, cards, environment={"CUDA_VISIBLE_DEVICES": "2,0"}) == 0.25
    assert proposed(Profile("a/b", tensor_parallel=2), cards, environment={"CUDA_VISIBLE_DEVICES": "0,1"}) == 0.5
    assert proposed(ONE, cards, environment={"CUDA_VISIBLE_DEVICES": ""}) is None


@pytest.fixture(autouse=True)
def _cleaned(tmp_path: Path) -> Iterator[None]:
    with cleaned(tmp_path):
        yield


async def test_it_reaches_the_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile(tmp_path)
    async with opened(tmp_path, VENOM_KEEP_FREE_VRAM="19GiB", VENOM_OFFLINE="1") as core:
        seen(monkeypatch, lambda: snapshot([gpu(0)]))  # 59 of 80 GiB are free
        await ended(core, await core.servers.start("box"))
        assert share_of(core) == "0.5"
        await ended(core, await core.servers.stop("box"))


async def test_a_restart_counts_what_the_server_itself_holds_as_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile(tmp_path, "--child")
    async with opened(tmp_path, VENOM_OFFLINE="1") as core:
        holders: list[GpuProcess] = []

        def look() -> GuardSnapshot:
            used = sum(one.memory_bytes or 0 for one in holders)
            return snapshot(
                [gpu(0, memory_used_bytes=used, memory_free_bytes=80 * GIB - used, processes=tuple(holders))]
            )

        seen(monkeypatch, look)
        await ended(core, await core.servers.start("box"))
        assert share_of(core) == "0.9"
        child = next(int(line.split()[1]) for line in await core.servers.log("box") if line.startswith("child "))
        holders[:] = [GpuProcess(child, "me", "EngineCore", 64 * GIB), GpuProcess(1, "other", "train", 8 * GIB)]
        await ended(core, await core.servers.restart("box"))
        assert share_of(core) == "0.9", "72 of 80 GiB are free when it has ended"
        assert server_of(core).pid is not None
        await ended(core, await core.servers.stop("box"))


def test_what_comes_back_when_a_server_ends() -> None:
    own, named, other = (
        GpuProcess(5, "me", "EngineCore", 30 * GIB),
        GpuProcess(None, None, None, 10 * GIB, runtime="box"),
        GpuProcess(6, "other", "train", 20 * GIB),
    )
    look = snapshot([gpu(0, memory_free_bytes=15 * GIB, memory_used_bytes=64 * GIB, processes=(own, named, other))])
    after = without(look, "box", {5}, 200 * GIB)
    assert after.gpus[0].memory_free_bytes == 55 * GIB
    assert after.host.ram_available_bytes == 512 * GIB, "no more than there is"
    assert without(look, "another", set(), 0) == look
    hidden = replace(own, memory_bytes=None)
    untold = snapshot([gpu(0, memory_free_bytes=10 * GIB, memory_used_bytes=69 * GIB, processes=(hidden, other))])
    assert without(untold, "box", {5}, 0).gpus[0].memory_free_bytes == 59 * GIB, "what nobody else holds"
    part = MigDevice(0, memory_total_bytes=40 * GIB, memory_used_bytes=30 * GIB, memory_free_bytes=9 * GIB)
    split = snapshot([gpu(0, mig_devices=(replace(part, processes=(own,)),))])
    assert without(split, "box", {5}, 0).gpus[0].mig_devices[0].memory_free_bytes == 39 * GIB


def test_the_processes_of_a_server_and_their_ram() -> None:
    program = "import subprocess, sys; one = subprocess.Popen(['sleep', '600']); print(one.pid, flush=True); one.wait()"
    server = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert server.stdout is not None
        child = int(server.stdout.readline())
        found = processes_of(server.pid)
        assert found == {server.pid, child}
        assert processes_of(child) == {child}, "a session that is not its own is not its to count"
        assert ram_of(found) > 1024**2
        assert processes_of(None) == frozenset()
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.communicate()
