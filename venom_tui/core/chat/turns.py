"""The turns of this process, from the task that works on one to its committed end.

Whatever becomes of the work (it ends, fails, is stopped, or venom-tui closes): what came of the answer is kept, and the
last event of the turn tells how it ended.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from venom_tui.core.chat.answer import StreamedAnswer
from venom_tui.core.chat.feed import TurnFeed
from venom_tui.core.chat.unsaved import UnsavedMessages
from venom_tui.core.errors import ContextOverflow, StoreError, UsageError, VenomError
from venom_tui.core.events import EventBus, TurnProgress
from venom_tui.core.store.sessions import SessionStore
from venom_tui.core.types.request import RequestTrace, Route
from venom_tui.core.types.session import Message, MessageState, Overflow
from venom_tui.core.types.turn import TurnEnded, TurnEvent

_log = logging.getLogger(__name__)

_CLOSE_LIMIT_S = 5.0
_KEPT_TURNS = 32
"""Ended turns that can still be followed."""


@dataclass(slots=True)
class Turn:
    """One turn as it stands."""

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
    """What the answer is when the work is cancelled."""
    stored: bool = True
    """Whether the store knows the turn's messages; it does not where the disk was full."""
    context_length: int | None = None
    """Tokens of context of the model that answers, where they are known."""
    notices: tuple[str, ...] = ()
    """What was told of the turn so far."""
    state: MessageState = MessageState.STREAMING
    """How the turn has ended, once it has."""

    @property
    def running(self) -> bool:
        """Whether the turn has work that has not ended."""
        return self.supervisor is not None and not self.supervisor.done()

    def message(self, state: MessageState) -> Message:
        """Return the answer as far as it came, in its final state."""
        if self.streamed is None:
            return replace(self.answer, state=state, notices=self.notices)
        usage = self.streamed.final_usage()
        return replace(self.streamed.message(), state=state, usage=usage, notices=self.notices)

    def trace(self, message: Message) -> RequestTrace | None:
        """Return what is kept of the request besides its final answer; None where it never got a route."""
        if self.route is None:
            return None
        return RequestTrace(
            request_id=self.request_id,
            session_id=self.session_id,
            message_id=message.id,
            route=self.route,
            started_at=message.created_at,
            timings=message.timings,
            usage=message.usage,
            finish_reason=message.finish_reason,
            error=message.error,
        )


class Turns:
    """Keeps the running turns and the last ended ones, and sees each to its end."""

    def __init__(
        self,
        events: EventBus,
        sessions: SessionStore,
        unsaved: UnsavedMessages,
        ended: Callable[[Turn], None] = lambda _turn: None,
    ) -> None:
        """`ended` is called when a turn has ended and the session is free for the next one."""
        self._events = events
        self._ended = ended
        self._sessions = sessions
        self._unsaved = unsaved
        self._turns: dict[str, Turn] = {}
        self._beginning: set[str] = set()
        self._begun = asyncio.Event()
        self._begun.set()

    def get(self, request_id: str) -> Turn | None:
        """Return a turn that runs or ended lately."""
        return self._turns.get(request_id)

    def running(self, session_id: str) -> str | None:
        """Return the request id of the turn that runs in a session, or None."""
        for turn in self._turns.values():
            if turn.session_id == session_id and turn.running:
                return turn.request_id
        return None

    def busy(self, session_id: str) -> bool:
        """Return whether a turn of the session runs, or is about to."""
        return session_id in self._beginning or self.running(session_id) is not None

    @contextmanager
    def beginning(self, session_id: str) -> Iterator[None]:
        """Hold the place of a session's next turn from the moment that it is asked for until its work has begun.

        Raises:
            UsageError: another turn of the session has it, or runs.
        """
        if self.busy(session_id):
            raise UsageError("An answer is still being written in this session.", hint="Esc stops it.")
        self._beginning.add(session_id)
        self._begun.clear()
        try:
            yield
        finally:
            self._beginning.discard(session_id)
            if not self._beginning:
                self._begun.set()

    def add(self, turn: Turn) -> None:
        """Keep a turn, so that it can be followed; the oldest ended ones are forgotten."""
        ended = [key for key, known in self._turns.items() if not known.running]
        for key in ended[: max(0, len(ended) - _KEPT_TURNS)]:
            del self._turns[key]
        self._turns[turn.request_id] = turn

    def begin(self, turn: Turn, work: Coroutine[object, object, None]) -> None:
        """Work on a turn in a task, and see to its end in another that nobody cancels."""
        turn.work = asyncio.create_task(work, name=f"answer {turn.request_id}")
        turn.supervisor = asyncio.create_task(self._supervise(turn, turn.work), name=f"turn {turn.request_id}")
        turn.supervisor.add_done_callback(lambda _: self._ended(turn))

    def emit(self, turn: Turn, event: TurnEvent) -> None:
        """Tell those who follow the turn, and everybody else."""
        turn.feed.emit(event)
        self._events.emit(TurnProgress(event))

    async def end(self, turn: Turn) -> None:
        """Cancel the work of a turn; returns when what came of it is committed."""
        if turn.work is not None and turn.supervisor is not None:
            turn.work.cancel()
            await asyncio.wait({turn.supervisor})

    async def close(self) -> None:
        """End all turns, also those that are just beginning."""
        try:
            async with asyncio.timeout(_CLOSE_LIMIT_S):
                await self._begun.wait()
                await asyncio.gather(*[self.end(turn) for turn in self._turns.values()])
        except TimeoutError:
            _log.error("turns did not end within %s s", _CLOSE_LIMIT_S)

    async def _supervise(self, turn: Turn, work: asyncio.Task[None]) -> None:
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

    async def _finish(self, turn: Turn, state: MessageState, error: BaseException | None) -> None:
        turn.state = state
        message = turn.message(state)
        code, sentence, hint, server_message = _words(error)
        reason = {
            MessageState.STOPPED: "stopped",
            MessageState.INTERRUPTED: "interrupted",
            MessageState.FAILED: "error",
        }.get(state, message.finish_reason or "stop")
        prompt_tokens, context_length, overflow = message.usage.prompt_tokens, turn.context_length, None
        if isinstance(error, ContextOverflow):
            prompt_tokens, context_length = error.prompt_tokens, error.context_length or context_length
            overflow = Overflow(prompt_tokens, context_length, server_message)
        error_text = _error_text(sentence, hint, server_message)
        message = replace(message, error=error_text, finish_reason=reason, overflow=overflow)
        try:
            store_error = await self._commit(turn, message)
        except Exception as defect:  # noqa: BLE001 (whoever follows the turn must hear of its end in any case)
            _log.exception("an answer could not be committed")
            store_error = f"The answer could not be saved: venom-tui made a mistake ({type(defect).__name__})."
        self.emit(
            turn,
            TurnEnded(
                turn.request_id,
                turn.session_id,
                message,
                turn.route,
                error_code=code,
                error=sentence,
                hint=hint,
                server_message=server_message,
                store_error=store_error,
                prompt_tokens=prompt_tokens,
                context_length=context_length,
            ),
        )

    async def _commit(self, turn: Turn, message: Message) -> str:
        """Write the final answer; return the sentence that tells why it could not be, or ""."""
        try:
            if turn.stored:
                await self._sessions.finish(message, turn.trace(message))
            else:
                self._unsaved.add(message)
            await self._unsaved.save(turn.session_id)
        except StoreError as failure:
            if turn.stored:
                self._unsaved.add(message)
            return f"{failure.message} {failure.hint}".strip()
        return ""


def _words(error: BaseException | None) -> tuple[str, str, str, str]:
    if error is None:
        return "", "", "", ""
    if isinstance(error, VenomError):
        return error.code, error.message, error.hint, error.server_message
    name = type(error).__name__
    return "error", f"venom-tui made a mistake ({name}).", "The log in the data directory has the details.", ""


def _error_text(sentence: str, hint: str, server_message: str) -> str:
    """Return what is kept of a failure with the message: its sentence, the server's words if not in it, the way out."""
    parts = [sentence]
    if server_message and server_message not in sentence:
        parts.append(f"“{server_message}”")
    parts.append(hint)
    return " ".join(part for part in parts if part)
