"""Bars and graphs as content: one colour for what is ours, dimmed for what is not."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from venom_tui.ui.text import bar, signs


def bar_of(width: int, ours: float, others: float = 0.0, style: str = "$success") -> Content:
    """Return a bar of `width` cells; shares are 0 to 1, see `text.bar`."""
    text = bar(width, ours, others)
    sign = signs()
    full = len(text.rstrip(sign.empty))
    mine = len(text[:full].rstrip(sign.others))
    return Content.assemble((text[:mine], style), (text[mine:full], "$text-muted"), (text[full:], "$rule"))


def graph(values: Sequence[float | None], width: int, rows: int) -> list[str]:
    """Return a graph of shares (0 to 1) as lines of blocks, the newest value at the right; unknown ones are blanks.

    A value of 0 has the lowest block: nothing but the unknown is blank at the bottom.
    """
    return graph_of(levels(values, rows), width, rows)


def levels(values: Sequence[float | None], rows: int) -> tuple[int, ...]:
    """Return how many eighths high each value stands in a graph of so many rows; 0 for what is not known."""
    most = rows * len(signs().spark)
    return tuple(0 if value is None else max(1, round(min(max(value, 0.0), 1.0) * most)) for value in values)


def graph_of(heights: Sequence[int], width: int, rows: int) -> list[str]:
    """Return a graph of heights as `levels` gives them."""
    spark = signs().spark
    blocks, shown = " " + spark, heights[-width:]
    lines = []
    for row in range(rows - 1, -1, -1):
        below = row * len(spark)
        lines.append("".join([blocks[max(0, min(height - below, len(spark)))] for height in shown]).rjust(width))
    return lines
