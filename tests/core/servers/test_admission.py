"""The limits before a server starts: what is warned of, asked, refused; and what it holds itself at a restart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.core.servers.support import cleaned, configure, ended, opened, profile, seen, server_of, share_of, until
from tests.real.servers.process import free_port
from tests.ui.screens.guard.support import HOST, gpu, snapshot
from venom_tui.core.errors import GuardRefused, NeedsYes
from venom_tui.core.servers.arguments import own_share
from venom_tui.core.settings.control import Profile
from venom_tui.core.types.device import GpuProcess, GuardSnapshot
from venom_tui.core.types.operation import OperationState
from venom_tui.core.types.server import ServerState

pytestmark = pytest.mark.timeout(120)
GIB = 1024**3


@pytest.fixture(autouse=True)
def _cleaned(tmp_path: Path) -> Iterator[None]:
    with cleaned(tmp_path):
        yield


def test_the_share_that_a_profile_names() -> None:
    assert own_share(Profile("a/b")) is None
    assert own_share(Profile("a/b", memory_utilization=0.4)) == 0.4
    assert own_share(Profile("a/b", arguments=("--gpu-memory-utilization", "0.3"), memory_utilization=0.4)) == 0.3
    assert own_share(Profile("a/b", arguments=("-x", "--gpu-memory-utilization=0.3"))) == 0.3
    assert own_share(Profile("a/b", arguments=("--gpu-memory-utilization",))) is None


async def test_a_limit_that_is_broken_refuses_asks_or_warns(tmp_path: Path) -> None:
    configure(tmp_path, free_port())
    limit = {"VENOM_KEEP_FREE_RAM": "9TiB"}
    async with opened(tmp_path, **limit, VENOM_POLICY_RAM="refuse") as core:
        for yes in (False, True):
            with pytest.raises(GuardRefused, match=r"box is not started\. RAM: .* 9216\.0 GiB are to be kept"):
                await core.servers.start("box", yes=yes, waiting=True)
        assert await core.operations.list() == []
        started = await ended(core, await core.servers.start("box", force=True))
        assert any("9216.0 GiB are to be kept" in line for line in await core.operations.log(started.id))
        pid = server_of(core).pid
        with pytest.raises(GuardRefused):
            await core.servers.restart("box", yes=True)
        assert server_of(core).pid == pid, "it runs on"
        await ended(core, await core.servers.stop("box"))
    for policy in ("ask", "evict"):
        async with opened(tmp_path, **limit, VENOM_POLICY_RAM=policy) as core:
            with pytest.raises(NeedsYes, match="box would start now"):
                await core.servers.start("box")
            await ended(core, await core.servers.start("box", yes=True))
            await ended(core, await core.servers.stop("box"))
    async with opened(tmp_path, **limit, VENOM_POLICY_RAM="warn") as core:
        told: list[str] = []
        started = await ended(core, await core.servers.start("box", notice=told.append))
        assert len(told) == 1 and "9216.0 GiB are to be kept" in told[0]
        assert any(told[0] in line for line in await core.operations.log(started.id))
        await ended(core, await core.servers.stop("box"))


async def test_a_start_that_is_joined_asks_nothing(tmp_path: Path) -> None:
    configure(tmp_path, free_port(), "--after", "300")
    async with opened(tmp_path, VENOM_KEEP_FREE_RAM="9TiB", VENOM_POLICY_RAM="refuse") as core:
        first = await core.servers.start("box", force=True)
        assert (await core.servers.start("box")).id == first.id
        await ended(core, await core.servers.stop("box"))
        assert (await core.operations.get(first.id)).state is OperationState.CANCELLED


async def test_a_restart_that_is_refused_does_not_cancel_a_start(tmp_path: Path) -> None:
    configure(tmp_path, free_port(), "--after", "300")
    async with opened(tmp_path, VENOM_KEEP_FREE_RAM="9TiB", VENOM_POLICY_RAM="refuse") as core:
        first = await core.servers.start("box", force=True)
        pid = (await until(core, ServerState.RUNS)).pid
        with pytest.raises(GuardRefused):
            await core.servers.restart("box")
        assert (await core.operations.get(first.id)).state is OperationState.RUNNING
        again = await core.servers.restart("box", force=True)
        assert (await core.operations.get(first.id)).state is OperationState.CANCELLED
        async with asyncio.timeout(60):
            while server_of(core).pid in (None, pid):
                await core.servers.look()
        await ended(core, await core.servers.stop("box"))
        assert (await core.operations.get(again.id)).state is OperationState.CANCELLED


def shared(folder: Path, share: float, **environment: str) -> None:
    """Write a profile that names its share."""
    profile(folder)
    path = folder / "config" / "config.toml"
    more = f"memory_utilization = {share}\n[runtimes.box.environment]\n"
    more += "".join(f"{name} = {json.dumps(value)}\n" for name, value in environment.items())
    path.write_text(path.read_text() + more)


async def test_a_share_that_is_not_free_beside_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look = snapshot([gpu(0), gpu(1, memory_free_bytes=80 * GIB, memory_used_bytes=0)])  # 59 and 80 of 80 GiB are free
    shared(tmp_path, 0.7)
    keeps = {"VENOM_KEEP_FREE_VRAM": "4GiB", "VENOM_OFFLINE": "1"}
    async with opened(tmp_path, **keeps, VENOM_POLICY_VRAM="refuse") as core:
        seen(monkeypatch, lambda: look)
        words = r"box takes 56\.0 GiB of GPU 0 \(0\.7 of it\), and 59\.0 GiB are free, of which 4\.0 GiB are to be kept"
        with pytest.raises(GuardRefused, match=words):
            await core.servers.start("box")
    shared(tmp_path, 0.7, CUDA_VISIBLE_DEVICES="1")
    async with opened(tmp_path, **keeps, VENOM_POLICY_VRAM="refuse") as core:
        seen(monkeypatch, lambda: look)
        await ended(core, await core.servers.start("box"))
        await ended(core, await core.servers.stop("box"))
    shared(tmp_path, 0.9)
    async with opened(tmp_path, VENOM_OFFLINE="1") as core:
        seen(monkeypatch, lambda: look)
        said: list[str] = []
        await ended(core, await core.servers.start("box", notice=said.append))
        assert said == ["box takes 72.0 GiB of GPU 0 (0.9 of it), and 59.0 GiB are free."], "without a limit it is told"
        await ended(core, await core.servers.stop("box"))


async def test_where_no_share_can_be_proposed_that_of_vllm_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile(tmp_path)
    async with opened(tmp_path, VENOM_KEEP_FREE_VRAM="58GiB", VENOM_OFFLINE="1") as core:
        seen(monkeypatch, lambda: snapshot([gpu(0)]))
        with pytest.raises(NeedsYes, match=r"box takes 72\.0 GiB of GPU 0"):
            await core.servers.start("box")


@pytest.mark.parametrize("policy", ["ask", "refuse"])
async def test_only_gpus_that_the_server_uses_concern_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    hot = snapshot([gpu(0, memory_free_bytes=80 * GIB, memory_used_bytes=0), gpu(1, temperature_c=91)])
    shared(tmp_path, 0.5)
    values = {"VENOM_MAX_TEMPERATURE": "85", "VENOM_POLICY_TEMPERATURE": policy, "VENOM_OFFLINE": "1"}
    async with opened(tmp_path, **values) as core:
        seen(monkeypatch, lambda: hot)
        await ended(core, await core.servers.start("box"))
        await ended(core, await core.servers.stop("box"))
        seen(monkeypatch, lambda: replace(hot, gpus=(replace(hot.gpus[0], temperature_c=91),)))
        with pytest.raises((GuardRefused, NeedsYes), match="GPU 0: 91 °C, 85 °C is the limit"):
            await core.servers.start("box")


async def test_a_restart_is_not_refused_for_what_it_holds_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared(tmp_path, 0.9)
    values = {"VENOM_KEEP_FREE_VRAM": "4GiB", "VENOM_KEEP_FREE_RAM": "4GiB", "VENOM_OFFLINE": "1"}
    policies = {"VENOM_POLICY_VRAM": "refuse", "VENOM_POLICY_RAM": "refuse"}
    async with opened(tmp_path, **values, **policies) as core:
        own: list[GpuProcess] = []
        others: list[GpuProcess] = []

        def look() -> GuardSnapshot:
            found = (*own, *others)
            used = sum(one.memory_bytes or 0 for one in found)
            free = 80 * GIB - used
            ram = (384 if not own else 3) * GIB
            return replace(
                snapshot([gpu(0, memory_used_bytes=used, memory_free_bytes=free, processes=found)]),
                host=replace(HOST, ram_available_bytes=ram),
            )

        def ram(pids: frozenset[int]) -> int:
            return 30 * GIB if own else 0

        monkeypatch.setattr("venom_tui.core.servers.admission.ram_of", ram)
        seen(monkeypatch, look)
        await ended(core, await core.servers.start("box"))
        pid = server_of(core).pid
        own.append(GpuProcess(pid, "me", "vllm", 72 * GIB))
        await ended(core, await core.servers.restart("box"))
        assert share_of(core) == "0.9"
        own[:] = [GpuProcess(server_of(core).pid, "me", "vllm", 72 * GIB)]
        others.append(GpuProcess(1, "other", "train", 6 * GIB))
        with pytest.raises(GuardRefused, match=r"74\.0 GiB are free, of which 4\.0 GiB are to be kept"):
            await core.servers.restart("box")
        await ended(core, await core.servers.stop("box"))
