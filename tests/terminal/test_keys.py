"""Bytes of a terminal become events: torn anywhere, pasted, unknown, or answers to questions that nobody asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from textual import events, messages
from textual.message import Message

from tests.terminal.harness import KEYS
from venom_tui.ui.terminal import keys
from venom_tui.ui.terminal.environment import LOCAL_ESCAPE_MS, SSH_ESCAPE_MS
from venom_tui.ui.terminal.keys import PASTE_S, SEQUENCE_S, KeyDecoder

ESCAPE_S = LOCAL_ESCAPE_MS / 1000
PAUSE_S = 0.15
"""What a bad network may put between two bytes of one sequence."""

MORE_SEQUENCES = {
    "kitty a": "\x1b[97u",
    "kitty ctrl+shift+a": "\x1b[97;6u",
    "kitty escape": "\x1b[27u",
    "kitty text": "\x1b[228;;228u",
    "focus in": "\x1b[I",
    "focus out": "\x1b[O",
    "mouse down": "\x1b[<0;12;7M",
    "mouse up": "\x1b[<0;12;7m",
    "wheel": "\x1b[<64;12;7M",
    "resize": "\x1b[48;24;80;480;800t",
    "synchronized": "\x1b[?2026;2$y",
    "alt+1": "\x1b1",
    "alt+enter": "\x1b\r",
}
SEQUENCES = {name: code for name, code in {**KEYS, **MORE_SEQUENCES}.items() if len(code) > 1}

REPLIES = {
    "device attributes": "\x1b[?62;22c",
    "secondary attributes": "\x1b[>1;10;0c",
    "tertiary attributes": "\x1bP!|00000000\x1b\\",
    "kitty flags": "\x1b[?0u",
    "status": "\x1b[0n",
    "foreground": "\x1b]10;rgb:1e1e/1e1e/1e1e\x1b\\",
    "background with bell": "\x1b]11;rgb:1e1e/1e1e/1e1e\x07",
    "clipboard": "\x1b]52;c;aGVsbG8=\x07",
    "terminfo": "\x1bP1+r524742=38\x1b\\",
    "version": "\x1bP>|XTerm(390)\x1b\\",
    "window size": "\x1b[4;480;800t",
    "application command": "\x1b_Gi=31;OK\x1b\\",
    "privacy message": "\x1b^anything\x1b\\",
    "colour scheme": "\x1b[?997;1n",
}

TEXT = st.text(st.characters(exclude_characters="\x1b", exclude_categories=["Cs"]), max_size=8)


class Clock:
    """A clock that stands until it is moved."""

    time = 100.0

    def __call__(self) -> float:
        return self.time


def told(found: Iterator[Message] | list[Message]) -> list[tuple[object, ...]]:
    """What events say, for comparisons."""
    facts: list[tuple[object, ...]] = []
    for event in found:
        match event:
            case events.Key():
                facts.append((event.key, event.character))
            case events.Paste():
                facts.append(("paste", event.text))
            case events.MouseEvent():
                facts.append((type(event).__name__, event.x, event.y, event.button))
            case events.Resize():
                facts.append(("resize", event.size))
            case _:
                facts.append((type(event).__name__,))
    return facts


def whole(data: bytes) -> list[tuple[object, ...]]:
    """What the bytes mean when they arrive at once and nothing follows."""
    decoder = KeyDecoder(ESCAPE_S)
    return told([*decoder.feed(data), *decoder.expire()])


def torn(pieces: list[bytes], pause_s: float) -> list[tuple[object, ...]]:
    """What they mean when they arrive in pieces with a pause after each."""
    clock = Clock()
    decoder = KeyDecoder(ESCAPE_S, clock=clock)
    found: list[Message] = []
    for piece in pieces:
        found += decoder.feed(piece)
        clock.time += pause_s
        if decoder.deadline is not None and decoder.deadline <= clock.time:
            found += decoder.expire()
    found += decoder.expire()
    return told(found)


@pytest.mark.parametrize("name", SEQUENCES)
def test_a_sequence_torn_at_every_byte_is_the_same_key(name: str) -> None:
    data = SEQUENCES[name].encode()
    meant = whole(data)
    assert len(meant) == 1, "one sequence is one event"
    for at in range(1, len(data)):
        assert torn([data[:at], data[at:]], PAUSE_S) == meant
    assert torn([bytes([byte]) for byte in data], PAUSE_S) == meant


@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_that_nobody_asked_for_triggers_nothing(name: str) -> None:
    data = REPLIES[name].encode()
    assert whole(data) == []
    assert whole(b"a" + data + b"b") == [("a", "a"), ("b", "b")]
    for at in range(1, len(data)):
        assert torn([data[:at], data[at:]], PAUSE_S) == []
    assert torn([bytes([byte]) for byte in data], PAUSE_S) == []


def test_the_reply_that_was_asked_for_is_told() -> None:
    decoder, told_ok = KeyDecoder(ESCAPE_S, lambda: answers.append("ok")), []
    answers: list[str] = []
    told_ok += told(decoder.feed(b"x\x1b[0ny\x1b[0n"))
    assert (answers, told_ok) == (["ok", "ok"], [("x", "x"), ("y", "y")])
    decoder = KeyDecoder(ESCAPE_S)
    assert isinstance(next(iter(decoder.feed(b"\x1b[?2026;1$y"))), messages.TerminalSupportsSynchronizedOutput)


def test_a_lone_escape_is_the_key_after_its_time_and_not_before() -> None:
    clock = Clock()
    decoder = KeyDecoder(ESCAPE_S, clock=clock)
    assert told(decoder.feed(b"\x1b")) == []
    assert decoder.deadline == clock.time + ESCAPE_S
    assert PAUSE_S < ESCAPE_S < SSH_ESCAPE_MS / 1000, "over a network a sequence is torn for longer"
    assert told(decoder.expire()) == [("escape", "\x1b")]
    assert decoder.deadline is None
    assert whole(b"\x1b\x1b[A") == [("escape", "\x1b"), ("up", None)]
    assert torn([b"\x1b", b"[A"], ESCAPE_S) == [("escape", "\x1b"), ("left_square_bracket", "["), ("A", "A")]


@pytest.mark.parametrize(
    ("data", "key"),
    [
        (b"\x1br", "alt+r"),
        (b"\x1bR", "alt+shift+r"),
        (b"\x1b\r", "alt+enter"),
        (b"\x1b1", "alt+1"),
        (b"\x1b/", "alt+slash"),
        ("\x1bä".encode(), "alt+ä"),
        (b"\x1b[114;3u", "alt+r"),
        (b"\x1b[13;3u", "alt+enter"),
        (b"\x1b[1;3A", "alt+up"),
        (b"\x1bb", "ctrl+left"),  # as in a shell
    ],
)
def test_alt_and_a_key_is_a_key_and_no_text(data: bytes, key: str) -> None:
    assert whole(data) == [(key, None)]
    assert whole(b"\x1b\x11") == [("escape", "\x1b"), ("ctrl+q", "\x11")], "two keys on a slow line"


def test_what_never_ends_is_dropped() -> None:
    clock = Clock()
    decoder = KeyDecoder(ESCAPE_S, clock=clock)
    for unfinished in (b"\x1b[1;5", b"\x1bO", b"\x1b]52;c;aGVs", b"\x1bPabc"):
        assert told(decoder.feed(unfinished)) == []
        assert decoder.deadline == clock.time + SEQUENCE_S
        assert told(decoder.expire()) == []
        assert told(decoder.feed(b"x")) == [("x", "x")]
    endless = b"\x1b]0;" + b"t" * (keys._LONGEST_STRING + 10)
    assert told(decoder.feed(endless)) == []
    assert told(decoder.feed(b"x")) == [("x", "x")]


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(1, 9))
@example("\x1b[A\x1b]52;c;aGk=\x07", 1)
@example("line\r\nline\rline\nlast", 2)
@example("\x1b[200~\x1b", 1)
@example("\x1b[201", 1)
def test_a_paste_of_anything_is_one_event(text: str, size: int) -> None:
    text = text.replace("\x1b[201~", "")
    data = f"\x1b[200~{text}\x1b[201~".encode()
    meant = [("paste", text.replace("\x00", ""))]
    assert whole(data) == meant
    assert torn([data[at : at + size] for at in range(0, len(data), size)], PAUSE_S) == meant


def test_a_paste_is_between_the_keys_around_it_and_ends_at_last() -> None:
    assert whole(b"a\x1b[200~1\x1b[201~b\x1b[200~2\x1b[201~\x1b[A") == [
        *(("a", "a"), ("paste", "1"), ("b", "b"), ("paste", "2"), ("up", None))
    ]
    clock = Clock()
    decoder = KeyDecoder(ESCAPE_S, clock=clock)
    assert told(decoder.feed(b"\x1b[200~cut \x1b[20")) == []
    assert decoder.deadline == clock.time + PASTE_S
    assert told(decoder.expire()) == [("paste", "cut \x1b[20")]
    assert told(decoder.feed(b"x")) == [("x", "x")]


ITEMS = st.one_of(
    TEXT.map(lambda text: ("text", text)),
    st.sampled_from(list(SEQUENCES.values())).map(lambda code: ("sequence", code)),
    st.sampled_from(list(REPLIES.values())).map(lambda code: ("reply", code)),
    TEXT.map(lambda text: ("paste", f"\x1b[200~{text}\x1b[201~")),
)


@given(st.lists(ITEMS, max_size=8), st.data())
def test_any_stream_torn_anywhere_means_the_same(items: list[tuple[str, str]], data: st.DataObject) -> None:
    decoder, meant = KeyDecoder(ESCAPE_S), []
    for _, code in items:
        meant += told([*decoder.feed(code.encode()), *decoder.expire()])
    stream = "".join(code for _, code in items).encode()
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(stream) - 1)), max_size=6)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert torn(pieces, PAUSE_S) == meant


PARAMETERS = st.from_regex(r"\x1b\[[0-9:;<?]{0,12}[u~ABMmRtyTIO$]{0,2}", fullmatch=True).map(str.encode)


@given(st.lists(st.binary(max_size=40) | PARAMETERS, max_size=5))
@example([b"\x1b[1114112u"])
@example([b"\x1b[99999999999999999999u"])
@example([b"\x1b[97;;99999999999u"])
@example([b"\x1b[<99999999999999999999;1;1M"])
def test_no_bytes_break_it(pieces: list[bytes]) -> None:
    decoder = KeyDecoder(ESCAPE_S)
    for piece in pieces:
        list(decoder.feed(piece))
    list(decoder.expire())
    assert told(decoder.feed(b"x"))[-1] == ("x", "x")


@pytest.mark.parametrize(
    ("said", "luminance"),
    [
        ("rgb:ffff/ffff/ffff", 1.0),
        ("rgb:0/0/0", 0.0),
        ("rgb:ff/00/00", 0.2126),
        ("rgba:0000/ffff/0000/ffff", 0.7152),
        ("rgb:12/34", None),
        ("?", None),
    ],
)
def test_the_background_that_a_terminal_tells(said: str, luminance: float | None) -> None:
    for end in ("\x07", "\x1b\\"):
        found: list[float] = []
        decoder = KeyDecoder(ESCAPE_S, background=found.append)
        data = f"a\x1b]11;{said}{end}b".encode()
        events = [*decoder.feed(data[:9]), *decoder.feed(data[9:])]
        assert told(events) == [("a", "a"), ("b", "b")]
        assert found == ([] if luminance is None else [pytest.approx(luminance)])
