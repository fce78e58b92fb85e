"""What a terminal shows: pyte, fed with whatever programs write."""

from __future__ import annotations

import codecs
import re

import pyte

# What pyte would misread: private prefixes, intermediates, sub-parameters, strings; and the tail of an unfinished one.
_ODD = re.compile(
    r"\x1b\[[<=>][0-?]*[ -/]*[@-~]|\x1b\[[0-?]*[ -/]+[@-~]|\x1b\[[0-9;]*:[0-?]*[@-~]|\x1b\[\?[0-9;]*[^hl0-9;]"
    r"|\x1b[P_^X\]][^\x07\x1b]*(?:\x07|\x1b\\)"
)
_TAIL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[P_^X\]][^\x07\x1b]*\x1b?)?\Z")


class Screen:
    """What a terminal shows after the bytes it was fed; `feed` may be given any pieces."""

    def __init__(self, columns: int, rows: int) -> None:
        self.pyte = pyte.Screen(columns, rows)
        self._stream = pyte.Stream(self.pyte)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._tail = ""

    def feed(self, data: bytes) -> None:
        """Show more output."""
        text = self._tail + self._decoder.decode(data)
        cut = _TAIL.search(text)
        self._tail, text = (text[cut.start() :], text[: cut.start()]) if cut else ("", text)
        self._stream.feed(_ODD.sub("", text))

    def resize(self, columns: int, rows: int) -> None:
        """Change the size; as most terminals, what was there stays at its place."""
        self.pyte.resize(rows, columns)

    def lines(self) -> list[str]:
        """The rows as text, without trailing blanks."""
        # Not pyte's own `display`, which fails at half a wide character.
        screen = self.pyte
        rows = (screen.buffer[y] for y in range(screen.lines))
        return ["".join(row[x].data for x in range(screen.columns)).rstrip() for row in rows]

    def cells(self) -> list[list[tuple[object, ...]]]:
        """Every cell with all its attributes, for comparisons."""
        screen = self.pyte
        return [[tuple(screen.buffer[y][x]) for x in range(screen.columns)] for y in range(screen.lines)]
