"""Segments as rows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ui.widgets.transcript.support import PlainPen, longer, markdown
from venom_tui.ui.text import use_ascii
from venom_tui.ui.widgets.transcript.copying import copied
from venom_tui.ui.widgets.transcript.highlight import LEXERS, highlighted
from venom_tui.ui.widgets.transcript.markdown import draw_segment
from venom_tui.ui.widgets.transcript.rows import Row
from venom_tui.ui.widgets.transcript.segments import segments


def drawn(text: str, width: int = 40, *, plain: bool = False) -> list[Row]:
    pen = PlainPen(width)
    return [row for segment in segments(text, plain=plain) for row in draw_segment(segment, pen)]


def lines(text: str, width: int = 40) -> list[str]:
    return [row.text.rstrip() for row in drawn(text, width)]


def is_harmless(text: str) -> bool:
    bidi = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u206a\u206b\u206c\u206d\u206e\u206f"
    return not any(ord(c) < 32 or 127 <= ord(c) < 160 or c in bidi for c in text)


@given(markdown | longer | st.text(max_size=200), st.integers(20, 90))
def test_every_row_has_the_width_and_drives_nothing(text: str, width: int) -> None:
    for row in [*drawn(text, width), *drawn(text, width, plain=True)]:
        assert sum(segment.cell_length for segment in row) == row.cell_length == width
        assert is_harmless(row.text)
        assert 0 <= row.indent <= row.stop <= len(row.text)
        assert row.joint in ("\n", " ", "")


@given(markdown)
def test_letters_of_the_text_are_there(text: str) -> None:
    shown = "".join(row.text for row in drawn(text, 60))
    for word in ("para", "item", "quote", "deep", "tilde", "html", "indented", "引"):
        assert (word in text) <= (word in shown)


def test_blocks() -> None:
    assert lines("# Head\n\nSome **bold** `code`\n\n- one\n- two\n  - three\n\n> said\n") == [
        "  Head",
        "",
        "  Some bold code",
        "",
        "  • one",
        "  • two",
        "    • three",
        "",
        "  ▌ said",
    ]


def test_lists() -> None:
    assert lines("9. nine\n10. ten\n\n    more\n") == ["  9. nine", "", "  10. ten", "", "      more"]
    assert lines("- [ ] open\n- [x] done\n- [link](x)") == ["  ☐ open", "  ☑ done", "  • link (x)"]
    assert lines("-\n- b") == ["  •", "  • b"]


def test_code_has_its_language_and_keeps_blanks() -> None:
    assert lines("```nolang\na\n\n\tb  c\n```\n") == ["  ▌ a" + " " * 28 + "nolang", "  ▌", "  ▌     b  c"]
    assert lines("```\n```") == ["  ▌"]
    assert lines("    x\n      y") == ["  ▌ x", "  ▌   y"]


def test_tables() -> None:
    assert lines("| name | n |\n|---|--:|\n| a | 1 |\n| bb | 22 |\n") == [
        "  name │  n",
        "  ─────┼───",
        "  a    │  1",
        "  bb   │ 22",
    ]
    wide = lines("|a|b|\n|-|-|\n|" + "word " * 12 + "|" + "more " * 12 + "|\n")
    assert all(len(line) <= 40 for line in wide)
    assert " ".join(wide).count("word") == 12
    many = lines("|" + " x |" * 30 + "\n|" + "---|" * 30 + "\n|" + " yy |" * 30)
    assert sum(line.count("yy") for line in many) == 30


def test_links_and_images_tell_where_they_lead() -> None:
    assert lines("[docs](https://a.b) <https://a.b> <me@a.b>") == ["  docs (https://a.b) https://a.b me@a.b"]
    assert lines("![a cat](cat.png)") == ["  [image: a cat] (cat.png)"]
    assert lines("[ref]\n\n[ref]: http://x") == ["  [ref]", "", "  [ref]: http://x"]


def test_what_is_no_markdown_stays_as_it_is() -> None:
    assert lines("<b>x</b> $x_1$ [/x] [@click=app.quit]y[/]") == ["  <b>x</b> $x_1$ [/x]", "  [@click=app.quit]y[/]"]
    assert lines("<script>\nalert()\n</script>") == ["  <script>", "  alert()", "  </script>"]
    assert lines("roses are red\nviolets") == ["  roses are red", "  violets"]


def test_entities_bring_nothing_back() -> None:
    assert lines("a&#x202e;b &#27;[31m &#12; c&#10;d") == ["  ab \ufffd[31m  c d"]


@pytest.mark.parametrize("text", [">" * 1_000 + " x", "> " * 1_000 + "x", "- " * 40 + "x", "1. " * 400 + "x"])
def test_deep_nesting_is_shown_as_it_is(text: str) -> None:
    shown = lines(text, 60)
    assert "".join("".join(shown).split()) == "".join(text.split())


def test_many_marks_are_shown_as_they_are() -> None:
    for mark in ("[", "![", "*a ", "~~a"):
        text = mark * 1_000
        assert "".join("".join(lines(text)).split()) == "".join(text.split())


def test_copied_text_is_the_text() -> None:
    text = (
        "# Head\n\nA paragraph that is longer than one row of the window, much longer.\n\n- one\n- two\n  - three\n\n"
        "1. a\n\n2. b\n\n> said\n>\n> more\n\n- [x] done\n\n"
    )
    assert copied(drawn(text, 30), 0, None) == text.strip().removeprefix("# ")


def test_copied_code_has_no_gutter() -> None:
    code = "def f(x):\n\n    return x  # " + "long " * 20 + "\n\tz"
    expected = code.expandtabs(4).replace("long \n", "long\n")
    assert copied(drawn(f"```python\n{code}\n```\n", 30), 0, None) == expected


def test_copied_long_lines_are_one_line() -> None:
    text = "word " * 2_000 + "end"
    assert copied(drawn(text, 50), 0, None) == text
    assert copied(drawn("x" * 9_000, 50), 0, None) == "x" * 9_000


def test_part_of_a_row_is_copied() -> None:
    rows = drawn("- one two three\n- four")
    assert copied(rows, 0, 7) == "- one two three\n- fou"
    assert copied(rows, 8, None) == "two three\n- four"
    assert copied(rows[:1], 4, 7) == "one"


def test_words_are_marked_also_across_styles() -> None:
    pen = PlainPen(40, ("two three",))
    row = draw_segment(segments("one **two** three four")[0], pen)[0]
    marked = "".join(segment.text for segment in row if segment.style is not None and segment.style.reverse)
    assert marked == "two three"
    assert row.text.rstrip() == "  one two three four"


def test_code_is_coloured_once_its_lexer_is_there() -> None:
    assert highlighted("x", "no-such-language", "") == [("x", "")]
    assert LEXERS.load("no-such-language") is False
    LEXERS.load("python")
    parts = highlighted('def f(): return "x"', "Python", " on $surface")
    assert ("def", "bold $primary on $surface") in parts
    assert "".join(text for text, _ in parts) == 'def f(): return "x"'


@pytest.fixture
def ascii_signs() -> Iterator[None]:
    use_ascii(True)
    yield
    use_ascii(False)


@pytest.mark.usefixtures("ascii_signs")
def test_ascii() -> None:
    shown = lines("- a\n- [ ] b\n\n> c\n\n| a | b |\n|--|--|\n| c | d |\n\n---\n\n```\nx\n```\n")
    assert all(line.isascii() for line in shown)
    assert shown[:2] == ["  - a", "  [ ] b"]


def test_the_language_of_a_block_of_code_is_outside_text_too() -> None:
    (row,) = [row for row in drawn("```\x1b[31mpy\u202e\u206f\nx = 1\n```") if "x = 1" in row.text]
    assert "[31mpy" in row.text and is_harmless(row.text)
