"""Nothing that acts on a terminal comes through, and no more text is lost than the sequences themselves."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venom_tui.core.sanitize import StreamSanitizer, sanitize, sanitize_line

FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufeff\ud800-\udfff]")

pieces = st.sampled_from(
    [
        *("\x1b", "\x1b[", "\x1b]", "\x1bP", "\x1b_", "\x1b^", "\x1bX", "\x1b\\", "\x1b(", "\x1b ", "\x1bc"),
        *("\x90", "\x98", "\x9b", "\x9c", "\x9d", "\x9e", "\x9f", "\x84", "\x07", "\x18", "\x1a", "\x00", "\x7f"),
        *(
            "31m",
            "38;2;1;2;3m",
            "?25l",
            "2J",
            "52;c;SGVsbG8=",
            "8;;http://x",
            "0;title",
            "m",
            "[",
            "]",
            ";",
            "\\",
            "/",
            "~",
        ),
        *(
            "\r",
            "\n",
            "\r\n",
            "\t",
            " ",
            "\u2028",
            "\u202e",
            "\u2066",
            "\ufeff",
            "\ud83d",
            "é",
            "日本",
            "👩‍👧",
            "plain text",
        ),
        *("[/x]", "[@click=app.quit]x[/]", "`code`"),
    ]
)
hostile = st.lists(pieces | st.text(max_size=5), max_size=25).map("".join)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain\n\ttext", "plain\n\ttext"),
        ("a\x1b[31mred\x1b[0mb", "aredb"),
        ("a\x1b[?25l\x1b[2J\x1b[1;1Hb", "ab"),
        ("a\x9b31mb", "ab"),
        ("a\x1b]52;c;SGVsbG8=\x07b", "ab"),
        ("a\x1b]52;c;SGVsbG8=\x1b\\b", "ab"),
        ("a\x9d52;c;SGVsbG8=\x9cb", "ab"),
        ("a\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\b", "alinkb"),
        ("a\x1bPq#0;2;0\x1b\\b", "ab"),
        ("a\x1b_Gf=100;AAAA\x1b\\b", "ab"),
        ("a\x1bcb", "ab"),
        ("a\x1b(0b", "ab"),
        ("a\x1b#8b", "ab"),
        ("a\x1bMb", "ab"),
        ("a\x00\x07\x08\x7f\x85\x84b", "ab"),
        ("one\r\ntwo\rthree", "one\ntwo\nthree"),
        ("one\u2028two\u2029three", "one\ntwo\nthree"),
        ("user\u202etxt.exe\u2066\u200f", "usertxt.exe"),
        ("a\ud83db", "ab"),
        ("👩‍👧 é ✓", "👩‍👧 é ✓"),
        ("[/x] [@click=app.quit]x[/]", "[/x] [@click=app.quit]x[/]"),
    ],
)
def test_what_is_left(text: str, expected: str) -> None:
    assert sanitize(text) == expected


@pytest.mark.parametrize(
    "cut", ["\x1b", "\x1b[", "\x1b[38;2;1", "\x1b[1 ", "\x1b(", "\x1b]52;c;SGVs", "\x1bPq12", "\x1b]0;t\x1b", "\x9b3"]
)
def test_a_sequence_that_the_end_cuts_vanishes(cut: str) -> None:
    assert sanitize("text" + cut) == "text"
    assert through(StreamSanitizer(), ["text", cut]) == "text"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Taking the inner sequence away must not make a new one of what stood around it.
        ("\x1b\x1b[31m[31m", "[31m"),
        ("\x1b[\x1b[31m31mtext", "31mtext"),
        ("\x1b\x1b]0;t\x07]52;c;AAAA\x07", "]52;c;AAAA"),
        ("\x1b[3\x1b]0;x\x07" + "1mtext", "1mtext"),
        ("\x1b]0;a\x1b[31mtext\x07", "text"),
    ],
)
def test_nothing_new_comes_into_being(text: str, expected: str) -> None:
    assert sanitize(text) == expected


def test_an_unfinished_string_costs_its_own_line_only() -> None:
    assert sanitize("before \x1b]0;never ended\nthe rest\nof it") == "before \nthe rest\nof it"


def test_wrongly_decoded_text_stays_readable() -> None:
    """U+009D is a piece of a quote in text that was decoded as Latin-1; a terminal would wait for an end."""
    text = "he said “yes” and left".encode().decode("latin-1")
    assert sanitize(text).startswith("he said â")
    assert sanitize(text).endswith(" and left")


def test_a_string_longer_than_is_looked_at_is_text_but_does_nothing() -> None:
    text = "\x9d52;c;" + "A" * 5000 + "\x9c"
    assert sanitize(text) == "52;c;" + "A" * 5000
    assert sanitize("\x1b]52;c;" + "A" * 100_000 + "\x07done") == "done"


def test_plain_text_is_handed_back_as_it_is() -> None:
    text = "plain " * 1000
    assert sanitize(text) is text
    assert StreamSanitizer().feed(text) is text


def test_a_line_is_one_line_and_not_longer_than_allowed() -> None:
    assert sanitize_line("  a\n\tb\x1b[31m  c\r\nd ") == "a b c d"
    assert sanitize_line("x" * 50, 10) == "x" * 9 + "…"
    assert sanitize_line("x" * 10, 10) == "x" * 10


@pytest.mark.parametrize(
    ("fed", "out"),
    [
        (["one\r", "\ntwo"], ["one", "\ntwo"]),
        (["one\r", "two"], ["one", "\ntwo"]),
        (["one\r", "\r\n"], ["one", "\n\n"]),
        (["one\r", ""], ["one", ""]),
        (["a\x1b", "[3", "1", "mb"], ["a", "", "", "b"]),
        (["a\x1b]52;c;", "AAAA", "\x1b", "\\b"], ["a", "", "", "b"]),
        (["a\x1b]52;c;AA\x1b", "[31mb"], ["a", "b"]),
        (["a\x9d52;c;", "AAAA\x9cb"], ["a", "b"]),
        (["a\x9dtext", " more", "\nb"], ["a", "", "text more\nb"]),
    ],
)
def test_pieces_come_out_as_soon_as_they_are_certain(fed: list[str], out: list[str]) -> None:
    stream = StreamSanitizer()
    assert [stream.feed(piece) for piece in fed] == out


def test_a_return_at_the_very_end_is_a_newline() -> None:
    stream = StreamSanitizer()
    assert stream.feed("one\r") + stream.end() == "one\n"
    assert stream.end() == ""


def test_a_string_that_goes_on_is_not_kept() -> None:
    stream = StreamSanitizer()
    stream.feed("\x1b]52;c;")
    for _ in range(100):
        assert stream.feed("A" * 10_000) == ""
    assert len(stream._held) < 10
    assert stream.feed("\x07done") == "done"


@given(hostile)
def test_nothing_forbidden_is_left(text: str) -> None:
    once = sanitize(text)
    assert not FORBIDDEN.search(once)
    assert all(character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cs") for character in once)
    assert sanitize(once) == once
    once.encode("utf-8")


@given(hostile, st.data())
def test_any_split_gives_the_same(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    parts = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert through(StreamSanitizer(), parts) == sanitize(text)


@given(hostile)
def test_one_character_at_a_time_gives_the_same(text: str) -> None:
    assert through(StreamSanitizer(), list(text)) == sanitize(text)


@given(st.text(st.characters(blacklist_categories=("Cc", "Cs", "Cf", "Zl", "Zp"))))
def test_harmless_text_is_not_touched(text: str) -> None:
    assert sanitize(text) == text


def through(stream: StreamSanitizer, parts: list[str]) -> str:
    """Return what comes out of a stream, joined; every part of it must be harmless by itself."""
    out = [*(stream.feed(part) for part in parts), stream.end()]
    assert not any(FORBIDDEN.search(piece) for piece in out)
    return "".join(out)
