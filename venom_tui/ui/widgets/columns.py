"""Columns for lists: widths by what is there, the ones of least worth dropped when there is no room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content, Span

_GAP = 2


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a list.

    `worth`: columns of smaller worth are dropped first; `width` in cells; a `stretch` column takes what is left and is
    never narrower than `width`.
    """

    title: str
    width: int
    worth: int = 5
    right: bool = False
    stretch: bool = False


def fit_columns(columns: Sequence[Column], width: int) -> list[tuple[int, int]]:
    """Return (index, width) of the columns that are shown in `width` cells, in their order."""
    shown = list(range(len(columns)))

    def needed() -> int:
        return sum(columns[i].width for i in shown) + _GAP * (len(shown) - 1)

    while len(shown) > 1 and needed() > width:
        shown.remove(min(shown, key=lambda i: (columns[i].worth, i)))
    spare = max(0, width - needed())
    stretching = [i for i in shown if columns[i].stretch]
    return [(i, columns[i].width + (spare if stretching and i == stretching[0] else 0)) for i in shown]


def lay_out(cells: Sequence[Content | str], columns: Sequence[Column], shown: Sequence[tuple[int, int]]) -> Content:
    """Return one line: each cell cut and aligned to its column. A `str` is a number or signs, a cell a character.

    Columns behind the last cell are left out: a row may say one thing in their place.
    """
    # Put together by hand: a list of live figures lays out many lines a second.
    texts: list[str] = []
    spans: list[Span] = []
    at = 0
    for index, width in shown:
        if index >= len(cells):
            break
        cell = cells[index]
        spare = width - (len(cell) if isinstance(cell, str) else cell.cell_length)
        if spare < 0:
            cell = (Content(cell) if isinstance(cell, str) else cell).truncate(width, ellipsis=True)
            spare = width - cell.cell_length
        if texts:
            texts.append(" " * _GAP)
            at += _GAP
        before = spare if columns[index].right else 0
        if isinstance(cell, str):
            plain = cell
        else:
            plain = cell.plain
            spans.extend(Span(start + at + before, end + at + before, style) for start, end, style in cell.spans)
        texts.append(f"{' ' * before}{plain}{' ' * (spare - before)}")
        at += spare + len(plain)
    return Content("".join(texts), spans)


def titles(columns: Sequence[Column]) -> list[Content]:
    """Return the head's cells."""
    return [Content(column.title) for column in columns]
