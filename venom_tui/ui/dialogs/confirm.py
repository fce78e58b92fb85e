"""Asks before something is lost; the default is no."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from venom_tui.ui.dialogs.dialog import Dialog


class Confirm(Dialog[bool]):
    """Says what will be done and what it costs; `y` does it, everything else does not."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "yes", "yes", id="confirm.yes", tooltip="Do it"),
        Binding("n", "no", "no", show=False, id="confirm.no", tooltip="Do not"),
    ]

    def __init__(self, title: str, lines: Sequence[str]) -> None:
        super().__init__(title)
        self._lines = lines

    def compose_box(self) -> Iterable[Widget]:
        """Return the lines that say what it costs."""
        for line in self._lines:
            yield Static(Content(line))

    def action_yes(self) -> None:
        """Answer yes."""
        self.dismiss(True)
