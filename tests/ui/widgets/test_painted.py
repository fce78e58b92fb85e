"""What is painted without Textual's own way must look as if it had gone that way, cell by cell."""

from __future__ import annotations

from typing import Any

import pytest
from rich.style import Style as RichStyle
from textual._styles_cache import StylesCache
from textual.app import App, ComposeResult
from textual.content import Content
from textual.strip import Strip
from textual.widget import Widget

from venom_tui.ui.widgets.line import Line
from venom_tui.ui.widgets.live_rows import LiveRows, Row
from venom_tui.ui.widgets.rows import RowList

TEXTS = [
    Content("plain"),
    Content(""),
    Content.assemble(("muted", "$text-muted"), " and ", ("bold", "bold $success")),
    Content.assemble("● ", ("漢字 wide", "$warning on $primary")),
    Content("one over the other").stylize("bold", 0, 9).stylize("$error", 4, 12),
    Content.assemble(("linked", "@click=app.bell"), " and not"),
    Content("a text that is much longer than what there is room for in forty cells"),
    Content("ends in a style").stylize("reverse", 8),
]


class TextualLine(Line):
    """A line painted by Textual."""

    def __init__(self, text: Content) -> None:
        super().__init__(text)
        self._styles_cache = StylesCache()

    def render_line(self, y: int) -> Strip:
        return Widget.render_line(self, y)


class TextualRows(LiveRows):
    """Rows painted by Textual."""

    def __init__(self) -> None:
        super().__init__()
        self._styles_cache = StylesCache()

    def render_line(self, y: int) -> Strip:
        return RowList.render_line(self, y)


class Board(App[None]):
    """The same texts as lines and as rows."""

    CSS = """
    Screen { overflow: hidden; }
    Line { padding: 0 1; }
    LiveRows { height: 8; width: 40; scrollbar-size: 0 0; }
    .boxed { border: round $primary; }
    .faint { text-opacity: 50%; }
    .right { text-align: right; content-align: right middle; }
    """

    def __init__(self, *, by_textual: bool) -> None:
        super().__init__()
        self._by_textual = by_textual

    def compose(self) -> ComposeResult:
        for text in TEXTS:
            yield TextualLine(text) if self._by_textual else Line(text)
        yield TextualRows() if self._by_textual else LiveRows()

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return {"cursor-row": "#303030"}

    @property
    def cells(self) -> list[list[tuple[str, str]]]:
        found: list[list[tuple[str, str]]] = []
        for strip in self.screen._compositor.render_strips():
            styled = [(text, str(_looks(style))) for text, style, _ in strip]
            found.append([(char, style) for text, style in styled for char in text])
        return found


def _looks(style: RichStyle | None) -> RichStyle:
    """Return a style without what only the mouse is told."""
    return RichStyle() if style is None else style.clear_meta_and_links()


async def painted(*, by_textual: bool) -> list[list[list[tuple[str, str]]]]:
    app = Board(by_textual=by_textual)
    seen = []
    async with app.run_test(size=(40, 20)) as pilot:
        rows = app.query_one(LiveRows)
        rows.show_rows([Row(str(n), lambda width, text=text: text) for n, text in enumerate(TEXTS)])  # type: ignore[misc]
        rows.focus()
        await pilot.pause()
        seen.append(app.cells)
        for theme in ("textual-light", "ansi-dark"):
            app.theme = theme
            await pilot.pause()
            seen.append(app.cells)
        for name in ("boxed", "faint", "right"):
            app.query("Line, LiveRows").set_class(True, name)
            await pilot.pause()
            seen.append(app.cells)
            app.query("Line, LiveRows").set_class(False, name)
            await pilot.pause()
            seen.append(app.cells)
        await pilot.resize_terminal(25, 20)
        seen.append(app.cells)
    return seen


@pytest.mark.parametrize("no_color", [False, True])
async def test_what_is_painted_looks_as_textual_paints_it(no_color: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    ours, theirs = await painted(by_textual=False), await painted(by_textual=True)
    for number, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        for y, (line, wanted) in enumerate(zip(mine, other, strict=True)):
            assert line == wanted, f"look {number}, line {y}"


async def test_a_line_can_be_selected_with_the_mouse() -> None:
    app = Board(by_textual=False)
    async with app.run_test(size=(40, 20)) as pilot:
        await pilot.pause()
        await pilot.mouse_down(offset=(1, 2))
        await pilot.hover(offset=(6, 2))
        await pilot.mouse_up(offset=(6, 2))
        await pilot.pause()
        assert app.screen.get_selected_text() in ("muted", "muted ")


async def test_only_what_changed_is_rendered() -> None:
    app = Board(by_textual=False)
    async with app.run_test(size=(40, 20)) as pilot:
        rows = app.query_one(LiveRows)
        texts = ["a", "b", "c"]
        rows.show_rows([Row(text, lambda width, text=text: Content(text)) for text in texts])  # type: ignore[misc]
        await pilot.pause()
        rendered: list[int] = []
        real = rows._row_strip

        def row_strip(index: int, *more: Any) -> Strip:
            rendered.append(index)
            return real(index, *more)

        rows._row_strip = row_strip  # type: ignore[method-assign, assignment]
        again = [Row(text, lambda width, text=text: Content(text * 2)) for text in texts[2:]]  # type: ignore[misc]
        rows.show_rows([*rows._rows[:2], *again])
        await pilot.pause()
        assert rendered == [2]
