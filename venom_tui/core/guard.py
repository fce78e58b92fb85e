"""Looks at the machine without a core: what the command `guard` shows. Opens no store and writes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from venom_tui.core.clients.http import HttpPool
from venom_tui.core.errors import NoSuchGpus
from venom_tui.core.events import EventBus
from venom_tui.core.resources.pace import Pace
from venom_tui.core.resources.telemetry import Telemetry
from venom_tui.core.runtimes.configured import configured
from venom_tui.core.runtimes.lookout import Lookout
from venom_tui.core.settings import Settings
from venom_tui.core.types.device import Gpu, GuardSnapshot, LoadedModel
from venom_tui.core.types.runtime import RuntimeStatus

Tell = Callable[[Sequence[RuntimeStatus]], object]

_BETWEEN_S = 0.1
"""Seconds between two looks from which the load of the CPUs is told."""
_SELDOM_S = 3600.0
_RUNTIMES_S = 1.5
"""Seconds that runtimes have to say what they hold; what is later is not shown in a single look."""
_GIB = 1024**3


async def look(settings: Settings, tell: Tell | None = None) -> GuardSnapshot:
    """Return one look at the machine, with the models that runtimes and other venom-tui hold.

    `tell` is given what the runtimes said when they were asked for that.
    """
    async with _telemetry(settings, again=False, tell=tell) as telemetry:
        return await _with_load(telemetry)


async def looks(settings: Settings, interval_s: float, tell: Tell | None = None) -> AsyncGenerator[GuardSnapshot, None]:
    """Return one look after the other, for ever; close the iterator to end it.

    Args:
        settings: say where the data and the models are, and which runtimes there are.
        interval_s: seconds from the beginning of one look to that of the next.
        tell: is given what the runtimes said the first time.
    """
    loop = asyncio.get_running_loop()
    async with _telemetry(settings, again=True, tell=tell) as telemetry:
        due = loop.time()
        snapshot = await _with_load(telemetry)
        while True:
            yield snapshot
            due = max(due + interval_s, loop.time())
            await asyncio.sleep(due - loop.time())
            snapshot = await telemetry.snapshot()


async def pick(settings: Settings, count: int, free_bytes: int) -> list[Gpu]:
    """Return so many GPUs with so much free memory, the emptiest first; only those that this process may use.

    Raises:
        NoSuchGpus: there are fewer; the sentence says what the others lack.
    """
    async with _telemetry(settings, again=False, runtimes=False) as telemetry:
        snapshot = await telemetry.snapshot()
    fitting = [gpu for gpu in snapshot.gpus if not _lacks(gpu, free_bytes)]
    fitting.sort(key=lambda gpu: (-(gpu.memory_free_bytes or 0), gpu.index))
    if len(fitting) >= count:
        return fitting[:count]
    why = [f"GPU {gpu.index}: {lack}" for gpu in snapshot.gpus if (lack := _lacks(gpu, free_bytes))]
    wanted = f"{count} GPU{'s' * (count != 1)} with {free_bytes / _GIB:.1f} GiB free"
    raise NoSuchGpus(
        f"There {'is' if len(fitting) == 1 else 'are'} {len(fitting) or 'none'} of the {wanted} that are wanted.",
        hint="; ".join(why or [snapshot.unavailable.get("gpus", "there is no GPU")]),
    )


def _lacks(gpu: Gpu, free_bytes: int) -> str:
    """Return why a GPU is none of those that are wanted, "" when it is one."""
    if gpu.usable is False:
        return gpu.unavailable.get("usable", "it may not be used")
    if gpu.stale_since is not None:
        return "its driver does not answer"
    if gpu.memory_free_bytes is None:
        return gpu.unavailable.get("memory_free_bytes", "its free memory is not known")
    return "" if gpu.memory_free_bytes >= free_bytes else f"{gpu.memory_free_bytes / _GIB:.1f} GiB free"


async def _with_load(telemetry: Telemetry) -> GuardSnapshot:
    snapshot = await telemetry.snapshot()
    if snapshot.host.cpu_percent is None:
        await asyncio.sleep(_BETWEEN_S)
        snapshot = await telemetry.snapshot()
    return snapshot


@asynccontextmanager
async def _telemetry(
    settings: Settings, *, again: bool, runtimes: bool = True, tell: Tell | None = None
) -> AsyncIterator[Telemetry]:
    """Look when it is asked, and not by itself; `again`: more than once, so that runtimes are asked again, too."""
    pool = HttpPool()
    lookout = Lookout(settings, pool, lambda *_: None)
    try:
        if runtimes:
            lookout.start(await asyncio.to_thread(configured, settings, pool))
            lookout.watch(again)
            await lookout.settled(_RUNTIMES_S)
            if tell is not None:
                tell([runtime.status() for runtime in lookout.runtimes])
        # What runtimes have just said is not old: a model without its process is dead at once.
        pace = Pace(fast=_SELDOM_S, slow=_SELDOM_S, grace=5.0 if again else 0.0, processes=1.0 if again else 0.0)
        telemetry = Telemetry(settings, EventBus(), lambda: _loaded(lookout), pace)
        await telemetry.start()
        try:
            yield telemetry
        finally:
            await telemetry.close()
    finally:
        await lookout.close()
        await pool.close()


def _loaded(lookout: Lookout) -> tuple[LoadedModel, ...]:
    return tuple(model for runtime in lookout.runtimes for model in runtime.loaded())
