"""The base of our screens: an update renders the widgets that it shows, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from textual._compositor import Compositor
from textual.geometry import Region
from textual.screen import Screen, ScreenResultType
from textual.strip import Strip


class FrugalCompositor(Compositor):
    """Textual's compositor, which (8.2.8) renders for one changed row every widget that shares a container with it."""

    def _get_renders(self, crop: Region | None = None) -> Iterator[tuple[Region, Region, list[Strip]]]:
        """Yield region, clip and strips of what is seen within `crop`, front to back."""
        for widget, (region, clip) in self.visible_widgets.items():
            visible = region.intersection(clip)
            if not visible or (crop and not crop.overlaps(visible)):
                continue
            yield region, clip, widget.render_lines(visible.translate(-region.offset))
            if crop and visible.contains_region(crop):
                return  # what is behind it is not seen


class TerminalScreen(Screen[ScreenResultType]):
    """A screen of a `TerminalApp`."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._compositor = FrugalCompositor()
