"""What is written to the terminal makes its screen equal to a full repaint, whatever came before."""

from __future__ import annotations

import re
import sys
import unicodedata
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from tests.terminal.emulator import Screen
from venom_tui.ui.terminal import cells
from venom_tui.ui.terminal.cells import cells_of, style_of, transition
from venom_tui.ui.terminal.display import Display

WIDTH, HEIGHT = 28, 7
BORDERS = (0, 10, WIDTH)
"""Two columns of strips, as a list beside a text."""

# No combining marks: Textual loses one where a strip is cut behind it.
WORDS = [
    "plain", "words", "日本語", "한국어", "naïve", "│─┼", "▁▂▃▅▇", "x", "1234.5", "…", "Ωλ",
]  # fmt: skip
HOSTILE = [
    "\x1b[31m", "\x1b]52;c;aGk=\x07", "\x9b31m", "\x9d0;t\x9c", "\u202e", "\u2066", "\x07", "\x00", "\r", "\n", "\x7f",
    "\x1b", "\u2028", "\ufeff", "\ud800",
]  # fmt: skip
FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f\ufeff\ud800-\udfff]"
)

COLORS = st.sampled_from([None, "red", "#102030", "color(200)", "bright_blue", "default"])
FLAGS = st.sets(
    st.sampled_from(["bold", "dim", "italic", "underline", "blink", "reverse", "conceal", "strike", "overline"])
)
STYLES = st.builds(
    lambda color, bgcolor, flags: Style(color=color, bgcolor=bgcolor) + Style.parse(" ".join(flags)),
    COLORS,
    COLORS,
    FLAGS,
)
TEXTS = st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join)


def strip_of(pieces: list[tuple[str, Style]], width: int) -> Strip:
    """A strip as Textual makes them: exactly as wide as its region."""
    segments = [Segment(text, style) for text, style in pieces]
    return Strip(segments).adjust_cell_length(width, Style(bgcolor="black"))


def strips(width: int) -> st.SearchStrategy[Strip]:
    return st.lists(st.tuples(TEXTS, STYLES), max_size=3).map(lambda pieces: strip_of(pieces, width))


def screen() -> Screen:
    """An empty screen that does not wrap, as the driver sets it up."""
    empty = Screen(WIDTH, HEIGHT)
    empty.feed(b"\x1b[?7l")
    return empty


class Model:
    """What the terminal should show, for each row the strips by their columns; and what it does show."""

    def __init__(self) -> None:
        self.rows = [{a: strip_of([], b - a) for a, b in pairwise(BORDERS)} for _ in range(HEIGHT)]
        self.display = Display()
        self.display.fit(WIDTH, HEIGHT)
        self.screen = screen()
        self.show(self.whole())

    def whole(self) -> LayoutUpdate:
        strips = [[row[x] for x in sorted(row)] for row in self.rows]
        return LayoutUpdate([*strips], Region(0, 0, WIDTH, HEIGHT))

    def show(self, update: LayoutUpdate | ChopsUpdate | None) -> None:
        text, _ = self.display.render(update, ColorSystem.TRUECOLOR)
        self.screen.feed(text.encode())

    def check(self) -> None:
        fresh, repainted = Display(), screen()
        fresh.fit(WIDTH, HEIGHT)
        text, _ = fresh.render(self.whole(), ColorSystem.TRUECOLOR)
        repainted.feed(text.encode())
        assert self.screen.lines() == repainted.lines()
        assert self.screen.cells() == repainted.cells()
        again, _ = self.display.render(self.whole(), ColorSystem.TRUECOLOR)
        assert again == "", "nothing is written where nothing changed"

    def put(self, y: int, x: int, strip: Strip) -> None:
        """Let a strip stand at a place, on whatever is there."""
        end = x + strip.cell_length
        for at, old in [*self.rows[y].items()]:
            stop = at + old.cell_length
            if at < end and stop > x:
                del self.rows[y][at]
                if at < x:
                    self.rows[y][at] = old.crop(0, x - at)
                if stop > end:
                    self.rows[y][end] = old.crop(end - at, stop - at)
        self.rows[y][x] = strip

    # The ways in which a screen changes

    def replace(self, data: st.DataObject) -> None:
        column = data.draw(st.integers(0, 1))
        x, end = BORDERS[column], BORDERS[column + 1]
        y = data.draw(st.integers(0, HEIGHT - 1))
        new = data.draw(st.lists(strips(end - x), min_size=1, max_size=HEIGHT - y))
        for row, strip in enumerate(new, y):
            self.put(row, x, strip)
        self.show(LayoutUpdate([[strip] for strip in new], Region(x, y, end - x, len(new))))

    def chop(self, data: st.DataObject) -> None:
        """Spans of columns, as the compositor gives them: they may cut strips."""
        spans = []
        chops: list[dict[int, Strip | None]] = [{} for _ in range(HEIGHT)]
        for y in sorted(data.draw(st.sets(st.integers(0, HEIGHT - 1), min_size=1, max_size=3))):
            for column in range(2):
                x, end = BORDERS[column], BORDERS[column + 1]
                chops[y][x] = None
                if data.draw(st.booleans()):
                    chops[y][x] = new = data.draw(strips(end - x))
                    self.put(y, x, new)
                    first = data.draw(st.integers(x, end - 1))
                    spans.append((y, first, data.draw(st.integers(first + 1, end))))
        if spans:
            self.show(ChopsUpdate(chops, spans, [[*BORDERS[1:]] for _ in range(HEIGHT)]))

    def cover(self, data: st.DataObject) -> None:
        """A toast or a dialog comes: only what it covers is drawn, whatever it cuts."""
        x = data.draw(st.integers(0, WIDTH - 3))
        width = data.draw(st.integers(2, WIDTH - x))
        y = data.draw(st.integers(0, HEIGHT - 1))
        new = data.draw(strips(width))
        self.put(y, x, new)
        cuts = sorted({0, x, x + width, WIDTH})
        chops: list[dict[int, Strip | None]] = [{} for _ in range(HEIGHT)]
        chops[y] = {at: new if at == x else None for at in cuts[:-1]}
        ends = [cuts[1:] for _ in range(HEIGHT)]
        self.show(ChopsUpdate(chops, [(y, x, x + width)], ends))

    def scroll(self, data: st.DataObject) -> None:
        columns = data.draw(st.sampled_from([(0, WIDTH), BORDERS[:2], BORDERS[1:]]))
        left, right = columns
        top = data.draw(st.integers(0, HEIGHT - 2))
        bottom = data.draw(st.integers(top + 2, HEIGHT))
        by = data.draw(st.integers(-3, 3).filter(bool))
        inside = [{x: strip for x, strip in row.items() if left <= x < right} for row in self.rows[top:bottom]]
        if any(x + strip.cell_length > right for row in inside for x, strip in row.items()):
            return  # something lies over the border
        if any(sum(strip.cell_length for strip in row.values()) != right - left for row in inside):
            return
        if not self.display.scroll(left, right, top, bottom, by):
            return
        assert self.display.pending
        new = [{left: data.draw(strips(right - left))} for _ in range(abs(by))]
        moved = [*inside[by:], *new] if by > 0 else [*new, *inside[:by]]
        for y, strips_there in enumerate(moved, top):
            kept = {x: strip for x, strip in self.rows[y].items() if not left <= x < right}
            self.rows[y] = {**kept, **strips_there}
        first = bottom - by if by > 0 else top
        self.show(LayoutUpdate([[row[left]] for row in new], Region(left, first, right - left, len(new))))

    def forget(self, data: st.DataObject) -> None:
        """Another program wrote to the terminal."""
        self.screen.feed(b"\x1b[2;3Hgarbage \x1b[31mfrom elsewhere\x1b[m")
        self.display.invalidate()
        assert not self.display.known()
        self.show(self.whole())
        assert self.display.known()


CHANGES = st.sampled_from(["replace", "chop", "cover", "cover", "scroll", "scroll", "forget"])


@given(st.lists(CHANGES, max_size=12), st.data())
def test_any_changes_end_as_a_full_repaint(changes: list[str], data: st.DataObject) -> None:
    model = Model()
    for change in changes:
        getattr(model, change)(data)
    model.check()


@given(st.lists(st.tuples(st.lists(st.sampled_from(WORDS + HOSTILE), max_size=5).map("".join), STYLES), max_size=4))
def test_nothing_that_drives_a_terminal_is_written(pieces: list[tuple[str, Style]]) -> None:
    display = Display()
    display.fit(WIDTH, 1)
    # Textual counts the cells of such texts in its own way: no width may confuse the shadow.
    strip = Strip([Segment(text, style) for text, style in pieces], WIDTH)
    text, _ = display.render(LayoutUpdate([[strip]], Region(0, 0, WIDTH, 1)), ColorSystem.TRUECOLOR)
    ours = re.compile(r"\x1b\[[0-9;]*[mHC]|\x1b\]8;;[^\x07\x1b]*\x1b\\")
    left = ours.sub("", text)
    assert not FORBIDDEN.search(left), repr(text)
    assert "]52;" not in text or "\x1b]52" not in text


@given(st.lists(st.tuples(st.text(max_size=20) | TEXTS, STYLES), max_size=3))
def test_a_terminal_that_can_show_less_gets_less(pieces: list[tuple[str, Style]]) -> None:
    strip = strip_of(pieces, WIDTH)
    update = LayoutUpdate([[strip]], Region(0, 0, WIDTH, 1))
    ascii_only, colourless = Display(ascii_only=True), Display(colourless=True)
    for display in (ascii_only, colourless):
        display.fit(WIDTH, 1)
    text, _ = ascii_only.render(update, ColorSystem.TRUECOLOR)
    assert text.isascii()
    shown = screen()
    shown.feed(text.encode())
    assert len(re.sub(r"\x1b\[[0-9;]*[mHC]", "", text)) == WIDTH, "each cell has its character"
    text, _ = colourless.render(update, ColorSystem.TRUECOLOR)
    for codes in re.findall(r"\x1b\[([0-9;]*)m", text):
        assert all(int(code or 0) < 30 or 50 <= int(code) < 90 for code in codes.split(";"))


def test_ascii_looks_alike() -> None:
    red = Style(color="red")
    found, _ = cells_of(Strip([Segment("a─│┼…“é日▁", red)]), ColorSystem.TRUECOLOR)
    reduced = cells.reduced(found, ascii_only=True, colourless=True)
    assert "".join(text for text, _ in reduced) == 'a-|+~"e??#'
    assert {style for _, style in reduced} == {""}


def test_a_links_address_holds_nothing_that_drives_a_terminal() -> None:
    style = Style(link="https://example.org/\x1b]52;c;aGk=\x07\x9c\u202e")
    assert style_of(style, ColorSystem.TRUECOLOR).endswith("\0https://example.org/]52;c;aGk=")
    assert transition("", style_of(style, ColorSystem.TRUECOLOR)) == "\x1b]8;;https://example.org/]52;c;aGk=\x1b\\"
    assert transition(style_of(style, ColorSystem.TRUECOLOR), "") == "\x1b]8;;\x1b\\"


def test_what_is_taken_for_plain_is_one_cell_wide_and_harmless() -> None:
    plain = [chr(code) for code in range(sys.maxunicode + 1) if cells._PLAIN.fullmatch(chr(code))]
    assert len(plain) > 1000
    wrong = [
        character
        for character in plain
        if cell_len(character) != 1
        or unicodedata.combining(character)
        or unicodedata.category(character) in ("Cc", "Cf", "Cs", "Mn", "Me", "Zl", "Zp")
        or FORBIDDEN.match(character)
    ]
    assert wrong == []


def test_cells_of_a_strip_are_as_many_as_it_is_wide() -> None:
    red = Style(color="red")
    found, special = cells_of(Strip([Segment("a日", red), Segment("e\u0301", None)]), ColorSystem.TRUECOLOR)
    assert (found, special) == ([("a", "31"), ("日", "31"), ("", "31"), ("e\u0301", "")], True)
    found, special = cells_of(Strip([Segment("ab", None)], 4), ColorSystem.TRUECOLOR)
    assert (found, special) == ([("a", ""), ("b", ""), (" ", ""), (" ", "")], False)
    assert len(cells_of(Strip([Segment("abcdef", None)], 4), ColorSystem.TRUECOLOR)[0]) == 4


# ---------------------------------------------------------------------- styles

_ENDS = {
    "22": {"1", "2"}, "23": {"3"}, "24": {"4", "21"}, "25": {"5", "6"}, "27": {"7"}, "28": {"8"}, "29": {"9"},
    "54": {"51", "52"}, "55": {"53"},
}  # fmt: skip


def applied(sequences: str, state: tuple[frozenset[str], str, str]) -> tuple[frozenset[str], str, str]:
    """What a terminal makes of SGR sequences."""
    attributes, fore, back = set(state[0]), state[1], state[2]
    for match in re.finditer(r"\x1b\[([0-9;]*)m", sequences):
        codes = (match[1] or "0").split(";")
        while codes:
            code = codes.pop(0)
            if code in ("38", "48"):
                length = 2 if codes[0] == "5" else 4
                value, codes = ";".join([code, *codes[:length]]), codes[length:]
                fore, back = (value, back) if code == "38" else (fore, value)
            elif code == "0":
                attributes, fore, back = set(), "", ""
            elif code in _ENDS:
                attributes -= _ENDS[code]
            elif code in ("39", "49"):
                fore, back = ("", back) if code == "39" else (fore, "")
            elif code in ("1", "2", "3", "4", "5", "6", "7", "8", "9", "21", "51", "52", "53"):
                attributes.add(code)
            elif int(code) in (*range(30, 38), *range(90, 98)):
                fore = code
            else:
                back = code
    return frozenset(attributes), fore, back


@given(STYLES, STYLES)
def test_a_transition_ends_in_the_style_whatever_was_before(before: Style, after: Style) -> None:
    old, new = style_of(before, ColorSystem.TRUECOLOR), style_of(after, ColorSystem.TRUECOLOR)
    nothing: tuple[frozenset[str], str, str] = (frozenset(), "", "")
    state = applied(transition("", old), nothing)
    assert applied(transition(old, new), state) == applied(f"\x1b[0;{new}m" if new else "", nothing)
    assert applied(transition(old, ""), state) == nothing
    assert len(transition(old, new)) <= len(f"\x1b[0;{new}m")
