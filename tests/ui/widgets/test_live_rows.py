from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from textual.app import App, ComposeResult
from textual.content import Content
from textual.pilot import Pilot

from venom_tui.ui.widgets.live_rows import LiveRows, Row, still


class Board(App[None]):
    """A list of eight rows and nothing else."""

    CSS = "LiveRows { height: 8; scrollbar-size: 0 0; overflow-x: hidden; }"

    def compose(self) -> ComposeResult:
        yield LiveRows(id="rows")

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return {"cursor-row": "#303030"}

    @property
    def rows(self) -> LiveRows:
        return self.query_one(LiveRows)

    @property
    def lines(self) -> list[str]:
        return [strip.text.rstrip() for strip in self.screen._compositor.render_strips()][:8]


def painting(rows: LiveRows) -> list[int]:
    painted: list[int] = []
    real = rows._refresh_rows

    def refresh_rows(indices: Sequence[int]) -> None:
        painted.extend(indices)
        real(indices)

    rows._refresh_rows = refresh_rows  # type: ignore[method-assign]
    return painted


def rows_of(texts: dict[str, str]) -> list[Row]:
    return [Row(key, lambda width, text=text: Content(text)) for key, text in texts.items()]  # type: ignore[misc]


async def shown(pilot: Pilot[None], board: Board, texts: dict[str, str]) -> None:
    board.rows.show_rows(rows_of(texts))
    await pilot.pause()


async def test_only_changed_rows_are_painted() -> None:
    board = Board()
    async with board.run_test(size=(40, 10)) as pilot:
        board.rows.focus()
        texts = {"a": "one", "b": "two", "c": "three"}
        await shown(pilot, board, texts)
        painted = painting(board.rows)
        await shown(pilot, board, texts)
        assert painted == []
        await shown(pilot, board, texts | {"b": "TWO"})
        assert painted == [1] and board.lines[1] == "TWO"
        await shown(pilot, board, texts | {"b": "TWO"})
        assert painted == [1]


async def test_another_style_is_another_row() -> None:
    board = Board()
    async with board.run_test(size=(40, 10)) as pilot:
        await shown(pilot, board, {"a": "one"})
        painted = painting(board.rows)
        board.rows.show_rows([Row("a", lambda _width: Content.styled("one", "bold"))])
        await pilot.pause()
        assert painted == [0]


async def test_rows_that_are_not_visible_cost_nothing() -> None:
    board = Board()
    async with board.run_test(size=(40, 10)) as pilot:
        asked: list[int] = []

        def render(index: int, _width: int) -> Content:
            asked.append(index)
            return Content(str(index))

        keys = [f"k{number}" for number in range(10_000)]
        board.rows.set_rows(keys, render)
        await pilot.pause()
        asked.clear()
        board.rows.renew()
        assert sorted(asked) == list(range(8))
        board.rows.action_jump(-1)
        await pilot.pause()
        asked.clear()
        board.rows.renew()
        assert sorted(asked) == list(range(9992, 10_000)) and board.lines[7] == "9999"


def titled(groups: Sequence[int]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for group, count in enumerate(groups):
        texts[still(f"title {group}")] = f"-- {group}"
        texts |= {f"{group} {number}": f"row {group}.{number}" for number in range(count)}
    return texts


async def test_the_cursor_passes_over_titles() -> None:
    board = Board()
    async with board.run_test(size=(40, 10)) as pilot:
        board.rows.focus()
        await shown(pilot, board, titled([2, 2]))
        seen = [board.rows.cursor_key]
        for key in ("j", "j", "j", "j", "k", "k", "k", "k"):
            await pilot.press(key)
            seen.append(board.rows.cursor_key)
        assert seen == ["0 0", "0 1", "1 0", "1 1", "1 1", "1 0", "0 1", "0 0", "0 0"]


async def test_a_title_comes_into_view_with_its_first_row() -> None:
    board = Board()
    async with board.run_test(size=(40, 10)) as pilot:
        board.rows.focus()
        await shown(pilot, board, titled([20]))
        await pilot.press("G")
        assert board.lines[7] == "row 0.19"
        await pilot.press("g")
        await pilot.pause()
        assert board.lines[:2] == ["-- 0", "row 0.0"] and board.rows.cursor_key == "0 0"


async def test_the_last_lines_can_be_seen() -> None:
    board = Board()
    async with board.run_test(size=(40, 10)) as pilot:
        board.rows.focus()
        await shown(pilot, board, titled([10]) | {still("note 1"): "a note", still("note 2"): "another"})
        await pilot.press("G")
        await pilot.pause()
        assert board.rows.cursor_key == "0 9" and board.lines[5:] == ["row 0.9", "a note", "another"]


async def test_without_rows_to_choose_the_window_moves() -> None:
    board = Board()
    async with board.run_test(size=(40, 10)) as pilot:
        board.rows.focus()
        await shown(pilot, board, {still(str(number)): f"line {number}" for number in range(20)})
        assert board.rows.cursor_key is None and board.lines[0] == "line 0"
        await pilot.press("j")
        await pilot.pause()
        assert board.lines[7] == "line 8"
        await pilot.press("G")
        await pilot.pause()
        assert board.lines[7] == "line 19"
        await pilot.press("k")
        await pilot.pause()
        assert board.lines[0] == "line 11"
        await pilot.press("g")
        await pilot.pause()
        assert board.lines[0] == "line 0"


async def test_the_cursor_stays_on_its_row_while_others_come_and_go() -> None:
    board = Board()
    async with board.run_test(size=(40, 10)) as pilot:
        board.rows.focus()
        await shown(pilot, board, titled([2, 2]))
        board.rows.set_cursor("1 0")
        await shown(pilot, board, titled([4, 2]))
        assert board.rows.cursor_key == "1 0"
        await shown(pilot, board, titled([4]))
        assert board.rows.cursor_key == "0 3"
        await shown(pilot, board, {})
        assert board.rows.cursor_key is None
        await shown(pilot, board, titled([1]))
        assert board.rows.cursor_key == "0 0"


async def test_what_is_known_to_say_the_same_is_not_written_again() -> None:
    written: list[str] = []

    def write(text: str, _width: int) -> Content:
        written.append(text)
        return Content(text)

    board = Board()
    async with board.run_test(size=(40, 10)) as pilot:

        async def said(*texts: str) -> list[str]:
            written.clear()
            board.rows.show_rows([Row(f"row {number}", partial(write, text)) for number, text in enumerate(texts)])
            await pilot.pause()
            return board.lines[: len(texts)]

        assert await said("one", "two", "three") == ["one", "two", "three"]
        assert await said("one", "2", "three") == ["one", "2", "three"]
        assert written == ["2"], "once, for what differs"
        assert await said("one", "2") == ["one", "2"]
        await pilot.resize_terminal(30, 10)
        await pilot.pause()
        assert await said("1", "2") == ["1", "2"]
