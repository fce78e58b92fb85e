"""The answer that is being written: only its unfinished last block is drawn again with each frame."""

from __future__ import annotations

import re
from itertools import zip_longest

from venom_tui.ui.widgets.transcript.markdown import blocks
from venom_tui.ui.widgets.transcript.pieces import Piece
from venom_tui.ui.widgets.transcript.rows import Pen, Row

_TALLEST = 80
"""Rows that an unfinished block may have; a longer one is cut, so that its cost does not grow without end."""
_WIDEST = 12_000
"""The same in characters, for a block that is one endless line."""


class LiveMarkdown:
    """Takes the text of an answer in pieces; gives finished pieces, and the rows of what is not finished yet.

    Blocks but the last one are finished: what follows cannot change them. (A table's or list's later lines belong to
    it, and it is the last block until another one begins.)
    """

    def __init__(self, key: str) -> None:
        self._key = key
        self._tail = ""
        self._gap = False
        self.rows: list[Row] = []

    def add(self, text: str, pen: Pen, *, end: bool = False) -> list[Piece]:
        """Take more text and return the pieces that are finished by it; at the `end` all is."""
        self._tail += text
        lines = self._tail.split("\n")
        found = blocks(self._tail, pen, gap=self._gap)
        finished: list[Piece] = []
        last = len(found) if end else len(found) - 1
        for number, block in enumerate(found[: max(0, last)]):
            after = found[number + 1].first_line if number + 1 < len(found) else len(lines)
            source = "\n".join(lines[block.first_line : after])
            finished.append(self._piece(source, self._gap or number > 0, block.rows))
        if end:
            self._tail, self.rows = "", []
            return finished
        if found:
            if finished:
                self._tail, self._gap = "\n".join(lines[found[-1].first_line :]), True
            # Rows that are as they were stay the same objects, so that they are not painted again.
            self.rows = [
                old if old is not None and old == new else new
                for new, old in zip_longest(found[-1].rows, self.rows[: len(found[-1].rows)])
                if new is not None
            ]
        if len(self.rows) > _TALLEST or len(self._tail) > _WIDEST:
            finished.append(self._cut(found[-1].kind if found else "", pen))
        return finished

    def redraw(self, pen: Pen) -> None:
        """Draw what is unfinished with another pen."""
        self.rows = [row for block in blocks(self._tail, pen, gap=self._gap) for row in block.rows]

    def _cut(self, kind: str, pen: Pen) -> Piece:
        """Finish the greater part of an endless block; a cut table or fence begins the rest with its head again."""
        most = len(self._tail) * 9 // 10
        head = {"fence": 1, "table": 2}.get(kind, 0)
        starts = [match.end() for match in re.finditer(r"\n(?=\S)", self._tail[:most])][head:]
        cut = starts[-1] if starts else self._tail.rfind(" ", 0, most) + 1 or most
        source, rest = self._tail[:cut], self._tail[cut:]
        opening = "".join(line + "\n" for line in self._tail.split("\n")[:head])
        rows = [row for block in blocks(source, pen, gap=self._gap) for row in block.rows]
        piece = self._piece(source, self._gap, rows)
        self._tail, self._gap = opening + rest, False
        self.redraw(pen)
        return piece

    def _piece(self, source: str, gap: bool, rows: list[Row]) -> Piece:
        return Piece(self._key, "markdown", source, gap, len(rows), rows)
