"""Shows the log of a server and follows it while its end is in sight."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget

from venom_tui.ui.dialogs.dialog import Dialog
from venom_tui.ui.text import literal
from venom_tui.ui.widgets.live_rows import LiveRows, Row
from venom_tui.ui.workers import start_when_idle

_LOOK_S = 0.5

Reads = Callable[[], Awaitable[list[str]]]
Marks = Callable[[], Awaitable[object]]


class LogView(Dialog[None]):
    """The last lines; those that come are added, and stay in sight where the cursor is on the last.

    Args:
        title: whose log it is.
        reads: returns the lines.
        marks: returns something that is another one when there is more; None: that cannot be known.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "no", "close", show=False, id="log.close", tooltip="Close", priority=True),
    ]

    def __init__(self, title: str, reads: Reads, marks: Marks) -> None:
        super().__init__(title)
        self._reads = reads
        self._marks = marks
        self._mark: object = None
        self._lines: list[str] = []

    def compose_box(self) -> Iterable[Widget]:
        """Return the list."""
        yield LiveRows(id="log-lines")

    def on_mount(self) -> None:
        """Read, and go on reading."""
        self._read()
        self.set_interval(_LOOK_S, self._read)

    def _read(self) -> None:
        start_when_idle(self, self._take, group="log")

    async def _take(self) -> None:
        mark = await self._marks()
        if self._lines and mark is not None and mark == self._mark:
            return
        lines = await self._reads()
        self._mark = mark
        if lines == self._lines and lines:
            return
        rows = self.query_one("#log-lines", LiveRows)
        at_end = not self._lines or rows.cursor_key in (None, str(len(self._lines) - 1))
        self._lines = lines
        shown = lines or ["Nothing is written yet."]
        rows.show_rows([Row(str(number), partial(_line, text)) for number, text in enumerate(shown)])
        if at_end and lines:
            rows.set_cursor(str(len(lines) - 1))


def _line(text: str, width: int) -> Content:
    return literal(text).truncate(width, ellipsis=True)
