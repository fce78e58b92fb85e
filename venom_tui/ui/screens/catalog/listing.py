"""What of the models is listed, and in which order: rows, filter, order and selection. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from venom_tui.core.types.fit import FitBadge
from venom_tui.ui.screens.catalog.order import FIT, SORTS, Sort, in_order
from venom_tui.ui.screens.catalog.query import Chosen, Query, parse
from venom_tui.ui.screens.catalog.row import Row
from venom_tui.ui.text import clean, signs


class Listing:
    """Works the listed rows out once, when rows, filter or order change."""

    def __init__(self) -> None:
        self.filter = ""
        self.sort: Sort = SORTS[0]
        self.reverse = False
        self.selected: frozenset[str] = frozenset()
        """Keys of the selected rows, listed or not."""
        self.known: Mapping[str, Row] | None = None
        """All rows by their keys, by name; None while none were read."""
        self.longest = 0
        """Cells of the longest name."""
        self._ordered: Sequence[Row] = ()
        self._query = Query()
        self._chosen = Chosen(())

    @property
    def rows(self) -> Sequence[Row]:
        """The rows that are listed."""
        return self._chosen.rows

    @property
    def note(self) -> str:
        """What is to be said about the filter."""
        return self._chosen.note

    @property
    def chosen(self) -> list[Row]:
        """The selected rows, in their order."""
        return [row for row in self._ordered if row.key in self.selected]

    def take(self, rows: Sequence[Row]) -> None:
        """Take other rows, which stand by name; those that are gone are no longer selected."""
        self.known = {row.key: row for row in rows}
        self.longest = max((row.width for row in rows), default=0)
        self.selected = self.selected.intersection(self.known)
        self._put_in_order()

    @property
    def by_fit(self) -> bool:
        """Whether order or filter need to know of every model whether it fits."""
        return self.sort is FIT or self._query.by_fit

    def take_fits(self, fits: Mapping[tuple[str, str], FitBadge]) -> bool:
        """Take whether models fit, of as many as are given; return whether other rows are listed, or in other order."""
        changed = {
            key: row.judged(fit)
            for key, row in (self.known or {}).items()
            if (fit := fits.get((row.model.runtime, row.model.name))) is not None and fit != row.fit
        }
        if not changed or self.known is None:
            return False
        self.known = {**self.known, **changed}
        if not self.by_fit:
            return False
        before = [row.key for row in self.rows]
        self._put_in_order()
        return [row.key for row in self.rows] != before

    def filter_by(self, text: str) -> bool:
        """Take another filter; return whether it is another one."""
        text = " ".join(text.split())
        if text == self.filter:
            return False
        self.filter, self._query = text, parse(text)
        if self._query.by_fit:
            self._put_in_order()  # the rows in order may be older than what is known of them
        else:
            self._choose()
        return True

    def sort_by_next(self) -> None:
        """Go on to the next column."""
        self.sort, self.reverse = SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)], False
        self._put_in_order()

    def turn(self) -> None:
        """Reverse the order."""
        self.reverse = not self.reverse
        self._put_in_order()

    def toggle(self, key: str) -> None:
        """Select a row, or leave it out."""
        self.selected = self.selected ^ {key}

    def select_none(self) -> None:
        """Leave out what is selected."""
        self.selected = frozenset()

    def title(self) -> str:
        """Return what is listed, in words."""
        parts = ["Models"]
        if self.known is not None:
            total = f"{len(self.known):,}"
            parts.append(f"{len(self.rows):,} of {total}" if self.filter else total)
        if self.filter:
            parts.append(f"filter: {clean(self.filter)}")
        if self.selected:
            parts.append(f"{len(self.selected):,} selected")
        return f" {signs().dash} ".join(parts)

    def order(self, *, short: bool = False) -> str:
        """Return the order, in words."""
        return f"by {self.sort.column}" if short else f"sorted by {self.sort.words(self.reverse)}"

    def _put_in_order(self) -> None:
        rows = [] if self.known is None else list(self.known.values())
        self._ordered = in_order(rows, self.sort, self.reverse)
        self._choose()

    def _choose(self) -> None:
        self._chosen = self._query.choose(self._ordered)
