"""The widget: a window on pieces, painted row by row; only rows that are others than before are painted."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate, zip_longest
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from venom_tui.ui.widgets.transcript.entry import Entry, code_blocks
from venom_tui.ui.widgets.transcript.live import LiveMarkdown
from venom_tui.ui.widgets.transcript.pieces import Piece, draw, ending, pieces_of, thought
from venom_tui.ui.widgets.transcript.rows import Pen, Row

if TYPE_CHECKING:
    from textual.selection import Selection
    from textual.timer import Timer

_KEPT_PIECES = 400
"""Pieces whose rows are kept; those of others are drawn again when they come near the window."""


class Transcript(ScrollView, can_focus=True):
    """A chat's messages."""

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
    ]

    class OlderWanted(Message):
        """The reader is near the beginning of what is here."""

    class FollowChanged(Message):
        """The end is followed, or no longer."""

        def __init__(self, following: bool) -> None:
            super().__init__()
            self.following = following

    def __init__(self, *, fps: int = 10) -> None:
        super().__init__()
        self._fps = max(1, fps)
        self._entries: dict[str, Entry] = {}
        self._pieces: list[Piece] = []
        self._tops: list[int] = [0]
        self._recent: list[Piece] = []
        self._pen: Pen | None = None
        self._marked: tuple[str, Pen] | None = None
        self._live: LiveMarkdown | None = None
        self._live_key = ""
        self._thoughts = ""
        self._status = ""
        self._status_row: Row | None = None
        self._new: list[str] = []
        self._timer: Timer | None = None
        self._last_frame = 0.0
        self._follow = True
        self._shown: list[Row] = []
        self._top = 0
        self._clean = False
        self._busy = False
        self._words: tuple[str, ...] = ()
        self._goal: str | None = None
        self.selected_key: str | None = None

    # ------------------------------------------------------------------ entries

    def set_entries(self, entries: Iterable[Entry]) -> None:
        """Show a whole session, at its end."""
        self._drop_live()
        self._entries = {entry.key: entry for entry in entries}
        self._words, self._marked, self.selected_key, self._goal = (), None, None, None
        width = self._width
        self._set_pieces([piece for entry in self._entries.values() for piece in pieces_of(entry, width)])
        self._follow_now(True)
        self._settle()

    def append(self, entry: Entry) -> None:
        """Add an entry at the end."""
        self._entries[entry.key] = entry
        self._extend(pieces_of(entry, self._width))
        self._settle()

    def put_last(self, entry: Entry) -> None:
        """Add an entry at the end, or show it anew where it stands."""
        if self._entries.get(entry.key) == entry:
            return
        self._remove_pieces(entry.key)
        self.append(entry)

    def prepend(self, entries: Sequence[Entry]) -> None:
        """Add older entries before the first; what is seen stays where it is."""
        self._entries = {**{entry.key: entry for entry in entries}, **self._entries}
        width = self._width
        older = [piece for entry in entries for piece in pieces_of(entry, width)]
        added = sum(piece.height for piece in older)
        self._set_pieces([*older, *self._pieces])
        self._put_scroll(round(self.scroll_y) + added)
        self._settle()

    def remove(self, key: str) -> None:
        """Take an entry away."""
        if self._entries.pop(key, None) is not None:
            self._remove_pieces(key)
            self._settle()

    def source(self, key: str) -> str:
        """Return the text of an entry as it was written."""
        entry = self._entries.get(key)
        return "" if entry is None else entry.body

    def code_blocks(self, key: str) -> list[str]:
        """Return the code blocks of an entry."""
        return code_blocks(self.source(key))

    def _remove_pieces(self, key: str) -> None:
        if any(piece.key == key for piece in self._pieces):
            self._set_pieces([piece for piece in self._pieces if piece.key != key])

    def _set_pieces(self, pieces: list[Piece]) -> None:
        self._pieces = pieces
        self._tops = list(accumulate((piece.height for piece in pieces), initial=0))
        self._recent = [piece for piece in self._recent if piece.rows is not None]

    def _extend(self, pieces: Iterable[Piece]) -> None:
        for piece in pieces:
            self._pieces.append(piece)
            self._tops.append(self._tops[-1] + piece.height)
            if piece.rows is not None:
                self._keep(piece)

    # ------------------------------------------------------------------ the answer that streams

    def begin(self, entry: Entry) -> None:
        """Show an answer that is being written."""
        self._drop_live()
        self._entries[entry.key] = entry
        self._live, self._live_key = LiveMarkdown(entry.key), entry.key
        title = next(iter(pieces_of(entry, self._width)))
        self._extend([title])
        self._settle()

    def write(self, text: str) -> None:
        """Add text to the answer; it is seen with the next frame."""
        if self._live is None:
            return
        if self._thoughts:
            self._extend(thought(self._live_key, self._thoughts))
            self._thoughts = ""
        self._new.append(text)
        self._schedule()

    def write_thinking(self, text: str) -> None:
        """Add to the thinking before the answer; its end is seen until the answer begins."""
        if self._live is not None:
            self._thoughts += text
            self._schedule()

    def set_status(self, text: str) -> None:
        """Change the live last line; "" takes it away."""
        if text != self._status:
            self._status, self._status_row = text, None
            if self._live is not None:
                self._schedule()

    def end(self, entry: Entry) -> None:
        """Show the final form of the answer that streamed, or of an entry that stands here."""
        if self._live is None or entry.key != self._live_key:
            self.put_last(entry)
            return
        self._entries[entry.key] = entry
        self._stop_timer()
        if self._pen is not None:
            self._extend(self._live.add("".join(self._new), self._pen, end=True))
            self._extend(ending(entry))
        else:
            self._remove_pieces(entry.key)
            self._extend(pieces_of(entry, self._width))
        self._forget_live()
        self._settle()

    def _drop_live(self) -> None:
        self._stop_timer()
        self._forget_live()

    def _forget_live(self) -> None:
        self._live, self._live_key, self._new = None, "", []
        self._thoughts, self._status, self._status_row = "", "", None

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
        if self._live is not None and self._pen is not None and self._new:
            text, self._new = "".join(self._new), []
            self._extend(self._live.add(text, self._pen))
        self._settle()

    def _tail(self) -> list[Row]:
        """Return the rows after the pieces: the unfinished block, the thinking, the live line."""
        live, pen = self._live, self._pen
        if live is None or pen is None:
            return []
        rows = list(live.rows)
        if self._thoughts and not rows:
            last = " ".join(self._thoughts[-4 * pen.width :].split())
            rows += draw(Piece("", "thought", last[-pen.width + 4 :]), pen, selected=False)
        if self._status:
            if self._status_row is None:
                self._status_row = draw(Piece("", "note", self._status), pen, selected=False)[0]
            rows.append(self._status_row)
        return rows

    # ------------------------------------------------------------------ places

    def follow_end(self) -> None:
        """Go to the end and stay there."""
        self._follow_now(True)
        self._settle()

    def action_follow_end(self) -> None:
        """Go to the end and stay there."""
        self.follow_end()

    def go_to(self, key: str, words: tuple[str, ...] = ()) -> None:
        """Show an entry near the top of the window, with words marked."""
        if key not in self._entries:
            return
        self._words, self._marked, self.selected_key = words, None, key
        self._undraw(key)
        if self._pen is None:
            self._goal = key
            return
        for index, piece in enumerate(self._pieces):
            if piece.key == key:
                self._scroll_to_piece(index)
                return

    def action_select(self, by: int) -> None:
        """Select the message before (-1) or after (1)."""
        keys = list(self._entries)
        if not keys:
            return
        here = keys.index(self.selected_key) if self.selected_key in self._entries else len(keys) if by < 0 else -1
        there = min(max(here + by, 0), len(keys) - 1)
        before, self.selected_key = self.selected_key, keys[there]
        for key in (before, self.selected_key):
            if key is not None:
                self._undraw(key)
        index = next((i for i, piece in enumerate(self._pieces) if piece.key == self.selected_key), None)
        if index is not None:
            self._scroll_to_piece(index)

    def _scroll_to_piece(self, index: int) -> None:
        self._follow_now(False)
        # Twice: laying out what is near may correct the guessed heights before it.
        for _ in range(2):
            self._put_scroll(max(0, self._tops[index] - 1))
            self._settle()
        if self._tops[-1] + len(self._tail()) - self._tops[index] <= self.size.height:
            self._follow_now(True)
            self._settle()

    def _undraw(self, key: str) -> None:
        for piece in self._pieces:
            if piece.key == key:
                piece.rows = None

    def _follow_now(self, follow: bool) -> None:
        if follow != self._follow:
            self._follow = follow
            self.post_message(self.FollowChanged(follow))

    # ------------------------------------------------------------------ layout

    @property
    def _width(self) -> int:
        return self.scrollable_content_region.width or 80

    def _rows_of(self, index: int) -> list[Row]:
        piece, pen = self._pieces[index], self._pen
        assert pen is not None
        if piece.rows is None:
            piece.rows = draw(piece, self._pen_for(piece.key), selected=piece.key == self.selected_key)
            self._keep(piece)
            if piece.height != len(piece.rows):
                piece.height = len(piece.rows)
                heights = (later.height for later in self._pieces[index:])
                self._tops[index:] = accumulate(heights, initial=self._tops[index])
        return piece.rows

    def _pen_for(self, key: str) -> Pen:
        pen = self._pen
        assert pen is not None
        if not self._words or key != self.selected_key:
            return pen
        if self._marked is None or self._marked[0] != key:
            self._marked = (key, Pen(pen.width, pen.style, self._words))
        return self._marked[1]

    def _keep(self, piece: Piece) -> None:
        self._recent.append(piece)
        if len(self._recent) > _KEPT_PIECES:
            self._recent.pop(0).rows = None

    def _row(self, y: int, tail: list[Row]) -> Row:
        pen = self._pen
        assert pen is not None
        index = bisect_right(self._tops, y) - 1
        rows = self._rows_of(index) if index < len(self._pieces) else tail
        at = y - self._tops[min(index, len(self._pieces))]
        return rows[at] if 0 <= at < len(rows) else pen.blank

    def _settle(self) -> None:
        """Lay out what is within a page of the window, keep the window in its place or at the end, paint what changed."""
        if self._busy or self._pen is None:
            return
        self._busy = True
        try:
            height, tail = self.size.height, self._tail()
            y, total = self._lay_out(round(self.scroll_y), height, len(tail))
            for name, value in (
                (Widget.virtual_size, Size(self._width, total)),
                (Widget.scroll_target_y, y),
                (Widget.scroll_y, y),
            ):
                # Past the watchers: each of them would lay out the screen or paint the whole widget.
                self.set_reactive(name, value)
            self._move_bar(total, height, y)
            self._paint(y, tail)
        finally:
            self._busy = False
        if y < height and self._pieces and not self._follow:
            self.post_message(self.OlderWanted())

    def _lay_out(self, y: int, height: int, tail: int) -> tuple[int, int]:
        """Return the first row of the window and the number of all rows, once the heights near the window are known."""
        while True:
            total = self._tops[-1] + tail
            y = max(0, total - height if self._follow else min(y, total - height))
            index = max(0, bisect_right(self._tops, y - height) - 1)
            settled = True
            while index < len(self._pieces) and self._tops[index] < y + 2 * height:
                before = self._pieces[index].height
                self._rows_of(index)
                change = self._pieces[index].height - before
                if change:
                    settled = False
                    if self._tops[index] < y:
                        y += change
                index += 1
            if settled:
                return y, total

    def _put_scroll(self, y: int) -> None:
        self.set_reactive(Widget.scroll_y, float(y))
        self.set_reactive(Widget.scroll_target_y, float(y))

    def _move_bar(self, total: int, height: int, y: int) -> None:
        """Move the scrollbar; while an answer is followed it rests, since it would be written anew with each line."""
        bar = self.vertical_scrollbar
        if self._live is None or not self._follow:
            bar.window_virtual_size, bar.window_size, bar.position = total, height, y

    def _paint(self, top: int, tail: list[Row]) -> None:
        height = self.size.height
        selection = self.text_selection
        rows: list[Row] = []
        for y in range(top, top + height):
            row = self._row(y, tail)
            span = selection.get_span(y) if selection is not None else None
            rows.append(row if span is None else self._selected(row, span))
        old, by = self._shown, top - self._top
        self._shown, self._top = rows, top
        if len(old) != height or not self.is_on_screen:
            self._clean = False
            self.refresh()
            return
        if by and abs(by) < height and self._clean and self._scroll_terminal(by):
            old = [*old[by:], *[None] * by] if by > 0 else [*[None] * -by, *old[:by]]  # type: ignore[list-item]
        width = self._width
        dirty = [Region(0, y, width, 1) for y, (row, was) in enumerate(zip_longest(rows, old)) if row is not was]
        if dirty:
            self._clean = False
            self.refresh(*dirty)

    def _scroll_terminal(self, by: int) -> bool:
        terminal = getattr(self.app, "terminal", None)
        return terminal is not None and bool(terminal.scroll_rows(self, by))

    def _selected(self, row: Row, span: tuple[int, int]) -> Row:
        text = row.text
        begin = cell_len(text[: span[0]])
        finish = cell_len(text[: span[1]]) if span[1] >= 0 else cell_len(text.rstrip())
        if finish <= begin:
            return row
        style = self.screen.get_component_rich_style("screen--selection")
        marked = Segment.apply_style(row.crop(begin, finish), post_style=style)
        joined = Strip.join([row.crop(0, begin), Strip(marked), row.crop(finish)])
        result = Row(list(joined), row.cell_length)
        result.joint, result.indent = row.joint, row.indent
        return result

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
        width = self._width
        if not self.size.height or (self._pen is not None and self._pen.width == width and self._pen.style == self.visual_style):
            self._shown = []
            self._settle()
            return
        index = bisect_right(self._tops, max(0, round(self.scroll_y))) - 1
        within = round(self.scroll_y) - self._tops[index]
        share = within / max(1, self._pieces[index].height) if index < len(self._pieces) else 0.0
        self._pen, self._marked, self._shown = Pen(width, self.visual_style), None, []
        self._status_row = None
        for piece in self._pieces:
            piece.rows = None
        self._recent = []
        if self._live is not None:
            self._live.redraw(self._pen)
        if index < len(self._pieces) and not self._follow:
            height = len(self._rows_of(index))
            self._put_scroll(self._tops[index] + int(share * height))
        self.screen.clear_selection()
        self._settle()
        if self._goal is not None:
            goal, self._goal = self._goal, None
            self.go_to(goal, self._words)

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
        if self._pen is None:
            return None
        tail = self._tail()
        total = self._tops[-1] + len(tail)
        first, last = selection.start, selection.end
        top = first.y if first is not None else 0
        bottom = min(last.y if last is not None else total - 1, total - 1)
        text = ""
        for y in range(top, bottom + 1):
            row = self._row(y, tail)
            begin = first.x if first is not None and y == top else 0
            finish = last.x if last is not None and y == bottom else None
            text += row.text[max(begin, row.indent) : finish].rstrip() + row.joint
        return text.rstrip("\n"), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """Show what is selected."""
        self._settle()
