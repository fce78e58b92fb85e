"""How things are written on the screen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from venom_tui.ui import text


@pytest.fixture
def ascii_signs() -> Iterator[None]:
    text.use_ascii(True)
    yield
    text.use_ascii(False)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "?"),
        (0, "0 B"),
        (1023, "1023 B"),
        (2048, "2 KiB"),
        (1024 * 1024 - 1, "1 MiB"),
        (5 * text.MIB, "5 MiB"),
        (1024 * text.MIB - 1, "1.0 GiB"),
        (int(18.25 * text.GIB), "18.2 GiB"),
    ],
)
def test_size(value: int | None, shown: str) -> None:
    assert text.size(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-1, "0.00 s"),
        (0.214, "0.21 s"),
        (0.997, "1.0 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.7, "1 m 00 s"),
        (125, "2 m 05 s"),
        (3600 * 3 + 7 * 60, "3 h 07 m"),
    ],
)
def test_duration(seconds: float, shown: str) -> None:
    assert text.duration(seconds) == shown


def test_relative_time() -> None:
    now = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    ago = [timedelta(seconds=4), timedelta(minutes=2), timedelta(hours=3), timedelta(seconds=-5)]
    assert [text.relative_time(now - each, now) for each in ago] == ["4 s", "2 m", "3 h", "0 s"]
    assert text.relative_time(now - timedelta(days=1), now) == "yesterday"
    midnight = datetime(2026, 11, 24, 0, 30).astimezone()
    assert text.relative_time(midnight - timedelta(hours=2), midnight) == "2 h"
    assert text.relative_time(midnight - timedelta(hours=13), midnight) == "yesterday"
    assert text.relative_time(now - timedelta(days=9), now) == "15 Nov"
    assert text.relative_time(now - timedelta(days=400), now) == "20 Oct 2025"


def test_truncate_middle_keeps_both_ends() -> None:
    assert text.truncate_middle("qwen3-coder-plus:30b-q4", 15) == "qwen3-c…:30b-q4"
    assert text.truncate_middle("short", 15) == "short"
    assert [text.truncate_middle("longer", width) for width in (0, 1, 2)] == ["", "…", "…r"]


@given(st.text(), st.integers(0, 40))
def test_truncate_middle_never_is_too_wide(value: str, width: int) -> None:
    assert cell_len(text.truncate_middle(value, width)) <= width


@given(st.integers(0, 60), st.floats(-1, 2), st.floats(-1, 2))
def test_a_bar_has_its_width(width: int, ours: float, others: float) -> None:
    assert len(text.bar(width, ours, others)) == width


def test_bar_shows_eighths_and_others() -> None:
    assert text.bar(8, 0.5) == "████░░░░"
    assert text.bar(8, 0.5 + 1 / 64, 0.25) == "████▏▒░░"
    assert text.bar(4, 1.0, 1.0) == "████"


def test_sparkline_has_the_newest_at_the_right() -> None:
    assert text.sparkline([0, 50, 100, None], 6, 100) == "  ▁▅█ "
    assert text.sparkline([1, 2, 3], 2, 0) == "  "
    assert len(text.sparkline(range(100), 10, 100)) == 10


@pytest.mark.usefixtures("ascii_signs")
def test_ascii_signs_are_ascii_and_as_wide() -> None:
    plain, rich = text.ASCII_SIGNS, text.Signs()
    for name in text.Signs.__slots__:
        assert getattr(plain, name).isascii(), name
        if name not in ("todo", "done"):
            assert cell_len(getattr(plain, name)) == cell_len(getattr(rich, name)), name
    assert text.bar(8, 0.5).isascii()
    assert text.truncate_middle("a long name", 5).isascii()


def test_clean_takes_what_drives_a_terminal() -> None:
    assert text.clean("a\x1b[31mb\x9bc\u202ed\u2066\u206fe\x7ff\ufeff\n") == "a[31mbcdef"
    assert text.clean("naïve 日本語 👩‍👩‍👧") == "naïve 日本語 👩‍👩‍👧"


def test_literal_is_no_markup() -> None:
    assert text.literal("[b]x[/b] [/bad]\t\x1b").plain == "[b]x[/b] [/bad] "
