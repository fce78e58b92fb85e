"""Turns in which no model is asked: venom-tui answers what is about itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from venom_tui.core.chat.self_answers import HELP, QUIT, status_answer, time_answer
from venom_tui.core.chat.turns import Turn, Turns
from venom_tui.core.chat.unsaved import UnsavedMessages
from venom_tui.core.errors import DiskFull
from venom_tui.core.models.manager import ModelManager
from venom_tui.core.resources.telemetry import Telemetry
from venom_tui.core.store.sessions import SessionStore
from venom_tui.core.types.request import Route
from venom_tui.core.types.session import Message, MessageState, QueuedPrompt, Role
from venom_tui.core.types.turn import TurnEnded, TurnRouted, TurnStarted


class OwnAnswers:
    """Answers prompts with a static intent at once."""

    def __init__(
        self,
        sessions: SessionStore,
        unsaved: UnsavedMessages,
        models: ModelManager,
        guard: Telemetry,
        turns: Turns,
        now: Callable[[], datetime],
    ) -> None:
        self._sessions = sessions
        self._unsaved = unsaved
        self._models = models
        self._guard = guard
        self._turns = turns
        self._now = now

    async def answer(
        self,
        session_id: str,
        request_id: str,
        text: str,
        route: Route,
        *,
        submitted: float,
        queued: QueuedPrompt | None,
    ) -> None:
        """Commit question and answer, and tell the whole turn; `route` is one of `own_route`."""
        answer_text = await self._text(route.intent)
        user = await self._add(session_id, Role.USER, text, queued)
        answer = await self._add(session_id, Role.PROGRAM, answer_text, None)
        turn = Turn(request_id, session_id, answer, submitted, route=route, state=MessageState.COMPLETE)
        self._turns.add(turn)
        answer = replace(answer, request_id=request_id)
        for event in (
            TurnStarted(request_id, session_id, user, answer),
            TurnRouted(request_id, session_id, route),
            TurnEnded(request_id, session_id, answer, route),
        ):
            self._turns.emit(turn, event)

    async def _add(self, session_id: str, role: Role, text: str, queued: QueuedPrompt | None) -> Message:
        try:
            await self._unsaved.save(session_id)
            return await self._sessions.add_program_message(session_id, text, role, queued=queued)
        except DiskFull:
            if queued is not None:
                raise
            return await self._unsaved.hold(session_id, role, text)

    async def _text(self, intent: str) -> str:
        match intent:
            case "help":
                return HELP
            case "quit":
                return QUIT
            case "time":
                return time_answer(self._now())
            case _:
                guard = self._guard.latest() or await self._guard.snapshot()
                return status_answer(await self._models.active(), await self._models.list(), guard)


def own_route(intent: str, mode: str) -> Route:
    """Return the way of a prompt that no model is asked."""
    return Route("static", intent, mode, "rule", "program", "", "", "venom-tui answers this itself")
