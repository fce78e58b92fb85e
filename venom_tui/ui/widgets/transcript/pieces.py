"""An entry in pieces that are laid out one by one, so that nothing long is ever laid out at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from textual.content import Content

from venom_tui.ui.text import signs
from venom_tui.ui.widgets.transcript.entry import Entry
from venom_tui.ui.widgets.transcript.markdown import blocks
from venom_tui.ui.widgets.transcript.rows import Pen, Row

Kind = Literal["title", "user", "markdown", "plain", "thought", "note", "error", "mark"]

_PIECE = 4_000
"""Characters that a piece of Markdown should have at most; cut between blocks only."""
_PLAIN_PIECE = 8_000
_TOO_LONG = 200_000
"""Characters; a longer text is shown plain, since finding its blocks alone would stop the screen."""

_MARKED = {"interrupted": "warning", "stopped": "", "failed": "failed"}


@dataclass(slots=True)
class Piece:
    """A part of an entry; `rows` are there while it is near the window, else its height is a guess."""

    key: str
    kind: Kind
    source: str
    gap: bool = False
    height: int = 1
    rows: list[Row] | None = field(default=None, repr=False)


def pieces_of(entry: Entry, width: int) -> Iterator[Piece]:
    """Yield the pieces of an entry, heights guessed for a width."""
    if entry.role == "user":
        yield from _plain(entry.key, "user", entry.body, width, gap=True)
        return
    yield Piece(entry.key, "title", entry.title, gap=True, height=2)
    yield from thought(entry.key, entry.thinking)
    if entry.plain or len(entry.body) > _TOO_LONG:
        yield from _plain(entry.key, "plain", entry.body, width, gap=False)
    else:
        for number, part in enumerate(split_markdown(entry.body)):
            yield Piece(entry.key, "markdown", part, number > 0, _guess(part, width))
    yield from ending(entry)


def thought(key: str, thinking: str) -> Iterator[Piece]:
    """Yield the line that stands for folded thinking."""
    if thinking:
        words = len(thinking.split())
        yield Piece(key, "thought", f"thought about it, {words:,} words")


def ending(entry: Entry) -> Iterator[Piece]:
    """Yield what stands under the body: the error, the notes."""
    if entry.error:
        yield Piece(entry.key, "error", entry.error, height=2)
    for note in entry.notes:
        kind: Kind = "mark" if note.startswith(("interrupted", "stopped because")) else "note"
        yield Piece(entry.key, kind, note)


def _guess(text: str, width: int) -> int:
    return 1 + text.count("\n") + len(text) // max(20, width)


def _plain(key: str, kind: Kind, text: str, width: int, *, gap: bool) -> Iterator[Piece]:
    at = 0
    while True:
        end = min(len(text), at + _PLAIN_PIECE)
        if end < len(text):
            end = max(text.rfind("\n", at, end), text.rfind(" ", at, end), at) + 1
            if end <= at + 1:
                end = at + _PLAIN_PIECE
        part = text[at:end]
        yield Piece(key, kind, part.removesuffix("\n") if end < len(text) else part, gap, _guess(part, width) + gap)
        gap, at = False, end
        if at >= len(text):
            return


_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_CONTINUES = re.compile(r"\s|[-+*>|]|\d{1,9}[.)]\s")
"""Beginnings of lines that may belong to a list, a quote, a table or indented code before them."""


def split_markdown(text: str) -> Iterator[str]:
    """Yield parts of a Markdown text that mean the same apart as together: cut at blank lines between plain blocks."""
    if len(text) <= _PIECE:
        yield text
        return
    part: list[str] = []
    length, fence, blank = 0, "", False
    for line in text.split("\n"):
        if not fence and blank and length >= _PIECE and line and not _CONTINUES.match(line):
            yield "\n".join(part)
            part, length = [], 0
        part.append(line)
        length += len(line) + 1
        blank = not line.strip()
        mark = _FENCE.match(line)
        if mark is not None:
            if not fence:
                fence = mark[1]
            elif mark[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
    yield "\n".join(part)


def draw(piece: Piece, pen: Pen, *, selected: bool) -> list[Row]:
    """Return the rows of a piece."""
    before = [pen.blank] if piece.gap else []
    width = max(8, pen.width - 3)
    sign = signs()
    match piece.kind:
        case "title":
            lead = Content.styled(f"{sign.pointer} " if selected else "  ", "bold $accent")
            title = Content.styled(piece.source, "bold $text-muted").truncate(width, ellipsis=True)
            return [*before, pen.row(lead + title)]
        case "user":
            bar = Content.styled(f"{sign.pointer if selected else sign.bar} ", "bold $accent")
            rest = Content.styled(f"{sign.bar} ", "$accent")
            return before + pen.wrapped(_styled(piece.source, "bold"), bar, rest, width)
        case "markdown":
            return [row for block in blocks(piece.source, pen, gap=piece.gap) for row in block.rows] or before
        case "plain":
            return before + pen.wrapped(_styled(piece.source, ""), Content("  "), Content("  "), width)
        case "thought":
            return [*before, pen.row(Content.styled(f"  {piece.source}", "italic $text-muted"))]
        case "error":
            lead = Content.styled(f"  {sign.failed} ", "bold $error")
            return before + pen.wrapped(_styled(piece.source, "$error"), lead, Content("    "), width - 2)
        case "mark":
            lead = Content.styled(f"  {sign.warning} ", "$warning")
            return before + pen.wrapped(_styled(piece.source, "$warning"), lead, Content("    "), width - 2)
        case _:
            lead = Content.styled("  ", "$text-muted")
            return before + pen.wrapped(_styled(piece.source, "$text-muted"), lead, lead, width)


def _styled(text: str, style: str) -> Content:
    return Content.styled(text.expandtabs(4), style) if style else Content(text.expandtabs(4))

