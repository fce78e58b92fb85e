"""Chat turns: from a submitted prompt to a committed answer.

A turn is a task of this service, not of the screen that began it: leaving a session does not stop its answer. What is
critical stands in one line: commit the prompt, decide the route, ask the model, stream. The partial answer is written
behind, the final one at once (see `turns`).
"""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import takewhile

from venom_tui.core.chat.answer import StreamedAnswer
from venom_tui.core.chat.direct import conversation
from venom_tui.core.chat.intents import static_intent
from venom_tui.core.chat.self_answers import HELP, QUIT, status_answer, time_answer
from venom_tui.core.chat.turns import Turn, Turns
from venom_tui.core.chat.unsaved import UnsavedMessages
from venom_tui.core.errors import DiskFull, NotFound, ReadOnly, UsageError
from venom_tui.core.events import EventBus
from venom_tui.core.models.manager import ModelManager
from venom_tui.core.models.parameters import merge_parameters
from venom_tui.core.resources.telemetry import Telemetry
from venom_tui.core.routing.router import ModelRouter
from venom_tui.core.sanitize import sanitize, sanitize_line
from venom_tui.core.settings import Settings
from venom_tui.core.store.sessions import SessionStore
from venom_tui.core.types.request import ChatRequest, GenerationParameters, Route
from venom_tui.core.types.session import Message, MessageState, Role
from venom_tui.core.types.turn import TurnEnded, TurnEvent, TurnNotice, TurnRouted, TurnStarted, TurnStatus

DEMONSTRATION_MAX_TOKENS = 256
"""Most tokens of an answer of the demonstration model, which seldom knows where to end."""
DEMONSTRATION_PARAMETERS = GenerationParameters(temperature=0.0)
"""With any randomness a model of this size soon leaves the subject."""

MODES = ("direct",)
"""The modes that are built."""


class Orchestrator:
    """Runs chat turns. Every method that takes a session id raises SessionNotFound for an unknown one."""

    def __init__(
        self,
        settings: Settings,
        events: EventBus,
        sessions: SessionStore,
        models: ModelManager,
        router: ModelRouter,
        guard: Telemetry,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._sessions = sessions
        self._models = models
        self._router = router
        self._guard = guard
        self._now = now
        self._unsaved = UnsavedMessages(sessions, now)
        self._turns = Turns(events, sessions, self._unsaved)
        self._closing = False

    async def send(
        self,
        session_id: str,
        text: str,
        *,
        mode: str = "direct",
        model: str | None = None,
        runtime: str | None = None,
        parameters: GenerationParameters | None = None,
    ) -> str:
        """Begin a turn and return its request id; the user's message is committed when this returns.

        Raises:
            UsageError: the prompt is empty, or the mode is not built.
            ReadOnly: venom-tui runs read-only.
            VenomError: the session cannot be read or written.
        """
        submitted = time.perf_counter()
        text = _prompt(text)
        self._check(mode)
        request_id = uuid.uuid4().hex
        with self._turns.beginning(session_id):
            intent = static_intent(text)
            if intent is not None:
                await self._answer_self(session_id, request_id, text, intent, mode, submitted)
                return request_id
            stored = True
            try:
                await self._unsaved.save(session_id)  # in its order, before what comes now
                user, answer = await self._sessions.begin_turn(session_id, text, request_id=request_id)
            except DiskFull:
                stored = False
                user, answer = await self._unsaved.begin_turn(session_id, text, request_id)
            turn = Turn(request_id, session_id, answer, submitted, stored=stored)
            self._start(turn, user, mode, model, runtime, parameters)
        return request_id

    async def regenerate(self, session_id: str, *, model: str | None = None, runtime: str | None = None) -> str:
        """Ask for the last answer again, which stays until the new one is there; return the new request's id.

        Raises:
            UsageError: the session's last message is no prompt and no answer of a model.
            ReadOnly: venom-tui runs read-only.
        """
        submitted = time.perf_counter()
        self._check("direct")
        request_id = uuid.uuid4().hex
        with self._turns.beginning(session_id):
            await self._unsaved.save(session_id)
            messages = await self._sessions.messages(session_id)
            # Answers that were cut when they were asked for again stand beside the first one.
            tried = list(takewhile(lambda message: message.role is Role.ASSISTANT, reversed(messages)))
            user = messages[-1 - len(tried)] if len(tried) < len(messages) else None
            if user is None or user.role is not Role.USER:
                raise UsageError("There is no answer to ask for again.", hint="Send a prompt first.")
            answer = await self._sessions.begin_answer(
                session_id, request_id=request_id, replaces=tried[0] if tried else None
            )
            turn = Turn(request_id, session_id, answer, submitted)
            self._start(turn, user, "direct", model, runtime, None, without=tried)
        return request_id

    async def route(
        self, text: str, *, mode: str = "direct", model: str | None = None, runtime: str | None = None
    ) -> Route:
        """Return which way a prompt would go, and why; sends nothing and writes nothing.

        Raises:
            UsageError: the prompt is empty, or the mode is not built.
            ModelNotFound, AmbiguousModel: see `ModelRouter.decide`.
        """
        text = _prompt(text)
        _check_mode(mode)
        intent = static_intent(text)
        if intent is not None:
            return _own_route(intent, mode)
        return await self._router.decide(mode=mode, model=model, runtime=runtime)

    def follow(self, request_id: str) -> AsyncIterator[TurnEvent]:
        """Return the events of a turn from its beginning, until it has ended.

        Raises:
            NotFound: no such turn ran lately in this process.
        """
        turn = self._turns.get(request_id)
        if turn is None:
            raise NotFound(f"No turn {sanitize_line(request_id, 40)!r} runs in this venom-tui.")
        return turn.feed.follow()

    def running(self, session_id: str) -> str | None:
        """Return the request id of the answer that this process is writing in a session, or None."""
        return self._turns.running(session_id)

    async def stop(self, request_id: str) -> None:
        """Stop an answer and keep what came; returns when that is committed. Unknown and ended turns are left alone."""
        turn = self._turns.get(request_id)
        if turn is not None:
            turn.ending = MessageState.STOPPED
            await self._turns.end(turn)

    async def close(self) -> None:
        """Interrupt what runs, keep what came of it, and take no more turns."""
        self._closing = True
        await self._turns.close()
        await self._unsaved.save_all()

    def _check(self, mode: str) -> None:
        if self._closing:
            raise UsageError("venom-tui is closing.")
        _check_mode(mode)
        if self._settings.flag("VENOM_READ_ONLY"):
            raise ReadOnly(
                "venom-tui runs read-only: it sends nothing to a model.", hint="Start it without --read-only."
            )

    # ------------------------------------------------------------------ the turn

    def _start(
        self,
        turn: Turn,
        user: Message,
        mode: str,
        model: str | None,
        runtime: str | None,
        parameters: GenerationParameters | None,
        *,
        without: Sequence[Message] = (),
    ) -> None:
        self._turns.add(turn)
        self._turns.emit(turn, TurnStarted(turn.request_id, turn.session_id, user, turn.answer))
        self._turns.begin(turn, self._answer(turn, user.content, mode, model, runtime, parameters, without))

    async def _answer(
        self,
        turn: Turn,
        text: str,
        mode: str,
        model: str | None,
        runtime: str | None,
        parameters: GenerationParameters | None,
        without: Sequence[Message],
    ) -> None:
        route = await self._router.decide(mode=mode, model=model, runtime=runtime)
        turn.route = route
        turn.answer = replace(turn.answer, model=route.model, runtime=route.runtime, demonstration=route.demonstration)
        self._turns.emit(turn, TurnRouted(turn.request_id, turn.session_id, route))
        request = await self._request(turn, route, parameters, without)
        turn.streamed = StreamedAnswer(
            turn.answer,
            submitted=turn.submitted,
            emit=turn.feed.emit,
            keep=self._sessions.partial if turn.stored else lambda _message: None,
            stop_on_repetition=route.demonstration,
        )
        prepared = await self._router.prepare(
            route, request.parameters, status=lambda status: self._status(turn, status)
        )
        for notice in self._router.notices(prepared, request.parameters):
            self._turns.emit(turn, TurnNotice(turn.request_id, turn.session_id, notice))
        turn.streamed.asked()
        await turn.streamed.collect(self._router.stream(prepared, request))

    async def _request(
        self, turn: Turn, route: Route, parameters: GenerationParameters | None, without: Sequence[Message]
    ) -> ChatRequest:
        session = await self._sessions.get(turn.session_id)
        messages = self._unsaved.merged(turn.session_id, await self._sessions.messages(turn.session_id))
        left_out = {turn.answer.id, *(message.id for message in without)}
        kept = [message for message in messages if message.id not in left_out]
        system = session.system or self._settings.text("SIMPLE_MODE_SYSTEM_PROMPT")
        saved = await self._models.parameters(route.model, route.runtime)
        chosen = merge_parameters(parameters or GenerationParameters(), saved)
        if route.demonstration:
            limit = min(chosen.max_tokens or DEMONSTRATION_MAX_TOKENS, DEMONSTRATION_MAX_TOKENS)
            chosen = merge_parameters(replace(chosen, max_tokens=limit), DEMONSTRATION_PARAMETERS)
        return ChatRequest(route.model, conversation(system, kept), chosen)

    def _status(self, turn: Turn, text: str) -> None:
        self._turns.emit(turn, TurnStatus(turn.request_id, turn.session_id, sanitize_line(text)))

    # ------------------------------------------------------------------ without a model

    async def _answer_self(
        self, session_id: str, request_id: str, text: str, intent: str, mode: str, submitted: float
    ) -> None:
        answer_text = await self._self_text(intent)
        user = await self._add_own(session_id, Role.USER, text)
        answer = await self._add_own(session_id, Role.PROGRAM, answer_text)
        route = _own_route(intent, mode)
        turn = Turn(request_id, session_id, answer, submitted, route=route)
        self._turns.add(turn)
        answer = replace(answer, request_id=request_id)
        for event in (
            TurnStarted(request_id, session_id, user, answer),
            TurnRouted(request_id, session_id, route),
            TurnEnded(request_id, session_id, answer, route),
        ):
            self._turns.emit(turn, event)

    async def _add_own(self, session_id: str, role: Role, text: str) -> Message:
        try:
            await self._unsaved.save(session_id)
            return await self._sessions.add_program_message(session_id, text, role)
        except DiskFull:
            return await self._unsaved.hold(session_id, role, text)

    async def _self_text(self, intent: str) -> str:
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


def _prompt(text: str) -> str:
    text = sanitize(text).strip("\n")
    if not text.strip():
        raise UsageError("The prompt is empty.", hint="Type something to ask.")
    return text


def _check_mode(mode: str) -> None:
    if mode not in MODES:
        raise UsageError(f"Mode {sanitize_line(mode, 20)!r} is not built yet.", hint="Use direct.")


def _own_route(intent: str, mode: str) -> Route:
    return Route("static", intent, mode, "rule", "program", "", "", "venom-tui answers this itself")
