"""The share of the GPUs that is proposed to a vLLM, and that it reaches its arguments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.servers.support import cleaned, ended, opened, profile, server_of
from tests.ui.screens.guard.support import gpu, snapshot
from venom_tui.core.servers.proposal import MOST, proposed
from venom_tui.core.settings.control import Profile
from venom_tui.core.types.device import GuardSnapshot
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
        look = snapshot([gpu(0)])  # 59 of 80 GiB are free
        monkeypatch.setattr(type(core.guard), "latest", lambda _self: look)

        async def now(_self: object) -> GuardSnapshot:
            return look

        monkeypatch.setattr(type(core.guard), "snapshot", now)
        await ended(core, await core.servers.start("box"))
        command = server_of(core).command
        assert command[command.index("--gpu-memory-utilization") + 1] == "0.5"
        await ended(core, await core.servers.stop("box"))
