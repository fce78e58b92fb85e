"""Loops are noticed, and text that only looks like one is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venom_tui.core.chat.repetition import repeats_itself

LINE = "The capital of France is Paris.\n"


@pytest.mark.parametrize(
    "text",
    [
        "Paris. " * 20,
        LINE * 4,
        "The end is here. " * 4,
        "a" * 60,
        "Begin. " + "one two three four five six seven eight nine ten eleven twelve\n" * 4,
        "- an item of a list\n- another one, quite different\n" * 4,
        "word " * 500,
        (LINE + "something else each time {}\n") * 4,
    ],
)
def test_loops(text: str) -> None:
    assert repeats_itself(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "-" * 80,
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        " \n" * 100,
        "====================================================================",
        "ha ha ha ha",
        LINE * 3,
        "0, 0, 0, 0, 0",
        "}\n" * 4,
        "\n".join(f"{number}. step number {number}" for number in range(60)),
        "2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 42, 44, 46, 48",
    ],
)
def test_no_loops(text: str) -> None:
    assert not repeats_itself(text)


@given(st.text("abc \n", min_size=15, max_size=60).filter(lambda text: any(map(str.isalnum, text))), st.text())
def test_anything_said_four_times_in_a_row_is_one(piece: str, before: str) -> None:
    assert repeats_itself(before + piece * 4)


def test_the_cost_does_not_grow_with_the_answer() -> None:
    assert repeats_itself("different words each time " + str(list(range(200_000))) + "same again here " * 5)
