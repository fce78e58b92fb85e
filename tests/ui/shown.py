"""The application as a test sees it: what stands on the screen, keys, and waiting until something holds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from textual.pilot import Pilot

from venom_tui.core.core import Core
from venom_tui.core.settings import Settings
from venom_tui.ui.app import VenomApp


class Shown:
    """A running application."""

    def __init__(self, app: VenomApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def core(self) -> Core:
        """The core, which is open."""
        assert self.app.core is not None
        return self.app.core

    @property
    def lines(self) -> list[str]:
        """The rows of the screen in front; one that was not laid out yet has an empty one."""
        return [strip.text.rstrip() for strip in self.app.screen._compositor.render_strips()] or [""]

    @property
    def text(self) -> str:
        """The screen in front."""
        return "\n".join(self.lines)

    @property
    def squeezed(self) -> str:
        """The screen in front, with one blank for many."""
        return " ".join(self.text.split())

    def line(self, part: str) -> str:
        """Return the first row below the header that holds a text, with one blank for many."""
        found = [line for line in (" ".join(row.split()) for row in self.lines[1:]) if part in line]
        assert found, f"{part!r} is not on the screen:\n{self.text}"
        return found[0]

    @property
    def notices(self) -> list[str]:
        """What was said in passing."""
        return [notice.message for notice in self.app._notifications]

    async def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Type a text."""
        names = {" ": "space", "[": "left_square_bracket", "/": "slash"}
        await self.press(*(names.get(character, character) for character in text))

    async def until(self, condition: Callable[[], object], seconds: float = 20.0) -> None:
        """Wait until something holds; a row that is not on the screen yet is waited for, too."""
        deadline = time.monotonic() + seconds
        while not self._holds(condition, last=time.monotonic() >= deadline):
            assert time.monotonic() < deadline, f"it did not happen; the screen:\n{self.text}\n{self.notices}"
            await self.pilot.pause(0.02)
            await asyncio.sleep(0)

    @staticmethod
    def _holds(condition: Callable[[], object], *, last: bool) -> bool:
        try:
            return bool(condition())
        except AssertionError:
            if last:
                raise
            return False

    async def until_text(self, text: str, seconds: float = 20.0) -> None:
        """Wait until a text stands on the screen, blanks counted as one."""
        await self.until(lambda: text in self.squeezed, seconds)


@asynccontextmanager
async def open_app(settings: Settings, section: str, columns: int = 100, rows: int = 30) -> AsyncIterator[Shown]:
    """Run the application with a section in front; the core is open."""
    app = VenomApp(settings, section=section)
    async with app.run_test(size=(columns, rows)) as pilot:
        shown = Shown(app, pilot)
        await shown.until(lambda: app.core is not None)
        try:
            yield shown
        finally:  # in its order, as a person ends it: the loop's end would cancel the core's tasks all at once
            await app.quit_in_order()
