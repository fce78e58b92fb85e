"""Chat turns: from a submitted prompt to a committed answer.

A turn is a task of this service, not of the screen that began it: leaving a session does not stop its answer. What is
critical stands in one line: commit the prompt, decide the route, ask the model, stream. The partial answer is written
behind, the final one at once.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from venom_tui.core.chat.answer import StreamedAnswer
from venom_tui.core.chat.direct import conversation
from venom_tui.core.chat.feed import TurnFeed
from venom_tui.core.chat.intents import static_intent
from venom_tui.core.chat.self_answers import HELP, QUIT, status_answer, time_answer
from venom_tui.core.errors import DiskFull, NotFound, ReadOnly, StoreError, UsageError, VenomError
from venom_tui.core.events import EventBus, TurnProgress
from venom_tui.core.models.manager import ModelManager
from venom_tui.core.models.parameters import merge_parameters
from venom_tui.core.resources.telemetry import Telemetry
from venom_tui.core.routing.router import ModelRouter
from venom_tui.core.sanitize import sanitize, sanitize_line
from venom_tui.core.settings import Settings
from venom_tui.core.store.sessions import SessionStore
from venom_tui.core.types.request import ChatRequest, GenerationParameters, RequestTrace, Route
from venom_tui.core.types.session import Message, MessageState, Role
from venom_tui.core.types.turn import TurnEnded, TurnEvent, TurnRouted, TurnStarted, TurnStatus

_log = logging.getLogger(__name__)

DEMONSTRATION_MAX_TOKENS = 256
"""Most tokens of an answer of the demonstration model, which seldom knows where to end."""
DEMONSTRATION_PARAMETERS = GenerationParameters(temperature=0.0)
"""With any randomness a model of this size soon leaves the subject."""
_CLOSE_LIMIT_S = 5.0
_KEPT_TURNS = 32
"""Ended turns that can still be followed."""

MODES = ("direct",)
"""The modes that are built."""


@dataclass(slots=True)
class _Turn:
    request_id: str
    session_id: str
    answer: Message
    submitted: float
    feed: TurnFeed = field(default_factory=TurnFeed)
    route: Route | None = None
    streamed: StreamedAnswer | None = None
    work: asyncio.Task[None] | None = None
    supervisor: asyncio.Task[None] | None = None
    ending: MessageState = MessageState.INTERRUPTED
    stored: bool = True


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
        self._events = events
        self._sessions = sessions
        self._models = models
        self._router = router
        self._guard = guard
        self._now = now
        self._turns: dict[str, _Turn] = {}
        self._unsaved: dict[str, list[Message]] = {}
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
        if self.running(session_id):
            raise UsageError("An answer is still being written in this session.", hint="Esc stops it.")
        request_id = uuid.uuid4().hex
        intent = static_intent(text)
        if intent is not None:
            return await self._answer_self(session_id, request_id, text, intent, mode, submitted)
        stored = True
        try:
            user, answer = await self._sessions.begin_turn(session_id, text, request_id=request_id)
        except DiskFull:
            stored = False
            user, answer = await self._unsaved_turn(session_id, text, request_id)
        turn = _Turn(request_id, session_id, answer, submitted, stored=stored)
        self._start(turn, user, mode, model, runtime, parameters)
        return request_id

    async def regenerate(self, session_id: str, *, model: str | None = None, runtime: str | None = None) -> str:
        """Ask for the last answer again and return the new request's id; the old answer stays until the new one is there.

        Raises:
            UsageError: the session's last message is no prompt and no answer of a model.
            ReadOnly: venom-tui runs read-only.
        """
        submitted = time.perf_counter()
        self._check("direct")
        if self.running(session_id):
            raise UsageError("An answer is still being written in this session.", hint="Esc stops it.")
        last = await self._sessions.messages(session_id, limit=2)
        if not last or last[-1].role not in (Role.ASSISTANT, Role.USER):
            raise UsageError("There is no answer to ask for again.", hint="Send a prompt first.")
        replaced = last[-1] if last[-1].role is Role.ASSISTANT else None
        user = last[0] if replaced is not None else last[-1]
        request_id = uuid.uuid4().hex
        answer = await self._sessions.begin_answer(session_id, request_id=request_id, replaces=replaced)
        turn = _Turn(request_id, session_id, answer, submitted)
        self._start(turn, user, "direct", model, runtime, None, without=replaced)
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
        for turn in self._turns.values():
            if turn.session_id == session_id and turn.supervisor is not None and not turn.supervisor.done():
                return turn.request_id
        return None

    async def stop(self, request_id: str) -> None:
        """Stop an answer and keep what came; returns when that is committed. Unknown and ended turns are passed over."""
        turn = self._turns.get(request_id)
        if turn is not None:
            turn.ending = MessageState.STOPPED
            await self._end(turn)

    async def close(self) -> None:
        """Interrupt what runs, keep what came of it, and take no more turns."""
        self._closing = True
        endings = [self._end(turn) for turn in self._turns.values()]
        if endings:
            try:
                async with asyncio.timeout(_CLOSE_LIMIT_S):
                    await asyncio.gather(*endings)
            except TimeoutError:
                _log.error("turns did not end within %s s", _CLOSE_LIMIT_S)

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
        turn: _Turn,
        user: Message,
        mode: str,
        model: str | None,
        runtime: str | None,
        parameters: GenerationParameters | None,
        *,
        without: Message | None = None,
    ) -> None:
        self._forget_old()
        self._turns[turn.request_id] = turn
        self._emit(turn, TurnStarted(turn.request_id, turn.session_id, user, turn.answer))
        work = self._answer(turn, user.content, mode, model, runtime, parameters, without)
        turn.work = asyncio.create_task(work, name=f"answer {turn.request_id}")
        turn.supervisor = asyncio.create_task(self._supervise(turn), name=f"turn {turn.request_id}")

    async def _answer(
        self,
        turn: _Turn,
        text: str,
        mode: str,
        model: str | None,
        runtime: str | None,
        parameters: GenerationParameters | None,
        without: Message | None,
    ) -> None:
        route = await self._router.decide(mode=mode, model=model, runtime=runtime)
        turn.route = route
        turn.answer = replace(turn.answer, model=route.model, runtime=route.runtime, demonstration=route.demonstration)
        self._emit(turn, TurnRouted(turn.request_id, turn.session_id, route))
        request = await self._request(turn, route, parameters, without)
        turn.streamed = StreamedAnswer(
            turn.answer,
            submitted=turn.submitted,
            emit=turn.feed.emit,
            keep=self._sessions.partial if turn.stored else lambda _message: None,
            stop_on_repetition=route.demonstration,
        )
        client = await self._router.prepare(route, status=lambda status: self._status(turn, status))
        turn.streamed.asked()
        await turn.streamed.collect(self._router.stream(route, client, request))

    async def _request(
        self, turn: _Turn, route: Route, parameters: GenerationParameters | None, without: Message | None
    ) -> ChatRequest:
        session = await self._sessions.get(turn.session_id)
        messages = await self._sessions.messages(turn.session_id)
        known = {message.id for message in messages}
        messages.extend(message for message in self._unsaved.get(turn.session_id, ()) if message.id not in known)
        left_out = {turn.answer.id, without.id if without is not None else ""}
        kept = [message for message in messages if message.id not in left_out]
        system = session.system or self._settings.text("SIMPLE_MODE_SYSTEM_PROMPT")
        saved = await self._models.parameters(route.model, route.runtime)
        chosen = merge_parameters(parameters or GenerationParameters(), saved)
        if route.demonstration:
            limit = min(chosen.max_tokens or DEMONSTRATION_MAX_TOKENS, DEMONSTRATION_MAX_TOKENS)
            chosen = merge_parameters(replace(chosen, max_tokens=limit), DEMONSTRATION_PARAMETERS)
        return ChatRequest(route.model, conversation(system, kept), chosen)

    async def _supervise(self, turn: _Turn) -> None:
        work = turn.work
        assert work is not None
        await asyncio.wait({work})
        error: BaseException | None = None
        state = MessageState.COMPLETE
        if work.cancelled():
            state = turn.ending
        elif (error := work.exception()) is not None:
            state = MessageState.FAILED
            if not isinstance(error, VenomError):
                _log.error("a turn failed with a defect of venom-tui", exc_info=error)
        await self._finish(turn, state, error)

    async def _finish(self, turn: _Turn, state: MessageState, error: BaseException | None) -> None:
        message = replace(turn.answer, state=state)
        if turn.streamed is not None:
            message = replace(turn.streamed.message(), state=state, usage=turn.streamed.final_usage())
        code, sentence, hint, server_message = _words(error)
        reason = {
            MessageState.STOPPED: "stopped",
            MessageState.INTERRUPTED: "interrupted",
            MessageState.FAILED: "error",
        }.get(state, message.finish_reason or "stop")
        message = replace(message, error=_error_text(sentence, hint, server_message), finish_reason=reason)
        store_error = await self._commit(turn, message)
        self._emit(
            turn,
            TurnEnded(
                turn.request_id, turn.session_id, message, turn.route, code, sentence, hint, server_message, store_error
            ),
        )

    async def _commit(self, turn: _Turn, message: Message) -> str:
        """Write the final answer; return the sentence that tells why it could not be, or ""."""
        try:
            if turn.stored:
                await self._sessions.finish(message, self._trace(turn, message))
            else:
                self._unsaved.setdefault(turn.session_id, []).append(message)
            await self._save_unsaved(turn.session_id)
        except StoreError as failure:
            if turn.stored:
                self._unsaved.setdefault(turn.session_id, []).append(message)
            return f"{failure.message} {failure.hint}".strip()
        return ""

    def _trace(self, turn: _Turn, message: Message) -> RequestTrace | None:
        if turn.route is None:
            return None
        return RequestTrace(
            request_id=turn.request_id,
            session_id=turn.session_id,
            message_id=message.id,
            route=turn.route,
            started_at=message.created_at,
            timings=message.timings,
            usage=message.usage,
            finish_reason=message.finish_reason,
            error=message.error,
        )

    async def _end(self, turn: _Turn) -> None:
        if turn.work is not None and turn.supervisor is not None:
            turn.work.cancel()
            await asyncio.wait({turn.supervisor})

    def _forget_old(self) -> None:
        ended = [key for key, turn in self._turns.items() if turn.supervisor is None or turn.supervisor.done()]
        for key in ended[: max(0, len(ended) - _KEPT_TURNS)]:
            del self._turns[key]

    def _status(self, turn: _Turn, text: str) -> None:
        self._emit(turn, TurnStatus(turn.request_id, turn.session_id, sanitize_line(text)))

    def _emit(self, turn: _Turn, event: TurnEvent) -> None:
        turn.feed.emit(event)
        self._events.emit(TurnProgress(event))

    # ------------------------------------------------------------------ without a model

    async def _answer_self(
        self, session_id: str, request_id: str, text: str, intent: str, mode: str, submitted: float
    ) -> str:
        answer_text = await self._self_text(intent)
        try:
            user = await self._sessions.add_program_message(session_id, text, Role.USER)
            answer = await self._sessions.add_program_message(session_id, answer_text, Role.PROGRAM)
        except DiskFull:
            user, answer = await self._unsaved_turn(session_id, text, request_id)
            answer = replace(answer, role=Role.PROGRAM, content=answer_text, state=MessageState.COMPLETE)
        route = _own_route(intent, mode)
        turn = _Turn(request_id, session_id, answer, submitted, route=route)
        self._forget_old()
        self._turns[request_id] = turn
        answer = replace(answer, request_id=request_id)
        for event in (
            TurnStarted(request_id, session_id, user, answer),
            TurnRouted(request_id, session_id, route),
            TurnEnded(request_id, session_id, answer, route),
        ):
            self._emit(turn, event)
        return request_id

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

    # ------------------------------------------------------------------ a full disk

    async def _unsaved_turn(self, session_id: str, text: str, request_id: str) -> tuple[Message, Message]:
        """Make the messages of a turn that cannot be written, so that the chat goes on; they are written later."""
        seq = 1 + max((m.seq for m in await self._sessions.messages(session_id, limit=1)), default=0)
        seq += 2 * len(self._unsaved.get(session_id, ()))
        made = self._now()
        user = Message(uuid.uuid4().hex, session_id, seq, Role.USER, text, MessageState.COMPLETE, made)
        answer = Message(
            uuid.uuid4().hex, session_id, seq + 1, Role.ASSISTANT, "", MessageState.STREAMING, made, request_id
        )
        self._unsaved.setdefault(session_id, []).append(user)
        return user, answer

    async def _save_unsaved(self, session_id: str) -> None:
        waiting = self._unsaved.get(session_id)
        if waiting:
            await self._sessions.adopt(session_id, waiting)
            del self._unsaved[session_id]


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


def _words(error: BaseException | None) -> tuple[str, str, str, str]:
    if error is None:
        return "", "", "", ""
    if isinstance(error, VenomError):
        return error.code, error.message, error.hint, error.server_message
    name = type(error).__name__
    return "error", f"venom-tui made a mistake ({name}).", "The log in the data directory has the details.", ""


def _error_text(sentence: str, hint: str, server_message: str) -> str:
    """Return what is kept of a failure with the message: the sentence, the server's words where it lacks them, the way out."""
    parts = [sentence]
    if server_message and server_message not in sentence:
        parts.append(f"“{server_message}”")
    parts.append(hint)
    return " ".join(part for part in parts if part)
