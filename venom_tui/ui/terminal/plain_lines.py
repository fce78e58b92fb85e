"""Paints widgets that change many times without what Textual (8.2.8) does for any widget.

A line of figures has no border and no effects; then its lines are what the widget renders, and nothing has to be laid
around them. Whatever is not that simple is left to Textual.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, runtime_checkable

from rich.segment import Segment
from textual._styles_cache import StylesCache
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget


@runtime_checkable
class Several(Protocol):
    """A widget that renders several lines with less work than one after the other."""

    def render_several(self, ys: Iterable[int]) -> Iterator[Strip]:
        """Yield these lines."""


class PlainLines(StylesCache):
    """The lines of a widget without borders and effects; those of a widget that has some are left to Textual."""

    def __init__(self) -> None:
        super().__init__()
        self._plain = False
        self._rules = -1
        """Which state of the widget's rules was looked at."""

    def render_widget(self, widget: Widget, crop: Region) -> list[Strip]:
        """Return the lines of a part of a widget; only those that changed are rendered."""
        width = widget.outer_size.width
        known, changed, lines = self._cache, self._dirty_lines, crop.line_range
        linked = widget.auto_links and bool(widget.hover_style._link_id)
        missing = [y for y in lines if y in changed or y not in known] if width == self._width else list(lines)
        if missing or linked:
            rules = rules_state(widget)
            if not known or linked or rules != self._rules or width != self._width:
                plain = not linked and _is_plain(widget)
                if plain != self._plain or width != self._width:
                    self.clear()
                    missing = list(lines)
                self._plain, self._rules, self._width = plain, rules, width
        if not self._plain:
            return super().render_widget(widget, crop)
        if missing:
            self._fill(widget, width, missing)
            changed.difference_update(missing)
        strips = [known[y] for y in lines]
        x1, x2 = crop.column_span
        return strips if (x1, x2) == (0, width) else [strip.crop(x1, x2) for strip in strips]

    def _fill(self, widget: Widget, width: int, missing: list[int]) -> None:
        padding = widget.styles.padding
        base_background, background = widget.background_colors
        blank = self.get_inner_outer(base_background, background)[0].rich_style
        left, right = ([Segment(" " * cells, blank)] if cells else [] for cells in (padding.left, padding.right))
        filters = widget.get_line_filters()
        room = width - padding.left - padding.right
        lines = widget.render_several(missing) if isinstance(widget, Several) else map(widget.render_line, missing)
        for y, line in zip(missing, lines, strict=True):
            # One strip in the end: each carries caches of its own, and none of those between would be used again.
            segments = line._segments if line.cell_length == room else line.adjust_cell_length(room, blank)._segments
            if left or right:
                segments = [*left, *segments, *right]
            for one in filters:
                segments = one.apply(segments, background)
            self._cache[y] = Strip(segments, width)


def _is_plain(widget: Widget) -> bool:
    styles = widget.styles
    padding = styles.padding
    return (
        not (padding.top or padding.bottom or styles.tint.a or any(edge for edge, _ in styles.outline))
        and styles.gutter == padding
        and not styles.has_rule("hatch")
        and styles.text_opacity == 1.0
        and widget.opacity == 1.0
    )


def paint_plainly(widget: Widget) -> None:
    """Let a widget be painted so, as long as it has no border and no effects."""
    widget._styles_cache = PlainLines()


def rules_state(widget: Widget) -> int:
    """Return a number that changes with any of a widget's style rules."""
    return widget.styles._cache_key


def is_rendered(widget: Widget) -> None:
    """Tell a widget whose line was rendered without `Widget.render_line` that nothing of it waits to be."""
    widget._dirty_regions.clear()
