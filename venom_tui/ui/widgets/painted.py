"""Turns lines that change many times into segments without what Textual (8.2.8) does for any text.

The styles of a line of figures do not overlap, and they are the same ones as a second ago: what Textual finds out anew
for each line is remembered here. Whatever is not that simple is left to Textual.
"""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style as RichStyle
from textual.content import Content
from textual.style import Style

_MOST_BASES = 8
_MOST_STYLES = 512


class Brush:
    """Turns a line into segments, and remembers what its styles came to."""

    def __init__(self) -> None:
        self._bases: dict[Style, dict[tuple[str, int], tuple[Style, RichStyle]]] = {}
        """Style below -> (style above, column) -> what the theme makes of that, and both together."""

    def segments(self, line: Content, base: Style) -> list[Segment]:
        """Return the segments of a row."""
        return self._paint(line, base, selectable=False) or line.render_segments(base)

    def selectable(self, line: Content, base: Style) -> list[Segment] | None:
        """Return segments that know their place, so that the mouse can select them; None where Textual has to."""
        return self._paint(line, base, selectable=True)

    def _paint(self, line: Content, base: Style, *, selectable: bool) -> list[Segment] | None:
        known = self._bases.get(base)
        if known is None or len(known) > _MOST_STYLES:
            if len(self._bases) >= _MOST_BASES:
                self._bases.clear()
            known = self._bases[base] = {}
        pieces = _pieces(line)
        if pieces is None:
            return None
        segments: list[Segment] = []
        for start, text, style in pieces:
            # A theme that changes gives other objects.
            above = Style.parse(style) if style else base
            key = style, start if selectable else -1
            found = known.get(key)
            if found is None or found[0] is not above:
                if above.link or above.meta:
                    return None
                both = base + above if style else base
                rich = (base + both).rich_style_with_offset(start, 0) if selectable else both.rich_style
                found = known[key] = above, rich
            segments.append(Segment(text, found[1]))
        return segments


def _pieces(line: Content) -> list[tuple[int, str, str]] | None:
    """Return (column, text, style) of the parts of a line, "" for no style; None where styles lie over each other."""
    text = line.plain
    pieces: list[tuple[int, str, str]] = []
    at = 0
    for start, end, style in line.spans:
        if start < at or end > len(text) or not isinstance(style, str):
            return None
        if start >= end:
            continue
        if start > at:
            pieces.append((at, text[at:start], ""))
        pieces.append((start, text[start:end], style))
        at = end
    if at < len(text):
        pieces.append((at, text[at:], ""))
    return pieces
