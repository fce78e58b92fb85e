"""The rows of the catalog, and the keys that act on them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message

from venom_tui.core.types.fit import FitBadge
from venom_tui.core.types.model import ModelInfo
from venom_tui.ui.screens.catalog.row import Row
from venom_tui.ui.screens.catalog.table import line
from venom_tui.ui.widgets.rows import VerbRows


class ModelList(VerbRows):
    """Models, one a row; the verbs are the screen's."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,c", "screen.chat", "chat", id="catalog.chat", tooltip="Chat with the model: it becomes active"),
        Binding("i", "screen.details", "details", id="catalog.details", tooltip="Show everything that is known of it"),
        Binding("p", "screen.pull", "pull", id="catalog.pull", tooltip="Fetch a model; the selected ones: fetch again"),
        Binding("u", "screen.memory", "(un)load", id="catalog.unload", tooltip="Load it, or take it out of memory"),
        Binding("P", "screen.pin", "Pin", show=False, id="catalog.pin", tooltip="Keep the model in memory, or not"),
        Binding(
            "E", "screen.extend", "Extend", show=False, id="catalog.extend", tooltip="Keep the model loaded for a time"
        ),
        Binding("f", "screen.fit", "fit", id="catalog.fit", tooltip="Show whether the model fits, and what it takes"),
        Binding("d", "screen.remove", "remove", id="catalog.remove", tooltip="Remove the model, after a yes"),
        Binding("y", "screen.copy", "Copy", show=False, id="catalog.copy", tooltip="Copy the model under a new name"),
        Binding(
            "e",
            "screen.parameters",
            "Parameters",
            show=False,
            id="catalog.parameters",
            tooltip="Change the generation parameters of the model",
        ),
        Binding(
            "v", "screen.versions", "Versions", show=False, id="catalog.versions", tooltip="Show versions of the model"
        ),
        Binding("slash", "screen.filter", "filter", id="catalog.filter", tooltip="Filter the models while you type"),
        Binding("o", "screen.offers", "more", id="catalog.offers", tooltip="Find models elsewhere: this asks the hub"),
        Binding("D", "screen.disks", "Disks", show=False, id="catalog.disks", tooltip="Show what models take on disk"),
        Binding("s", "screen.sort", "sort", id="catalog.sort", tooltip="Sort by the next column"),
        Binding("S", "screen.reverse", "reverse", show=False, id="catalog.reverse", tooltip="Reverse the order"),
        Binding("space", "screen.select", "select", id="catalog.select", tooltip="Select the model, or leave it out"),
        Binding("r", "screen.look", "refresh", id="catalog.refresh", tooltip="Look for models again"),
    ]

    class Moved(Message):
        """Other rows are seen than before."""

    def __init__(self) -> None:
        super().__init__(id="models")
        self._fits: Mapping[tuple[str, str], FitBadge] = {}
        self._rows: Sequence[Row] = ()
        self._selected: Collection[str] = ()
        self._busy: Collection[str] = ()
        self._longest = 0

    @property
    def cursor_style(self) -> str:
        """The cursor is live while the filter is typed, too."""
        return "bold on $cursor-row"

    def show(self, rows: Sequence[Row], longest: int, anchor: str | None = None) -> None:
        """Show other rows; the cursor goes back to the row `anchor` where that is among them.

        `longest` is the width of the longest name, also of rows that are not listed: columns stay where they are.
        """
        self._rows, self._longest = rows, longest
        keys = [row.key for row in rows]
        self.set_rows(keys, self._line)
        if anchor is not None:
            self.set_cursor(anchor)

    def mark(self, *, selected: Collection[str], busy: Collection[str]) -> None:
        """Show which rows are selected and which are being loaded or unloaded."""
        if (selected, busy) != (self._selected, self._busy):
            self._selected, self._busy = selected, busy
            self.refresh()

    def seen(self) -> list[ModelInfo]:
        """Return the models whose rows are in sight."""
        top = self.scroll_offset.y
        return [row.model for row in self._rows[top : top + self.size.height]]

    def show_fits(self, fits: Mapping[tuple[str, str], FitBadge]) -> None:
        """Show whether models fit, as far as it is known."""
        if fits != self._fits:
            self._fits = fits
            self.refresh()

    def fit_of(self, model: ModelInfo) -> FitBadge | None:
        """Return whether a model fits; None where it is not known yet."""
        return self._fits.get((model.runtime, model.name))

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Tell that other rows are seen."""
        super().watch_scroll_y(old_value, new_value)
        self.post_message(self.Moved())

    def on_resize(self) -> None:
        """Tell that other rows are seen; RowList does the rest."""
        self.post_message(self.Moved())

    def _line(self, index: int, width: int) -> Content:
        row = self._rows[index]
        return line(
            row,
            width,
            self._longest,
            selected=row.key in self._selected,
            busy=row.key in self._busy,
            fit=self.fit_of(row.model),
        )
