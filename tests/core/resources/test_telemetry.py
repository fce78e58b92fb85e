"""The sampler: what hangs freezes its own figures and nothing else."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.core.support import next_of, settings_for
from venom_tui.core.events import EventBus, GuardSampled
from venom_tui.core.resources import telemetry as module
from venom_tui.core.resources.disks import is_used, read_disk
from venom_tui.core.resources.host import HostSampler
from venom_tui.core.resources.nvml import Gpus, NvmlSampler
from venom_tui.core.resources.telemetry import Pace, Telemetry
from venom_tui.core.types.device import Disk, Gpu, GpuProcess, GuardSnapshot, HostInfo, LoadedModel

QUICK = Pace(fast=0.01, slow=0.02, processes=0.0, disks=0.0, patience=0.02, first=0.05, stale=0.1)
GPU = Gpu(0, uuid="GPU-1", name="Card", memory_total_bytes=1000, memory_used_bytes=100, utilization_percent=50)


class Driver:
    """Stands for NVML: answers, or hangs until it is let go."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.gpus: tuple[Gpu, ...] = (GPU,)
        self.reason: dict[str, str] = {}
        self.asked = 0
        self.free = threading.Event()
        self.free.set()
        self.closed = threading.Event()

        def sample(_self: NvmlSampler, *, processes: bool) -> Gpus:
            self.asked += 1
            assert self.free.wait(60)
            gpus = self.gpus if processes else tuple(replace(gpu, processes=()) for gpu in self.gpus)
            return gpus, self.reason

        patch.setattr(NvmlSampler, "sample", sample)
        patch.setattr(NvmlSampler, "close", lambda _self: self.closed.set())


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    return Driver(monkeypatch)


@asynccontextmanager
async def sampling(folder: Path, *loaded: LoadedModel, pace: Pace = QUICK) -> AsyncIterator[tuple[Telemetry, EventBus]]:
    events = EventBus()
    settings = settings_for(folder, HF_HUB_CACHE=str(folder / "hub"))
    telemetry = Telemetry(settings, events, lambda: loaded, pace)
    await telemetry.start()
    try:
        yield telemetry, events
    finally:
        async with asyncio.timeout(20):
            await telemetry.close()


async def until(telemetry: Telemetry, condition: Callable[[GuardSnapshot], bool]) -> GuardSnapshot:
    """Look until a snapshot is as it should be."""
    async with asyncio.timeout(20):
        while True:
            snapshot = await telemetry.snapshot()
            if condition(snapshot):
                return snapshot


async def test_a_look(tmp_path: Path, driver: Driver) -> None:
    async with sampling(tmp_path) as (telemetry, events):
        with events.subscribe() as told:
            snapshot = (await next_of(told, GuardSampled)).snapshot
        assert snapshot.gpus == (GPU,)
        assert snapshot.host.ram_total_bytes
        assert [(disk.label, disk.path) for disk in snapshot.host.disks] == [
            ("data", str(tmp_path / "data")),
            ("models", str(tmp_path / "data" / "models")),
        ]
        assert snapshot.taken_at.tzinfo is not None
        second = await telemetry.snapshot()
        assert second.taken_at >= snapshot.taken_at
        assert telemetry.latest() is second
    assert driver.closed.wait(10)


async def test_the_hub_cache_is_one_of_the_disks_where_it_is(tmp_path: Path, driver: Driver) -> None:
    async with sampling(tmp_path) as (telemetry, _):
        assert "hub cache" not in [disk.label for disk in (await telemetry.snapshot()).host.disks]
        (tmp_path / "hub").mkdir()
        seen = await until(telemetry, lambda seen: len(seen.host.disks) == 3)
        assert (seen.host.disks[2].label, seen.host.disks[2].path) == ("hub cache", str(tmp_path / "hub"))
        assert seen.host.disks[2].free_bytes


def test_a_folder_that_can_come_to_be_is_used(tmp_path: Path) -> None:
    home = tmp_path / "home"
    cache = home / ".cache" / "huggingface" / "hub"
    home.mkdir()
    assert not is_used(cache, home), "the home alone says nothing"
    (home / ".cache").mkdir()
    assert is_used(cache, home)
    assert not is_used(tmp_path / "elsewhere" / "hub", home)
    (tmp_path / "elsewhere").mkdir()
    assert not is_used(tmp_path / "elsewhere" / "hub", home)
    (tmp_path / "elsewhere" / "hub").mkdir()
    assert is_used(tmp_path / "elsewhere" / "hub", home)


async def test_what_did_not_change_is_not_told(tmp_path: Path, driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    still = (await _host(tmp_path, driver)).host
    monkeypatch.setattr(HostSampler, "sample", lambda _self: still)
    async with sampling(tmp_path) as (telemetry, events):
        await telemetry.snapshot()
        with events.subscribe() as told:
            for _ in range(3):
                await telemetry.snapshot()
            driver.gpus = (replace(GPU, utilization_percent=51),)
            snapshot = await until(telemetry, lambda seen: seen.gpus == driver.gpus)
            assert (await next_of(told, GuardSampled)).snapshot.gpus == snapshot.gpus


async def _host(folder: Path, driver: Driver) -> GuardSnapshot:
    async with sampling(folder) as (telemetry, _):
        await telemetry.snapshot()
        return await telemetry.snapshot()


# ---------------------------------------------------------------------- what hangs


async def test_a_driver_that_hangs_freezes_its_own_figures(tmp_path: Path, driver: Driver) -> None:
    async with sampling(tmp_path) as (telemetry, _):
        before = await until(telemetry, lambda seen: bool(seen.gpus))
        assert before.gpus[0].stale_since is None
        driver.free.clear()
        stale = await until(telemetry, lambda seen: seen.gpus[0].stale_since is not None)
        assert replace(stale.gpus[0], stale_since=None) == before.gpus[0]
        assert stale.gpus[0].stale_since is not None
        assert stale.gpus[0].stale_since <= stale.taken_at
        asked = driver.asked
        later = await until(telemetry, lambda seen: seen.taken_at > stale.taken_at)
        assert later.gpus == stale.gpus, "since then, however long"
        assert later.host.ram_available_bytes
        assert driver.asked == asked, "it is not asked again while it hangs"
        driver.gpus = (replace(GPU, memory_used_bytes=200),)
        driver.free.set()
        fresh = await until(telemetry, lambda seen: seen.gpus == driver.gpus)
        assert fresh.gpus[0].stale_since is None


async def test_a_driver_that_never_answers(tmp_path: Path, driver: Driver) -> None:
    driver.free.clear()
    async with sampling(tmp_path) as (telemetry, _):
        first = await telemetry.snapshot()
        assert first.gpus == ()
        assert first.unavailable["gpus"].startswith("the driver has not answered yet")
        hung = await until(telemetry, lambda seen: "it seems to hang" in seen.unavailable["gpus"])
        assert hung.host.ram_total_bytes
    assert not driver.closed.is_set(), "closing did not wait for it"
    driver.free.set()
    assert driver.closed.wait(10)


async def test_a_snapshot_that_is_waited_for_when_it_closes(tmp_path: Path, driver: Driver) -> None:
    driver.free.clear()
    async with sampling(tmp_path, pace=replace(QUICK, first=30.0)) as (telemetry, _):
        waiting = asyncio.create_task(telemetry.snapshot())
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    late = asyncio.create_task(telemetry.snapshot())
    assert await asyncio.wait({late}, timeout=5) == ({late}, set()), "who asks too late does not wait for ever"
    assert late.cancelled()
    driver.free.set()


async def test_a_file_system_that_hangs(tmp_path: Path, driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    free = threading.Event()

    def read(label: str, folder: Path, why: dict[str, str]) -> Disk:
        if label == "models":
            assert free.wait(60)
        return read_disk(label, folder, why)

    monkeypatch.setattr(module, "read_disk", read)
    async with sampling(tmp_path) as (telemetry, _):
        hung = await telemetry.snapshot()
        data, models = hung.host.disks
        assert data.free_bytes
        assert (models.label, models.free_bytes) == ("models", None)
        assert hung.host.unavailable["disks.models"] == "the file system does not answer"
        assert hung.gpus == (GPU,)
        free.set()
        back = await until(telemetry, lambda seen: seen.host.disks[1].free_bytes is not None)
        assert "disks.models" not in back.host.unavailable


async def test_a_look_that_fails_is_not_the_last(
    tmp_path: Path, driver: Driver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real, failed, mended = HostSampler.sample, threading.Event(), threading.Event()

    def sample(self: HostSampler) -> HostInfo:
        if not mended.is_set():
            failed.set()
            raise ZeroDivisionError("of all things")
        return real(self)

    monkeypatch.setattr(HostSampler, "sample", sample)
    async with sampling(tmp_path) as (telemetry, events):
        with events.subscribe() as told:
            waiting = asyncio.create_task(telemetry.snapshot())
            assert await asyncio.to_thread(failed.wait, 10)
            mended.set()
            assert (await waiting).host.ram_total_bytes
            await next_of(told, GuardSampled)
    assert "of all things" in caplog.text
    assert caplog.text.count("a look at the machine failed") == 1, "told once, not with every look"


# ---------------------------------------------------------------------- what is not there, and what is ours


async def test_without_a_driver_it_is_seldom_looked_for(tmp_path: Path, driver: Driver) -> None:
    driver.gpus, driver.reason = (), {"gpus": "no NVIDIA driver is installed"}
    async with sampling(tmp_path) as (telemetry, _):
        for _ in range(5):
            assert (await telemetry.snapshot()).unavailable == {"gpus": "no NVIDIA driver is installed"}
        assert driver.asked == 1


async def test_our_models_are_found_among_the_processes(tmp_path: Path, driver: Driver) -> None:
    ours, foreign = GpuProcess(os.getpid(), "me", "python", 300), GpuProcess(4711, "you", "train", 400)
    other = Gpu(1, uuid="GPU-2", processes=(GpuProcess(os.getpid(), "me", "python", 200),))
    driver.gpus = (replace(GPU, processes=(ours, foreign, GpuProcess(None, None, None, 5))), other)
    models = LoadedModel("tiny", "embedded", pid=os.getpid()), LoadedModel("far", "ollama", vram_bytes=7)
    async with sampling(tmp_path, *models) as (telemetry, _):
        snapshot = await until(telemetry, lambda seen: seen.loaded[0].measured_bytes is not None)
    tiny, far = snapshot.loaded
    assert tiny.vram_bytes == 500, "on both GPUs"
    assert tiny.measured_bytes is not None
    assert tiny.measured_bytes > 5_000_000
    assert (far.vram_bytes, far.measured_bytes) == (7, None)
    names = [(process.runtime, process.model) for process in snapshot.gpus[0].processes]
    assert names == [("embedded", "tiny"), (None, None), (None, None)]


async def test_the_pace_follows_whoever_watches(tmp_path: Path, driver: Driver) -> None:
    async with sampling(tmp_path, pace=replace(QUICK, slow=3600.0)) as (telemetry, events):
        await telemetry.snapshot()
        with events.subscribe() as told:
            telemetry.watch(True)
            for used in (1, 2, 3):
                driver.gpus = (replace(GPU, memory_used_bytes=used),)
                while (await next_of(told, GuardSampled)).snapshot.gpus != driver.gpus:
                    pass
            telemetry.watch(False)


async def test_the_history_of_the_figures(tmp_path: Path, driver: Driver) -> None:
    async with sampling(tmp_path) as (telemetry, _):
        await until(telemetry, lambda seen: bool(seen.gpus))
        (share,) = telemetry.history("gpu.GPU-1.memory")
        assert share == pytest.approx(0.1)
        assert telemetry.history("gpu.GPU-1.utilization") == (0.5,)
        (ram,) = telemetry.history("ram")
        assert ram is not None
        assert 0 < ram < 1
        assert telemetry.history("nonsense") == ()
