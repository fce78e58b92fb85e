"""Copies for the user, and says what is certain of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from venom_tui.core.errors import VenomError
from venom_tui.core.sanitize import sanitize_line
from venom_tui.ui.terminal.clipboard import TERMINAL_LIMIT_BYTES, Clipboard, Copied
from venom_tui.ui.text import size

if TYPE_CHECKING:
    from venom_tui.ui.app import VenomApp

FILE_NAME = "copied.txt"
"""In the data directory: what was copied last of what no terminal takes."""


async def copy(app: VenomApp, text: str, what: str) -> None:
    """Copy a text; `what` names it in a sentence: `the last answer`.

    Raises:
        VenomError: it could not be written to the file either.
    """
    clipboard = Clipboard(app.terminal.send, app.settings.data_dir / FILE_NAME)
    try:
        copied = await clipboard.copy(text)
    except OSError as error:
        raise VenomError(
            f"{what[:1].upper()}{what[1:]} is too long for the terminal, and could not be written to a file.",
            server_message=sanitize_line(error.strerror or str(error)),
        ) from None
    app.notify(told(copied, what), markup=False, timeout=8 if copied.where == "file" else 5)


def told(copied: Copied, what: str) -> str:
    """Return what is certain of a copy, as a sentence."""
    match copied.where:
        case "tmux":
            also = "; sent to the terminal's clipboard too, not confirmed" if copied.passed_on else ""
            return f"Copied {what} to tmux's buffer{also}."
        case "terminal":
            return f"Sent {what} to the terminal's clipboard, not confirmed."
        case "file":
            limit = size(TERMINAL_LIMIT_BYTES)
            why = f"a terminal takes {limit} at most" if copied.size_bytes > TERMINAL_LIMIT_BYTES else "no clipboard"
            return f"Wrote {what} ({size(copied.size_bytes)}; {why}) to {_short(copied.path)}."


def _short(path: Path | None) -> str:
    """Return a path with `~` for the home folder."""
    if path is None:
        return "?"
    try:
        return f"~/{path.relative_to(Path.home())}"
    except (ValueError, RuntimeError):
        return str(path)
