"""A bare Textual application: what every other one costs at least. Run as a file, as `venom-tui` is."""

from __future__ import annotations

from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.widgets import DataTable, Footer, Header

ROWS = 20


class Floor(App[None]):
    BINDINGS: ClassVar[list[BindingType]] = [("ctrl+q", "quit", "Quit")]

    def compose(self) -> ComposeResult:
        yield Header()
        yield DataTable()
        yield Footer()

    def on_mount(self) -> None:
        table = self.query_one(DataTable)
        table.add_columns("name", "size", "state")
        for row in range(ROWS):
            table.add_row(f"row {row}", f"{row * 17} MB", "here")


Floor().run()
