"""Text with styles inside a line, and how it is broken into rows of a width."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.cells import cell_len, split_graphemes

Part = tuple[str, str]
"""A text and the name of its style."""

_CLOSERS = frozenset("、。，．！？：；）］｝」』】〉》”’ー々…‥")
"""Wide characters that should not begin a row."""

JOINERS = "\u200d\ufe0f"
"""What changes the character before it; where there is none, it is not drawn."""


class Inline:
    """A text of which parts have styles. Lines in it are separated by newlines."""

    __slots__ = ("ends", "plain", "styles")

    def __init__(self, parts: Iterable[Part] = ()) -> None:
        texts: list[str] = []
        self.ends: list[int] = []
        self.styles: list[str] = []
        at = 0
        for text, style in parts:
            if not text:
                continue
            texts.append(text)
            at += len(text)
            if self.styles and self.styles[-1] == style:
                self.ends[-1] = at
            else:
                self.ends.append(at)
                self.styles.append(style)
        self.plain = "".join(texts)

    def slices(self, cuts: Iterable[tuple[int, int]]) -> Iterator[list[Part]]:
        """Yield the parts of each slice (begin, end); slices are given in their order."""
        ends, styles, plain = self.ends, self.styles, self.plain
        run = 0
        for begin, end in cuts:
            while run < len(ends) and ends[run] <= begin:
                run += 1
            parts: list[Part] = []
            at, here = begin, run
            while at < end:
                stop = min(ends[here], end)
                parts.append((plain[at:stop], styles[here]))
                at, here = stop, here + 1
            yield parts

    def lines(self) -> Iterator[tuple[int, int]]:
        """Yield begin and end of each line."""
        at = 0
        for line in self.plain.split("\n"):
            yield at, at + len(line)
            at += len(line) + 1

    @property
    def width(self) -> int:
        """Cells of the longest line."""
        return max(map(cell_len, self.plain.split("\n")))


Cut = tuple[int, int, str]
"""Begin and end of a row in the text, and what copied text has after it: a newline, a space, or nothing."""


def wrap(text: Inline, width: int) -> list[Cut]:
    """Break at words; a word that is wider than the row is cut."""
    return [cut for begin, end in text.lines() for cut in _wrap_line(text.plain, begin, end, width)]


def fold(text: Inline, width: int) -> list[Cut]:
    """Break wherever the row is full."""
    return [cut for begin, end in text.lines() for cut in _fold_line(text.plain, begin, end, width)]


def _wrap_line(plain: str, begin: int, end: int, width: int) -> list[Cut]:
    line = plain[begin:end]
    if not line.isascii():
        return _wrap_wide(line, begin, width)
    cuts: list[Cut] = []
    at = begin
    while end - at > width:
        space = plain.rfind(" ", at + 1, at + width + 1)
        if space < 0 or not plain[at:space].strip():
            cuts.append((at, at + width, ""))
            at += width
            continue
        cuts.append((at, space, " "))
        at = space + 1
        while at < end and plain[at] == " ":
            at += 1
    cuts.append((at, end, "\n"))
    return cuts


def _graphemes(line: str) -> list[tuple[int, int, int]]:
    """Return begin, end and cells of what must not be torn apart."""
    bare = line.lstrip(JOINERS)
    spans: list[tuple[int, int, int]] = split_graphemes(bare)[0]
    skipped = len(line) - len(bare)
    if not skipped:
        return spans
    # What joins nothing swallows the character after it for rich, but is not drawn (see `Pen`): that character is seen.
    return [(0, skipped, 0), *((first + skipped, last + skipped, cells) for first, last, cells in spans)]


def _wrap_wide(line: str, begin: int, width: int) -> list[Cut]:
    cuts: list[Cut] = []
    spans = _graphemes(line)
    start = used = index = 0  # `start`: where the row begins in the line; `used`: its cells so far
    # Where the row may end, the grapheme and the character that the next one begins with, the joint.
    chance: tuple[int, int, int, str] | None = None
    while index < len(spans):
        first, last, cells = spans[index]
        blank = line[first:last] == " "
        if used + cells > width and first > start:
            if blank:
                chance = (first, index + 1, last, " ")
            stop, index, after, joint = chance or (first, index, first, "")
            cuts.append((begin + start, begin + stop, joint))
            if joint:
                while index < len(spans) and line[slice(*spans[index][:2])] == " ":
                    index += 1
                after = spans[index][0] if index < len(spans) else len(line)
            start, used, chance = after, 0, None
            continue
        used += cells
        index += 1
        if blank:
            if line[start:first].strip():
                chance = (first, index, last, " ")
        elif cells == 2 and last < len(line) and line[last] not in _CLOSERS and line[last] != " ":
            chance = (last, index, last, "")
    cuts.append((begin + start, begin + len(line), "\n"))
    return cuts


def _fold_line(plain: str, begin: int, end: int, width: int) -> list[Cut]:
    line = plain[begin:end]
    if line.isascii():
        starts = [*range(begin, end, width)] or [begin]
    else:
        starts, used = [begin], 0
        for first, _, cells in _graphemes(line):
            if used + cells > width and begin + first > starts[-1]:
                starts.append(begin + first)
                used = 0
            used += cells
    stops = [*starts[1:], end]
    return [(start, stop, "" if stop < end else "\n") for start, stop in zip(starts, stops, strict=True)]
