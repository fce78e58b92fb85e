"""Dialogs that ask again and again, of whom answers later than they ask."""

from __future__ import annotations

import asyncio

import pytest
from textual.app import App

from tests.ui.shown import Shown
from venom_tui.core.types.fit import FitQuestion, FitReport, Verdict
from venom_tui.ui.dialogs.fit import FitDialog
from venom_tui.ui.dialogs.log import LogView

EVERY_S = 0.02


class Slow:
    """What is asked, and answers when it is let."""

    def __init__(self) -> None:
        self.asked = 0
        self.given_up = 0
        self.answers = asyncio.Event()

    async def wait(self) -> None:
        self.asked += 1
        try:
            await self.answers.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise


class Plain(App[None]):
    """An application that has no more than a dialog needs."""

    def get_css_variables(self) -> dict[str, str]:
        return {**super().get_css_variables(), "cursor-row": "#333333"}


async def ticks(app: App[None]) -> None:
    """Let timers of that interval come round several times."""
    passed = asyncio.Event()
    seen = 0

    def count() -> None:
        nonlocal seen
        seen += 1
        if seen == 8:
            passed.set()

    timer = app.set_interval(EVERY_S, count)
    async with asyncio.timeout(30):
        await passed.wait()
    timer.stop()


async def test_a_log_is_not_asked_for_while_it_is_being_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("venom_tui.ui.dialogs.log._LOOK_S", EVERY_S)
    slow = Slow()

    async def lines() -> list[str]:
        await slow.wait()
        return ["the only line"]

    async def mark() -> None:
        return None

    app = Plain()
    async with app.run_test(size=(60, 20)) as pilot:
        app.push_screen(LogView("Log of box", lines, mark))
        await ticks(app)
        assert (slow.asked, slow.given_up) == (1, 0)
        slow.answers.set()
        await Shown(app, pilot).until_text("the only line")  # type: ignore[arg-type]  # it needs no core
        assert slow.given_up == 0


async def test_the_fit_is_not_asked_for_while_an_answer_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("venom_tui.ui.dialogs.fit._AGAIN_S", EVERY_S)
    slow = Slow()

    async def ask(tokens: int | None, kv_type: str | None, parallel: int) -> FitReport:
        await slow.wait()
        return FitReport("m", "box", FitQuestion(), Verdict.UNKNOWN, f"For {parallel} at once.")

    app = Plain()
    async with app.run_test(size=(60, 20)) as pilot:
        app.push_screen(FitDialog("m", "ollama", ask))
        await ticks(app)
        assert (slow.asked, slow.given_up) == (1, 0)
        await pilot.press("p")  # another question: the answer to the first is not waited for
        await ticks(app)
        assert (slow.asked, slow.given_up) == (2, 1)
        slow.answers.set()
        await Shown(app, pilot).until_text("For 2 at once.")  # type: ignore[arg-type]  # it needs no core
