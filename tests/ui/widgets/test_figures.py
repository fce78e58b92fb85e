from __future__ import annotations

from collections.abc import Iterator

import pytest

from venom_tui.ui.text import use_ascii
from venom_tui.ui.widgets.figures import bar_of, graph


@pytest.fixture
def ascii_signs() -> Iterator[None]:
    use_ascii(True)
    yield
    use_ascii(False)


def parts(width: int, ours: float, others: float = 0.0) -> list[tuple[str, str]]:
    content = bar_of(width, ours, others)
    found = [(content.plain[span.start : span.end], str(span.style)) for span in content.spans]
    return [(text, style) for text, style in found if text]


def test_each_part_of_a_bar_has_its_colour() -> None:
    assert parts(8, 0.25, 0.5) == [("██", "$success"), ("▒▒▒▒", "$text-muted"), ("░░", "$rule")]
    assert parts(8, 0.0) == [("░" * 8, "$rule")]
    assert parts(8, 1.0) == [("█" * 8, "$success")]
    assert parts(8, 0.0, 1.0) == [("▒" * 8, "$text-muted")]
    assert bar_of(0, 1.0).plain == ""


def test_a_bar_in_ascii(ascii_signs: None) -> None:
    assert parts(8, 0.25, 0.5) == [("##", "$success"), ("++++", "$text-muted"), ("..", "$rule")]


def test_a_graph_grows_from_its_bottom() -> None:
    assert graph([0.0, 0.5, 1.0], 5, 2) == ["    █", "  ▁██"]
    assert graph([None, 0.25], 4, 1) == ["   ▂"]
    assert graph([], 3, 2) == ["   ", "   "]
    assert graph([0.1, 0.2, 0.9], 2, 1) == ["▂▇"]
    assert graph([-1.0, 7.0], 2, 1) == ["▁█"]


def test_a_graph_in_ascii(ascii_signs: None) -> None:
    assert graph([0.0, 1.0], 2, 2) == [" #", "_#"]
