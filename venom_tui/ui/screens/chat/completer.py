"""Completes the prompt: shows what it could go on to while one types, and puts it there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from textual.content import Content

from venom_tui.ui.screens.chat.completion import NOTHING, Completions, of_command, of_path, shown
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.ui.screens.section import SectionScreen
    from venom_tui.ui.widgets.prompt import Prompt

_WAIT_S = 0.05
"""After the last key before a folder is read."""


class Completer:
    """Keeps the line above the prompt in step with what is written.

    Args:
        owner: the screen; it runs the workers.
        prompt: the prompt.
        show: shows what it could go on to; an empty content takes that away.
    """

    def __init__(self, owner: SectionScreen, prompt: Prompt, show: Callable[[Content], None]) -> None:
        self._owner = owner
        self._prompt = prompt
        self._show = show
        self._found = NOTHING
        self._put = ""
        """What the prompt showed before its cursor when a choice was put there."""
        self.parameters: tuple[str, ...] = ()
        """Names that `/set` knows."""

    def changed(self) -> None:
        """Take notice that something else is written."""
        before = self._prompt.before_cursor
        if self._put and self._found.choices and before == self._put:
            return  # one goes through the choices
        if before.startswith("/") and before == self._prompt.text:
            self._take(of_command(before, self.parameters))
        elif "@" in before:
            start(self._owner, lambda: self._look(before, _WAIT_S), group="complete", exclusive=True)
        else:
            self._take(NOTHING)

    async def _look(self, before: str, wait_s: float = 0.0) -> None:
        await asyncio.sleep(wait_s)
        found = await asyncio.to_thread(of_path, before)
        if self._prompt.before_cursor == before:
            self._take(found)

    def _take(self, found: Completions) -> None:
        if found != self._found:
            self._found = found
            self._show(shown(found))

    def complete(self, direction: int) -> bool:
        """Put the next choice (1) or the one before (-1) into the prompt; return whether there is any."""
        before = self._prompt.before_cursor
        if before != self._put and "@" in before and not before.startswith("/"):
            start(self._owner, lambda: self._look_and_put(before, direction), group="complete", exclusive=True)
            return True
        return self._put_next(direction)

    async def _look_and_put(self, before: str, direction: int) -> None:
        await self._look(before)
        if self._prompt.before_cursor == before:
            self._put_next(direction)

    def _put_next(self, direction: int) -> bool:
        found = self._found
        if not found.choices:
            return bool(found.hint)
        choice = found.next(direction)
        only_command = len(found.choices) == 1 and choice.startswith("/") and " " not in choice
        text = f"{choice} " if only_command else choice
        # Before the change, which is told at once.
        self._put = self._prompt.before_cursor.removesuffix(found.begun) + text
        self._found = replace(found, begun=choice)
        if len(found.choices) == 1 or choice not in found.choices:
            self._put = ""
        self._prompt.replace_before_cursor(len(found.begun), text)
        self._show(shown(self._found))
        return True
