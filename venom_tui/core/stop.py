"""What `stop` does: ends what venom-tui started and is to end, and nothing else.

Until runtimes are started by command there is only the embedded llama.cpp, which is bound to the process that started
it: that one is left alone, and an orphan, which should not be, is named. Nobody is signalled.
"""

from __future__ import annotations

from dataclasses import dataclass

from venom_tui.core.runtimes.leftovers import Worker, workers


@dataclass(frozen=True, slots=True)
class StopReport:
    """What was stopped and what goes on."""

    stopped: tuple[str, ...]
    """Models that were unloaded and runtimes that were ended."""
    held: tuple[Worker, ...]
    """Embedded llama.cpps of a venom-tui that runs; they end with it."""
    left: tuple[Worker, ...]
    """Those whose venom-tui is gone and that did not end as they should."""


def stop() -> StopReport:
    """Stop what is ours to stop and look at what is left (reads /proc; blocks for milliseconds)."""
    found = workers()
    return StopReport(
        stopped=(),
        held=tuple(worker for worker in found if not worker.orphan),
        left=tuple(worker for worker in found if worker.orphan),
    )
