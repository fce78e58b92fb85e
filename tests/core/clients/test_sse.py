"""Server-sent events: any cut of the bytes gives the same events."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venom_tui.core.clients import sse
from venom_tui.core.clients.sse import SseDecoder
from venom_tui.core.errors import BadAnswer


def decoded(*parts: bytes) -> list[bytes]:
    decoder = SseDecoder()
    return [event for part in parts for event in decoder.feed(part)] + decoder.end()


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"", []),
        (b"data: one\n\n", [b"one"]),
        (b"data:one\n\ndata: two\n\n", [b"one", b"two"]),
        (b"data:  two blanks\n\n", [b" two blanks"]),
        (b"data: one\r\n\r\ndata: two\r\n\r\n", [b"one", b"two"]),
        (b": a comment\n\ndata: one\n: another\n\n", [b"one"]),
        (b"event: message\nid: 7\nretry: 10\ndata: one\n\n", [b"one"]),
        (b"data: first\ndata: second\n\n", [b"first\nsecond"]),
        (b"\n\n\ndata: one\n\n\n\n", [b"one"]),
        (b"data:\n\n", [b""]),
        (b"data: cut off", [b"cut off"]),
        (b"data: cut off\n", [b"cut off"]),
        (b"data: [DONE]", [b"[DONE]"]),
        (b"database: no field of ours\n\n", []),
        (b"data: a\0b\xff\n\n", [b"a\0b\xff"]),
    ],
)
def test_what_a_stream_says(stream: bytes, events: list[bytes]) -> None:
    assert decoded(stream) == events
    for cut in range(len(stream) + 1):
        assert decoded(stream[:cut], stream[cut:]) == events
    assert decoded(*(stream[place : place + 1] for place in range(len(stream)))) == events


names = st.sampled_from([b"data: ", b"data:", b"data", b": ", b"id: 1", b"event: x", b"", b"\r"])
lines = st.tuples(names | st.binary(max_size=9), st.binary(max_size=6), st.sampled_from([b"\n", b"\r\n"]))
streams = st.lists(lines.map(b"".join)).map(b"".join)


@given(streams, st.data())
def test_any_cut_gives_the_same(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    parts = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert decoded(*parts) == decoded(stream)


@given(st.lists(st.binary(min_size=1, max_size=20).filter(lambda data: not set(data) & set(b"\r\n")), max_size=5))
def test_what_is_sent_comes_out(sent: list[bytes]) -> None:
    assert decoded(b"".join(b"data: " + data + b"\n\n" for data in sent)) == sent


def test_a_line_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "LONGEST_LINE", 100)
    assert decoded(b"data: " + b"x" * 90 + b"\n\n") == [b"x" * 90]
    decoder = SseDecoder()
    decoder.feed(b"data: " + b"x" * 90)
    with pytest.raises(BadAnswer, match="line of more than"):
        decoder.feed(b"x" * 10)


def test_an_event_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many lines of data without the empty line that ends an event cost memory just as well."""
    monkeypatch.setattr(sse, "LONGEST_LINE", 100)
    decoder = SseDecoder()
    for _ in range(6):
        decoder.feed(b"data: xxxxxxxxxx\n")
    with pytest.raises(BadAnswer):
        decoder.feed(b"data: xxxxxxxxxx\n")


def test_a_long_line_in_small_parts_is_not_copied_for_each() -> None:
    decoder = SseDecoder()
    decoder.feed(b"data: ")
    part = b"x" * 64
    for _ in range(100_000):
        decoder.feed(part)
    assert [len(event) for event in decoder.feed(b"\n\n")] == [6_400_000]
