"""A text is cut by its own marks, however it arrives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ui.widgets.transcript.support import longer, markdown, pieces
from venom_tui.ui.widgets.transcript.segments import Segment, Segmenter, segments

sizes = st.lists(st.integers(1, 60), min_size=1, max_size=8)


def streamed(text: str, parts: list[str], *, plain: bool = False) -> list[Segment]:
    segmenter = Segmenter(plain=plain)
    found = []
    for part in parts:
        found += segmenter.feed(part)
        segmenter.tail()
    return found + segmenter.finish()


@given(markdown | longer, sizes)
def test_pieces_do_not_matter(text: str, parts: list[int]) -> None:
    assert streamed(text, pieces(text, parts)) == segments(text)


@given(markdown | longer, sizes)
def test_pieces_do_not_matter_to_plain_text(text: str, parts: list[int]) -> None:
    assert streamed(text, pieces(text, parts), plain=True) == segments(text, plain=True)


@given(st.text("ab *`\n", max_size=60), st.integers(40, 400), sizes)
def test_pieces_do_not_matter_to_long_lines(text: str, times: int, parts: list[int]) -> None:
    text *= times
    assert streamed(text, pieces(text, [50 * part for part in parts])) == segments(text)


@given(markdown | longer)
def test_nothing_is_lost(text: str) -> None:
    kept: list[str] = []
    for segment in segments(text):
        kept += segment.source.split("\n")[segment.repeated :]
    assert "".join("".join(kept).split()) == "".join(text.split())


@given(longer)
def test_no_segment_is_long(text: str) -> None:
    for segment in segments(text):
        assert len(segment.source) <= 12_000
        assert segment.source.count("\n") <= 70


def sources(text: str) -> list[str]:
    return [segment.source for segment in segments(text)]


def test_blocks_are_segments() -> None:
    text = "# Head\nText.\n\n- a\n- b\n\nMore **text**\nof two lines.\n```\ncode\n\n# no head\n```\nafter\n"
    assert sources(text) == [
        "# Head",
        "Text.",
        "- a\n- b",
        "More **text**\nof two lines.",
        "```\ncode\n\n# no head\n```",
        "after",
    ]


def test_a_list_stays_whole_over_blank_lines() -> None:
    assert sources("1. a\n\n2. b\n\n   more\n\n3. c\n\nText") == ["1. a\n\n2. b\n\n   more\n\n3. c", "Text"]


def test_a_fence_in_a_list_belongs_to_it() -> None:
    text = "- a\n  ```\n  code\n\n  - no item\n  ```\n- b"
    assert sources(text) == [text]


@pytest.mark.parametrize("fence", ["```python", "~~~", "  ```"])
def test_a_long_fence_goes_on_as_a_fence(fence: str) -> None:
    found = segments(fence + "\n" + "code\n" * 1_000)
    assert len(found) > 10
    assert all(segment.source.startswith(fence + "\n") for segment in found)
    assert [segment.repeated for segment in found] == [0] + [1] * (len(found) - 1)
    assert not any(segment.gap for segment in found)


def test_a_long_fence_ends_where_it_ends() -> None:
    found = segments("```\n" + "code\n" * 100 + "```\nText.")
    assert found[-1] == Segment("Text.", gap=True)
    assert found[-2].source.endswith("code\n```")


def test_a_long_table_repeats_its_head() -> None:
    head = "| a | b |\n|---|---|"
    found = segments(head + "\n" + "| 1 | 2 |\n" * 200)
    assert len(found) > 2
    assert all(segment.source.startswith(head) for segment in found)


def test_a_long_line_is_cut_at_a_blank() -> None:
    found = segments("word " * 2_000 + "\nnext")
    assert {segment.joint for segment in found[:-2]} == {" "}
    assert {segment.kind for segment in found[1:-1]} == {"inline"}
    assert found[-1].source == "next"
    hard = segments("x" * 7_000)
    assert [segment.joint for segment in hard] == ["", "", "\n"]
    assert "".join(segment.source for segment in hard) == "x" * 7_000


def test_a_nested_list_that_is_cut_stays_at_its_depth() -> None:
    found = segments("- top\n" + "    - nested\n" * 200)
    assert found[1].indent == 4
    assert found[1].source.startswith("- nested")


def test_a_paragraph_ends_as_soon_as_that_is_certain() -> None:
    segmenter = Segmenter()
    assert segmenter.feed("One.\n\n2") == []
    assert segmenter.feed("024 was\n\nT") == [Segment("One."), Segment("2024 was", gap=True)]
    assert segmenter.tail() == Segment("T", gap=True)


def test_blank_lines_are_no_segments() -> None:
    assert segments("\n\n  \n") == []
    assert segments("\n\na\n\n\n\n\nb\n\n") == [Segment("a"), Segment("b", gap=True)]
    assert segments("\n" * 100_000) == []
