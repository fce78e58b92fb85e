"""The open session: what of it is shown, its turns, its draft."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.dom import DOMNode
from textual.worker import Worker

from venom_tui.core.errors import NotFound
from venom_tui.core.types.session import Message, MessageState, Role, Session
from venom_tui.core.types.turn import TurnEnded
from venom_tui.ui.screens.chat.entries import entry_of
from venom_tui.ui.screens.chat.turn_view import TurnView
from venom_tui.ui.widgets.transcript import Transcript

if TYPE_CHECKING:
    from venom_tui.core.core import Core

PAGE = 400
"""Messages that are read at once; older ones follow when the reader scrolls up to them."""


class Conversation:
    """Keeps the transcript in step with one session. All methods run on the event loop."""

    def __init__(self, owner: DOMNode, transcript: Transcript, changed: Callable[[], None]) -> None:
        self._owner = owner
        self._transcript = transcript
        self._changed = changed
        self._core: Core | None = None
        self._opened = asyncio.Event()
        self._view: TurnView | None = None
        self._follower: Worker[None] | None = None
        self._elsewhere: tuple[int, str] | None = None
        self._first_seq: int | None = None
        self._creating = asyncio.Lock()
        self._temporary = False
        self.session: Session | None = None
        self.unseen: frozenset[str] = frozenset()
        self.last_answer: Message | None = None

    # ------------------------------------------------------------------ which session

    async def open_last(self, core: Core) -> None:
        """Open the session that was open last, or none."""
        self._core = core
        last = core.settings.text("VENOM_LAST_SESSION")
        if last:
            try:
                await self.open(last)
            except NotFound:
                pass
        self._opened.set()

    async def open(self, session_id: str, *, at: str | None = None, words: tuple[str, ...] = ()) -> None:
        """Show a session; with `at`, show that message with `words` highlighted.

        Raises:
            SessionNotFound: it was deleted meanwhile.
        """
        core = self._core
        if core is None:
            return
        session = await core.sessions.get(session_id)
        messages = await core.sessions.messages(session.id, limit=PAGE)
        while at is not None and messages and messages[0].seq > 1 and all(m.id != at for m in messages):
            older = await core.sessions.messages(session.id, before_seq=messages[0].seq, limit=4 * PAGE)
            if not older:
                break
            messages = [*older, *messages]
        self._leave()
        self.session = session
        self._temporary = session.temporary
        self.unseen -= {session.id}
        running = core.chat.running(session.id)
        self._show(messages, running)
        if at is not None:
            self._transcript.go_to(at, words)
        if running is not None:
            self._follow(running, user_shown=True)
        await self._remember(session)
        self._changed()

    async def new(self, *, temporary: bool = False) -> None:
        """Begin an empty session; its row is written with its first prompt or draft."""
        self._leave()
        self.session = None
        self._temporary = temporary
        self.last_answer = None
        self._transcript.set_entries(())
        if temporary:
            await self._ensure()
        self._changed()

    async def _ensure(self) -> Session:
        """Return the open session; make it when there is none yet."""
        await self._opened.wait()
        core = self._core
        assert core is not None
        async with self._creating:
            if self.session is None:
                self.session = await core.sessions.create(temporary=self._temporary)
                await self._remember(self.session)
        return self.session

    async def _remember(self, session: Session) -> None:
        core = self._core
        if core is not None and not session.temporary and not core.settings.flag("VENOM_READ_ONLY"):
            await core.save_setting("VENOM_LAST_SESSION", session.id)

    def _leave(self) -> None:
        if self._follower is not None:
            self._follower.cancel()
        self._follower = self._view = None

    # ------------------------------------------------------------------ what is shown

    def _show(self, messages: list[Message], running: str | None) -> None:
        shown = [m for m in messages if running is None or m.request_id != running or m.role is not Role.ASSISTANT]
        self._first_seq = shown[0].seq if shown else None
        answers = [m for m in shown if m.role is Role.ASSISTANT]
        self.last_answer = answers[-1] if answers else None
        self._elsewhere = _mark(messages)
        self._transcript.set_entries([entry_of(message) for message in shown])

    async def show_older(self) -> None:
        """Put the messages before the first one above it."""
        core, session, first = self._core, self.session, self._first_seq
        if core is None or session is None or first is None or first <= 1:
            return
        older = await core.sessions.messages(session.id, before_seq=first, limit=PAGE)
        if older and self._first_seq == first and self.session is session:
            self._first_seq = older[0].seq
            self._transcript.prepend([entry_of(message) for message in older])

    async def refresh_from_elsewhere(self) -> None:
        """Show what another venom-tui wrote into the open session."""
        core, session = self._core, self.session
        if core is None or session is None or session.temporary or self.busy:
            return
        try:
            self.session = await core.sessions.get(session.id)
        except NotFound:
            await self.new()
            return
        messages = await core.sessions.messages(session.id, limit=PAGE)
        if _mark(messages) != self._elsewhere and not self.busy:
            self._show(messages, None)
        self._changed()

    def measure(self) -> str:
        """Return how many messages the session has, for its title's right side."""
        count = 0 if self.session is None else self.session.message_count
        return f"{count:,} messages" if count else ""

    # ------------------------------------------------------------------ turns

    @property
    def busy(self) -> bool:
        """Whether an answer is being written in the open session by this venom-tui."""
        return self._core is not None and self.session is not None and bool(self._core.chat.running(self.session.id))

    async def send(self, text: str) -> None:
        """Send a prompt.

        Raises:
            VenomError: it could not be sent; nothing of it was kept.
        """
        session = await self._ensure()
        assert self._core is not None
        request_id = await self._core.chat.send(session.id, text)
        self._follow(request_id, user_shown=False)

    async def regenerate(self) -> None:
        """Ask for the last answer again.

        Raises:
            VenomError: there is none, or it could not be asked for.
        """
        if self._core is None or self.session is None:
            return
        old = self.last_answer
        request_id = await self._core.chat.regenerate(self.session.id)
        if old is not None:
            self._transcript.remove_entry(old.id)
        self._follow(request_id, user_shown=True)

    async def stop(self) -> None:
        """Stop the answer that is being written and keep what came."""
        if self._core is not None and self.session is not None:
            running = self._core.chat.running(self.session.id)
            if running is not None:
                await self._core.chat.stop(running)

    def _follow(self, request_id: str, *, user_shown: bool) -> None:
        core = self._core
        assert core is not None
        self._leave()
        self._transcript.follow_end()
        view = self._view = TurnView(self._transcript)
        self._follower = self._owner.run_worker(
            view.follow(core, request_id, user_shown=user_shown, ended=self._ended),
            group="turn",
            exclusive=True,
            exit_on_error=False,
        )
        self._changed()

    def _ended(self, event: TurnEnded) -> None:
        message = event.message
        if message.role is Role.ASSISTANT:
            self.last_answer = message
            self._transcript.end(entry_of(message))
        else:
            self._transcript.append(entry_of(message))
        if event.store_error:
            self._owner.notify(event.store_error, severity="warning", markup=False, timeout=15)
        if message.state is MessageState.COMPLETE or message.content:
            self._elsewhere = (message.seq, message.id)

    def turn_ended(self, event: TurnEnded) -> None:
        """Take notice of the end of any turn: of another session it leaves a badge."""
        if self.session is None or event.session_id != self.session.id:
            self.unseen |= {event.session_id}
        self._changed()

    def tick(self) -> None:
        """Renew the live line; once a second."""
        if self._view is not None and self.busy:
            self._view.tick()

    # ------------------------------------------------------------------ the draft

    async def draft(self, text: str) -> None:
        """Keep the unsent prompt with its session; a first draft makes the session's row."""
        if self.session is None and not text.strip():
            return
        session = await self._ensure()
        if self._core is not None:
            self._core.sessions.set_draft(session.id, text)


def _mark(messages: list[Message]) -> tuple[int, str] | None:
    """Return what tells whether the messages are others than before."""
    if not messages:
        return None
    last = messages[-1]
    return last.seq, f"{last.id}{last.state.value}{len(last.content)}"
