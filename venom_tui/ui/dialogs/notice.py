"""Says something that must be read in full: a failure with a server's own words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from venom_tui.ui.dialogs.dialog import Dialog
from venom_tui.ui.text import literal

_AROUND = 6
"""Lines of the screen beside those of the notice."""


class Notice(Dialog[None]):
    """Lines of outside text, each wrapped; enter or esc closes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "no", "close", id="dialog.no", tooltip="Close without doing anything"),
        Binding("enter", "no", "close", show=False, id="notice.close", tooltip="Close"),
    ]

    def __init__(self, title: str, lines: Sequence[str]) -> None:
        super().__init__(title)
        self._lines = lines

    def compose_box(self) -> Iterable[Widget]:
        """Return the lines."""
        with VerticalScroll(id="lines"):
            for line in self._lines:
                yield Static(literal(line) if line else Content())

    def on_resize(self) -> None:
        """Give the lines what the screen has left: a margin, the border and the keys need the rest."""
        self.query_one("#lines").styles.max_height = max(3, self.size.height - _AROUND)
