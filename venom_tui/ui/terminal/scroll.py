"""Whether the terminal may move a widget's rows by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.errors import NoWidget
from textual.screen import Screen
from textual.widget import Widget

if TYPE_CHECKING:
    from venom_tui.ui.terminal.app import TerminalApp


def scroll_rows(app: TerminalApp[Any], widget: Widget, by: int) -> bool:
    """Move the rows of the widget's content in the terminal, if that is safe; return whether it was done."""
    driver = app._driver_of_ours
    if driver is None or driver.output is None or driver.output.busy or not by or app._frame_missed:
        return False
    screen = widget.screen
    display = app._terminal_display
    if screen is not app.screen or (display.width, display.height) != screen.size or screen._layout_required:
        return False
    area = widget.scrollable_content_region
    try:
        if not area or not screen.find_widget(widget).clip.contains_region(area) or _is_covered(screen, widget):
            return False
    except NoWidget:
        return False
    if not display.scroll(area.x, area.right, area.y, area.bottom, by):
        return False
    _move_due_repaints(screen, widget, by)
    app._scrolled()
    return True


def _move_due_repaints(screen: Screen[object], widget: Widget, by: int) -> None:
    """Rows that wait for a repaint were moved unpainted: where they are now has to be painted, too."""
    whole = widget.outer_size.region
    widget._repaint_regions |= {region.translate((0, -by)).intersection(whole) for region in widget._repaint_regions}
    area = widget.scrollable_content_region
    dirty = screen._compositor._dirty_regions
    dirty |= {
        region.intersection(area).translate((0, -by)).intersection(area) for region in dirty if region.overlaps(area)
    }


def _is_covered(screen: Screen[object], widget: Widget) -> bool:
    """Whether other widgets lie on the widget's content, or below this screen's translucent background."""
    family = {widget, *widget.ancestors}
    area = widget.scrollable_content_region
    for other, (region, clip) in screen._compositor.visible_widgets.items():
        if other not in family and region.intersection(clip).overlaps(area):
            return True
    return False
