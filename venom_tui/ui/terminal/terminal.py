"""What widgets may ask of the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.widget import Widget


class Terminal:
    """The terminal as widgets see it; `app.terminal`."""

    def scroll_rows(self, widget: Widget, by: int) -> bool:
        """Let the terminal move the rows of `widget` by `by` lines (positive: up) before the next repaint.

        Returns whether it will; if not, the widget refreshes every row that differs.
        """
        return False

    def invalidate(self) -> None:
        """Forget what the terminal shows, so that the next repaint draws everything."""
