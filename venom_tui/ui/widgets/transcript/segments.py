"""Cuts a text into segments that are laid out one by one, whether it is there at once or arrives in pieces.

The cuts depend on the text alone, never on the pieces in which it came: an answer that streamed looks exactly as the
same text read from the store. A segment is usually one block of Markdown (a paragraph, a list, a table, a fence). No
segment grows beyond a few thousand characters, so neither a frame nor a jump to an old message has much to lay out:
blocks without end are cut at a line, lines without end at a space.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

SegmentKind = Literal["markdown", "inline", "plain"]

_SOFT_LINES, _SOFT_SIZE = 40, 2_500
"""From here on a segment is cut before any line that begins at the left."""
_HARD_LINES, _HARD_SIZE = 64, 4_000
"""From here on it is cut before whatever comes."""
_BLANKS = 3
"""Blank lines in a row that are kept."""
_LONGEST_LINE = 3_000
"""Characters of a line; a longer one is cut, too."""

_FENCE = re.compile(r"( {0,3})(`{3,}(?=[^`]*$)|~{3,})")
_HEADING = re.compile(r"#{1,6}(?:[ \t]|$)")
_LIST = re.compile(r" {0,3}(?:[-+*]|\d{1,9}[.)])(?:[ \t]|$)")
_RULE_OF_TABLE = re.compile(r" {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_CERTAIN = re.compile(r"[^\s\-+*>#`~=|_\d\\]|\*\*[^\s*_]")
"""Beginnings of a line that tell before it is complete that it begins a paragraph."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a text that is drawn by itself."""

    source: str
    kind: SegmentKind = "markdown"
    """`inline`: the rest of a line that was cut, no block can begin in it. `plain`: shown as it is."""
    gap: bool = False
    """A blank row stands before it."""
    joint: str = "\n"
    """What follows its last row in copied text."""
    indent: int = 0
    """Columns that it stands to the right, being cut out of a nested list."""
    repeated: int = 0
    """Lines at the beginning that were in a segment before: the opening of a fence, the head of a table."""


class Segmenter:
    """Takes a text in pieces and gives segments.

    Args:
        plain: the text is no Markdown.
    """

    def __init__(self, *, plain: bool = False) -> None:
        self._plain = plain
        self._lines: list[str] = []
        self._size = 0
        self._partial = ""
        self._begun = False
        """Whether it is decided to which segment the partial line belongs."""
        self._in_line = False
        """Whether the partial line is the rest of one that was cut."""
        self._head: list[str] = []
        self._fence = ""
        self._table = False
        self._table_head: list[str] = []
        self._list = False
        self._closed = False
        """Whether the last line ended a block for certain."""
        self._blank = False
        self._gap = False
        self._indent = 0
        self._any = False

    def feed(self, text: str) -> list[Segment]:
        """Take more text; return the segments that it finished."""
        out: list[Segment] = []
        lines = text.split("\n")
        lines[0] = self._partial + lines[0]
        self._partial = lines.pop()
        for line in lines:
            self._complete(self._shorten(line, out), out)
        self._partial = self._shorten(self._partial, out)
        open_to_it = self._blank and self._lines and not self._begun and not self._fence and not self._plain
        if open_to_it and _CERTAIN.match(self._partial):
            self._begin(self._partial, out)
        return out

    def finish(self) -> list[Segment]:
        """Return what is left; nothing may be fed afterwards."""
        out: list[Segment] = []
        if self._partial:
            self._complete(self._partial, out)
        self._emit(out)
        return out

    def tail(self) -> Segment | None:
        """Return the segment that is not finished yet, as far as it is known."""
        lines = [*self._lines, self._partial] if self._partial else self._lines
        return self._segment(lines, "\n")

    # ------------------------------------------------------------------ lines

    def _shorten(self, line: str, out: list[Segment]) -> str:
        """Cut what is too long of a line; return its rest."""
        while len(line) > _LONGEST_LINE:
            if not self._begun:
                self._begin(line[:_LONGEST_LINE], out, cut=True)
            at = line.rfind(" ", _LONGEST_LINE // 2, _LONGEST_LINE)
            spaced = at > 0 and not self._fence
            self._lines.append(line[:at] if spaced else line[:_LONGEST_LINE])
            line = line[at + 1 if spaced else _LONGEST_LINE :]
            self._emit(out, " " if spaced else "")
            self._in_line = True
            self._gap = False
        return line

    def _complete(self, line: str, out: list[Segment]) -> None:
        """Take a complete line."""
        if not self._begun:
            self._begin(line, out)
        self._begun = False
        blank = not line.strip()
        if blank and not self._fence and not self._plain and not self._in_line and self._is_needless():
            self._blank = True
            return
        self._lines.append(line)
        self._size += len(line) + 1
        if self._in_line:
            if not self._fence:
                self._emit(out)
            self._in_line = self._blank = False
            return
        if self._plain:
            return
        if self._fence:
            if self._closes(line):
                self._fence, self._closed = "", True
        elif blank:
            self._table = False
        else:
            self._notice(line)
        self._blank = blank

    def _is_needless(self) -> bool:
        """Return whether another blank line would change nothing (but in indented code, which keeps a few)."""
        return not self._lines or (len(self._lines) > _BLANKS and not any(map(str.strip, self._lines[-_BLANKS:])))

    def _closes(self, line: str) -> bool:
        """Return whether a line ends the fence; its own opening line does not."""
        mark = line.strip()
        return (
            len(self._lines) + len(self._head) > 1
            and mark.startswith(self._fence)
            and not mark.strip(self._fence[0])
            and len(line) - len(line.lstrip(" ")) <= 3
        )

    def _notice(self, line: str) -> None:
        """Take note of what a line opens or ends."""
        self._closed = False
        fence = _FENCE.match(line)
        if fence is not None and not (self._list and fence[1]):
            self._fence = fence[2]
        elif _HEADING.match(line):
            self._closed = True
        elif _LIST.match(line):
            self._list = True
        elif not self._table and len(self._lines) > 1 and "|" in self._lines[-2] and _RULE_OF_TABLE.match(line):
            self._table = True
            self._head = []
            self._table_head = self._lines[-2:]

    # ------------------------------------------------------------------ cuts

    def _begin(self, line: str, out: list[Segment], *, cut: bool = False) -> None:
        """Decide whether a segment begins with this line, of which `cut` tells that only the beginning is known."""
        self._begun = True
        count = len(self._lines)
        if not count:
            return
        if self._plain:
            if count >= _SOFT_LINES or self._size >= _SOFT_SIZE:
                self._emit(out)
        elif self._fence:
            if (count >= _HARD_LINES or self._size >= _HARD_SIZE) and (cut or not self._closes(line)):
                opening = (self._head or self._lines)[0]
                self._emit(out)
                self._head, self._gap = [opening], False
        elif not line.strip():
            return
        elif self._is_safe(line, cut):
            self._emit(out)
            self._gap = self._any
        elif self._table and (count >= _SOFT_LINES or self._size >= _SOFT_SIZE) and not self._blank:
            head = self._table_head
            self._emit(out)
            self._head, self._table, self._gap = head, True, False
            self._table_head = head
        elif count >= _SOFT_LINES or self._size >= _SOFT_SIZE:
            self._cut_anywhere(line, out)

    def _is_safe(self, line: str, cut: bool) -> bool:
        """Return whether a block begins with this line whatever comes."""
        if self._closed:
            return True
        if not cut and (_HEADING.match(line) or ((line[0] in "`~" or not self._list) and _FENCE.match(line))):
            return True
        if not self._blank or line[0] in " \t":
            return False
        return not (self._list and _LIST.match(line))

    def _cut_anywhere(self, line: str, out: list[Segment]) -> None:
        hard = len(self._lines) >= _HARD_LINES or self._size >= _HARD_SIZE
        if line[0] in " \t" and not hard:
            return
        gap, listed = self._blank, self._list
        self._emit(out)
        self._gap, self._list = gap, listed
        self._indent = min(len(line) - len(line.lstrip(" ")), 40) if listed else 0

    def _emit(self, out: list[Segment], joint: str = "\n") -> None:
        """Finish the segment."""
        segment = self._segment(self._lines, joint)
        if segment is not None:
            out.append(segment)
            self._any = True
        self._lines, self._size = [], 0
        if not self._fence:
            self._head = []
        elif not self._head and segment is not None:
            self._head = segment.source.split("\n", 1)[:1]
        self._table = self._list = self._closed = False
        self._indent = 0

    def _segment(self, lines: list[str], joint: str) -> Segment | None:
        if self._plain or (self._in_line and not self._head):
            kind: SegmentKind = "plain" if self._plain else "inline"
            return Segment("\n".join(lines), kind, self._gap, joint, self._indent) if lines else None
        fenced = bool(self._head) or bool(lines and _FENCE.match(lines[0]))
        if not fenced:
            end = len(lines)
            while end and not lines[end - 1].strip():
                end -= 1
            lines = lines[:end]
        if not lines or not (fenced or any(line.strip() for line in lines)):
            return None
        if self._indent:
            lines = [line[min(self._indent, len(line) - len(line.lstrip(" "))) :] for line in lines]
        source = "\n".join([*self._head, *lines])
        return Segment(source, "markdown", self._gap, joint, self._indent, len(self._head))


def segments(text: str, *, plain: bool = False) -> list[Segment]:
    """Return the segments of a whole text."""
    segmenter = Segmenter(plain=plain)
    return segmenter.feed(text) + segmenter.finish()
