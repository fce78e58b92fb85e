"""The base of our screens, where Textual's own would end the program."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import pytest
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.css.query import NoMatches
from textual.geometry import Offset, Size
from textual.screen import Screen
from textual.widgets import Input, Label

from venom_tui.ui.terminal.app import TerminalApp
from venom_tui.ui.terminal.screen import TerminalModal, TerminalScreen


async def test_a_dialog_that_is_not_in_front_any_more_closes_nothing() -> None:
    """Its keys may be read late, behind one that has left it."""
    app: App[None] = App()
    async with app.run_test() as pilot:
        left, front = TerminalModal[str](), TerminalModal[str]()
        answers: list[str | None] = []
        await app.push_screen(left, answers.append)
        await left.dismiss("first")
        left.dismiss("late")
        await pilot.pause()
        assert answers == ["first"] and len(app.screen_stack) == 1, "the section stays"
        await app.push_screen(front, answers.append)
        left.dismiss("late")
        await pilot.pause()
        assert answers == ["first"] and app.screen is front
        front.dismiss("second")
        await pilot.pause()
        assert answers == ["first", "second"]


@pytest.mark.parametrize("kind", [TerminalScreen, TerminalModal])
async def test_what_is_gone_is_not_found_by_the_mouse(
    kind: type[Screen[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A press on a toast that has just expired: the picture still shows it, and it has no parent any more."""
    app: App[None] = App()
    async with app.run_test(size=(20, 5)) as pilot:
        screen = kind()
        await app.push_screen(screen)
        label = Label("gone soon")
        await screen.mount(label)
        await pilot.pause()
        place = label.region.offset
        found, at = screen.get_widget_and_offset_at(*place)
        assert (found, at) == (label, Offset(0, 0))
        assert screen.get_widget_and_offset_at(19, 4)[0] is screen
        monkeypatch.setattr(label, "_parent", None)
        assert Screen.get_widget_and_offset_at(screen, *place)[0] is label
        assert screen.get_widget_and_offset_at(*place) == (None, None)
        monkeypatch.undo()


class Asking(TerminalModal[str]):
    """A dialog with a field."""

    def compose(self) -> ComposeResult:
        yield Input()


async def test_what_is_typed_before_a_dialog_has_its_widgets_is_read_by_its_field() -> None:
    app: App[None] = App()
    async with app.run_test() as pilot:
        dialog = Asking()
        shown = app.push_screen(dialog)
        assert dialog.focused is None
        for letter in "abc":
            dialog._forward_event(events.Key(letter, letter))
        dialog._forward_event(events.Paste("d e"))
        await shown
        await pilot.press("f")
        await pilot.pause()
        assert dialog.query_one(Input).value == "abcd ef"


async def opens(app: App[None], dialog: TerminalModal[str]) -> None:
    """Open a dialog as a task of its own."""
    await app.push_screen(dialog)


async def test_keys_wait_for_the_widgets_of_a_dialog_that_another_task_opens() -> None:
    gate = asyncio.Event()
    moved: list[str] = []

    class Slow(Input):
        async def on_mount(self) -> None:
            await gate.wait()

    class Moving(TerminalModal[str]):
        BINDINGS: ClassVar[list[BindingType]] = [Binding("up", "move", priority=True)]

        def compose(self) -> ComposeResult:
            yield Slow()

        def action_move(self) -> None:
            moved.append(self.query_one(Input).value)

    app: TerminalApp[None] = TerminalApp()
    async with app.run_test() as pilot:
        opened = asyncio.ensure_future(opens(app, Moving()))
        await asyncio.sleep(0)
        for key in ("a", "up", "b", "up"):
            app.post_message(events.Key(key, key if len(key) == 1 else None))
        await asyncio.sleep(0.1)
        assert moved == []
        gate.set()
        await opened
        await pilot.pause()
        assert app.screen.query_one(Input).value == "ab"
        assert len(moved) == 2


async def test_an_action_of_a_closed_dialog_that_misses_its_widgets_does_nothing() -> None:
    class Looking(Asking):
        def action_look(self) -> None:
            self.query_one(Input)

        def action_miss(self) -> None:
            self.query_one(Label)

    app: TerminalApp[None] = TerminalApp()
    async with app.run_test() as pilot:
        dialog = Looking()
        await app.push_screen(dialog)
        assert await app.run_action("look", dialog)
        with pytest.raises(NoMatches):
            await app.run_action("miss", dialog)
        dialog.dismiss(None)
        await pilot.pause()
        assert not await app.run_action("look", dialog)


@pytest.mark.parametrize("kind", [TerminalScreen, TerminalModal])
async def test_two_sizes_that_are_read_in_the_wrong_order_do_not_follow_each_other_for_ever(
    kind: type[Screen[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    app: App[None] = App()
    async with app.run_test(size=(100, 40)) as pilot:
        screen = kind()
        await app.push_screen(screen)
        await pilot.pause()
        laid_out: list[Size | None] = []
        lay_out = screen._refresh_layout

        def counted(size: Size | None = None, scroll: bool = False) -> None:
            laid_out.append(size)
            assert len(laid_out) < 50, "for ever"
            lay_out(size, scroll)
            screen.call_later(lambda: None)  # what stands between the sizes: equal ones would become one

        monkeypatch.setattr(screen, "_refresh_layout", counted)
        old, new = Size(80, 24), Size(100, 40)
        for size in (old, new, old):
            screen.post_message(events.Resize(size, size, size))
            screen.call_later(lambda: None)
        await pilot.pause()
        await pilot.pause()
        assert screen.size == new
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert screen.size == old


async def test_a_message_that_a_closed_dialog_reads_late_misses_no_widgets() -> None:
    """As its own mount, where it was closed while it was laid out."""

    class Early(Asking):
        def on_mount(self) -> None:
            self.query_one(Input).value = "ready"

    app: TerminalApp[None] = TerminalApp()
    async with app.run_test() as pilot:
        dialog = Early()
        await app.push_screen(dialog)
        assert dialog.query_one(Input).value == "ready"
        await dialog.query_one(Input).remove()
        with pytest.raises(NoMatches):
            await dialog._dispatch_message(events.Mount())
        dialog.dismiss(None)
        await pilot.pause()
        await dialog._dispatch_message(events.Mount())
        assert app.is_running
