"""Columns for lists: widths by what is there, the ones of least worth dropped when there is no room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content

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


def lay_out(cells: Sequence[Content], columns: Sequence[Column], shown: Sequence[tuple[int, int]]) -> Content:
    """Return one line: each cell cut and aligned to its column."""
    parts = []
    for index, width in shown:
        cell = cells[index].truncate(width, ellipsis=True)
        spare = width - cell.cell_length
        parts.append(cell.pad_left(spare) if columns[index].right else cell.pad_right(spare))
    return Content(" " * _GAP).join(parts)


def titles(columns: Sequence[Column]) -> list[Content]:
    """Return the head's cells."""
    return [Content(column.title) for column in columns]
