"""The views of all entries one below the other: which row stands where, and what has to be laid out for a window."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

from venom_tui.ui.widgets.transcript.rows import Pen, Row
from venom_tui.ui.widgets.transcript.view import Piece, View

_KEPT_ROWS = 5_000
"""Rows that are kept at most (1.8 KB each); those of pieces that were drawn longest ago are drawn again when needed."""


@dataclass(frozen=True, slots=True)
class Place:
    """A row, told so that it survives changes of heights: a piece of a view and a share of the piece."""

    key: str
    piece: int
    share: float


class History:
    """Views in their order."""

    def __init__(self) -> None:
        self.views: list[View] = []
        self.tops: list[int] = [0]
        self._by_key: dict[str, View] = {}
        self._drawn: deque[Piece] = deque()
        self._drawn_rows = 0
        self._marking: tuple[tuple[str, ...], Pen] | None = None

    # ------------------------------------------------------------------ views

    def get(self, key: str) -> View | None:
        """Return the view of an entry."""
        return self._by_key.get(key)

    def set(self, views: Iterable[View]) -> None:
        """Take these views instead of all."""
        self._by_key = {view.entry.key: view for view in views}
        self.views = list(self._by_key.values())
        self._drawn.clear()
        self._drawn_rows = 0
        self._measure(0)

    def append(self, view: View) -> None:
        """Add a view at the end."""
        self._by_key[view.entry.key] = view
        self.views.append(view)
        self.tops.append(self.tops[-1] + view.height)

    def prepend(self, views: list[View]) -> None:
        """Add views before the first."""
        self.views[:0] = views
        self._by_key.update((view.entry.key, view) for view in views)
        self._measure(0)

    def replace(self, old: View, new: View) -> None:
        """Put another view of the same entry in a view's place."""
        at = self.index(old)
        self.views[at] = new
        self._by_key[new.entry.key] = new
        self._measure(at)

    def remove(self, view: View) -> None:
        """Take a view away."""
        at = self.index(view)
        del self.views[at]
        del self._by_key[view.entry.key]
        self._measure(at)

    def index(self, view: View) -> int:
        """Return where a view stands."""
        if self.views and self.views[-1] is view:
            return len(self.views) - 1
        return self.views.index(view)

    def resized(self, view: View) -> None:
        """Take notice that a view has another height."""
        self._measure(self.index(view))

    def _measure(self, at: int) -> None:
        heights = (view.height for view in self.views[at:])
        self.tops[at:] = accumulate(heights, initial=self.tops[at] if at else 0)

    # ------------------------------------------------------------------ rows

    @property
    def total(self) -> int:
        """The number of rows, as far as it is known."""
        return self.tops[-1]

    def row(self, y: int, pen: Pen) -> Row:
        """Return a row; it is drawn when it is not there."""
        at = bisect_right(self.tops, y) - 1
        if not 0 <= at < len(self.views):
            return pen.blank
        view = self.views[at]
        if view.pieces is None:
            self._cut(at, pen)
        index = view.piece_at(y - self.tops[at])
        if not view.pieces or index >= len(view.pieces):
            return pen.blank
        self._draw(at, index, pen)
        rows = view.pieces[index].rows
        within = y - self.tops[at] - view.tops[index]
        return rows[within] if rows is not None and within < len(rows) else pen.blank

    def lay_out(self, y: int, height: int, pen: Pen, *, follow: bool) -> int:
        """Draw what is within a page of the window at row `y`; return where the window is once heights are known."""
        while True:
            most = max(0, self.total - height)
            y = most if follow else min(max(0, y), most)
            shift = self._lay_out_once(y, height, pen)
            if shift is None:
                return y
            y += shift

    def _lay_out_once(self, y: int, height: int, pen: Pen) -> int | None:
        """Return how far corrected heights moved the window's text; None when no height was corrected."""
        first, last = y - height, y + 2 * height
        shift, corrected = 0, False
        at = max(0, bisect_right(self.tops, first) - 1)
        while at < len(self.views) and self.tops[at] < last:
            view = self.views[at]
            if view.pieces is None:
                change = self._cut(at, pen)
                corrected = corrected or change != 0
                shift += change if self.tops[at] < y + shift else 0
            assert view.pieces is not None
            index = view.piece_at(first - self.tops[at])
            while index < len(view.pieces) and self.tops[at] + view.tops[index] < last:
                before = self.tops[at] + view.tops[index]
                change = self._draw(at, index, pen)
                corrected = corrected or change != 0
                shift += change if before < y + shift else 0
                index += 1
            at += 1
        return shift if corrected else None

    def _cut(self, at: int, pen: Pen) -> int:
        view = self.views[at]
        before = view.height
        view.cut(pen.width)
        if view.height != before:
            self._measure(at)
        return view.height - before

    def _draw(self, at: int, index: int, pen: Pen) -> int:
        """Draw a piece if it is not; return by how much its height was guessed wrong."""
        view = self.views[at]
        assert view.pieces is not None
        piece = view.pieces[index]
        if piece.rows is not None:
            return 0
        before = piece.height
        if view.draw(index, self._pen_of(view, pen)):
            self._measure(at)
        self._keep(piece)
        return piece.height - before

    def _pen_of(self, view: View, pen: Pen) -> Pen:
        if not view.words:
            return pen
        if self._marking is None or self._marking[0] != view.words or not self._marking[1].like(pen):
            self._marking = (view.words, pen.with_words(view.words))
        return self._marking[1]

    def _keep(self, piece: Piece) -> None:
        self._drawn.append(piece)
        self._drawn_rows += piece.height
        while self._drawn_rows > _KEPT_ROWS and len(self._drawn) > 1:
            dropped = self._drawn.popleft()
            self._drawn_rows -= dropped.height
            dropped.rows = None

    def keep_drawn(self, pieces: Iterable[Piece]) -> None:
        """Count pieces that were drawn elsewhere among those that are kept."""
        for piece in pieces:
            self._keep(piece)

    def undraw(self) -> None:
        """Forget all rows: another width, another theme."""
        for view in self.views:
            view.undraw()
        self._drawn.clear()
        self._drawn_rows = 0

    # ------------------------------------------------------------------ places

    def place(self, y: int) -> Place | None:
        """Return which text stands at a row."""
        at = bisect_right(self.tops, y) - 1
        if not 0 <= at < len(self.views):
            return None
        view = self.views[at]
        within = y - self.tops[at]
        if not view.pieces:
            return Place(view.entry.key, 0, within / max(1, view.height))
        index = min(view.piece_at(within), len(view.pieces) - 1)
        return Place(view.entry.key, index, (within - view.tops[index]) / max(1, view.pieces[index].height))

    def find(self, place: Place, pen: Pen) -> int:
        """Return the row of a place."""
        view = self._by_key.get(place.key)
        if view is None:
            return 0
        at = self.index(view)
        if view.pieces is None:
            self._cut(at, pen)
        if not view.pieces:
            return self.tops[at]
        index = min(place.piece, len(view.pieces) - 1)
        self._draw(at, index, pen)
        return self.tops[at] + view.tops[index] + int(place.share * view.pieces[index].height)
