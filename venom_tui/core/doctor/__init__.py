"""What works on this machine and what does not, each with the next step. Everything here blocks; run it in a thread.

`examine` looks and changes nothing; it neither opens the store nor starts a runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from venom_tui.core.doctor import machine, models, places, servers, terminal
from venom_tui.core.doctor.check import Check, State
from venom_tui.core.errors import VenomError
from venom_tui.core.settings import Settings

__all__ = ["Check", "State", "examine"]


def examine(settings: Settings, environ: Mapping[str, str], problem: VenomError | None = None) -> list[Check]:
    """Return all checks; `problem` is what was wrong with the settings, which are then the defaults."""
    groups: tuple[Callable[[], Iterable[Check]], ...] = (
        machine.python,
        lambda: machine.settings(settings, environ, problem),
        lambda: terminal.checks(environ),
        lambda: places.checks(settings),
        lambda: models.checks(settings),
        lambda: servers.checks(settings),
        lambda: machine.hardware(settings),
        machine.processes,
    )
    return [check for group in groups for check in group()]
