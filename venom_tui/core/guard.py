"""Looks at the machine without a core: what the command `guard` shows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from venom_tui.core.events import EventBus
from venom_tui.core.resources.telemetry import Pace, Telemetry
from venom_tui.core.settings import Settings
from venom_tui.core.types.device import GuardSnapshot, LoadedModel

_BETWEEN_S = 0.1
"""Seconds between two looks from which the load of the CPUs is told."""
_SELDOM_S = 3600.0


async def look(settings: Settings) -> GuardSnapshot:
    """Return one look at the machine. Opens no store and no runtime: models of other processes are not told."""
    async with _telemetry(settings) as telemetry:
        return await _with_load(telemetry)


async def looks(settings: Settings, interval_s: float) -> AsyncGenerator[GuardSnapshot, None]:
    """Return one look after the other, for ever; close the iterator to end it.

    Args:
        settings: say where the data and the models are.
        interval_s: seconds from the beginning of one look to that of the next.
    """
    loop = asyncio.get_running_loop()
    async with _telemetry(settings) as telemetry:
        due = loop.time()
        snapshot = await _with_load(telemetry)
        while True:
            yield snapshot
            due = max(due + interval_s, loop.time())
            await asyncio.sleep(due - loop.time())
            snapshot = await telemetry.snapshot()


async def _with_load(telemetry: Telemetry) -> GuardSnapshot:
    snapshot = await telemetry.snapshot()
    if snapshot.host.cpu_percent is None:
        await asyncio.sleep(_BETWEEN_S)
        snapshot = await telemetry.snapshot()
    return snapshot


@asynccontextmanager
async def _telemetry(settings: Settings) -> AsyncIterator[Telemetry]:
    # It looks when it is asked, and not by itself.
    telemetry = Telemetry(settings, EventBus(), _nothing, Pace(fast=_SELDOM_S, slow=_SELDOM_S))
    await telemetry.start()
    try:
        yield telemetry
    finally:
        await telemetry.close()


def _nothing() -> tuple[LoadedModel, ...]:
    return ()
