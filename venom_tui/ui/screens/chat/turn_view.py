"""Follows a turn and shows it: text into the transcript, what it waits for into the live line."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from venom_tui.core.types.turn import (
    TurnDelta,
    TurnEnded,
    TurnRouted,
    TurnStarted,
    TurnStatus,
    TurnThinking,
)
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

    async def follow(
        self, core: Core, request_id: str, *, user_shown: bool, ended: Callable[[TurnEnded], None]
    ) -> None:
        """Show the turn until it ends. `user_shown`: the prompt and the answer's entry stand there already."""
        answer: Message | None = None
        async for event in core.chat.follow(request_id):
            match event:
                case TurnStarted():
                    answer = event.answer
                    if not user_shown:
                        self._transcript.append(self._entry(event.user))
                case TurnRouted():
                    if answer is not None and event.route.target != "program":
                        self._waiting = "waiting for the first token"
                        self._transcript.begin(self._entry(_routed(answer, event)))
                        self.tick()
                case TurnStatus():
                    self._waiting = event.text
                    self.tick()
                case TurnThinking():
                    self._arrived(event.pieces)
                    self._transcript.write_thinking(event.text)
                case TurnDelta():
                    self._arrived(event.pieces)
                    self._transcript.write(event.text)
                case TurnEnded():
                    ended(event)

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


def _routed(answer: Message, event: TurnRouted) -> Message:
    return replace(
        answer, model=event.route.model, runtime=event.route.runtime, demonstration=event.route.demonstration
    )
