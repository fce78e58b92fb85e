"""A list whose rows change while they are shown: only those whose text is another one are painted again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from rich.segment import Segment
from textual.content import Content
from textual.strip import Strip
from textual.style import Style

from venom_tui.ui.terminal.plain_lines import paint_plainly
from venom_tui.ui.widgets.painted import Brush
from venom_tui.ui.widgets.rows import RenderRow, RowList

_STILL = "\0"


def still(name: str) -> str:
    """Return the key of a row that the cursor passes over: a title, the second line of another row."""
    return _STILL + name


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a short list: its key, and what it says in so many cells."""

    key: str
    render: Callable[[int], Content]
    """Writes it. A `partial` with the function and the arguments of the last time says the same: it is not called."""

    def says_as(self, before: Row) -> bool:
        """Return whether it is known without writing it that it says what a row said before."""
        mine, other = self.render, before.render
        if not (isinstance(mine, partial) and isinstance(other, partial)):
            return False
        return mine.func is other.func and mine.args == other.args and mine.keywords == other.keywords


class LiveRows(RowList):
    """A RowList with titles between its rows, for figures that are renewed many times."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id)
        self._painted: dict[int, Content] = {}
        self._rows: Sequence[Row] = ()
        self._changed: Collection[int] | None = None
        """Rows that may say something else than they did, where that is known."""
        self._fresh: dict[tuple[int, int], Content] = {}
        """(index, width) -> what was written anew and is about to be painted: nothing is written twice."""
        self._height = 0
        self._row: RenderRow = self._render_row
        paint_plainly(self)
        self._brush = Brush()

    @property
    def cursor_key(self) -> str | None:
        """The key of the row under the cursor; None where there are only rows that it passes over."""
        key = super().cursor_key
        return None if key is None or key.startswith(_STILL) else key

    @property
    def cursor_style(self) -> str:
        """Nothing marks a row that cannot be chosen."""
        return "" if self.cursor_key is None else super().cursor_style

    def show(self, keys: Sequence[str], render_row: RenderRow) -> None:
        """Show these rows; where they are the same ones, only what is written otherwise is painted."""
        if keys == self.keys:
            self._row = render_row
            self.renew()
        else:
            self.set_rows(keys, render_row)

    def show_rows(self, rows: Sequence[Row]) -> None:
        """Show these rows, as `show` does."""
        before, self._rows = self._rows, rows
        keys = [row.key for row in rows]
        if keys == self.keys and len(before) == len(rows):
            pairs = enumerate(zip(rows, before, strict=True))
            self._changed = {number for number, (row, other) in pairs if not row.says_as(other)}
        self.show(keys, lambda index, width: rows[index].render(width))
        self._changed = None

    def set_rows(self, keys: Sequence[str], render_row: RenderRow) -> None:
        """Show other rows."""
        self._row = render_row
        self._painted.clear()
        self._fresh.clear()
        super().set_rows(keys, self._paint)

    def _paint(self, index: int, width: int) -> Content:
        fresh = self._fresh.pop((index, width), None)
        content = self._painted[index] = self._row(index, width) if fresh is None else fresh
        return content

    def render_line(self, y: int) -> Strip:
        """Return one visible row, as RowList does."""
        return next(self.render_several([y]))

    def render_several(self, ys: Iterable[int]) -> Iterator[Strip]:
        """Yield visible rows; what holds for all of them is looked up once."""
        top, width, base = self.scroll_offset.y, self._width, self.visual_style
        for y in ys:
            index = y + top
            if index >= len(self.keys) or index == self._cursor:
                yield super().render_line(y)
            else:
                yield self._row_strip(index, width, base)

    def _row_strip(self, index: int, width: int, base: Style) -> Strip:
        line = self._paint(index, width).truncate(width, ellipsis=True)
        segments = self._brush.segments(line, base)
        length = line.cell_length
        if length < width:
            segments.append(Segment(" " * (width - length), base.rich_style))
        return Strip(segments, width)

    def renew(self) -> None:
        """Write the visible rows anew and paint those that differ from what stands there."""
        top, width = self.scroll_offset.y, self._width
        self._fresh.clear()
        visible = range(top, min(len(self.keys), top + self.size.height))
        for index in self._painted.keys() - set(visible):
            del self._painted[index]
        changed: list[int] = []
        for index, before in sorted(self._painted.items()):
            if self._changed is not None and index not in self._changed:
                continue
            now = self._row(index, width)
            if now.plain != before.plain or now.spans != before.spans:
                self._fresh[index, width] = now
                changed.append(index)
        self._refresh_rows(changed)

    def place_for(self, index: int, direction: int) -> int:
        """Pass over titles; in a list without anything to choose go to the next line that is not visible."""
        keys = self.keys
        for step in (direction, -direction):
            at = index
            while 0 <= at < len(keys):
                if not keys[at].startswith(_STILL):
                    return at
                at += step
        if index == self._cursor:
            return index
        top = self.scroll_offset.y
        return min(index, max(0, top - 1)) if direction < 0 else max(index, min(len(keys) - 1, top + self.size.height))

    def on_resize(self) -> None:
        """Show the first rows of a list that grew, where the cursor's row stays in sight; RowList does the rest."""
        grown, self._height = self.size.height > self._height, self.size.height
        if grown and self._cursor < self._height:
            self.scroll_to(y=0, animate=False, force=True)

    def _show_cursor(self) -> None:
        """Keep the row and what belongs to it visible: titles above it, second lines below it."""
        height, keys = self.size.height, self.keys
        if not height:
            return
        first = last = self._cursor
        if self.cursor_key is not None:
            while first > max(0, self._cursor - height + 1) and keys[first - 1].startswith(_STILL):
                first -= 1
            while last < min(len(keys), self._cursor + height) - 1 and keys[last + 1].startswith(_STILL):
                last += 1
        top = self.scroll_offset.y
        wanted = min(max(top, last - height + 1), first)
        if wanted != top:
            self.scroll_to(y=wanted, animate=False, force=True)
