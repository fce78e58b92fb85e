"""The orders in which the catalog can be shown. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter

from venom_tui.core.types.fit import Verdict
from venom_tui.ui.screens.catalog.row import Row, abilities, order_of

Value = tuple[str, ...] | str | float | int | None


@dataclass(frozen=True, slots=True)
class Sort:
    """A column that rows can be sorted by; rows whose value is None come last in either direction."""

    column: str
    upwards: str
    """What stands first, in words."""
    downwards: str
    value: Callable[[Row], Value]

    def words(self, reverse: bool) -> str:
        """Return the order in words, for the title."""
        return f"{self.column}, {self.downwards if reverse else self.upwards}"


def _ago(moment: datetime | None) -> float | None:
    return None if moment is None else -moment.timestamp()


def _able(row: Row) -> str | None:
    text = abilities(row.model)
    return None if text == "?" else text


def _order(text: str | None) -> str | None:
    return None if text is None else order_of(text)


_FITTING = (Verdict.FITS, Verdict.FITS_AFTER_EVICTION, Verdict.PARTLY_ON_CPU, Verdict.DOES_NOT_FIT)


def _fit(row: Row) -> int | None:
    """Return the place of a verdict: what is loaded comes before what fits, what is not known nowhere."""
    if row.fit is None or (not row.fit.loaded and row.fit.verdict not in _FITTING):
        return None
    return -1 if row.fit.loaded else _FITTING.index(row.fit.verdict)


FIT = Sort("fit", "what fits first", "what is too large first", _fit)
SORTS = (
    Sort("name", "a to z", "z to a", lambda row: row.name_order),
    Sort("params", "fewest first", "most first", lambda row: row.parameters),
    Sort("quant", "a to z", "z to a", lambda row: _order(row.model.quantization)),
    Sort("size", "smallest first", "largest first", lambda row: row.model.size_bytes),
    Sort("context", "shortest first", "longest first", lambda row: row.model.context_length),
    Sort("arch", "a to z", "z to a", lambda row: _order(row.model.architecture)),
    Sort("can", "a to z", "z to a", _able),
    FIT,
    Sort("where", "a to z", "z to a", lambda row: (row.model.runtime, row.model.provider)),
    Sort("used", "latest first", "longest ago first", lambda row: _ago(row.model.last_used)),
    Sort(
        "loaded", "loaded first", "loaded last", lambda row: None if row.model.loaded is None else not row.model.loaded
    ),
)
"""The order in which one key goes through them."""


def in_order(rows: Sequence[Row], sort: Sort, reverse: bool) -> list[Row]:
    """Return rows that stand by name in another order; equal ones stay by name."""
    known: list[tuple[Value, Row]] = []
    unknown: list[Row] = []
    for row in rows:
        value = sort.value(row)
        if value is None:
            unknown.append(row)
        else:
            known.append((value, row))
    known.sort(key=itemgetter(0), reverse=reverse)
    return [row for _, row in known] + unknown
