"""Looks at the machine once in a while, in threads of its own, and announces what changed.

The driver and each file system are asked in threads apart from the sampler's: a call that hangs freezes its own
figures, which are then marked stale, and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from venom_tui.core.events import EventBus, GuardSampled
from venom_tui.core.resources.disks import is_used, read_disk
from venom_tui.core.resources.driver import Driver
from venom_tui.core.resources.held import measured, with_models
from venom_tui.core.resources.history import History
from venom_tui.core.resources.host import HostSampler
from venom_tui.core.resources.limits import Limits
from venom_tui.core.resources.nvml import Gpus
from venom_tui.core.resources.nvml_details import DriverInfo
from venom_tui.core.resources.owners import Found, Key, Owners
from venom_tui.core.resources.pace import Pace
from venom_tui.core.resources.probe import Probe
from venom_tui.core.resources.processes import MemoryMeter
from venom_tui.core.settings import Settings
from venom_tui.core.types.device import Disk, GuardSnapshot, HostInfo, LoadedModel

_log = logging.getLogger(__name__)

__all__ = ["Pace", "Telemetry"]

HUB_CACHE = "hub cache"
"""Label of the one folder that is not ours: told of only where it is, or can come to be."""
_Asked = tuple[Disk | None, dict[str, str]]


@dataclass(frozen=True, slots=True)
class _Look:
    """What the sampler's thread found."""

    at: datetime
    host: HostInfo
    gpus: Gpus
    driver: DriverInfo
    memory: dict[int, int | None]
    owners: dict[Key, Found]
    elsewhere: tuple[LoadedModel, ...]


class Telemetry:
    """The sampler. `latest` never waits; `watch(True)` while somebody looks makes it look once a second.

    Args:
        settings: says which folders hold data and models.
        events: told of each snapshot that differs from the one before.
        loaded: the models in memory; called in the event loop's thread.
        pace: how often to look.
    """

    def __init__(
        self,
        settings: Settings,
        events: EventBus,
        loaded: Callable[[], tuple[LoadedModel, ...]],
        pace: Pace | None = None,
    ) -> None:
        self._events = events
        self._limits = Limits(settings)
        self._data_dir = settings.data_dir
        self._loaded = loaded
        self._pace = pace or Pace()
        self._host = HostSampler()
        self._driver = Driver(self._pace)
        folders = (("data", settings.data_dir), ("models", settings.models_dir), (HUB_CACHE, settings.hub_cache))
        self._disks = _Disks(folders, self._pace)
        self._meter = MemoryMeter()
        self._owners = Owners(grace_s=self._pace.grace)
        self._elsewhere: tuple[LoadedModel, ...] = ()
        self._elsewhere_at = float("-inf")
        self._history = History()
        self._latest: GuardSnapshot | None = None
        self._models: tuple[LoadedModel, ...] = ()
        self._wanted: list[asyncio.Future[GuardSnapshot]] = []
        self._wake = threading.Event()
        self._stop = False
        self._fast = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        """Begin to look."""
        self._loop = asyncio.get_running_loop()
        self._models = self._loaded()
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Look no more. A thread that hangs in the driver is left behind; it ends with the process."""
        self._stop = True
        self._wake.set()
        for future in self._wanted:
            future.cancel()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, 1.0)

    def watch(self, fast: bool) -> None:
        """Look once a second while somebody watches, else every five."""
        if fast != self._fast:
            self._fast = fast
            self._wake.set()

    def latest(self) -> GuardSnapshot | None:
        """Return the newest snapshot, or None before the first."""
        return self._latest

    async def snapshot(self) -> GuardSnapshot:
        """Look now and return what is seen; waits some seconds for a driver that is slow, never for one that hangs.

        Raises:
            asyncio.CancelledError: it was closed meanwhile.
        """
        if self._stop:
            raise asyncio.CancelledError("the guard is closed")
        future: asyncio.Future[GuardSnapshot] = asyncio.get_running_loop().create_future()
        self._wanted.append(future)
        self._wake.set()
        try:
            return await future
        finally:
            if future in self._wanted:
                self._wanted.remove(future)

    def history(self, name: str) -> tuple[float | None, ...]:
        """Return a series of the last ten minutes (see `History`): shares of 0 to 1, each of ten seconds, in order."""
        return self._history.of(name)

    # In the sampler's thread

    def _run(self) -> None:
        self._driver.start()
        self._disks.start()
        seen_late = failing = False
        while not self._stop:
            begun = time.monotonic()
            # Cleared before the look: who asks while it goes on gets another one.
            self._wake.clear()
            wanted = tuple(self._wanted)
            try:
                look = self._look(self._pace.first if wanted else self._pace.patience)
            except Exception:  # noqa: BLE001 (one look that fails must not be the last; who asked gets the next one)
                if not failing:
                    _log.exception("a look at the machine failed")
                failing = True
                self._wake.wait(self._pace.slow)
                continue
            failing = False
            if not self._hand_over(look, wanted):
                break
            wait = (self._pace.fast if self._fast else self._pace.slow) - (time.monotonic() - begun)
            if not seen_late and not self._driver.answered:
                # The first word of a driver that takes its time to open is shown when it comes.
                wait = min(wait, self._pace.fast)
            else:
                seen_late = True
            self._wake.wait(max(0.01, wait))
        self._driver.stop()
        self._disks.stop()

    def _look(self, patience_s: float) -> _Look:
        self._driver.ask(patience_s)
        models = self._models
        owners = self._owners.find(models, self._pace.table)
        self._look_elsewhere(models, owners)
        pids = {pid for found in owners.values() for pid in found.pids}
        pids |= {model.pid for model in (*models, *self._elsewhere) if model.pid is not None}
        every = self._pace.processes if self._fast else max(self._pace.processes, self._pace.slow)
        memory = self._meter.measure(pids, every)
        host = self._host.sample()
        disks, unavailable = self._disks.read()
        host = replace(host, disks=disks, unavailable={**host.unavailable, **unavailable})
        gpus = self._driver.read()
        return _Look(datetime.now(UTC), host, gpus, self._driver.info, memory, owners, self._elsewhere)

    def _look_elsewhere(self, models: Sequence[LoadedModel], owners: dict[Key, Found]) -> None:
        """Look for models that other programs of ours hold, while somebody watches."""
        now = time.monotonic()
        if now - self._elsewhere_at < self._pace.table or not (self._fast or self._wanted):
            return
        self._elsewhere_at = now
        if not models:
            self._owners.look_again()
        ours = [pid for found in owners.values() for pid in found.pids]
        self._elsewhere = tuple(self._owners.elsewhere(ours, self._data_dir))

    def _hand_over(self, look: _Look, wanted: tuple[asyncio.Future[GuardSnapshot], ...]) -> bool:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(self._take, look, wanted)
        except RuntimeError:  # the loop has ended
            return False
        return True

    # In the loop's thread

    def _take(self, look: _Look, wanted: tuple[asyncio.Future[GuardSnapshot], ...]) -> None:
        if self._stop:
            return
        gpus, unavailable = look.gpus
        models = self._loaded()
        if {(m.runtime, m.name, m.pid) for m in models} - {(m.runtime, m.name, m.pid) for m in self._models}:
            self._wake.set()  # measure what was loaded meanwhile
        self._models = models
        loaded = tuple(
            measured(model, look.owners.get((model.runtime, model.name)), look.memory, gpus)
            for model in (*models, *look.elsewhere)
        )
        snapshot = GuardSnapshot(
            look.at,
            look.host,
            with_models(gpus, loaded),
            loaded,
            unavailable=unavailable,
            driver_version=look.driver.version,
            cuda_version=look.driver.cuda,
        )
        snapshot = replace(snapshot, limits=tuple(str(state) for state in self._limits.states(snapshot)))
        self._history.add(time.monotonic(), snapshot)
        before, self._latest = self._latest, snapshot
        for future in wanted:
            if not future.done():
                future.set_result(snapshot)
        if before is None or replace(before, taken_at=snapshot.taken_at) != snapshot:
            self._events.emit(GuardSampled(snapshot))


class _Disks:
    """The file systems, each asked in a thread of its own. Used from the sampler's thread."""

    def __init__(self, folders: Sequence[tuple[str, Path]], pace: Pace) -> None:
        self._pace = pace
        self._next = 0.0
        self._probes: list[tuple[str, Path, Probe[_Asked]]] = [
            (label, folder, Probe(f"disk-{label}", partial(_ask_disk, label, folder))) for label, folder in folders
        ]

    def start(self) -> None:
        for _, _, probe in self._probes:
            probe.start()

    def stop(self) -> None:
        for _, _, probe in self._probes:
            probe.stop()

    def read(self) -> tuple[tuple[Disk, ...], dict[str, str]]:
        """Return what is known of them, and `disks.LABEL` -> reason of what is not."""
        now = time.monotonic()
        due = now >= self._next
        if due:
            self._next = now + self._pace.disks
        disks: list[Disk] = []
        unavailable: dict[str, str] = {}
        for label, folder, probe in self._probes:
            answer = probe.ask(0.0 if probe.silent_s else self._pace.patience) if due else probe.answer
            disk, reasons = (None, {}) if answer is None else answer.value
            if answer is None or (disk is not None and probe.silent_s > self._pace.stale):
                # How full it was is worth nothing once nobody can write there.
                disks.append(Disk(str(folder), label, None, None))
                unavailable[f"disks.{label}"] = "the file system does not answer"
            elif disk is not None:
                disks.append(disk)
                unavailable.update(reasons)
        return tuple(disks), unavailable


def _ask_disk(label: str, folder: Path) -> _Asked:
    unavailable: dict[str, str] = {}
    # Unlike Path.home this raises nothing where there is no home.
    if label == HUB_CACHE and not is_used(folder, Path(os.path.expanduser("~"))):
        return None, unavailable
    return read_disk(label, folder, unavailable), unavailable
