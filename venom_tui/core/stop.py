"""What `stop` does: ends what venom-tui started and is to end, and nothing else.

Processes without a terminal are asked through the store to end their downloads, which can be resumed. Until runtimes
are started by command there is besides only the embedded llama.cpp, which is bound to the process that started it: that
one is left alone, and an orphan, which should not be, is named. Nobody is signalled.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from venom_tui.core.background import background
from venom_tui.core.runtimes.leftovers import Worker, workers
from venom_tui.core.settings import Settings
from venom_tui.core.types.operation import Operation


@dataclass(frozen=True, slots=True)
class StopReport:
    """What was stopped and what goes on."""

    stopped: tuple[str, ...]
    """Models that were unloaded and runtimes that were ended."""
    held: tuple[Worker, ...]
    """Embedded llama.cpps of a venom-tui that runs; they end with it."""
    left: tuple[Worker, ...]
    """Those whose venom-tui is gone and that did not end as they should."""
    interrupted: tuple[Operation, ...] = ()
    """What a process without a terminal did; it can be resumed."""


async def stop(settings: Settings) -> StopReport:
    """Stop what is ours to stop, and look at what is left.

    Raises:
        StoreError: the database cannot be used.
        OperationRefused: a process without a terminal does not answer.
    """
    interrupted = await _end_background(settings)
    found = await asyncio.to_thread(workers)
    return StopReport(
        stopped=(),
        held=tuple(worker for worker in found if not worker.orphan),
        left=tuple(worker for worker in found if worker.orphan),
        interrupted=tuple(interrupted),
    )


async def _end_background(settings: Settings) -> list[Operation]:
    if not (settings.data_dir / "venom.db").exists():
        return []
    async with background(settings) as operations:
        return await operations.stop_background()
