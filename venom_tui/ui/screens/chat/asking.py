"""The turns of the open session: prompts go out, answers are followed, and what became of them is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from textual.worker import Worker

from venom_tui.core.errors import UsageError
from venom_tui.core.types.session import QueuedPrompt
from venom_tui.core.types.turn import TurnEnded, TurnStarted
from venom_tui.ui.screens.chat.turn_view import TurnView
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.types.content import Attachment
    from venom_tui.core.types.model import ModelInfo
    from venom_tui.ui.screens.chat.conversation import Conversation, Visit

    Attach = Callable[[], Awaitable[Sequence[Attachment]]]


class Asking:
    """Sends, asks again, stops, and follows what is written in the session that is open.

    Args:
        conversation: the open session.
        ended: called when a turn of it has ended.
    """

    def __init__(self, conversation: Conversation, ended: Callable[[TurnEnded], None]) -> None:
        self._conversation = conversation
        self._ended_here = ended
        self._in_order = asyncio.Lock()
        self._view: TurnView | None = None
        self._follower: Worker[None] | None = None
        self._followed: str | None = None

    @property
    def busy(self) -> bool:
        """Whether an answer is being written in the open session by this venom-tui."""
        core, session = self._conversation.core, self._conversation.session
        return core is not None and session is not None and bool(core.chat.running(session.id))

    # ------------------------------------------------------------------ prompts

    def take_prompt(self) -> Visit:
        """Take notice that the prompt is about to be sent; return the visit that `send` needs."""
        visit = self._conversation.begun()
        visit.sending += 1
        visit.draft, visit.drafted = None, ""
        return visit

    async def send(self, visit: Visit, text: str, attach: Attach, model: ModelInfo | None = None) -> None:
        """Send a prompt in the session of the visit in which it was taken; it waits where an answer is being written.

        Args:
            visit: the visit.
            text: the prompt.
            attach: returns the files that go along.
            model: the model that is being switched to, which answers already.

        Raises:
            VenomError: it could not be sent; nothing of it was kept.
        """
        try:
            async with self._in_order:
                await self._conversation.ready()  # what the prompt names is read by the core
                request_id = await self._send(visit, text, await attach(), model)
        finally:
            visit.sending -= 1
        # The store took the draft for what was sent; what was typed since is the next one.
        typed, visit.drafted = visit.drafted, ""
        self._conversation.keep(visit, typed)
        if self._conversation.visit is not visit:
            return
        if request_id is not None:
            self.follow(request_id, user_shown=False)
        else:
            self._follow_running()

    async def _send(
        self, visit: Visit, text: str, attachments: Sequence[Attachment], model: ModelInfo | None
    ) -> str | None:
        session = await self._conversation.ensure(visit)
        core = self._conversation.core
        assert core is not None
        if model is None or core.chat.running(session.id) or await core.chat.queued(session.id):
            return await core.chat.enqueue(session.id, text, attachments)
        return await core.chat.send(session.id, text, attachments=attachments, model=model.name, runtime=model.runtime)

    async def regenerate(
        self,
        model: ModelInfo | None = None,
        *,
        keep: bool = False,
        context_length: int | None = None,
        leave_out_oldest: bool = False,
    ) -> Visit:
        """Ask for the last answer again; with `keep` the one before stays beside it. Return where it was asked for.

        Raises:
            VenomError: there is none, or it could not be asked for.
        """
        conversation = self._conversation
        await conversation.ready()
        visit, core = conversation.visit, conversation.core
        if core is None or visit.session is None:
            raise UsageError("There is no answer to ask for again.", hint="Send a prompt first.")
        old = conversation.last_answer
        visit.sending += 1
        try:
            request_id = await core.chat.regenerate(
                visit.session.id,
                model=None if model is None else model.name,
                runtime=None if model is None else model.runtime,
                keep=keep,
                context_length=context_length,
                leave_out_oldest=leave_out_oldest,
            )
        finally:
            visit.sending -= 1
        if conversation.visit is visit:
            if old is not None and not keep:
                conversation.transcript.remove_entry(old.id)
            self.follow(request_id, user_shown=True)
        return visit

    async def stop(self) -> None:
        """Stop the answer that is being written and keep what came."""
        core, session = self._conversation.core, self._conversation.session
        if core is not None and session is not None:
            running = core.chat.running(session.id)
            if running is not None:
                await core.chat.stop(running)

    # ------------------------------------------------------------------ prompts that wait

    async def waiting(self) -> tuple[tuple[QueuedPrompt, ...], bool]:
        """Return the prompts that wait in the open session, and whether they do not go out by themselves."""
        core, session = self._conversation.core, self._conversation.session
        if core is None or session is None:
            return (), False
        return await core.chat.queued(session.id), core.chat.queue_paused(session.id)

    async def unqueue(self, prompt_id: str) -> QueuedPrompt | None:
        """Take a prompt out of the queue and return it.

        Raises:
            NotFound: it was sent meanwhile.
        """
        core, session = self._conversation.core, self._conversation.session
        if core is None or session is None:
            return None
        return await core.chat.unqueue(session.id, prompt_id)

    async def resume(self) -> None:
        """Let the prompts that wait go out.

        Raises:
            ReadOnly: venom-tui runs read-only.
        """
        core, session = self._conversation.core, self._conversation.session
        if core is not None and session is not None:
            await core.chat.resume_queue(session.id)

    # ------------------------------------------------------------------ what is followed

    def leave(self) -> None:
        """Follow the open session no more."""
        if self._follower is not None:
            self._follower.cancel()
        self._follower = self._view = self._followed = None

    def follow(self, request_id: str, *, user_shown: bool) -> None:
        """Show a turn while it goes on."""
        conversation = self._conversation
        core = conversation.core
        assert core is not None
        self.leave()
        self._followed = request_id
        conversation.transcript.follow_end()
        view = self._view = TurnView(conversation.transcript, conversation.entry)
        self._follower = start(
            conversation.owner,
            lambda: view.follow(core, request_id, user_shown=user_shown, ended=lambda event: self._ended(view, event)),
            group="turn",
            exclusive=True,
        )
        conversation.changed()

    def turn_started(self, event: TurnStarted) -> None:
        """Take notice of the beginning of any turn: one that a prompt which waited began is followed."""
        session = self._conversation.session
        if session is not None and event.session_id == session.id and not self._conversation.visit.sending:
            self._follow_running()

    def _follow_running(self) -> None:
        """Follow what is being written in the open session, unless a turn is followed to its end."""
        core, session = self._conversation.core, self._conversation.session
        running = None if core is None or session is None else core.chat.running(session.id)
        if running is not None and self._followed is None:
            self.follow(running, user_shown=False)

    def _ended(self, view: TurnView, event: TurnEnded) -> None:
        conversation, message = self._conversation, event.message
        for one in (view.user, message):
            if one is not None:
                conversation.took(one, stored=not event.store_error)
        self._followed = None
        conversation.transcript.end(conversation.entry(message))
        if event.store_error:
            conversation.owner.notify(event.store_error, severity="warning", markup=False, timeout=15)
        # Which answer of a repeated one stays is decided in the store.
        start(conversation.owner, lambda: conversation.refresh(None), group="settle", exclusive=True)
        self._ended_here(event)
        self._follow_running()

    def turn_ended(self, event: TurnEnded) -> None:
        """Take notice of the end of any turn: where it was not looked at, that leaves a badge."""
        conversation = self._conversation
        here = conversation.session is not None and event.session_id == conversation.session.id
        if not here or conversation.owner.app.current_mode != conversation.owner.NAME:
            conversation.unseen |= {event.session_id}
        conversation.changed()

    def tick(self) -> None:
        """Renew the live line; once a second."""
        if self._view is not None and self.busy:
            self._view.tick()
