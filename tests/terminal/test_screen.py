"""The base of our screens, where Textual's own would end the program."""

from __future__ import annotations

import pytest
from textual.app import App
from textual.geometry import Offset
from textual.screen import Screen
from textual.widgets import Label

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
