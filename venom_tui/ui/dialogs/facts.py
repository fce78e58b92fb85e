"""A dialog of facts: headings, names with values, and texts, in one scrolling column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from venom_tui.ui.dialogs.dialog import Dialog, Result
from venom_tui.ui.text import literal

_NAME_WIDTH = 15
_MOST_LINES = 4000
_AROUND = 6
"""Lines of the screen beside the facts: a margin above and below, the border, the keys and a line before them."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One line: a name with its value, or a value alone."""

    value: str
    name: str = ""
    style: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """Facts under a heading."""

    heading: str
    facts: tuple[Fact, ...]


class FactsText(Static):
    """Parts as lines; what is longer than a line goes on below itself."""

    def __init__(self) -> None:
        super().__init__(id="facts-text")
        self._parts: Sequence[Part] = ()
        self._width = 0

    def show_parts(self, parts: Sequence[Part]) -> None:
        """Show other parts; where the same stand already nothing is painted."""
        if list(parts) != list(self._parts):
            self._parts = parts
            self._write()

    def on_resize(self) -> None:
        """Break the lines for the new width."""
        if self.size.width != self._width:
            self._write()

    def _write(self) -> None:
        self._width = self.size.width
        self.update(Content("\n").join(_lines(self._parts, self._width or 80)[:_MOST_LINES]))


class FactsDialog(Dialog[Result]):
    """Shows parts; derived dialogs say which, and what can be done with them."""

    def compose_box(self) -> Iterable[Widget]:
        """Return the column."""
        with VerticalScroll(id="facts"):
            yield FactsText()

    def on_resize(self) -> None:
        """Give the facts what the screen has left: the box, its border and the keys need the rest."""
        self.query_one("#facts").styles.max_height = max(3, self.size.height - _AROUND)

    def show_parts(self, parts: Sequence[Part]) -> None:
        """Show other parts."""
        self.query_one(FactsText).show_parts(parts)


def _lines(parts: Sequence[Part], width: int) -> list[Content]:
    lines: list[Content] = []
    for part in parts:
        if not part.facts:
            continue
        if lines:
            lines.append(Content())
        if part.heading:
            lines.append(literal(part.heading, "bold $accent"))
        for fact in part.facts:
            lines += _written(fact, width)
    return lines


def _written(fact: Fact, width: int) -> list[Content]:
    """Return a fact; texts of several lines keep them."""
    indent = _NAME_WIDTH + 1 if fact.name else 0
    room = max(10, width - indent)
    values = [piece for line in fact.value.split("\n") for piece in _broken(literal(line, fact.style), room)]
    if not fact.name:
        return values
    name = Content.styled(f"{fact.name:<{_NAME_WIDTH}} ", "$text-muted")
    return [Content.assemble(name if not at else " " * indent, value) for at, value in enumerate(values)]


def _broken(line: Content, width: int) -> list[Content]:
    return line.wrap(width) if line.cell_length > width else [line]
