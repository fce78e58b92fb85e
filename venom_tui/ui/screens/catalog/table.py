"""How the catalog's rows are written: the columns, their heads, and the cells of one row."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from textual.content import Content

from venom_tui.core.types.fit import FitBadge
from venom_tui.core.types.model import ModelInfo
from venom_tui.ui.screens.catalog.row import Row, abilities, place_of
from venom_tui.ui.text import gib, literal, relative_time, signs, truncate_middle
from venom_tui.ui.widgets.columns import Column, fit_columns, lay_out
from venom_tui.ui.widgets.line import Line
from venom_tui.ui.widgets.verdicts import FIT_COLUMN, badge

_WIDE = 112
"""Cells from which on there is room for the provider beside the runtime."""
_NARROW_COLUMNS = (
    Column("name", 24, worth=10, stretch=True),
    Column("params", 6, worth=5, right=True),
    Column("quant", 8, worth=6),
    Column("size GiB", 8, worth=7, right=True),
    Column("context", 7, worth=4, right=True),
    Column("arch", 10, worth=1),
    Column("can", 11, worth=3),
    FIT_COLUMN,
    Column("used", 9, worth=2, right=True),
    Column("where", 8, worth=9),
)
_COLUMNS = (*_NARROW_COLUMNS[:-1], Column("where", 14, worth=9))
_NAME, _WHERE = 0, len(_COLUMNS) - 1
_FIT = _COLUMNS.index(FIT_COLUMN)
_SORTED_BY = {"size": "size GiB"}
"""The name of an order -> the column's title, where they differ."""
_SIGNS_WIDTH = 3


def _columns_for(width: int) -> tuple[Column, ...]:
    return _COLUMNS if width >= _WIDE else _NARROW_COLUMNS


def _fit(columns: Sequence[Column], width: int, longest: int) -> list[tuple[int, int]]:
    """Return (index, width) of the columns that are shown; names get no more than the longest one needs."""
    most = max(columns[_NAME].width, longest + _SIGNS_WIDTH)
    return [(at, min(room, most) if at == _NAME else room) for at, room in fit_columns(columns, width)]


class TableHead(Line):
    """The titles over the columns; the one that the rows are sorted by stands out."""

    def __init__(self) -> None:
        super().__init__(id="head")
        self._sorted_by = ""
        self._longest = 0

    def show_order(self, sorted_by: str, longest: int) -> None:
        """Mark the column that the rows are sorted by; the longest name has so many cells."""
        column = _SORTED_BY.get(sorted_by, sorted_by)
        if (column, longest) != (self._sorted_by, self._longest):
            self._sorted_by, self._longest = column, longest
            self.refresh()

    def fit(self, width: int) -> Content:
        """Return the titles over their columns."""
        columns = _columns_for(width)
        heads = [self._head(column.title) for column in columns]
        heads[_NAME] = Content.assemble(" " * _SIGNS_WIDTH, heads[_NAME])
        return lay_out(heads, columns, _fit(columns, width, self._longest))

    def _head(self, title: str) -> Content:
        return Content.styled(title, "bold $foreground" if title == self._sorted_by else "$text-muted")


def line(row: Row, width: int, longest: int, *, selected: bool, busy: bool, fit: FitBadge | None = None) -> Content:
    """Return a row in at most so many cells; the longest name has `longest`, `fit` is None while it is not known."""
    columns = _columns_for(width)
    shown = _fit(columns, width, longest)
    widths = dict(shown)
    cells: list[Content] = [Content()] * len(columns)
    for index, text in enumerate(_plain_cells(row), 1):
        cells[index] = literal(text)
    cells[_FIT] = badge(fit)
    cells[_NAME] = _name(row.model, widths.get(_NAME, width), selected=selected, busy=busy)
    cells[_WHERE] = _where(row.model, widths.get(_WHERE, 0))
    return lay_out(cells, columns, shown)


def _plain_cells(row: Row) -> Sequence[str]:
    """Return params, quant, size, context, arch, can, nothing for the fit, used."""
    model = row.model
    return (
        params_cell(row.parameters, model.parameter_size),
        model.quantization or "?",
        "-" if model.remote_host else size_cell(model.size_bytes),
        context_cell(model.context_length),
        model.architecture or "?",
        abilities(model),
        "",
        "-" if model.last_used is None else relative_time(model.last_used, datetime.now(UTC)),
    )


def _name(model: ModelInfo, width: int, *, selected: bool, busy: bool) -> Content:
    mark = Content.styled(signs().pointer, "bold $accent") if model.active else Content(" ")
    if selected:
        mark = Content.styled(signs().bar, "$accent")
    name = truncate_middle(model.name, max(1, width - _SIGNS_WIDTH))
    return Content.assemble(mark, sign(model, busy=busy), " ", literal(name, "bold $accent" if model.active else ""))


def _where(model: ModelInfo, width: int) -> Content:
    runtime = literal(truncate_middle(place_of(model), width))
    room = width - runtime.cell_length - 1
    provider = {"demonstration": "demo", "huggingface": "hf"}.get(model.provider, model.provider)
    if provider == model.runtime or not model.runtime or len(provider) > room:
        return runtime
    return Content.assemble(runtime, " ", literal(provider, "$text-muted"))


def sign(model: ModelInfo, *, busy: bool) -> Content:
    """Return the sign of a model's state."""
    if busy:
        return Content.styled(signs().loading, "$busy")
    if model.error:
        return Content.styled(signs().failed, "$error")
    if model.remote_host:
        return Content.styled(signs().remote, "$warning")
    if model.loaded is None:
        return Content(signs().unknown)
    return Content.styled(signs().loaded, "$success") if model.loaded else Content(signs().installed)


def params_cell(count: float | None, text: str | None) -> str:
    """Return a number of parameters in the cells that there are, `134.52M` as `135M`; what is no number as it is."""
    if count is None:
        return text or "?"
    for unit, factor in (("B", 1e9), ("M", 1e6), ("K", 1e3)):
        if count >= 0.9995 * factor:
            value = count / factor
            return f"{value:.1f}{unit}" if value < 99.95 and unit == "B" else f"{value:.0f}{unit}"
    return f"{count:.0f}"


def size_cell(size_bytes: int | None) -> str:
    """Return a size in GiB: what is there is never written as nothing."""
    if size_bytes is None:
        return "?"
    text = gib(size_bytes)
    return "<0.1" if size_bytes and text == "0.0" else text


def context_cell(tokens: int | None) -> str:
    """Return a number of tokens as the field writes it: `512`, `40k`, `128k`."""
    if tokens is None:
        return "?"
    return str(tokens) if tokens < 1024 else f"{round(tokens / 1024):,}k"
