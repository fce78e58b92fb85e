"""Follows a turn and shows it: text into the transcript, what it waits for into the live line."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from venom_tui.core.types.turn import (
    TurnDelta,
    TurnEnded,
    TurnNotice,
    TurnRouted,
    TurnStarted,
    TurnStatus,
    TurnThinking,
    TurnToolCall,
)
from venom_tui.ui.screens.chat.entries import call_of
from venom_tui.ui.text import duration
from venom_tui.ui.widgets.transcript import Entry, Transcript

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.types.session import Message

_RATE_AFTER_S = 0.5
"""Seconds of streaming before a rate is worth saying."""


class TurnView:
    """Shows one turn in a transcript. `tick` renews the live line's time and is called once a second by the screen."""

    def __init__(self, transcript: Transcript, entry: Callable[[Message], Entry]) -> None:
        self._transcript = transcript
        self._entry = entry
        self._began = time.monotonic()
        self._first: float | None = None
        self._pieces = 0
        self._waiting = "sending"
        self._shown = ""
        self._begun = False
        self.user: Message | None = None
        """The prompt, once the turn has begun."""
        self.answer: Message | None = None
        self.notices: tuple[str, ...] = ()
        """What was told of the turn so far."""

    async def follow(
        self, core: Core, request_id: str, *, user_shown: bool, ended: Callable[[TurnEnded], None]
    ) -> None:
        """Show the turn until it ends. `user_shown`: the prompt and the answer's entry stand there already."""
        async for event in core.chat.follow(request_id):
            match event:
                case TurnStarted():
                    self.user, self.answer = event.user, event.answer
                    if not user_shown:
                        self._transcript.append(self._entry(event.user))
                case TurnRouted():
                    self._route(event)
                case TurnStatus():
                    self._waiting = event.text
                    self.tick()
                case TurnNotice():
                    self._notice(event.text)
                case TurnEnded():
                    ended(event)
                case _:
                    self._take(event)

    def _take(self, event: TurnThinking | TurnDelta | TurnToolCall) -> None:
        """Show a piece of what the model says."""
        match event:
            case TurnThinking():
                self._arrived(event.pieces)
                self._transcript.write_thinking(event.text)
            case TurnDelta():
                self._arrived(event.pieces)
                self._transcript.write(event.text)
            case TurnToolCall():
                self._arrived(0)
                self._transcript.add_call(call_of(event.call))

    def _route(self, event: TurnRouted) -> None:
        if self.answer is None or event.route.target == "program":
            return
        self._waiting = "waiting for the first token"
        route = event.route
        answer = replace(self.answer, model=route.model, runtime=route.runtime, demonstration=route.demonstration)
        self._transcript.begin(self._entry(answer))
        self._begun = True
        for notice in self.notices:
            self._transcript.add_note(notice)
        self.tick()

    def _notice(self, text: str) -> None:
        self.notices = (*self.notices, text)
        if self._begun:
            self._transcript.add_note(text)

    def _arrived(self, pieces: int) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = now
        self._pieces += pieces
        if now - self._began > 0.5 and not self._shown:
            self.tick()

    def tick(self) -> None:
        """Renew the live line."""
        now = time.monotonic()
        since = duration(now - self._began)
        if self._first is None:
            text = f"{self._waiting} · {since} · esc stops"
        else:
            passed = now - self._first
            rate = f"{self._pieces / passed:.0f} tok/s · " if passed >= _RATE_AFTER_S else ""
            text = f"{rate}{since} · esc stops"
        if text != self._shown:
            self._shown = text
            self._transcript.set_status(text)
