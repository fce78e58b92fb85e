"""Work beside the screen: what fails in it is told, unless its dialog was closed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from textual.app import App
from textual.dom import DOMNode
from textual.widget import Widget
from textual.widgets import Label

from venom_tui.core.errors import VenomError
from venom_tui.ui.dialogs.dialog import Dialog
from venom_tui.ui.workers import start


class Told(App[None]):
    """An application that remembers what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def complain(self, failure: VenomError) -> None:
        """Remember a failure."""
        self.told.append(failure.message)


class Asks(Dialog[None]):
    """A dialog that shows an answer which comes late."""

    def compose_box(self) -> Iterable[Widget]:
        """Return where the answer is shown."""
        yield Label(id="answer")


async def late(owner: DOMNode, answered: asyncio.Event, place: str) -> None:
    await answered.wait()
    owner.query_one(place, Label).update("the answer")


async def told_after(*, place: str, by_widget: bool = False, close: bool = True) -> list[str]:
    """What is told where a dialog, closed or not, does not find a place for its answer."""
    app = Told()
    async with app.run_test() as pilot:
        dialog = Asks("Asks")
        await app.push_screen(dialog)
        answered = asyncio.Event()
        owner = dialog.query_one("#box") if by_widget else dialog
        worker = start(owner, lambda: late(owner, answered, place), group="late")
        app.workers._workers.discard(worker)  # else the end of the dialog may cancel it, which is a matter of luck
        if close:
            dialog.dismiss(None)
            await pilot.pause()
            await pilot.pause()
        answered.set()
        await worker.wait()
        return app.told


async def test_an_answer_for_a_dialog_that_was_closed_is_dropped() -> None:
    assert await told_after(place="#answer") == []
    assert await told_after(place="#answer", by_widget=True) == []


async def test_a_place_that_is_missing_on_an_open_dialog_is_a_defect() -> None:
    assert await told_after(place="#nowhere", close=False) == ["venom-tui made a mistake (NoMatches)."]
