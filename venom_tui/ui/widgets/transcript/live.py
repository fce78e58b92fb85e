"""The answer that is being written: only its unfinished last segment is drawn again with each frame."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import zip_longest

from venom_tui.ui.widgets.transcript.entry import Call, Entry
from venom_tui.ui.widgets.transcript.rows import Pen, Row
from venom_tui.ui.widgets.transcript.segments import Segment, Segmenter
from venom_tui.ui.widgets.transcript.view import Piece, View, draw, ending, guess, thought_pieces, title_piece

_MOST_A_FRAME = 24_000
"""Characters that a frame takes; a burst of more is shown over several frames."""
_SHORTEST_THOUGHT_S = 0.3
"""What is shorter came at once: somebody who looks later does not know how long it took."""


class LiveView(View):
    """A view whose text arrives in pieces. `advance` lays out what came since the last frame."""

    def __init__(self, entry: Entry, width: int) -> None:
        super().__init__(entry, width)
        self._segmenter = Segmenter()
        self._thoughts = Segmenter(plain=True)
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._new = ""
        self._new_thoughts = ""
        self._answering = False
        self._thinks_since: float | None = None
        self._thought_s: float | None = None
        self._calls: tuple[Call, ...] = ()
        self._notes: tuple[str, ...] = ()
        self._below: list[Piece] = []
        self._status: Piece | None = None
        self._head: list[Piece] = [title_piece(entry)]
        self._done: list[Piece] = []
        self._tail: Piece | None = None
        self.set_pieces(self._head)
        if entry.thinking:
            self.write_thinking(entry.thinking)
        if entry.body:
            self.write(entry.body)

    def write(self, text: str) -> None:
        """Add to the answer."""
        if not self._answering and self._thinks_since is not None:
            passed = time.monotonic() - self._thinks_since
            self._thought_s = passed if passed >= _SHORTEST_THOUGHT_S else None
        self._text.append(text)
        self._new += text
        self._answering = True

    def write_thinking(self, text: str) -> None:
        """Add to the thinking."""
        self._thinks_since = self._thinks_since or time.monotonic()
        self._thinking.append(text)
        self._new_thoughts += text

    def add_call(self, call: Call) -> None:
        """Add a function that the model wants to have called."""
        self._calls = (*self._calls, call)
        self._below = list(ending(self._under()))

    def add_note(self, note: str) -> None:
        """Add a dimmed line under the answer."""
        self._notes = (*self._notes, note)
        self._below = list(ending(self._under()))

    def _under(self) -> Entry:
        return replace(self.entry, calls=self._calls, notes=self._notes, error="")

    def set_status(self, text: str) -> bool:
        """Set the last line; return whether it is another one."""
        if text == ("" if self._status is None else self._status.segment.source):
            return False
        self._status = Piece("status", Segment(text, "plain")) if text else None
        return True

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(self._text)

    @property
    def thinking(self) -> str:
        """The thinking so far."""
        return "".join(self._thinking)

    def so_far(self) -> Entry:
        """Return an entry of what came."""
        return replace(self._under(), body=self.text, thinking=self.thinking, thought_s=self._thought_s)

    @property
    def waiting(self) -> bool:
        """Whether there is text that no frame has taken yet."""
        return bool(self._new or self._new_thoughts)

    def cut(self, width: int) -> None:
        """Take the folding of the thinking into account; the text is cut as it comes."""
        self._refold()
        self._arrange()

    def advance(self, pen: Pen) -> list[Piece]:
        """Lay out what came; return the pieces that were finished by it."""
        before = len(self._done)
        if self._new_thoughts:
            self._think()
        if self._new:
            text, self._new = self._new[:_MOST_A_FRAME], self._new[_MOST_A_FRAME:]
            if not self._done and self._tail is None:
                self._refold()
            old = self._tail.rows if self._tail is not None else None
            for segment in self._segmenter.feed(text):
                self._done.append(_drawn(segment, pen, old))
                old = None
            tail = self._segmenter.tail()
            self._tail = None if tail is None else _drawn(tail, pen, old)
        self._arrange()
        return self._done[before:]

    def finished(self, entry: Entry, width: int) -> View:
        """Return the view of the final entry; it keeps the rows that are as they were."""
        view = View(entry, width)
        view.unfolded, view.selected, view.words = self.unfolded, self.selected, self.words
        if self.text != entry.body or entry.plain:
            view.pieces = self.pieces
            view.cut(width)
            return view
        # Cutting a long text again would take time for nothing.
        last = [*self._segmenter.feed(self._new), *self._segmenter.finish()]
        head = [title_piece(entry), *thought_pieces(entry.thinking, entry.thought_s, unfolded=self.unfolded)]
        self._done.extend(Piece("body", segment, guess(segment.source, width) + segment.gap) for segment in last)
        self._adopt([*head, *self._done[-len(last) :]] if last else head)
        view.set_pieces([*head, *self._done, *ending(entry)])
        return view

    def _adopt(self, pieces: list[Piece]) -> None:
        """Give pieces the rows of those that were drawn before and are the same."""
        shown = [*self._head, *([self._tail] if self._tail is not None else [])]
        drawn = {(piece.kind, piece.segment): piece for piece in shown}
        for piece in pieces:
            old = drawn.get((piece.kind, piece.segment))
            if old is not None and old.rows is not None:
                piece.rows, piece.height = old.rows, old.height

    def _think(self) -> None:
        text, self._new_thoughts = self._new_thoughts[:_MOST_A_FRAME], self._new_thoughts[_MOST_A_FRAME:]
        if self._answering and not self.unfolded:
            self._refold()
            return
        if self._head and self._head[-1].kind == "thought":
            self._head.pop()
        found = self._thoughts.feed(text)
        tail = self._thoughts.tail()
        self._head.extend(Piece("thought", segment) for segment in [*found, *([tail] if tail else [])])

    def _refold(self) -> None:
        """Show the thinking as one line, or whole."""
        self._head = [self._head[0], *thought_pieces(self.thinking, self._thought_s, unfolded=self.unfolded)]

    def _arrange(self) -> None:
        tail = [] if self._tail is None else [self._tail]
        status = [] if self._status is None else [self._status]
        self.set_pieces([*self._head, *self._done, *tail, *self._below, *status])


def _drawn(segment: Segment, pen: Pen, old: list[Row] | None) -> Piece:
    """Return a drawn piece. Rows that are as they were stay the same objects, so that they are not painted again."""
    piece = Piece("body", segment)
    rows = draw(piece, pen)
    if old:
        rows = [
            was if was is not None and was.joint == row.joint and was == row else row
            for row, was in zip_longest(rows, old[: len(rows)])
            if row is not None
        ]
    piece.rows, piece.height = rows, len(rows)
    return piece
