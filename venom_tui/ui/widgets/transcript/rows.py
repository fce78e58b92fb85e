"""Rows: strips of the full width that know how they are copied, and the pen that draws them."""

from __future__ import annotations

import re
from functools import lru_cache

from rich.segment import Segment
from rich.style import Style as RichStyle
from textual.content import Content
from textual.strip import Strip
from textual.style import Style

WORDS_STYLE = "reverse"
"""How the words of a search are marked."""


class Row(Strip):
    """One row. `joint` is what follows it in copied text, `indent` the cells of decoration at its left."""

    __slots__ = ("indent", "joint")

    joint: str
    indent: int


class Pen:
    """Draws rows of one width in one theme."""

    def __init__(self, width: int, style: Style, words: tuple[str, ...] = ()) -> None:
        self.width = width
        self.style = style
        self._code_style = style + Style.parse("on $surface")
        self._words = re.compile("|".join(map(re.escape, words)), re.IGNORECASE) if words else None
        self.blank = self.row(Content())

    def row(self, content: Content, joint: str = "\n", *, indent: int = 0, code: bool = False) -> Row:
        """Return a row of the full width; `code` colours its whole background."""
        style = self._code_style if code else self.style
        if self._words is not None:
            for match in self._words.finditer(content.plain):
                content = content.stylize(WORDS_STYLE, match.start(), match.end())
        segments = content.render_segments(self.style)
        used = sum(segment.cell_length for segment in segments)
        if used > self.width:
            segments = list(Strip(segments).crop(0, self.width))
            used = sum(segment.cell_length for segment in segments)
        if used < self.width:
            segments.append(Segment(_blanks(self.width - used), _rich(style)))
        row = Row(segments, self.width)
        row.joint = joint
        row.indent = indent
        return row

    def wrapped(self, content: Content, first: Content, rest: Content, width: int) -> list[Row]:
        """Return `content` wrapped at words into rows that begin with `first`, then with `rest`."""
        rows: list[Row] = []
        for paragraph in content.split(allow_blank=True):
            pieces = paragraph.wrap(width) or [paragraph]
            for piece in pieces:
                lead = rest if rows else first
                rows.append(self.row(lead + piece, " ", indent=lead.cell_length))
            rows[-1].joint = "\n"
        return rows

    def folded(self, content: Content, first: Content, rest: Content, width: int) -> list[Row]:
        """Return lines of code cut at the width, without regard to words, on the code's background."""
        rows: list[Row] = []
        for line in content.split(allow_blank=True):
            for piece in line.fold(width):
                lead = rest if rows else first
                rows.append(self.row(lead + piece, "", indent=lead.cell_length, code=True))
            rows[-1].joint = "\n"
        return rows


@lru_cache(maxsize=64)
def _blanks(count: int) -> str:
    return " " * count


@lru_cache(maxsize=64)
def _rich(style: Style) -> RichStyle:
    return style.rich_style
