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
    spark = signs().spark
    shown = list(values)[-width:]
    lines = []
    for row in range(rows - 1, -1, -1):
        text = ""
        for value in shown:
            level = -1 if value is None else round(min(max(value, 0.0), 1.0) * rows * len(spark)) - row * len(spark)
            if row == 0 and value is not None:
                level = max(1, level)
            text += spark[min(level, len(spark)) - 1] if level > 0 else " "
        lines.append(text.rjust(width))
    return lines
