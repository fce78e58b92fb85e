"""Rows of a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from venom_tui.ui.widgets.transcript.inline import Inline, fold, wrap


def rows(text: str, width: int) -> list[str]:
    return [text[begin:end].rstrip(" ") for begin, end, _ in wrap(Inline([(text, "")]), width)]


texts = st.text("ab  \n-日本。é👩‍👩‍👧\u0301\u200b", max_size=80)


@given(texts, st.integers(4, 30))
def test_rows_fit_and_hold_all(text: str, width: int) -> None:
    assert all(cell_len(row) <= width for row in rows(text, width))
    assert "".join("".join(rows(text, width)).split()) == "".join(text.split())


@given(texts, st.integers(4, 30))
def test_joints_give_the_text_back(text: str, width: int) -> None:
    joined = "".join(text[begin:end] + joint for begin, end, joint in wrap(Inline([(text, "")]), width))
    assert joined.split() == text.split()


@given(texts, st.integers(4, 30))
def test_folded_rows_fit_and_hold_all(text: str, width: int) -> None:
    cuts = fold(Inline([(text, "")]), width)
    assert all(cell_len(text[begin:end]) <= width for begin, end, _ in cuts)
    assert "".join(text[begin:end] + joint for begin, end, joint in cuts) == text + "\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one two three", ["one two", "three"]),
        ("onetwothreefour", ["onetwoth", "reefour"]),
        ("a  onetwothreefour", ["a", "onetwoth", "reefour"]),
        ("日本語日本語", ["日本語日", "本語"]),
        ("日本語日。本語", ["日本語", "日。本語"]),
        ("größere wörter", ["größere", "wörter"]),
        ("", [""]),
        ("a\n\nb", ["a", "", "b"]),
        ("\u200d\u200daaaaaaa。", ["\u200d\u200daaaaaaa", "。"]),
    ],
)
def test_wrap(text: str, expected: list[str]) -> None:
    assert rows(text, 8) == expected


def test_slices_keep_styles() -> None:
    text = Inline([("one ", ""), ("two", "bold"), ("", "x"), (" three", "bold"), ("!", "")])
    assert list(text.slices([(0, 6), (6, 8), (8, 14)])) == [
        [("one ", ""), ("tw", "bold")],
        [("o ", "bold")],
        [("three", "bold"), ("!", "")],
    ]
