"""The catalog: all models in one list, filtered and sorted, details of the one under the cursor, and verbs on them."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from textual.widget import Widget
from textual.widgets import Static

from venom_tui.core.errors import VenomError
from venom_tui.core.events import ActiveModelChanged, FitsChanged, ModelsChanged, OperationChanged, RuntimeChanged
from venom_tui.ui.screens.catalog.detail import ModelDetail
from venom_tui.ui.screens.catalog.filter_line import FilterInput, FilterLine
from venom_tui.ui.screens.catalog.listing import Listing
from venom_tui.ui.screens.catalog.model_list import ModelList
from venom_tui.ui.screens.catalog.row import Row, renewed
from venom_tui.ui.screens.catalog.table import TableHead
from venom_tui.ui.screens.catalog.troubles import Troubles
from venom_tui.ui.screens.catalog.verbs import ModelVerbs
from venom_tui.ui.text import clean, literal, signs
from venom_tui.ui.widgets.rows import RowList
from venom_tui.ui.widgets.sections import RuleLine
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.events import Event
    from venom_tui.core.types.model import ActiveModel
    from venom_tui.core.types.operation import Operation

_MOVES = frozenset({"load", "unload"})
"""Operations during which a model is neither in memory nor out of it."""

_MANY = 1000
"""Rows that the garbage collection need not go through again."""

_NARROW = 64
"""Cells below which the title has no room for the order in words."""

_RESTS_S = 0.1
"""Seconds that a list rests before it is asked what of it fits."""


class CatalogScreen(ModelVerbs):
    """Shows the models of all runtimes."""

    NAME = "catalog"
    AUTO_FOCUS = "ModelList"
    VERTICAL_BREAKPOINTS = [(0, "-short"), (18, "-tall")]  # noqa: RUF012 (Textual's variable)

    def __init__(self) -> None:
        super().__init__()
        self._listing = Listing()
        self._active: ActiveModel | None = None
        self._open = False
        """Whether the filter was opened and not left by a key; a click leaves it where it is, so that no row moves."""
        self._anchor: str | None = None
        """The row to which the cursor returns while the filter is typed."""
        self._moving: dict[str, str] = {}
        """Id of a running load or unload -> key of the model's row."""
        self._spared = 0
        """So many rows the garbage collection passes over."""
        self._stale = True
        self._reading = self._looking = self._say = False

    def compose_body(self) -> Iterable[Widget]:
        """Lay out filter, list and details."""
        yield RuleLine("Models", id="models-rule")
        yield FilterLine()
        yield TableHead()
        yield Static(id="empty")
        yield ModelList()
        yield Troubles()
        yield RuleLine("", id="detail-rule")
        yield ModelDetail()

    @property
    def _list(self) -> ModelList:
        return self.query_one(ModelList)

    @property
    def _input(self) -> FilterInput:
        return self.query_one(FilterInput)

    @property
    def row(self) -> Row | None:
        """The row under the cursor."""
        key, known = self._list.cursor_key, self._listing.known
        return None if key is None or known is None else known.get(key)

    @property
    def chosen(self) -> Sequence[Row]:
        """The selected rows."""
        return self._listing.chosen

    @property
    def why_none(self) -> str:
        """Why no model is under the cursor."""
        return self._why_empty() or "No model is under the cursor."

    @property
    def _typing(self) -> bool:
        return self.focused is self._input

    def on_mount(self) -> None:
        """Say that the models are looked for."""
        self._show()

    def on_resize(self) -> None:
        """Write the title for the new width."""
        self._show_words()

    # ------------------------------------------------------------------ the core

    def core_ready(self, core: Core) -> None:
        """Read the models."""
        for operation in core.operations.running():
            self._take_operation(operation)
        if self.is_current:
            self.shown()

    def core_event(self, event: Event) -> None:
        """Read the models again when the event is about them; while hidden only remember it."""
        match event:
            case ModelsChanged() | ActiveModelChanged() | RuntimeChanged():
                self._renew()
            case OperationChanged(operation=operation):
                self._take_operation(operation)
            case FitsChanged():
                self._ask_fits()
            case _:
                pass

    def shown(self) -> None:
        """Show what is known, and look for models that came or went meanwhile."""
        self._renew()
        self._look_again()
        core = self.core
        if core is not None:
            start(self, core.registry.learn, group="learn", exclusive=True)

    def _renew(self) -> None:
        """Read what is known of the models."""
        self._stale = True
        core = self.core
        if self.is_current and core is not None and not self._reading:
            self._reading = True
            start(self, lambda: self._read(core), group="models")

    async def _read(self, core: Core) -> None:
        """Read until nothing is stale: what changes meanwhile is read in another round."""
        try:
            while self._stale and self.is_current:
                self._stale = False
                models = await core.models.list()
                active = await core.models.active(settled=False)
                statuses = await core.runtimes.statuses()
                self.query_one(Troubles).show(statuses, self.key_of("catalog.refresh"))
                self._take(await asyncio.to_thread(renewed, models, self._listing.known or {}), active)
        except VenomError as failure:
            self.complain(failure)
        finally:
            self._reading = False

    def _look_again(self, *, say: bool = False) -> None:
        """Look at files and runtimes, which may take its time; `say`: tell when that is done."""
        self._say = self._say or say
        core = self.core
        if core is not None and not self._looking:
            self._looking = True
            start(self, lambda: self._look(core), group="look")

    async def _look(self, core: Core) -> None:
        try:
            models = await core.models.list(refresh=True)
            if self._say:
                self.notify(f"Looked again: {_models(len(models))}.", markup=False, timeout=3)
        except VenomError as failure:
            self.complain(failure)
        finally:
            self._looking = self._say = False
        self._renew()

    def _take(self, rows: Sequence[Row], active: ActiveModel | None) -> None:
        first = self._listing.known is None
        self._active = active
        self._listing.take(rows)
        self._show()
        if first and active is not None:
            self._list.set_cursor(f"{active.runtime} {active.name}")
        if len(rows) > self._spared + _MANY:
            # No rings are among them, and going through all of them again and again would hold the screen up.
            self._spared = len(rows)
            gc.freeze()

    def _take_operation(self, operation: Operation) -> None:
        if operation.kind in _MOVES:
            if operation.state.final:
                self._moving.pop(operation.id, None)
            else:
                self._moving[operation.id] = f"{operation.runtime} {operation.target}"
            self._mark()

    # ------------------------------------------------------------------ what is shown

    def _show(self) -> None:
        """Show the rows that are listed, and all that is said about them."""
        self._list.show(self._listing.rows, self._listing.longest, self._anchor if self._typing else None)
        self._mark()
        self._show_words()
        self._show_detail()
        self._ask_fits()

    def _ask_fits(self) -> None:
        """Show whether models fit: those whose rows are in sight; all only where order or filter go by that."""
        core = self.core
        if core is not None and self.is_current:
            start(self, lambda: self._show_fits(core), group="fits", exclusive=True)

    async def _show_fits(self, core: Core) -> None:
        await asyncio.sleep(_RESTS_S)
        known = self._listing.known or {}
        asked = [row.model for row in known.values()] if self._listing.by_fit else self._list.seen()
        fits = await core.fits.badges(asked)
        self._list.show_fits(fits)
        if self._listing.take_fits(fits):
            self._list.show(self._listing.rows, self._listing.longest, self._anchor if self._typing else None)
            self._show_words()
        self._show_detail()

    def on_model_list_moved(self) -> None:
        """Show of the rows that came into sight whether they fit."""
        self._ask_fits()

    def _mark(self) -> None:
        self._list.mark(selected=self._listing.selected, busy=frozenset(self._moving.values()))

    def _show_words(self) -> None:
        listing = self._listing
        order = listing.order(short=self.size.width < _NARROW)
        self.query_one("#models-rule", RuleLine).set_title(listing.title(), order)
        self.query_one(TableHead).show_order(listing.sort.column, listing.longest)
        filter_line = self.query_one(FilterLine)
        filter_line.say(listing.note)
        filter_line.display = self._open or bool(listing.note)
        empty, why = self.query_one("#empty", Static), self._why_empty()
        empty.display = bool(why)
        if why:
            empty.update(literal(why))

    def _why_empty(self) -> str:
        if self._listing.rows:
            return ""
        if self._listing.known is None or self.core is None:
            return f"Looking for models {signs().ellipsis}"
        if self._listing.known:
            return "No model matches. Esc shows all again."
        return (
            f"No model is here. GGUF files belong into {self.core.settings.models_dir}; "
            f"{self.key_of('catalog.refresh')} looks again."
        )

    def _show_detail(self) -> None:
        row = self.row
        model = None if row is None else row.model
        self.query_one("#detail-rule", RuleLine).set_title("" if model is None else clean(model.name))
        fit = None if model is None else self._list.fit_of(model)
        self.query_one(ModelDetail).show(model, self._active, fit)

    def on_row_list_highlighted(self, _message: RowList.Highlighted) -> None:
        """Show the details of the row that the cursor went to."""
        self._show_detail()

    def on_descendant_focus(self) -> None:
        """Let the rule tell whether the list has the focus."""
        self.query_one("#models-rule").set_class(self._list.has_focus, "-focused")

    # ------------------------------------------------------------------ filter, order, selection

    def action_filter(self) -> None:
        """Go to the filter."""
        self._anchor = self._list.cursor_key
        self._open = True
        self._show_words()
        self.set_focus(self._input)

    def on_input_changed(self) -> None:
        """Filter by what is typed."""
        self._filter()

    def _filter(self) -> None:
        """Filter by what the input holds now: its messages may be late."""
        if self._listing.filter_by(self._input.value):
            self._show()

    def action_keep_filter(self) -> None:
        """Go to the list; the filter stays."""
        self._filter()
        self._close_filter()

    def _close_filter(self) -> None:
        self._open = False
        self._show_words()
        self.set_focus(self._list)

    def action_move(self, by: int) -> None:
        """Move the cursor while the filter is typed."""
        self._filter()
        self._list.action_move(by)
        self._anchor = self._list.cursor_key

    def action_back(self) -> None:
        """Esc: clear the filter and leave it, else leave out what is selected, else go back to the chat."""
        if self._open or self._listing.filter:
            self._input.value = ""
            self._filter()
            self._close_filter()
        elif self._listing.selected:
            self._listing.select_none()
            self._mark()
            self._show_words()
        else:
            super().action_back()

    def action_sort(self) -> None:
        """Sort by the next column."""
        self._listing.sort_by_next()
        self._show()

    def action_reverse(self) -> None:
        """Reverse the order."""
        self._listing.turn()
        self._show()

    def action_select(self) -> None:
        """Select the row under the cursor, or leave it out."""
        key = self._list.cursor_key
        if key is None:
            self.notify(self.why_none, markup=False)
        else:
            self._listing.toggle(key)
            self._mark()
            self._show_words()

    # ------------------------------------------------------------------ verbs

    def action_fit(self) -> None:
        """Show whether the model under the cursor fits, and what it takes."""
        from venom_tui.ui.dialogs.fits import fit_dialog

        if (found := self.under_cursor()) is not None:
            self.app.push_screen(fit_dialog(*found))

    def action_look(self) -> None:
        """Look at files and runtimes again."""
        self._look_again(say=True)


def _models(count: int) -> str:
    return "1 model" if count == 1 else f"{count:,} models"
