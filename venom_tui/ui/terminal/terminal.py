"""What widgets may ask of the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.widget import Widget

    from venom_tui.ui.terminal.app import TerminalApp


class Terminal:
    """The terminal as widgets see it; `app.terminal`."""

    def __init__(self, app: TerminalApp[Any]) -> None:
        self._app = app

    @property
    def ours(self) -> bool:
        """Whether our driver and display are at work: on a real terminal, and not switched off."""
        return self._app._driver_of_ours is not None

    @property
    def behind(self) -> bool:
        """Whether the terminal does not keep up, so that frames are being dropped."""
        driver = self._app._driver_of_ours
        return driver is not None and driver.output is not None and driver.output.busy

    @property
    def bytes_written(self) -> int:
        """Bytes that the terminal has taken since the start."""
        driver = self._app._driver_of_ours
        return driver.output.bytes_written if driver is not None and driver.output is not None else 0

    def scroll_rows(self, widget: Widget, by: int) -> bool:
        """Let the terminal move the rows of `widget` by `by` lines (positive: up) before the next repaint.

        True: the rows that moved need no repaint; the caller refreshes those that came into view and those that
        changed. False: nothing was done, the caller refreshes every row that differs. To be called only when what the
        screen shows of the widget is what it refreshed last; scrollbars, borders and what stands beside the widget
        stay. The widget overrides `render_lines`: Widget's own keeps rendered lines by their place in the window.
        """
        from venom_tui.ui.terminal.scroll import scroll_rows

        return scroll_rows(self._app, widget, by)

    def send(self, sequence: str) -> None:
        """Send a control sequence that changes nothing on the screen."""
        driver = self._app._driver
        if driver is not None:
            driver.write(sequence)

    def invalidate(self) -> None:
        """Forget what the terminal shows, and draw everything anew (another program may have written to it)."""
        self._app._redraw()

    def set_mouse(self, enabled: bool) -> None:
        """Switch mouse reporting on or off; off leaves selecting and copying to the terminal."""
        driver = self._app._driver_of_ours
        if driver is not None:
            driver.set_mouse(enabled)
