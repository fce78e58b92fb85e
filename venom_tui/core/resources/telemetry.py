"""Looks at the machine once in a while, in threads of its own, and announces what changed.

NVML has a thread apart from the host's: a driver call that hangs freezes its own figures, which are then marked stale,
and nothing else.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from venom_tui.core.events import EventBus, GuardSampled
from venom_tui.core.resources.host import HostSampler, process_memory
from venom_tui.core.resources.nvml import NvmlSampler
from venom_tui.core.settings import Settings
from venom_tui.core.types.device import Gpu, GuardSnapshot, LoadedModel

FAST_S = 1.0
SLOW_S = 5.0
PROCESSES_EVERY_S = 2.0
STALE_S = 4.0
"""After this long without a word from the driver, its figures are stale."""
_GPU_WAIT_S = 3.0
"""How long the first snapshot waits for the driver."""

Gpus = tuple[tuple[Gpu, ...], dict[str, str]]


class Telemetry:
    """The sampler. `latest` never waits; `watch(True)` while somebody looks makes it look once a second."""

    def __init__(
        self, settings: Settings, events: EventBus, loaded: Callable[[], tuple[LoadedModel, ...]]
    ) -> None:
        self._events = events
        self._loaded = loaded
        self._host = HostSampler((("data", settings.data_dir), ("models", settings.models_dir)))
        self._gpus = _GpuThread()
        self._latest: GuardSnapshot | None = None
        self._first: asyncio.Event = asyncio.Event()
        self._wake = threading.Event()
        self._stop = False
        self._fast = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        """Begin to look."""
        self._loop = asyncio.get_running_loop()
        self._gpus.start()
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Look no more. A thread that hangs in the driver is left behind; it ends with the process."""
        self._stop = True
        self._gpus.stop()
        self._wake.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, 1.0)

    def watch(self, fast: bool) -> None:
        """Look once a second while somebody watches, else every five."""
        if fast != self._fast:
            self._fast = fast
            self._gpus.fast = fast
            self._wake.set()

    def latest(self) -> GuardSnapshot | None:
        """Return the newest snapshot, or None before the first."""
        return self._latest

    async def snapshot(self) -> GuardSnapshot:
        """Return a snapshot, waiting for the first one."""
        await self._first.wait()
        assert self._latest is not None
        return self._latest

    def _run(self) -> None:
        self._gpus.first.wait(_GPU_WAIT_S)
        while not self._stop:
            snapshot = self._sample()
            loop = self._loop
            if loop is None:
                return
            try:
                loop.call_soon_threadsafe(self._take, snapshot)
            except RuntimeError:  # the loop has ended
                return
            self._wake.wait(FAST_S if self._fast else SLOW_S)
            self._wake.clear()

    def _sample(self) -> GuardSnapshot:
        gpus, unavailable = self._gpus.result()
        loaded = tuple(
            model
            if model.pid is None
            else replace(model, measured_bytes=process_memory(model.pid), vram_bytes=_vram_of(model.pid, gpus))
            for model in self._loaded()
        )
        owners = {model.pid: model for model in loaded if model.pid is not None}
        gpus = tuple(_with_models(gpu, owners) for gpu in gpus)
        return GuardSnapshot(datetime.now(UTC), self._host.sample(), gpus, loaded, unavailable=unavailable)

    def _take(self, snapshot: GuardSnapshot) -> None:
        if self._stop:
            return
        before, self._latest = self._latest, snapshot
        self._first.set()
        if before is None or replace(before, taken_at=snapshot.taken_at) != snapshot:
            self._events.emit(GuardSampled(snapshot))


def _vram_of(pid: int, gpus: tuple[Gpu, ...]) -> int | None:
    found = [p.memory_bytes for gpu in gpus for p in gpu.processes if p.pid == pid and p.memory_bytes is not None]
    return sum(found) if found else None


def _with_models(gpu: Gpu, owners: dict[int | None, LoadedModel]) -> Gpu:
    if not any(process.pid in owners for process in gpu.processes):
        return gpu
    processes = tuple(
        replace(process, runtime=owners[process.pid].runtime, model=owners[process.pid].name)
        if process.pid in owners
        else process
        for process in gpu.processes
    )
    return replace(gpu, processes=processes)


class _GpuThread:
    """Asks the driver in a thread of its own, which nobody ever waits for."""

    def __init__(self) -> None:
        self.first = threading.Event()
        self.fast = False
        self._sampler = NvmlSampler()
        self._result: Gpus = ((), {"gpus": "the driver has not answered yet"})
        self._answered = time.monotonic()
        self._stop = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="nvml", daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    def result(self) -> Gpus:
        """Return the newest figures; those of a driver that no longer answers say so."""
        gpus, unavailable = self._result
        silent = time.monotonic() - self._answered
        if gpus and silent > STALE_S + (0 if self.fast else SLOW_S):
            note = f"stale: the driver has not answered for {silent:.0f} s"
            gpus = tuple(replace(gpu, unavailable={**gpu.unavailable, "stale": note}) for gpu in gpus)
        return gpus, unavailable

    def _run(self) -> None:
        processes_at = 0.0
        known: dict[int, Gpu] = {}
        while not self._stop.is_set():
            now = time.monotonic()
            with_processes = now - processes_at >= PROCESSES_EVERY_S
            gpus, unavailable = self._sampler.sample(processes=with_processes)
            if with_processes:
                processes_at = now
                known = {gpu.index: gpu for gpu in gpus}
            else:
                gpus = tuple(replace(g, processes=known[g.index].processes) if g.index in known else g for g in gpus)
            self._result, self._answered = (gpus, unavailable), time.monotonic()
            self.first.set()
            # Without a driver there is nothing to see; one that is installed meanwhile is found within a minute.
            self._stop.wait((FAST_S if self.fast else SLOW_S) if gpus else 60.0)
        self._sampler.close()
