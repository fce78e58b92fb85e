"""The line in which the filter is typed, with what is to be said about it."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content

from venom_tui.ui.text import signs
from venom_tui.ui.widgets.line import Line
from venom_tui.ui.widgets.line_input import LineInput


class FilterInput(LineInput):
    """A line of text; the verbs are the screen's."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "screen.keep_filter", "to the list", id="catalog.filter-keep", tooltip="Go to what was found"),
        Binding("escape", "screen.back", "clear", id="catalog.filter-clear", tooltip="Show all models again"),
        Binding("up", "screen.move(-1)", "Up", show=False, id="catalog.filter-up", tooltip="Previous row"),
        Binding("down", "screen.move(1)", "Down", show=False, id="catalog.filter-down", tooltip="Next row"),
    ]


class FilterLine(Horizontal):
    """Hidden while nothing is typed and nothing is to be said."""

    def __init__(self) -> None:
        super().__init__(id="filter")

    def compose(self) -> ComposeResult:
        """Lay out sign, input and note."""
        yield Line(Content.styled("/", "bold $accent"), id="filter-sign")
        field = FilterInput(
            placeholder="words  !not  size:<8G  params:<10B  context:>=32k  quant:q4  cap:tools  fit:fits  is:broken",
            id="filter-text",
            select_on_focus=False,
        )
        yield field
        yield Line(id="filter-note")

    def on_mount(self) -> None:
        """Begin hidden."""
        self.display = False

    def say(self, note: str) -> None:
        """Say something about the filter; "" says nothing."""
        line = self.query_one("#filter-note", Line)
        line.show(Content.styled(f"{signs().warning} {note}", "$warning") if note else Content())
        line.styles.width = line.text.cell_length
