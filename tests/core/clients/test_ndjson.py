"""One JSON value a line: any cut of the bytes gives the same lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venom_tui.core.clients import ndjson
from venom_tui.core.clients.ndjson import NdjsonDecoder
from venom_tui.core.errors import BadAnswer


def decoded(*parts: bytes) -> list[bytes]:
    decoder = NdjsonDecoder()
    return [line for part in parts for line in decoder.feed(part)] + decoder.end()


@pytest.mark.parametrize(
    ("stream", "lines"),
    [
        (b"", []),
        (b"{}\n", [b"{}"]),
        (b'{"a":1}\n{"b":2}\n', [b'{"a":1}', b'{"b":2}']),
        (b'{"a":1}\r\n{"b":2}\r\n', [b'{"a":1}', b'{"b":2}']),
        (b"\n\n {} \n\r\n\t\n", [b"{}"]),
        (b'{"a":1}\n{"b"', [b'{"a":1}', b'{"b"']),
        (b"{}", [b"{}"]),
        (b"a\0b\xff\n", [b"a\0b\xff"]),
    ],
)
def test_what_a_stream_says(stream: bytes, lines: list[bytes]) -> None:
    assert decoded(stream) == lines
    for cut in range(len(stream) + 1):
        assert decoded(stream[:cut], stream[cut:]) == lines
    assert decoded(*(stream[place : place + 1] for place in range(len(stream)))) == lines


@given(st.lists(st.binary(max_size=12) | st.sampled_from([b"\n", b"\r\n", b"{}"])).map(b"".join), st.data())
def test_any_cut_gives_the_same(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    parts = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert decoded(*parts) == decoded(stream)
    assert decoded(stream) == [line for line in map(bytes.strip, stream.split(b"\n")) if line]


def test_a_line_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ndjson, "LONGEST_LINE", 100)
    assert decoded(b"x" * 50, b"x" * 50 + b"\n") == [b"x" * 100]
    decoder = NdjsonDecoder()
    decoder.feed(b"x" * 60)
    with pytest.raises(BadAnswer, match="line of more than"):
        decoder.feed(b"x" * 41)
    with pytest.raises(BadAnswer, match="line of more than"):
        NdjsonDecoder().feed(b"x" * 101 + b"\n")


def test_a_long_line_in_small_parts_is_not_copied_for_each() -> None:
    decoder = NdjsonDecoder()
    part = b"x" * 64
    for _ in range(100_000):
        decoder.feed(part)
    assert [len(line) for line in decoder.feed(b"\n")] == [6_400_000]
