"""Asks which of a few ways to go on with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from venom_tui.ui.dialogs.dialog import Dialog
from venom_tui.ui.widgets.rows import RowList, VerbRows


class Ways(VerbRows):
    """The ways, one a row."""


class Choose(Dialog[str]):
    """Says what stands in the way, and offers what can be done. The first way is under the cursor; esc does nothing.

    Args:
        title: what this is about.
        lines: what is known, in sentences.
        ways: what can be done: the answer and its words.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "take", "choose", id="choose.take", tooltip="Go on in the way under the cursor"),
    ]

    def __init__(self, title: str, lines: Sequence[Content], ways: Sequence[tuple[str, Content]]) -> None:
        super().__init__(title)
        self._lines = lines
        self._ways = ways

    def compose_box(self) -> Iterable[Widget]:
        """Return the lines and the ways."""
        for line in self._lines:
            yield Static(line)
        rows = Ways(id="ways")
        rows.styles.height = len(self._ways)
        yield rows

    def on_mount(self) -> None:
        """Show the ways."""
        rows = self.query_one(Ways)
        rows.set_rows([key for key, _ in self._ways], lambda index, _width: self._ways[index][1])
        self.set_focus(rows)

    def action_take(self) -> None:
        """Answer with the way under the cursor."""
        self.dismiss(self.query_one(Ways).cursor_key)

    def on_row_list_chosen(self, message: RowList.Chosen) -> None:
        """Take the chosen way."""
        self.dismiss(message.key)
