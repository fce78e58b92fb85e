"""Looks after the runtimes that others run: each is asked by itself, in a task of its own, and blocks nobody."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from venom_tui.core.clients.http import HttpPool
from venom_tui.core.runtimes.configured import found_id, server
from venom_tui.core.runtimes.discovery import discover
from venom_tui.core.runtimes.figures import Figures
from venom_tui.core.runtimes.runtime import Runtime
from venom_tui.core.runtimes.unidentified import UnidentifiedServer
from venom_tui.core.settings import Settings
from venom_tui.core.types.device import LoadedModel
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.runtime import SILENT, RuntimeFigures, RuntimeLoad, RuntimeState, RuntimeStatus

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Seconds between two looks at a runtime."""

    watched: float = 2.0
    """While somebody looks at the runtimes or their models, or one is about to be ready."""
    resting: float = 10.0
    absent: float = 20.0
    """When it did not answer and nobody looks."""
    discovery: float = 60.0
    """Between two looks at the usual ports."""


_Seen = tuple[RuntimeStatus, tuple[ModelInfo, ...], tuple[LoadedModel, ...]]
"""What is known of a runtime, without what changes with every look."""


@dataclass(slots=True)
class _Watched:
    runtime: Runtime
    wake: asyncio.Event
    first: asyncio.Event
    """Set when it has been asked once."""
    task: asyncio.Task[None] | None = None
    looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    begun: int = 0
    """Number of the last look that has begun."""
    ended: int = 0
    """Number of the last look that has ended."""
    figures: Figures = field(default_factory=Figures)
    told: _Seen | None = None
    """What was last said of it to others."""


class Lookout:
    """Keeps what is known of the runtimes true.

    Args:
        settings: say whether servers may be looked for.
        pool: connections.
        changed: called with the status of a runtime that is another than before; the second argument tells whether
            its models, or what it holds, are others too.
        rhythm: how often to look.
    """

    def __init__(
        self,
        settings: Settings,
        pool: HttpPool,
        changed: Callable[[RuntimeStatus, bool], None],
        rhythm: Rhythm | None = None,
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._changed = changed
        self._rhythm = rhythm or Rhythm()
        self._watched: dict[str, _Watched] = {}
        self._discovery: asyncio.Task[None] | None = None
        self._discovered = asyncio.Event()
        self._look_for_more = asyncio.Event()
        self._fast = False
        self._closing = False

    @property
    def runtimes(self) -> list[Runtime]:
        """The runtimes that are looked after."""
        return [watched.runtime for watched in self._watched.values()]

    def figures(self, runtime_id: str) -> RuntimeFigures:
        """Return how a runtime answered lately and what it has to do."""
        watched = self._watched.get(runtime_id)
        return RuntimeFigures() if watched is None else watched.figures.taken()

    def get(self, runtime_id: str) -> Runtime | None:
        """Return a runtime by its id."""
        watched = self._watched.get(runtime_id)
        return None if watched is None else watched.runtime

    def start(self, runtimes: list[Runtime]) -> None:
        """Begin to look after these, and for others where that is allowed."""
        for runtime in runtimes:
            self._add(runtime)
        if self._settings.flag("VENOM_DISCOVERY"):
            self._discovery = asyncio.create_task(self._discover(), name="discovery of runtimes")
        else:
            self._discovered.set()

    def _add(self, runtime: Runtime) -> _Watched:
        watched = self._watched[runtime.id] = _Watched(runtime, asyncio.Event(), asyncio.Event())
        watched.task = asyncio.create_task(self._look_after(watched), name=f"lookout for {runtime.id}")
        return watched

    def watch(self, fast: bool) -> None:
        """Look more often while somebody watches."""
        if fast and not self._fast:
            for watched in self._watched.values():
                watched.wake.set()
            self._look_for_more.set()
        self._fast = fast

    async def look(self, runtime_id: str | None = None) -> None:
        """Ask one runtime, or all of them, now; returns when they have answered or their time is up."""
        chosen = [w for name, w in self._watched.items() if runtime_id in (None, name)]
        await asyncio.gather(*(self._look(watched) for watched in chosen))

    def wake(self, runtime_id: str) -> None:
        """Look at a runtime soon: something happened to it."""
        if (watched := self._watched.get(runtime_id)) is not None:
            watched.wake.set()

    def replace(self, runtime: Runtime) -> None:
        """Ask another runtime from now on in the place of the one with its id: the same server at another address."""
        if (watched := self._watched.get(runtime.id)) is not None:
            watched.runtime = runtime
            watched.wake.set()

    def tell(self, runtime_id: str) -> None:
        """Say what has changed of a runtime that was asked by somebody else."""
        if (watched := self._watched.get(runtime_id)) is not None:
            self._tell(watched)

    async def settled(self, limit_s: float) -> bool:
        """Wait until each runtime has been asked once, at most `limit_s` seconds; return whether all have."""
        waits = [self._discovered.wait(), *(watched.first.wait() for watched in self._watched.values())]
        try:
            async with asyncio.timeout(limit_s):
                await asyncio.gather(*waits)
                # What was found meanwhile is asked as well.
                await asyncio.gather(*(watched.first.wait() for watched in self._watched.values()))
        except TimeoutError:
            return False
        return True

    async def _look_after(self, watched: _Watched) -> None:
        while not self._closing:
            await self._look(watched)
            try:
                async with asyncio.timeout(self._pause(watched.runtime.status().state)):
                    await watched.wake.wait()
            except TimeoutError:
                continue
            watched.wake.clear()

    def _pause(self, state: RuntimeState) -> float:
        if self._fast or state in (RuntimeState.STARTING, RuntimeState.LOADING):
            return self._rhythm.watched
        absent = state in SILENT
        return self._rhythm.absent if absent else self._rhythm.resting

    async def _look(self, watched: _Watched) -> None:
        """Ask a runtime, one at a time; a look that began while one waited is as good as one's own."""
        came = watched.begun
        async with watched.looking:
            if watched.ended > came:
                return
            number = watched.begun = watched.begun + 1
            await self._ask(watched)
            watched.figures.add(asyncio.get_running_loop().time(), watched.runtime.status().latency_ms)
            if self._fast:
                await self._measure(watched)
            watched.ended = number
            self._tell(watched)
            watched.first.set()

    async def _ask(self, watched: _Watched) -> None:
        runtime = watched.runtime
        try:
            await runtime.look()
            if isinstance(runtime, UnidentifiedServer) and runtime.found is not None:
                runtime = watched.runtime = server(
                    runtime.id,
                    runtime.found,
                    runtime.endpoint,
                    self._pool,
                    self._settings,
                    origin=runtime.origin,
                    api_key=runtime.api_key,
                )
                await runtime.look()
        except Exception:  # noqa: BLE001 (a defect in one must not end the look at it, nor at the others)
            _log.exception("the look at runtime %s failed", runtime.id)

    async def measure(self) -> None:
        """Ask all of them now what they have to do."""
        await asyncio.gather(*(self._measure(watched) for watched in self._watched.values()))

    async def _measure(self, watched: _Watched) -> None:
        status = watched.runtime.status()
        if status.state in (RuntimeState.UNREACHABLE, RuntimeState.FAILED, RuntimeState.UNKNOWN):
            watched.figures.load = RuntimeLoad(reason=f"it does not answer: {status.detail}")
            return
        try:
            watched.figures.load = await watched.runtime.measure()
        except Exception:  # noqa: BLE001 (a defect in one must not end the look at it)
            _log.exception("the figures of runtime %s could not be read", watched.runtime.id)

    def _tell(self, watched: _Watched) -> None:
        before, after = watched.told, _seen(watched.runtime)
        watched.told = after
        if after != before:
            self._changed(watched.runtime.status(), before is None or after[1:] != before[1:])

    async def _discover(self) -> None:
        while not self._closing:
            self._look_for_more.clear()
            try:
                await self._find_more()
            except Exception:  # noqa: BLE001 (it is looked again later, and nobody waits for it in vain)
                _log.exception("the look for servers failed")
            self._discovered.set()
            try:
                async with asyncio.timeout(self._rhythm.discovery):
                    await self._look_for_more.wait()
            except TimeoutError:
                continue

    async def _find_more(self) -> None:
        known = {watched.runtime.endpoint for watched in self._watched.values()}
        for found in await discover(self._pool, known=known):
            runtime_id = found_id(found, self._watched)
            if runtime_id not in self._watched:
                origin = "found"
                self._add(server(runtime_id, found.kind, found.url, self._pool, self._settings, origin=origin))

    async def close(self) -> None:
        """Look no more."""
        self._closing = True
        tasks = [watched.task for watched in self._watched.values() if watched.task is not None]
        if self._discovery is not None:
            tasks.append(self._discovery)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def _seen(runtime: Runtime) -> _Seen:
    status = replace(runtime.status(), latency_ms=None, seen_at=None)
    return status, runtime.models(), runtime.loaded()
