"""The widget: a window on the history, painted row by row; only rows that are others than before are painted."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from venom_tui.ui.widgets.transcript.copying import copied, selected_row
from venom_tui.ui.widgets.transcript.entry import Entry, code_blocks
from venom_tui.ui.widgets.transcript.highlight import LEXERS
from venom_tui.ui.widgets.transcript.history import History, Place
from venom_tui.ui.widgets.transcript.live import LiveView
from venom_tui.ui.widgets.transcript.rows import Pen, Row
from venom_tui.ui.widgets.transcript.view import View

if TYPE_CHECKING:
    from textual.selection import Selection
    from textual.timer import Timer


class Transcript(ScrollView, can_focus=True):
    """A chat's messages.

    Args:
        fps: frames a second at most while an answer is written.
    """

    DEFAULT_CSS = """
    Transcript { height: 1fr; overflow-x: hidden; overflow-y: scroll; background: $background; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_up", "Up", show=False, id="transcript.up", tooltip="One line up"),
        Binding("down,j", "scroll_down", "Down", show=False, id="transcript.down", tooltip="One line down"),
        Binding("home,g", "scroll_home", "Begin", show=False, id="transcript.home", tooltip="To the beginning"),
        Binding("end,G", "follow_end", "End", show=False, id="transcript.end", tooltip="To the end, and follow it"),
        Binding("p", "select(-1)", "Previous", id="transcript.previous", tooltip="Select the message before"),
        Binding("n", "select(1)", "Next", id="transcript.next", tooltip="Select the message after"),
        Binding("t", "fold", "Thinking", show=False, id="transcript.fold", tooltip="Unfold or fold the thinking"),
    ]

    class OlderWanted(Message):
        """The reader is near the beginning of what is here. Sent once until entries are set or prepended."""

    class FollowChanged(Message):
        """The end is followed, or no longer, or more was written below the window meanwhile."""

        def __init__(self, following: bool, new_lines: int = 0) -> None:
            super().__init__()
            self.following = following
            self.new_lines = new_lines
            """Lines that were added since the end was followed last."""

    def __init__(self, *, fps: int = 10) -> None:
        super().__init__()
        self._fps = max(1, fps)
        self._history = History()
        self._live: LiveView | None = None
        self._pen: Pen | None = None
        self._timer: Timer | None = None
        self._last_frame = 0.0
        self._follow = True
        self._new_lines = 0
        self._shown: list[Row] = []
        self._top = 0
        self._clean = False
        self._busy = False
        self._older_wanted = False
        self._goal: tuple[str, tuple[str, ...]] | None = None
        self.selected_key: str | None = None
        """The entry that the reader chose."""

    # ------------------------------------------------------------------ entries

    def set_entries(self, entries: Iterable[Entry]) -> None:
        """Show a whole session, at its end."""
        self._stop_timer()
        self._live = self._goal = self.selected_key = None
        self._older_wanted = False
        self._history.set([View(entry, self._width) for entry in entries])
        self._clear_selection()
        self._follow_now(True)
        self._settle()

    def append(self, entry: Entry) -> None:
        """Add an entry at the end."""
        self._add(View(entry, self._width))
        self._settle()

    def put_last(self, entry: Entry) -> None:
        """Add an entry at the end, or show it anew where it stands."""
        if self._history.get(entry.key) is None:
            self.append(entry)
        else:
            self.replace(entry)

    def replace(self, entry: Entry) -> None:
        """Show an entry anew where it stands; nothing happens where it is not there or is as it was."""
        view = self._history.get(entry.key)
        if view is None or view.entry == entry:
            return
        new = View(entry, self._width)
        new.pieces, new.unfolded, new.selected, new.words = view.pieces, view.unfolded, view.selected, view.words
        if view.pieces is not None:
            new.cut(self._width)
        self._swap(view, new)

    def prepend(self, entries: Sequence[Entry]) -> None:
        """Add older entries before the first; what is seen stays where it is."""
        older = [View(entry, self._width) for entry in entries if self._history.get(entry.key) is None]
        place = self._place()
        self._history.prepend(older)
        self._older_wanted = False
        self._clear_selection()
        self._return_to(place)

    def remove_entry(self, key: str) -> None:
        """Take an entry away."""
        view = self._history.get(key)
        if view is None:
            return
        place = self._place()
        if self._live is not None and self._live.entry.key == key:
            self._stop_timer()
            self._live = None
        if self.selected_key == key:
            self.selected_key = None
        self._history.remove(view)
        self._clear_selection()
        self._return_to(place)

    def source(self, key: str) -> str:
        """Return the text of an entry as it was written."""
        view = self._history.get(key)
        if view is None:
            return ""
        return view.text if isinstance(view, LiveView) else view.entry.body

    def code_blocks(self, key: str) -> list[str]:
        """Return the code blocks of an entry."""
        return code_blocks(self.source(key))

    def _add(self, view: View) -> None:
        old = self._history.get(view.entry.key)
        if old is not None:
            self._history.remove(old)
        self._history.append(view)

    def _swap(self, old: View, new: View) -> None:
        place = self._place()
        self._history.replace(old, new)
        self._return_to(place)

    # ------------------------------------------------------------------ the answer that streams

    def begin(self, entry: Entry) -> None:
        """Show an answer that is being written."""
        if self._live is not None:
            self.end(self._live.so_far())
        self._live = LiveView(entry, self._width)
        self._add(self._live)
        self._settle()
        if self._live.waiting:
            self._schedule()

    def write(self, text: str) -> None:
        """Add text to the answer; it is seen with the next frame."""
        if self._live is not None and text:
            self._live.write(text)
            self._schedule()

    def write_thinking(self, text: str) -> None:
        """Add to the thinking; it is seen until the answer begins, then it is folded."""
        if self._live is not None and text:
            self._live.write_thinking(text)
            self._schedule()

    def set_status(self, text: str) -> None:
        """Change the live last line; "" takes it away."""
        if self._live is not None and self._live.set_status(text):
            self._schedule()

    def end(self, entry: Entry) -> None:
        """Show the final form of the answer that streamed, or of an entry that stands here."""
        live = self._live
        if live is None or entry.key != live.entry.key:
            self.put_last(entry)
            return
        self._stop_timer()
        self._live = None
        self._swap(live, live.finished(entry, self._width))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def _schedule(self) -> None:
        if self._timer is None and self._pen is not None:
            wait = self._last_frame + 1 / self._fps - time.monotonic()
            self._timer = self.set_timer(max(0.001, wait), self._frame)

    def _frame(self) -> None:
        self._timer = None
        self._last_frame = time.monotonic()
        live, pen = self._live, self._pen
        if live is None or pen is None:
            return
        before = self._history.total
        self._history.keep_drawn(live.advance(pen))
        self._history.resized(live)
        added = self._history.total - before
        self._settle()
        if not self._follow and added > 0:
            self._new_lines += added
            self.post_message(self.FollowChanged(False, self._new_lines))
        if live.waiting:
            self._schedule()

    # ------------------------------------------------------------------ places

    @property
    def following(self) -> bool:
        """Whether the window stays at the end."""
        return self._follow

    def follow_end(self) -> None:
        """Go to the end and stay there."""
        self._follow_now(True)
        self._settle()

    def action_follow_end(self) -> None:
        """Go to the end and stay there."""
        self.follow_end()

    def go_to(self, key: str, words: tuple[str, ...] = ()) -> None:
        """Select an entry and show it, with words marked: at the first of them, else at its beginning."""
        view = self._history.get(key)
        if view is None:
            return
        if self._pen is None:
            self._goal = key, words
            return
        for other in self._history.views:
            if other.words and other is not view:
                other.words = ()
                other.undraw()
        view.words = tuple(word for word in words if word)
        view.undraw()
        self._select(view)
        self._show_view(view, view.piece_with(view.words, self._width))

    def action_select(self, by: int) -> None:
        """Select the message before (-1) or after (1)."""
        views = self._history.views
        if not views:
            return
        current = self._history.get(self.selected_key) if self.selected_key is not None else None
        here = self._history.index(current) if current is not None else len(views) if by < 0 else -1
        view = views[min(max(here + by, 0), len(views) - 1)]
        self._select(view)
        self._show_view(view, 0)

    def action_fold(self) -> None:
        """Unfold the thinking of the selected message (else of the last), or fold it."""
        chosen = self._history.get(self.selected_key) if self.selected_key is not None else None
        thinking = [view for view in self._history.views if view.thinking]
        view = chosen if chosen is not None and chosen.thinking else thinking[-1] if thinking else None
        if view is None:
            return
        place = self._place()
        view.unfolded = not view.unfolded
        view.cut(self._width)
        self._history.resized(view)
        self._clear_selection()
        self._return_to(place)

    def _select(self, view: View) -> None:
        for other in (self._history.get(self.selected_key) if self.selected_key else None, view):
            if other is not None:
                other.selected = other is view
                other.undraw_sign()
        self.selected_key = view.entry.key

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
        if self._live is None or not self._follow:
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
        if self._live is not None and self._live.waiting:
            self._schedule()
        if self._goal is not None:
            goal, self._goal = self._goal, None
            self.go_to(*goal)

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
            return "\n\n".join(self.source(view.entry.key) for view in self._history.views), "\n"
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
