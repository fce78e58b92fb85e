"""What is selected of the transcript: how it looks, and what is copied."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from rich.segment import Segment
from rich.style import Style

from venom_tui.ui.widgets.transcript.rows import Row


def selected_row(row: Row, span: tuple[int, int], style: Style) -> Row:
    """Return a row with the characters of a span (end -1: all the rest of its text) in a style."""
    begin, finish = span[0], span[1] if span[1] >= 0 else max(row.stop, 1)
    if finish <= begin:
        return row
    pieces: list[Segment] = []
    at = 0
    for piece in row:
        cuts = [0, *(cut - at for cut in (begin, finish) if 0 < cut - at < len(piece.text)), len(piece.text)]
        for first, last in pairwise(cuts):
            inside = begin <= at + first and at + last <= finish
            both = (piece.style or Style.null()) + style if inside else piece.style
            pieces.append(Segment(piece.text[first:last], both))
        at += len(piece.text)
    if sum(piece.cell_length for piece in pieces) != row.cell_length:
        return row  # the border is within a character of several code points
    marked = Row(pieces, row.cell_length)
    marked.joint, marked.indent, marked.prefix, marked.stop = row.joint, row.indent, row.prefix, row.stop
    return marked


def copied(rows: Iterable[Row], begin: int, finish: int | None) -> str:
    """Return rows as they were written: paragraphs in one line, without bars and margins.

    Args:
        rows: the rows of the selection.
        begin: the character of the first row at which it begins.
        finish: the character of the last row at which it ends; None: the end of its text.
    """
    texts: list[str] = []
    last: Row | None = None
    for row in rows:
        if last is not None:
            texts.append(_text(last, begin, None) + last.joint)
            begin = 0
        last = row
    if last is not None:
        texts.append(_text(last, begin, finish))
    return "".join(texts).strip("\n")


def _text(row: Row, begin: int, finish: int | None) -> str:
    end = row.stop if finish is None else min(finish, row.stop)
    text = row.text[max(begin, row.indent) : max(end, row.indent)]
    if begin < row.indent or begin == 0:
        text = row.prefix + text
    # Blanks at the end are padding, but where a row was cut within a word or code they belong to the text.
    return text if row.joint == "" and finish is None else text.rstrip()
