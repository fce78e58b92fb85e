"""Opens the TUI. What it needs besides textual is imported after the first paint, so nothing large stands here."""

from __future__ import annotations

import gc
import sys
from collections.abc import Mapping

from venom_tui.cli.running import settings_of
from venom_tui.core.errors import UsageError


def open_tui(flags: Mapping[str, object] | None = None, *, screen: str | None = None) -> int:
    """Run the TUI and return its exit status.

    Raises:
        UsageError: there is no terminal.
    """
    if not (_is_terminal(sys.stdin) and _is_terminal(sys.stdout)):
        raise UsageError(
            'The TUI needs a terminal; without one there is `venom-tui chat "…"` (see `venom-tui --help`).'
        )
    settings = settings_of(flags or {})
    from venom_tui.ui.terminal import environment

    environment.prepare()
    gc.disable()  # until the first paint: what is made on the way there stays
    from venom_tui.ui.app import run

    return run(settings, screen=screen)


def _is_terminal(stream: object) -> bool:
    # A stream is None where the process was started with it closed.
    return bool(getattr(stream, "isatty", bool)())
