"""Chat turns: from a submitted prompt to a committed answer.

A turn is a task of this service, not of the screen that began it: leaving a session does not stop its answer. What is
critical stands in one line: commit the prompt, decide the route, ask the model, stream. The partial answer is written
behind, the final one at once (see `turns`).
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path

from venom_tui.core.chat.answering import Answering
from venom_tui.core.chat.asked import Asked
from venom_tui.core.chat.attachments import read_file
from venom_tui.core.chat.context import ContextMeter
from venom_tui.core.chat.intents import static_intent
from venom_tui.core.chat.own_answers import OwnAnswers, own_route
from venom_tui.core.chat.prompt_queue import PromptQueue
from venom_tui.core.chat.schemas import read_schema
from venom_tui.core.chat.turns import Turn, Turns
from venom_tui.core.chat.unsaved import UnsavedMessages
from venom_tui.core.errors import DiskFull, NotFound, ReadOnly, UsageError
from venom_tui.core.events import EventBus
from venom_tui.core.models.manager import ModelManager
from venom_tui.core.resources.telemetry import Telemetry
from venom_tui.core.routing.router import ModelRouter
from venom_tui.core.sanitize import sanitize, sanitize_line
from venom_tui.core.settings import Settings
from venom_tui.core.store.sessions import SessionStore
from venom_tui.core.types.content import Attachment
from venom_tui.core.types.context import ContextChoice, ContextUse
from venom_tui.core.types.memory import Consent
from venom_tui.core.types.request import GenerationParameters, Route
from venom_tui.core.types.session import Message, MessageState, QueuedPrompt, Role
from venom_tui.core.types.turn import TurnEvent, TurnStarted

MODES = ("direct",)
"""The modes that are built."""
_NO_PARAMETERS = GenerationParameters()


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
        self._router = router
        self._unsaved = UnsavedMessages(sessions, now)
        self._turns = Turns(events, sessions, self._unsaved, lambda turn: self._queue.ended(turn))
        self._queue = PromptQueue(events, sessions, self._turns, self._send_queued)
        self._own = OwnAnswers(sessions, self._unsaved, models, guard, self._turns, now)
        self._answering = Answering(settings, sessions, models, router, self._unsaved, self._turns)
        self._meter = ContextMeter(sessions, models, router)
        self._closing = False

    # ------------------------------------------------------------------ prompts

    async def attach(self, path: Path | str) -> Attachment:
        """Read a file that is to go along with a prompt: UTF-8 text up to 1 MiB, or an image up to 20 MiB.

        Raises:
            UsageError: it is something else, larger, or cannot be read.
        """
        return await asyncio.to_thread(read_file, Path(path))

    async def read_schema(self, text: str) -> dict[str, object]:
        """Return the schema that answers must fit: of `json` any, else of a JSON object or of a file that holds one.

        Raises:
            UsageError: it is no JSON object, or the file cannot be read.
        """
        return await asyncio.to_thread(read_schema, text)

    async def send(
        self,
        session_id: str,
        text: str,
        *,
        attachments: Sequence[Attachment] = (),
        mode: str = "direct",
        model: str | None = None,
        runtime: str | None = None,
        parameters: GenerationParameters | None = None,
        schema: dict[str, object] | None = None,
        context_length: int | None = None,
        leave_out_oldest: bool = False,
        consent: Consent | None = None,
    ) -> str:
        """Begin a turn and return its request id; the user's message is committed when this returns.

        Args:
            session_id: the session.
            text: the prompt; may be empty where files are attached.
            attachments: files that go along (see `attach`).
            mode: how it is answered.
            model: which model answers; without it the active one.
            runtime: whose model is meant.
            parameters: how to generate; they go before the session's options, and these before the model's own.
            schema: JSON schema that the answer must fit; {} asks for any JSON.
            context_length: tokens of context from now on in this session, kept in its options.
            leave_out_oldest: whether the oldest turns are left out of the request where it does not fit.
            consent: what was said yes to, should the model have to be loaded.

        Raises:
            UsageError: the prompt is empty, an option cannot be chosen, or the mode is not built.
            ReadOnly: venom-tui runs read-only.
            VenomError: the session cannot be read or written.
        """
        asked = Asked(
            mode, model, runtime, parameters or _NO_PARAMETERS, schema, leave_out_oldest, consent or Consent()
        )
        return await self._send(session_id, text, tuple(attachments), asked, context_length=context_length)

    async def _send(
        self,
        session_id: str,
        text: str,
        attachments: tuple[Attachment, ...],
        asked: Asked,
        *,
        context_length: int | None = None,
        queued: QueuedPrompt | None = None,
    ) -> str:
        submitted = time.perf_counter()
        text = _prompt(text, attachments)
        self._check(asked.mode)
        request_id = uuid.uuid4().hex
        with self._turns.beginning(session_id):
            await self._choose_context(session_id, context_length)
            intent = None if attachments else static_intent(text)
            if intent is not None:
                route = own_route(intent, asked.mode)
                await self._own.answer(session_id, request_id, text, route, submitted=submitted, queued=queued)
                return request_id
            stored = True
            try:
                await self._unsaved.save(session_id)  # in its order, before what comes now
                user, answer = await self._sessions.begin_turn(
                    session_id, text, request_id=request_id, attachments=attachments, queued=queued
                )
            except DiskFull:
                if queued is not None:
                    raise
                stored = False
                user, answer = await self._unsaved.begin_turn(session_id, text, request_id, attachments)
            self._start(Turn(request_id, session_id, answer, submitted, stored=stored), user, asked)
        return request_id

    async def regenerate(
        self,
        session_id: str,
        *,
        model: str | None = None,
        runtime: str | None = None,
        keep: bool = False,
        parameters: GenerationParameters | None = None,
        schema: dict[str, object] | None = None,
        context_length: int | None = None,
        leave_out_oldest: bool = False,
    ) -> str:
        """Ask for the last answer again; return the new request's id.

        The answer before stays until the new one is there, which then takes its place. With `keep` both stay, as
        alternatives: the conversation goes on with the last complete one (see `SessionStore.choose_answer`). The other
        arguments are those of `send`.

        Raises:
            UsageError: the session's last message is no prompt and no answer of a model, or as for `send`.
            ReadOnly: venom-tui runs read-only.
        """
        submitted = time.perf_counter()
        self._check("direct")
        request_id = uuid.uuid4().hex
        with self._turns.beginning(session_id):
            await self._unsaved.save(session_id)
            messages = await self._sessions.messages(session_id)
            # Alternatives, and answers that were cut when they were asked for again, stand beside the first one.
            tried = list(takewhile(lambda message: message.role is Role.ASSISTANT, reversed(messages)))
            user = messages[-1 - len(tried)] if len(tried) < len(messages) else None
            if user is None or user.role is not Role.USER:
                raise UsageError("There is no answer to ask for again.", hint="Send a prompt first.")
            await self._choose_context(session_id, context_length)
            before = tried[0] if tried and not (keep and _says_something(tried[0])) else None
            answer = await self._sessions.begin_answer(session_id, request_id=request_id, replaces=before)
            without = frozenset(message.id for message in tried)
            asked = Asked(
                "direct", model, runtime, parameters or _NO_PARAMETERS, schema, leave_out_oldest, without=without
            )
            self._start(Turn(request_id, session_id, answer, submitted), user, asked)
        return request_id

    async def _choose_context(self, session_id: str, context_length: int | None) -> None:
        if context_length is not None:
            session = await self._sessions.get(session_id)
            await self._sessions.set_options(session_id, replace(session.options, context_length=context_length))

    def _start(self, turn: Turn, user: Message, asked: Asked) -> None:
        self._turns.add(turn)
        self._turns.emit(turn, TurnStarted(turn.request_id, turn.session_id, user, turn.answer))
        self._turns.begin(turn, self._answering.answer(turn, asked))

    # ------------------------------------------------------------------ prompts that wait

    async def enqueue(self, session_id: str, text: str, attachments: Sequence[Attachment] = ()) -> str | None:
        """Send a prompt after those before it: now, where nothing is being written (then its request id is returned).

        Else it waits: it is committed when this returns, and sent when the answers before it are complete (QueueChanged
        tells). A failed or stopped answer pauses the queue until `resume_queue`; so does the end of the program.

        Raises:
            UsageError: the prompt is empty.
            ReadOnly: venom-tui runs read-only.
        """
        attached = tuple(attachments)
        text = _prompt(text, attached)
        self._check("direct")
        waiting = await self._sessions.queue.list(session_id)
        if not waiting and not self._turns.busy(session_id):
            return await self.send(session_id, text, attachments=attached)
        held = bool(waiting) and self._queue.paused(session_id)
        await self._sessions.queue.add(session_id, text, attached)
        self._queue.changed(session_id)
        if not held:
            self._queue.go_on(session_id)
        return None

    async def queued(self, session_id: str) -> tuple[QueuedPrompt, ...]:
        """Return the prompts that wait in a session, the next one first."""
        return tuple(await self._sessions.queue.list(session_id))

    def queue_paused(self, session_id: str) -> bool:
        """Return whether prompts that wait in a session stay until `resume_queue`."""
        return self._queue.paused(session_id)

    async def resume_queue(self, session_id: str) -> None:
        """Let the prompts that wait go out, the first one as soon as nothing is being written.

        Raises:
            ReadOnly: venom-tui runs read-only.
        """
        self._check("direct")
        self._queue.go_on(session_id)
        self._queue.changed(session_id)

    async def unqueue(self, session_id: str, prompt_id: str) -> QueuedPrompt:
        """Take a prompt out of the queue and return it.

        Raises:
            NotFound: it does not wait any more: it was sent.
        """
        for prompt in await self._sessions.queue.list(session_id):
            if prompt.id == prompt_id:
                await self._sessions.queue.remove(prompt)
                self._queue.changed(session_id)
                return prompt
        raise NotFound("This prompt does not wait any more.", hint="It was sent.")

    async def _send_queued(self, prompt: QueuedPrompt) -> None:
        await self._send(prompt.session_id, prompt.text, prompt.attachments, Asked(), queued=prompt)

    # ------------------------------------------------------------------ what runs

    async def route(
        self,
        text: str,
        *,
        attachments: Sequence[Attachment] = (),
        mode: str = "direct",
        model: str | None = None,
        runtime: str | None = None,
    ) -> Route:
        """Return which way a prompt would go, and why; sends nothing and writes nothing.

        Raises:
            UsageError: the prompt is empty, or the mode is not built.
            ModelNotFound, AmbiguousModel: see `ModelRouter.decide`.
        """
        text = _prompt(text, attachments)
        _check_mode(mode)
        intent = None if attachments else static_intent(text)
        if intent is not None:
            return own_route(intent, mode)
        return await self._router.decide(mode=mode, model=model, runtime=runtime)

    async def context_of(self, session_id: str, *, model: str | None = None, runtime: str | None = None) -> ContextUse:
        """Return how full the context is that the session's next answer gets: by its last answer's own count."""
        return await self._meter.use(session_id, model=model, runtime=runtime)

    async def context_choices(
        self, session_id: str, *, model: str | None = None, runtime: str | None = None
    ) -> tuple[ContextChoice, ...]:
        """Return the larger contexts that the session could go on with, up to what the model was trained for.

        There are none where the model's server decides that alone (vLLM, llama.cpp). One is chosen by `context_length`
        of `send` and `regenerate`.

        Raises:
            ModelNotFound, AmbiguousModel: see `ModelRouter.decide`.
            RuntimeFailure: the model's server cannot be asked.
        """
        return await self._meter.choices(session_id, model=model, runtime=runtime)

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
        await self._queue.close()
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


def _prompt(text: str, attachments: Sequence[Attachment] = ()) -> str:
    text = sanitize(text).strip("\n")
    if not text.strip() and not attachments:
        raise UsageError("The prompt is empty.", hint="Type something to ask.")
    return text


def _check_mode(mode: str) -> None:
    if mode not in MODES:
        raise UsageError(f"Mode {sanitize_line(mode, 20)!r} is not built yet.", hint="Use direct.")


def _says_something(answer: Message) -> bool:
    return bool(answer.content.strip() or answer.tool_calls)
