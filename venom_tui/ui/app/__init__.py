"""The application: what opens and closes the core, and what is the same on every screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from venom_tui.ui.app.app import VenomApp

if TYPE_CHECKING:
    from venom_tui.core.settings import Settings

__all__ = ["VenomApp", "run"]


def run(settings: Settings, *, screen: str | None = None) -> int:
    """Run the TUI until it is quit and return its exit status.

    Raises:
        VenomError: the core could not be opened; the terminal is restored.
    """
    app = VenomApp(settings, section=screen or "chat")
    app.run(mouse=settings.flag("VENOM_MOUSE"))
    if app.failure is not None:
        raise app.failure
    return app.return_code or 0
