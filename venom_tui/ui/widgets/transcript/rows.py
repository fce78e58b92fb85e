"""Rows: strips of the full width that know how they are copied, and the pen that draws them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment as Piece
from rich.style import Style as RichStyle
from textual.strip import Strip
from textual.style import Style

from venom_tui.ui.text import clean
from venom_tui.ui.widgets.transcript.inline import JOINERS, Cut, Inline, Part

WORDS_STYLE = "bold reverse"
"""How the words of a search are marked."""
CODE_BACKGROUND = " on $surface"


class Row(Strip):
    """One row of the transcript."""

    __slots__ = ("indent", "joint", "prefix", "stop")

    joint: str
    """What follows it in copied text."""
    indent: int
    """Characters of decoration at its left, which are not copied."""
    prefix: str
    """What is copied in their place: a list's bullet, a quote's mark."""
    stop: int
    """Where its text ends: what is to the right of it is not copied."""


class Pen:
    """Draws rows of one width in one theme; `words` are marked."""

    def __init__(self, width: int, style: Style, words: tuple[str, ...] = ()) -> None:
        self.width = width
        self.style = style
        self._styles: dict[str, RichStyle] = {}
        self._words = re.compile("|".join(map(re.escape, words)), re.IGNORECASE) if words else None
        self.blank = self.row([])

    def with_words(self, words: tuple[str, ...]) -> Pen:
        """Return a pen that marks words."""
        return Pen(self.width, self.style, words)

    def like(self, other: Pen) -> bool:
        """Return whether the other pen draws in the same width and theme."""
        return self.width == other.width and self.style == other.style

    def rich(self, name: str) -> RichStyle:
        """Return the style of a name as `bold $primary`, on the widget's own."""
        style = self._styles.get(name)
        if style is None:
            style = self._styles[name] = (self.style + Style.parse(name) if name else self.style).rich_style
        return style

    def row(
        self,
        parts: Iterable[Part],
        joint: str = "\n",
        *,
        lead: tuple[Part, ...] = (),
        prefix: str = "",
        fill: str = "",
        label: str = "",
    ) -> Row:
        """Return a row of the full width: the lead (decoration), the parts, and blanks in the style `fill`.

        A `label` stands at the right end where there is room for it. What is too wide is cut.
        """
        pieces: list[Piece] = []
        room = self.width
        for text, name in lead:
            room -= self._add(pieces, text, name, room)
        indent = sum(len(piece.text) for piece in pieces)
        for text, name in parts:
            room -= self._add(pieces, clean(text), name, room)
        stop = sum(len(piece.text) for piece in pieces)
        if self._words is not None:
            pieces = self._marked(pieces)
        if label and room >= cell_len(label) + 2:
            pieces.append(Piece(_blanks(room - cell_len(label) - 1), self.rich(fill)))
            pieces.append(Piece(label + " ", self.rich(f"$text-muted{fill}")))
        elif room:
            pieces.append(Piece(_blanks(room), self.rich(fill)))
        row = Row(pieces, self.width)
        row.joint, row.indent, row.prefix, row.stop = joint, indent, prefix, stop
        return row

    def _add(self, pieces: list[Piece], text: str, name: str, room: int) -> int:
        """Add a text, cut to the room that is left; return its cells."""
        if not text.isascii():
            # A joiner without the character before it would be counted in two ways.
            text = text.lstrip(JOINERS)
        cells = cell_len(text)
        if cells > room:
            text = set_cell_size(text, room)
            cells = cell_len(text)
            if cells > room:
                text, cells = _blanks(room), room
        if text:
            pieces.append(Piece(text, self.rich(name)))
        return cells

    def rows(
        self,
        text: Inline,
        cuts: list[Cut],
        first: tuple[Part, ...] = (),
        rest: tuple[Part, ...] = (),
        *,
        prefix: str = "",
        fill: str = "",
        label: str = "",
    ) -> list[Row]:
        """Return a text cut into rows that begin with `first`, then with `rest`.

        `prefix` is what is copied in place of the decoration, blanks of the same length on later lines.
        """
        rows: list[Row] = []
        fresh = True
        slices = text.slices((begin, end) for begin, end, _ in cuts)
        for parts, (_, _, joint) in zip(slices, cuts, strict=True):
            before = rest if rows else first
            copied = (" " * len(prefix) if rows else prefix) if fresh else ""
            rows.append(self.row(parts, joint, lead=before, prefix=copied, fill=fill, label="" if rows else label))
            fresh = joint == "\n"
        return rows

    def _marked(self, pieces: list[Piece]) -> list[Piece]:
        """Mark the words, also where they are cut by a change of style."""
        assert self._words is not None
        spans = [match.span() for match in self._words.finditer("".join(piece.text for piece in pieces))]
        if not spans:
            return pieces
        cuts = sorted({at for span in spans for at in span})
        marked: list[Piece] = []
        at = 0
        for text, style, _ in pieces:
            here = [0, *(cut - at for cut in cuts if 0 < cut - at < len(text)), len(text)]
            for begin, end in pairwise(here):
                inside = any(first <= at + begin < last for first, last in spans)
                both = (style or RichStyle.null()) + self._mark if inside else style
                marked.append(Piece(text[begin:end], both))
            at += len(text)
        return marked

    @property
    def _mark(self) -> RichStyle:
        return Style.parse(WORDS_STYLE).rich_style


@lru_cache(maxsize=256)
def _blanks(count: int) -> str:
    return " " * count
