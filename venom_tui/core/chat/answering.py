"""The work of a turn: decide which model answers, ask it, and tell what the user must know of how it was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace

from venom_tui.core.chat.answer import StreamedAnswer
from venom_tui.core.chat.asked import Asked
from venom_tui.core.chat.direct import conversation
from venom_tui.core.chat.fitting import fitted, shortened
from venom_tui.core.chat.limits import notices
from venom_tui.core.chat.turns import Turn, Turns
from venom_tui.core.chat.unsaved import UnsavedMessages
from venom_tui.core.errors import ContextOverflow, UsageError
from venom_tui.core.models.manager import ModelManager
from venom_tui.core.models.parameters import merge_parameters, takes
from venom_tui.core.routing.router import ModelRouter
from venom_tui.core.runtimes.controller import Prepared
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.settings import Settings
from venom_tui.core.store.sessions import SessionStore
from venom_tui.core.types.content import AttachmentKind
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.request import ChatRequest, GenerationParameters, Route
from venom_tui.core.types.session import Message, Role, Session
from venom_tui.core.types.turn import TurnNotice, TurnRouted, TurnStatus

DEMONSTRATION_MAX_TOKENS = 256
"""Most tokens of an answer of the demonstration model, which seldom knows where to end."""
DEMONSTRATION_PARAMETERS = GenerationParameters(temperature=0.0)
"""With any randomness a model of this size soon leaves the subject."""


class Answering:
    """Works on turns; `answer` is the task of one."""

    def __init__(
        self,
        settings: Settings,
        sessions: SessionStore,
        models: ModelManager,
        router: ModelRouter,
        unsaved: UnsavedMessages,
        turns: Turns,
    ) -> None:
        self._settings = settings
        self._sessions = sessions
        self._models = models
        self._router = router
        self._unsaved = unsaved
        self._turns = turns

    async def answer(self, turn: Turn, asked: Asked) -> None:
        """Ask a model and collect its answer in the turn.

        Raises:
            VenomError: whatever keeps the answer from coming.
        """
        route = await self._router.decide(mode=asked.mode, model=asked.model, runtime=asked.runtime)
        turn.route = route
        turn.answer = replace(turn.answer, model=route.model, runtime=route.runtime, demonstration=route.demonstration)
        self._turns.emit(turn, TurnRouted(turn.request_id, turn.session_id, route))
        request, session = await self._request(turn, route, asked)
        turn.streamed = StreamedAnswer(
            turn.answer,
            submitted=turn.submitted,
            emit=turn.feed.emit,
            keep=self._sessions.partial if turn.stored else lambda _message: None,
            stop_on_repetition=route.demonstration,
        )
        prepared = await self._router.prepare(
            route, request.parameters, status=lambda status: self._status(turn, status), consent=asked.consent
        )
        turn.context_length = prepared.plan.context_length
        for notice in (*self._router.notices(prepared, request.parameters), *_smaller(prepared, request.parameters)):
            self._tell(turn, notice)
        leave_out = asked.leave_out_oldest or session.options.leave_out_oldest
        request = await self._ask(turn, turn.streamed, prepared, request, leave_out=leave_out)
        usage, reason = turn.streamed.final_usage(), turn.streamed.finish_reason
        for notice in notices(request, usage, prepared.plan.context_length, reason):
            self._tell(turn, notice)

    async def _ask(
        self, turn: Turn, streamed: StreamedAnswer, prepared: Prepared, request: ChatRequest, *, leave_out: bool
    ) -> ChatRequest:
        """Collect the answer; return the request that was answered, from which old turns may have been left out."""
        context, left_out = prepared.plan.context_length, 0
        if leave_out:
            request, left_out = await fitted(request, context, lambda one: self._router.count(prepared, one))
        while True:
            if left_out:
                of = "" if context is None else f" of {context:,} tokens"
                self._tell(turn, f"{left_out} older messages were left out, to fit into the context{of}.")
            streamed.asked()
            try:
                await streamed.collect(self._router.stream(prepared, request))
            except ContextOverflow as failure:
                if not leave_out or not streamed.empty:
                    raise
                shorter, more = shortened(request, failure.prompt_tokens, failure.context_length or context)
                if not more:
                    raise
                request, left_out, context = shorter, left_out + more, failure.context_length or context
            else:
                return request

    # ------------------------------------------------------------------ the request

    async def _request(self, turn: Turn, route: Route, asked: Asked) -> tuple[ChatRequest, Session]:
        """Return what is sent, and the session whose conversation it carries."""
        # Each of them waits for another thread: together they wait once.
        session, stored, saved = await asyncio.gather(
            self._sessions.get(turn.session_id),
            self._sessions.messages(turn.session_id),
            self._models.parameters(route.model, route.runtime),
        )
        messages = self._unsaved.merged(turn.session_id, stored)
        kept = [m for m in messages if m.id != turn.answer.id and m.id not in asked.without]
        images = await self._shows_images(turn, route, kept)
        system = session.system or self._settings.text("SIMPLE_MODE_SYSTEM_PROMPT")
        request = ChatRequest(
            route.model,
            conversation(system, kept, images=images),
            _parameters(route, session, asked, saved),
            schema=_schema(asked, session),
        )
        return request, session

    async def _shows_images(self, turn: Turn, route: Route, messages: Sequence[Message]) -> bool:
        """Return whether images go along. A model of which nothing is known is tried: its server has the last word.

        Raises:
            UsageError: the last prompt has images, and the model cannot see.
        """
        with_images = [message for message in messages if _has_image(message)]
        if not with_images:
            return True
        model = await self._models.find(route.model, route.runtime)
        if _may_see(model):
            return True
        last = next((message for message in reversed(messages) if message.role is Role.USER), None)
        if last is with_images[-1]:
            raise UsageError(f"{model.name} cannot see images.", hint="Pick a model with vision, or send text.")
        self._tell(turn, f"{model.name} cannot see images: those of earlier messages are left out.")
        return False

    # ------------------------------------------------------------------ what is told

    def _status(self, turn: Turn, text: str) -> None:
        self._turns.emit(turn, TurnStatus(turn.request_id, turn.session_id, sanitize_line(text)))

    def _tell(self, turn: Turn, text: str) -> None:
        turn.notices = (*turn.notices, text)
        self._turns.emit(turn, TurnNotice(turn.request_id, turn.session_id, text))


def _smaller(prepared: Prepared, parameters: GenerationParameters) -> tuple[str, ...]:
    """Return what the user must know where the model cannot have as large a context as was chosen."""
    wanted, found = parameters.context_length, prepared.plan.context_length
    if wanted is None or found is None or found >= wanted or not takes(prepared.runtime.kind, "context_length"):
        return ()
    return (f"{prepared.model.name} was trained for {found:,} tokens: its context has so many, not {wanted:,}.",)


def _parameters(route: Route, session: Session, asked: Asked, saved: GenerationParameters) -> GenerationParameters:
    options = session.options
    of_session = GenerationParameters(context_length=options.context_length, think=options.think)
    chosen = merge_parameters(asked.parameters, of_session, saved)
    if route.demonstration:
        limit = min(chosen.max_tokens or DEMONSTRATION_MAX_TOKENS, DEMONSTRATION_MAX_TOKENS)
        chosen = merge_parameters(replace(chosen, max_tokens=limit), DEMONSTRATION_PARAMETERS)
    return chosen


def _has_image(message: Message) -> bool:
    return any(one.kind is AttachmentKind.IMAGE for one in message.attachments)


def _may_see(model: ModelInfo) -> bool:
    return model.capabilities is None or "vision" in model.capabilities


def _schema(asked: Asked, session: Session) -> dict[str, object] | None:
    if asked.schema is not None or not session.options.schema:
        return asked.schema
    schema: dict[str, object] = json.loads(session.options.schema)
    return schema
