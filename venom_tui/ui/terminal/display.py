"""Writes only what changed: a shadow of the terminal's cells, and the sequences that turn it into the next frame.

The shadow is what the terminal shows once it has read everything that was written. A frame is either written whole or
not at all, so the shadow stays true when frames are dropped: the newest state is drawn against it later.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from operator import ne

from rich.color import ColorSystem
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.strip import Strip

from venom_tui.ui.terminal.cells import Cell, cells_of, is_disputed, is_pictogram, reduced, transition

Update = LayoutUpdate | ChopsUpdate

_GAP = 4
"""Unchanged cells between two changes that are written again, since moving the cursor costs as much."""

_RUNS = re.compile(rb"\x01(?:\x00{0,%d}\x01)*" % (_GAP - 1))
"""Cells that differ (1), with gaps."""


class Row:
    """One row of the shadow. A cell that is not known is None."""

    __slots__ = ("cells", "special", "strips")

    def __init__(self, width: int) -> None:
        self.cells: list[Cell | None] = [None] * width
        self.strips: dict[int, Strip] = {}
        """Column -> the strip that was drawn there last and is still there whole."""
        self.special = False
        """Whether some cells hold more than a plain character."""


class Display:
    """The shadow of a terminal of a given size.

    Args:
        ascii_only: whatever the widgets hold, the terminal gets ASCII.
        colourless: it gets no colours (NO_COLOR); what is bold, underlined or reversed stays so.
    """

    def __init__(self, *, ascii_only: bool = False, colourless: bool = False) -> None:
        self._ascii_only = ascii_only
        self._colourless = colourless
        self.width = 0
        self.height = 0
        self._rows: list[Row] = []
        self._colors = ColorSystem.TRUECOLOR
        self._pending: list[str] = []
        self.cells_written = 0

    def invalidate(self) -> None:
        """Forget what the terminal shows."""
        self._rows = [Row(self.width) for _ in range(self.height)]
        self._pending.clear()

    def fit(self, width: int, height: int) -> bool:
        """Take over the terminal's size; return whether it is another one, so that nothing is known any more."""
        if (width, height) == (self.width, self.height):
            return False
        self.width, self.height = width, height
        self.invalidate()
        return True

    @property
    def pending(self) -> bool:
        """Whether a scroll waits for the next frame."""
        return bool(self._pending)

    def known(self) -> bool:
        """Return whether every cell of the terminal is known."""
        return all(None not in row.cells for row in self._rows)

    def render(self, update: Update | None, colors: ColorSystem | None) -> tuple[str, int]:
        """Take an update into the shadow; return the sequences that bring it to the terminal, and in how many pieces.

        The sequences leave the style reset and the cursor anywhere.
        """
        self._colors = colors or ColorSystem.TRUECOLOR
        dirty: dict[int, list[tuple[int, int]]] = {}
        if update is not None:
            spans = self._layout_spans(update) if isinstance(update, LayoutUpdate) else self._chop_spans(update)
            for x, y, strip in spans:
                self._apply(x, y, strip, dirty)
        text, pieces = self._emit(dirty)
        if self._pending:
            pieces += len(self._pending)
            text = "".join(self._pending) + text
            self._pending.clear()
        return text, pieces

    def scroll(self, left: int, right: int, top: int, bottom: int, by: int) -> bool:
        """Move the cells of columns [left, right) and rows [top, bottom) by `by` rows (positive: up) in the terminal.

        The terminal can only move whole rows; what stands beside the columns is repaired. The rows that come into view
        are unknown until they are drawn. Returns False, and does nothing, where the repair would cost too much.
        """
        rows = self._rows[top:bottom]
        count = abs(by)
        if count >= len(rows) or bottom > self.height or right > self.width:
            return False
        beside = [*range(left), *range(right, self.width)]
        if beside:
            moved = zip(rows, rows[count:], strict=False) if by > 0 else zip(rows[count:], rows, strict=False)
            differing = sum(1 for row, other in moved for x in beside if row.cells[x] != other.cells[x])
            differing += count * len(beside)
            if differing * 3 > (right - left) * (len(rows) - count):
                return False
        new = [Row(self.width) for _ in range(count)]
        ordered = [*rows[count:], *new] if by > 0 else [*new, *rows[:-count]]
        self._pending.append(f"\x1b[{top + 1};{bottom}r\x1b[{top + 1}H\x1b[{count}{'M' if by > 0 else 'L'}\x1b[r")
        if not beside:
            self._rows[top:bottom] = ordered
            return True
        dirty: dict[int, list[tuple[int, int]]] = {}
        repaired = [
            self._repair(y, old, moved_row, left, right, dirty)
            for y, (old, moved_row) in enumerate(zip(rows, ordered, strict=True), top)
        ]
        self._rows[top:bottom] = repaired
        text, _ = self._emit(dirty)
        self._pending.append(text)
        return True

    def _repair(
        self, y: int, old: Row, moved: Row, left: int, right: int, dirty: dict[int, list[tuple[int, int]]]
    ) -> Row:
        row = Row(self.width)
        row.special = old.special or moved.special
        row.cells = [*old.cells[:left], *moved.cells[left:right], *old.cells[right:]]
        row.strips = {x: strip for x, strip in old.strips.items() if x + strip.cell_length <= left or x >= right}
        row.strips.update(
            (x, strip) for x, strip in moved.strips.items() if left <= x and x + strip.cell_length <= right
        )
        for start, end in ((0, left), (right, self.width)):
            self._compare(moved.cells[start:end], row.cells[start:end], start, dirty.setdefault(y, []))
        return row

    # Spans of an update

    def _layout_spans(self, update: LayoutUpdate) -> Iterator[tuple[int, int, Strip]]:
        region = update.region
        for y, line in enumerate(update.strips, region.y):
            x = region.x
            for strip in line:
                if strip is None:  # shorter than its region: Textual lost the rest of the row
                    break
                yield x, y, strip
                x += strip.cell_length

    def _chop_spans(self, update: ChopsUpdate) -> Iterator[tuple[int, int, Strip]]:
        for y, x1, x2 in update.spans:
            for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
                # A strip that the span cuts is taken whole: the cut may go through a wide character.
                if strip is not None and x < x2 and end > x1:
                    yield x, y, strip

    def _apply(self, x: int, y: int, strip: Strip, dirty: dict[int, list[tuple[int, int]]]) -> None:
        if y >= self.height or x >= self.width:
            return
        row = self._rows[y]
        strips = row.strips
        before = strips.get(x)
        if before is strip:
            return
        length = strip.cell_length
        if not length:
            return
        if before is None or before.cell_length != length:
            strip = self._make_room(strips, x, strip)
            length = strip.cell_length
        elif before._segments == strip._segments:
            strips[x] = strip
            return
        strips[x] = strip
        new, special = cells_of(strip, self._colors)
        if self._ascii_only or self._colourless:
            new = reduced(new, ascii_only=self._ascii_only, colourless=self._colourless)
        if special and not self._ascii_only:
            row.special = True
        self._write(row, x, new, dirty.setdefault(y, []))

    def _write(self, row: Row, x: int, new: list[Cell], ranges: list[tuple[int, int]]) -> None:
        """Put cells into a row; add the ranges of columns that differ."""
        cells, end = row.cells, x + len(new)
        old = cells[x:end]
        if old == new:
            return
        cells[x:end] = new
        if old[0] is None and old[-1] is None:
            ranges.append((x, end))
        else:
            self._compare(old, new, x, ranges)
        if row.special:
            self._blank_halves(row, x, end, ranges, left=old[0] is not None and not old[0][0])

    @staticmethod
    def _blank_halves(row: Row, start: int, stop: int, ranges: list[tuple[int, int]], *, left: bool) -> None:
        """Blank what is left, outside of [start, stop), of wide characters that were written over by half.

        `left`: there was a right half at `start`.
        """
        cells = row.cells
        first, last = start, stop
        if left and start:
            first = start - 1
            while first and (cell := cells[first]) is not None and not cell[0]:
                first -= 1
        while last < len(cells) and (cell := cells[last]) is not None and not cell[0]:
            last += 1
        for begin, end in ((first, start), (stop, last)):
            if begin == end:
                continue
            for at in range(begin, end):
                cell = cells[at]
                cells[at] = (" ", cell[1] if cell is not None else "")
            ranges.append((begin, end))
            for at in [at for at, strip in row.strips.items() if at < end and at + strip.cell_length > begin]:
                del row.strips[at]

    def _make_room(self, strips: dict[int, Strip], x: int, strip: Strip) -> Strip:
        """Forget the strips that one at `x` covers, whole or in part; return what of it is within the terminal."""
        end = x + strip.cell_length
        if end > self.width:
            strip, end = strip.crop(0, self.width - x), self.width
        for other in [at for at, drawn in strips.items() if at < end and at + drawn.cell_length > x]:
            del strips[other]
        return strip

    @staticmethod
    def _compare(
        old: list[Cell | None], new: list[Cell | None] | list[Cell], x: int, ranges: list[tuple[int, int]]
    ) -> None:
        """Add the ranges of columns in which two runs of cells differ."""
        # One byte a cell, compared without a loop of Python: this is done for each cell of each row that changes.
        differs = bytes(map(ne, old, new))
        ranges.extend((x + run.start(), x + run.end()) for run in _RUNS.finditer(differs))

    # Sequences

    def _emit(self, dirty: dict[int, list[tuple[int, int]]]) -> tuple[str, int]:
        out: list[str] = []
        style = ""
        pieces = 0
        for y in sorted(dirty):
            ranges = dirty[y]
            if ranges:
                ranges.sort()
                style, begun = self._emit_row(y, ranges, style, out.append)
                pieces += begun
        if style:
            out.append(transition(style, ""))
        return "".join(out), pieces

    def _emit_row(
        self, y: int, ranges: list[tuple[int, int]], style: str, append: Callable[[str], None]
    ) -> tuple[str, int]:
        """Write ranges of columns of a row; return the style in which that ends, and in how many pieces it was."""
        row = self._rows[y]
        if row.special:
            self._widen(row, ranges)
        cells = row.cells
        at: int | None = None  # the cursor's column, where it is known to be on this row
        pieces = end = 0
        for start, stop in ranges:
            start = max(start, end)
            if start >= stop:
                continue
            if at is not None and 0 <= start - at <= _GAP and None not in cells[at:start]:
                start = at  # the gap between two spans, cheaper written than skipped
            elif at is None:
                append(f"\x1b[{y + 1};{start + 1}H" if start else f"\x1b[{y + 1}H")
                pieces += 1
            else:
                append(f"\x1b[{start - at}C")
            end = stop
            self.cells_written += stop - start
            if row.special:
                style, at = self._emit_special(y, start, stop, style, append)
                continue
            for cell in cells[start:stop]:
                # Cells that are written are known; to ask each whether it is None would cost time in the busiest loop.
                text, key = cell  # type: ignore[misc]
                if key is not style and key != style:
                    append(transition(style, key))
                    style = key
                append(text)
            at = stop if stop < self.width else None  # the right margin: terminals differ on where the cursor is
        return style, pieces

    def _widen(self, row: Row, ranges: list[tuple[int, int]]) -> None:
        """Let ranges hold wide characters whole, and the rest of the row after a cluster of disputed width."""
        cells = row.cells
        width = self.width
        for number, (start, stop) in enumerate(ranges):
            while start > 0 and (cell := cells[start]) is not None and cell[0] == "" and cells[start - 1] is not None:
                start -= 1
            while stop < width and (cell := cells[stop]) is not None and cell[0] == "":
                stop += 1
            ranges[number] = start, stop
            for x in range(start, stop):
                cell = cells[x]
                if cell is not None and is_disputed(cell[0]):
                    end = x + 1
                    while end < width and cells[end] is not None:
                        end += 1
                    ranges[number:] = [(start, max(stop, end))] + [
                        pair for pair in ranges[number + 1 :] if pair[1] > end
                    ]
                    return

    def _emit_special(
        self, y: int, start: int, stop: int, style: str, append: Callable[[str], None]
    ) -> tuple[str, int | None]:
        cells = self._rows[y].cells
        misplaced = False
        for x in range(start, stop):
            cell = cells[x]
            assert cell is not None
            text, key = cell
            if not text:
                continue
            if misplaced:
                append(f"\x1b[{y + 1};{x + 1}H")
                misplaced = False
            if key != style:
                append(transition(style, key))
                style = key
            if is_disputed(text):
                wide = x + 1 < self.width and (after := cells[x + 1]) is not None and after[0] == ""
                append(f"{'  ' if wide else ' '}\x1b[{y + 1};{x + 1}H{text}")
                misplaced = True
            else:
                append(text)
                misplaced = is_pictogram(text)
        return style, None if misplaced or stop >= self.width else stop
