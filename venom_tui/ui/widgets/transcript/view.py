"""An entry as it is laid out: pieces with rows, of which only those near the window are drawn."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Literal

from rich.cells import cell_len, set_cell_size

from venom_tui.ui.text import clean, duration, signs
from venom_tui.ui.widgets.transcript.entry import Call, Entry
from venom_tui.ui.widgets.transcript.inline import Part
from venom_tui.ui.widgets.transcript.markdown import MARGIN, draw_segment, plain
from venom_tui.ui.widgets.transcript.rows import Pen, Row
from venom_tui.ui.widgets.transcript.segments import Segment, segments

Kind = Literal["title", "user", "file", "body", "fold", "thought", "call", "note", "error", "mark", "status"]

_THOUGHT_STYLE = "italic $text-muted"


@dataclass(slots=True)
class Piece:
    """A part of an entry. Its height is a guess until its rows are drawn."""

    kind: Kind
    segment: Segment
    height: int = 1
    rows: list[Row] | None = field(default=None, repr=False)


class View:
    """An entry and its pieces. It is cut into them when it comes near the window; until then its height is a guess."""

    def __init__(self, entry: Entry, width: int) -> None:
        self.entry = entry
        self.pieces: list[Piece] | None = None
        self.tops: list[int] = [0]
        self.height = 2 + guess(entry.body, width) + len(entry.notes) + len(entry.files) + 4 * len(entry.calls)
        self.unfolded = False
        self.selected = False
        self.words: tuple[str, ...] = ()

    def cut(self, width: int) -> None:
        """Cut the entry into pieces; rows that stay as they were are kept."""
        drawn = {(piece.kind, piece.segment): piece for piece in self.pieces or () if piece.rows is not None}
        pieces = list(pieces_of(self.entry, unfolded=self.unfolded))
        for piece in pieces:
            old = drawn.get((piece.kind, piece.segment))
            if old is not None and old.rows is not None:
                piece.rows, piece.height = old.rows, old.height
            else:
                piece.height = guess(piece.segment.source, width) + piece.segment.gap
        self.set_pieces(pieces)

    def set_pieces(self, pieces: list[Piece]) -> None:
        """Take other pieces."""
        self.pieces = pieces
        self.tops = list(accumulate((piece.height for piece in pieces), initial=0))
        self.height = self.tops[-1]

    def piece_at(self, row: int) -> int:
        """Return the index of the piece that holds a row of the view."""
        return max(0, bisect_right(self.tops, row) - 1)

    def draw(self, index: int, pen: Pen) -> bool:
        """Draw a piece; return whether it has another height than was guessed."""
        assert self.pieces is not None
        piece = self.pieces[index]
        piece.rows = draw(piece, pen, selected=self.selected)
        if piece.height == len(piece.rows):
            return False
        piece.height = len(piece.rows)
        heights = (later.height for later in self.pieces[index:])
        self.tops[index:] = accumulate(heights, initial=self.tops[index])
        self.height = self.tops[-1]
        return True

    def undraw(self) -> None:
        """Forget all rows."""
        for piece in self.pieces or ():
            piece.rows = None

    def undraw_code(self) -> None:
        """Forget the rows of code: its lexer has been loaded."""
        for piece in self.pieces or ():
            if piece.kind == "body" and ("```" in piece.segment.source or "~~~" in piece.segment.source):
                piece.rows = None

    @property
    def text(self) -> str:
        """The text as it was written."""
        return self.entry.body

    @property
    def thinking(self) -> str:
        """What the model thought."""
        return self.entry.thinking

    def piece_with(self, words: tuple[str, ...], width: int) -> int:
        """Return the first piece that holds one of the words, else the first."""
        if self.pieces is None:
            self.cut(width)
        wanted = [word.casefold() for word in words]
        for index, piece in enumerate(self.pieces or ()):
            text = piece.segment.source.casefold()
            if piece.kind in ("user", "body") and any(word in text for word in wanted):
                return index
        return 0

    def undraw_sign(self) -> None:
        """Forget the rows that show whether the entry is selected."""
        if self.pieces:
            self.pieces[0].rows = None


def guess(text: str, width: int) -> int:
    """Return about how many rows a text will have."""
    return 1 + text.count("\n") + len(text) // max(20, width)


def pieces_of(entry: Entry, *, unfolded: bool = False) -> Iterator[Piece]:
    """Yield the pieces of an entry."""
    if entry.role == "user":
        found = segments(entry.body.strip("\n"), plain=True)
        found = found or ([] if entry.files else [Segment("", "plain")])
        for number, segment in enumerate(found):
            yield Piece("user", with_gap(segment) if number == 0 else segment)
        for number, file in enumerate(entry.files):
            yield Piece("file", Segment(file, "plain", gap=number == 0 and not found))
        return
    yield title_piece(entry)
    yield from thought_pieces(entry.thinking, entry.thought_s, unfolded=unfolded)
    for segment in segments(entry.body, plain=entry.plain):
        yield Piece("body", segment)
    yield from ending(entry)


def title_piece(entry: Entry) -> Piece:
    """Return the line that tells who speaks."""
    return Piece("title", Segment(f"{entry.title}\t{'+' if entry.tagged_well else '-'}{entry.tag}", "plain", gap=True))


def with_gap(segment: Segment) -> Segment:
    """Return a segment with a blank row before it."""
    return Segment(segment.source, segment.kind, True, segment.joint, segment.indent, segment.repeated)


def thought_pieces(thinking: str, took_s: float | None, *, unfolded: bool) -> Iterator[Piece]:
    """Yield the line that stands for the thinking, and the thinking itself where it is unfolded."""
    if not thinking.strip():
        return
    time = "" if took_s is None else f" for {duration(took_s)}"
    words = len(thinking.split())
    told = f"thought{time}, {words:,} word{'s' * (words != 1)}"
    yield Piece("fold", Segment(f"{'-' if unfolded else '+'}{told}", "plain"))
    if unfolded:
        for segment in segments(thinking.strip("\n"), plain=True):
            yield Piece("thought", segment)


def call_pieces(call: Call) -> Iterator[Piece]:
    """Yield a call that the model wants: what it is, and its arguments as code."""
    yield Piece("call", Segment(call.name, "plain", gap=True))
    if call.arguments:
        longest = max((len(run) for run in re.findall("`{3,}", call.arguments)), default=2)
        fence = "`" * (longest + 1)
        for segment in segments(f"{fence}json\n{call.arguments}\n{fence}"):
            yield Piece("body", segment)


def ending(entry: Entry) -> Iterator[Piece]:
    """Yield what stands under the body: calls, the error, the notes."""
    for call in entry.calls:
        yield from call_pieces(call)
    if entry.error:
        yield Piece("error", Segment(entry.error, "plain"))
    for number, note in enumerate(entry.notes):
        if note.startswith(("interrupted", "stopped because")):
            yield Piece("mark", Segment(note, "plain"))
        else:
            yield Piece("note", Segment(note, "plain", repeated=int(number > 0)))


def draw(piece: Piece, pen: Pen, *, selected: bool = False) -> list[Row]:
    """Return the rows of a piece."""
    segment = piece.segment
    match piece.kind:
        case "body":
            return draw_segment(segment, pen)
        case "thought":
            return draw_segment(segment, pen, _THOUGHT_STYLE)
        case "user":
            return _user(segment, pen, selected=selected)
        case "title":
            return _title(segment.source, pen, selected=selected)
        case "file":
            return _file(segment, pen)
        case "call":
            told = [(clean(segment.source), "bold"), (" is called for, not run", "$text-muted")]
            return [pen.blank, pen.row(told, lead=((f"{MARGIN}{signs().pointer} ", "$warning"),))]
        case "fold":
            unfolded, words = segment.source[0] == "-", segment.source[1:]
            pointer = signs().unfolded if unfolded else signs().pointer
            return [pen.row([(words, _THOUGHT_STYLE)], lead=((f"{MARGIN}{pointer} ", "$text-muted"),))]
        case kind:
            return _signed(segment, pen, kind)


def _title(text: str, pen: Pen, *, selected: bool) -> list[Row]:
    text, _, tag = text.rpartition("\t")
    style, tag = "$accent" if tag[:1] == "+" else "$text-muted", clean(tag[1:])
    text = clean(text.replace("\n", " "))
    room = max(1, pen.width - len(MARGIN) - (cell_len(tag) + 2 if tag else 0))
    if cell_len(text) > room:
        text = set_cell_size(text, room - 1) + signs().ellipsis
    pointer = f"{signs().pointer} " if selected else MARGIN
    parts = [(text, "bold $text-muted"), (f"  {tag}" if tag else "", style)]
    return [pen.blank, pen.row(parts, lead=((pointer, "bold $accent"),))]


def _file(segment: Segment, pen: Pen) -> list[Row]:
    bar: tuple[Part, ...] = ((f"{signs().bar} ", "$accent"),)
    rows = plain(segment.source, pen, bar, bar, "$text-muted")
    return [pen.blank, *rows] if segment.gap else rows


def _user(segment: Segment, pen: Pen, *, selected: bool) -> list[Row]:
    sign = signs()
    rest: tuple[Part, ...] = ((f"{sign.bar} ", "$accent"),)
    mark = sign.pointer if selected and segment.gap else sign.bar
    first: tuple[Part, ...] = ((f"{mark} ", "bold $accent"),)
    rows = plain(segment.source, pen, first, rest, "bold")
    rows[-1].joint = segment.joint
    return [pen.blank, *rows] if segment.gap else rows


def _signed(segment: Segment, pen: Pen, kind: str) -> list[Row]:
    """Draw a line that begins with a sign."""
    all_signs = signs()
    sign, sign_style, style = {
        "error": (all_signs.failed, "bold $error", "$error"),
        "mark": (all_signs.warning, "bold $warning", "$warning"),
        "status": (all_signs.live, "$accent", "$text-muted"),
        "note": (" " if segment.repeated else all_signs.elbow, "$rule", "$text-muted"),
    }[kind]
    first: tuple[Part, ...] = ((f"{MARGIN}{sign} ", sign_style),)
    rest: tuple[Part, ...] = ((MARGIN + " " * (cell_len(sign) + 1), ""),)
    return plain(segment.source, pen, first, rest, style)
