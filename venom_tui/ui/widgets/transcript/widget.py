"""The widget: entries that are shown, an answer that streams into them, and what the reader does with messages."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from venom_tui.ui.widgets.transcript.entry import Call, Entry, code_blocks
from venom_tui.ui.widgets.transcript.live import LiveView
from venom_tui.ui.widgets.transcript.view import View
from venom_tui.ui.widgets.transcript.window import HistoryWindow

if TYPE_CHECKING:
    from textual.timer import Timer


class Transcript(HistoryWindow, can_focus=True):
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

    def __init__(self, *, fps: int = 10) -> None:
        super().__init__()
        self._fps = max(1, fps)
        self._live: LiveView | None = None
        self._timer: Timer | None = None
        self._last_frame = 0.0
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

    @property
    def keys(self) -> list[str]:
        """The keys of all entries, in their order."""
        return [view.entry.key for view in self._history.views]

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
        return view.text if view is not None else ""

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

    def add_call(self, call: Call) -> None:
        """Show a function that the model wants to have called."""
        if self._live is not None:
            self._live.add_call(call)
            self._schedule()

    def add_note(self, note: str) -> None:
        """Add a dimmed line under the answer that streams."""
        if self._live is not None:
            self._live.add_note(note)
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

    @property
    def _grows(self) -> bool:
        return self._live is not None

    def _renewed(self) -> None:
        if self._live is not None and self._live.waiting:
            self._schedule()
        if self._goal is not None:
            goal, self._goal = self._goal, None
            self.go_to(*goal)

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
        self._tell_growth(added)
        if live.waiting:
            self._schedule()

    # ------------------------------------------------------------------ what the reader does

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
