"""Asks for one line of text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input

from venom_tui.ui.dialogs.dialog import Dialog
from venom_tui.ui.widgets.line_input import LineInput


class Ask(Dialog[str]):
    """One line, already filled with what is there."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "take", "take it", id="ask.take", tooltip="Take the text", priority=True),
    ]

    def __init__(self, title: str, value: str = "", *, placeholder: str = "") -> None:
        super().__init__(title)
        self._value = value
        self._placeholder = placeholder

    def compose_box(self) -> Iterable[Widget]:
        """Return the input."""
        yield LineInput(self._value, placeholder=self._placeholder)

    def action_take(self) -> None:
        """Answer with the text; an empty one is no answer."""
        self.after_keys(lambda: self.dismiss(self.query_one(Input).value.strip() or None))
