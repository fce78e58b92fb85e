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


class FactsDialog(Dialog[Result]):
    """Shows parts; derived dialogs say which, and what can be done with them."""

    def compose_box(self) -> Iterable[Widget]:
        """Return the column."""
        with VerticalScroll(id="facts"):
            yield Static(id="facts-text")

    def show_parts(self, parts: Sequence[Part]) -> None:
        """Show other parts; where the same stands already nothing is painted."""
        text = Content("\n").join(_lines(parts)[:_MOST_LINES])
        shown = self.query_one("#facts-text", Static)
        if shown.content != text:
            shown.update(text)


def _lines(parts: Sequence[Part]) -> list[Content]:
    lines: list[Content] = []
    for part in parts:
        if not part.facts:
            continue
        if lines:
            lines.append(Content())
        if part.heading:
            lines.append(literal(part.heading, "bold $accent"))
        for fact in part.facts:
            lines += _written(fact)
    return lines


def _written(fact: Fact) -> list[Content]:
    """Return a fact; texts of several lines keep them."""
    first, *more = fact.value.split("\n") or [""]
    if not fact.name:
        return [literal(line, fact.style) for line in (first, *more)]
    name = Content.styled(f"{fact.name:<{_NAME_WIDTH}} ", "$text-muted")
    indent = " " * (_NAME_WIDTH + 1)
    return [Content.assemble(name, literal(first, fact.style)), *(literal(indent + line, fact.style) for line in more)]
