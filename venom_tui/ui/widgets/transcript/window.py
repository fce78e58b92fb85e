"""A window on a history, painted row by row; only rows that are others than before are painted."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from venom_tui.ui.widgets.transcript.copying import copied, selected_row
from venom_tui.ui.widgets.transcript.highlight import LEXERS
from venom_tui.ui.widgets.transcript.history import History, Place
from venom_tui.ui.widgets.transcript.rows import Pen, Row
from venom_tui.ui.widgets.transcript.view import View

if TYPE_CHECKING:
    from textual.selection import Selection


class HistoryWindow(ScrollView):
    """Lays out what is near the window, scrolls it, follows the end, and paints. Subclasses fill `_history`."""

    class OlderWanted(Message, namespace="transcript"):
        """The reader is near the beginning of what is here. Sent once until entries are set or prepended."""

    class FollowChanged(Message, namespace="transcript"):
        """The end is followed, or no longer, or more was written below the window meanwhile."""

        def __init__(self, following: bool, new_lines: int = 0) -> None:
            super().__init__()
            self.following = following
            self.new_lines = new_lines
            """Lines that were added since the end was followed last."""

    def __init__(self) -> None:
        super().__init__()
        self._history = History()
        self._pen: Pen | None = None
        self._follow = True
        self._new_lines = 0
        self._shown: list[Row] = []
        self._top = 0
        self._clean = False
        self._busy = False
        self._older_wanted = False

    @property
    def _grows(self) -> bool:
        """Whether text is being added at the end."""
        return False

    def _renewed(self) -> None:
        """Called when all was drawn anew: first, in another width, or in another theme."""

    # ------------------------------------------------------------------ places

    @property
    def following(self) -> bool:
        """Whether the window stays at the end."""
        return self._follow

    def follow_end(self) -> None:
        """Go to the end and stay there."""
        self._follow_now(True)
        self._settle()

    def _show_view(self, view: View, piece: int) -> None:
        """Put a piece of a view near the top of the window."""
        pen = self._pen
        if pen is None:
            return
        self._follow_now(False)
        place = Place(view.entry.key, piece, 0.0)
        # Twice: laying out what is near corrects heights above.
        for _ in range(2):
            self._put_scroll(max(0, self._history.find(place, pen) - (3 if piece else 0)))
            self._settle()
        if self._history.total - round(self.scroll_y) <= self.size.height:
            self._follow_now(True)
            self._settle()

    def _follow_now(self, follow: bool) -> None:
        if follow != self._follow:
            self._follow, self._new_lines = follow, 0
            self.post_message(self.FollowChanged(follow))

    def _tell_growth(self, added: int) -> None:
        """Tell that lines were added, where the reader does not see it."""
        if not self._follow and added > 0:
            self._new_lines += added
            self.post_message(self.FollowChanged(False, self._new_lines))

    def _place(self) -> Place | None:
        return self._history.place(max(0, round(self.scroll_y)))

    def _return_to(self, place: Place | None) -> None:
        """Put what was at the top of the window back there."""
        if place is not None and not self._follow and self._pen is not None:
            self._put_scroll(self._history.find(place, self._pen))
        self._settle()

    # ------------------------------------------------------------------ layout and painting

    @property
    def _width(self) -> int:
        return self.scrollable_content_region.width or 80

    def _settle(self) -> None:
        """Lay out what is near the window, keep the window in its place or at the end, paint what changed."""
        pen = self._pen
        if self._busy or pen is None:
            return
        self._busy = True
        try:
            height = self.size.height
            y = self._history.lay_out(round(self.scroll_y), height, pen, follow=self._follow)
            # Past the watchers: each of them would lay out the screen or paint the whole widget.
            self.set_reactive(Widget.virtual_size, Size(self._width, self._history.total))
            self._put_scroll(y)
            self._move_bar(height, y)
            self._paint(y, pen)
        finally:
            self._busy = False
        if y < height and self._history.views and not self._follow and not self._older_wanted:
            self._older_wanted = True
            self.post_message(self.OlderWanted())
        if LEXERS.wanted and self.is_attached:
            self.run_worker(self._load_lexers, thread=True, group="lexers", exit_on_error=False)

    def _put_scroll(self, y: int) -> None:
        self.set_reactive(Widget.scroll_y, float(y))
        self.set_reactive(Widget.scroll_target_y, float(y))

    def _move_bar(self, height: int, y: int) -> None:
        """Move the scrollbar; while an answer is followed it rests, since it would be written anew with each line."""
        bar = self.vertical_scrollbar
        if not self._grows or not self._follow:
            bar.window_virtual_size, bar.window_size, bar.position = self._history.total, height, y

    def _paint(self, top: int, pen: Pen) -> None:
        height = self.size.height
        selection = self.text_selection
        rows: list[Row] = []
        for y in range(top, top + height):
            row = self._history.row(y, pen)
            span = selection.get_span(y) if selection is not None and y < self._history.total else None
            if span is not None:
                row = selected_row(row, span, self.screen.get_component_rich_style("screen--selection"))
            rows.append(row)
        shown, by = self._shown, top - self._top
        self._shown, self._top = rows, top
        if len(shown) != height or not self.is_on_screen:
            self._clean = False
            self.refresh()
            return
        old: list[Row | None] = [*shown]
        if by and abs(by) < height and self._clean and self._scroll_terminal(by):
            old = [*old[by:], *[None] * by] if by > 0 else [*[None] * -by, *old[:by]]
        width = self._width
        changed = [y for y, (row, was) in enumerate(zip_longest(rows, old)) if row is not was]
        if changed:
            self._clean = False
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    def _scroll_terminal(self, by: int) -> bool:
        terminal = getattr(self.app, "terminal", None)
        return terminal is not None and bool(terminal.scroll_rows(self, by))

    def _load_lexers(self) -> None:
        """Load the lexers that were asked for, in a thread; then draw the code again."""
        loaded = [LEXERS.load(language) for language in LEXERS.take_wanted()]
        if any(loaded) and self.is_attached:
            self.app.call_from_thread(self._redraw_code)

    def _redraw_code(self) -> None:
        for view in self._history.views:
            view.undraw_code()
        self._settle()

    # ------------------------------------------------------------------ what Textual asks for

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Follow the reader."""
        if not self._busy and self._pen is not None:
            self._follow_now(new_value >= self.max_scroll_y)
            self._settle()

    def on_resize(self) -> None:
        """Draw all anew in another width, the window on its text."""
        self._renew()

    def notify_style_update(self) -> None:
        """Draw all anew in another theme."""
        super().notify_style_update()
        if self._pen is not None and self._pen.style != self.visual_style:
            self._renew()

    def _renew(self) -> None:
        pen = Pen(self._width, self.visual_style)
        if not self.size.height:
            return
        self._shown = []
        if self._pen is not None and self._pen.like(pen):
            self._settle()
            return
        place = self._place()
        self._pen = pen
        self._history.undraw()
        self._clear_selection()
        self._return_to(place)
        self._renewed()

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return rows of the window as they are."""
        self._clean = True
        blank = Strip.blank(self._width, self.visual_style.rich_style)
        rows: list[Strip] = [*self._shown, *[blank] * max(0, crop.bottom - len(self._shown))]
        return [row.crop(crop.x, crop.right) for row in rows[crop.y : crop.bottom]]

    def render_line(self, y: int) -> Strip:
        """Return one row with its place in the text, for the mouse's selection."""
        if y < len(self._shown):
            return self._shown[y].apply_offsets(0, self._top + y)
        return Strip.blank(self._width, self.visual_style.rich_style)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """Return the selected text as it was written: paragraphs in one line, without bars and margins."""
        pen, total = self._pen, self._history.total
        if pen is None or not total:
            return None
        first, last = selection.start, selection.end
        if first is None and last is None:
            return "\n\n".join(view.text for view in self._history.views), "\n"
        top = first.y if first is not None else 0
        bottom = min(last.y, total - 1) if last is not None else total - 1
        rows = (self._history.row(y, pen) for y in range(top, bottom + 1))
        finish = last.x if last is not None and last.y == bottom else None
        return copied(rows, first.x if first is not None else 0, finish), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """Show what is selected."""
        self._settle()

    def _clear_selection(self) -> None:
        """Forget the selection: its rows are elsewhere now."""
        if self.is_attached and self.text_selection is not None:
            self.screen.clear_selection()
