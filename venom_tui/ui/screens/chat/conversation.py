"""The open session: what of it is shown, its turns, its draft."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.worker import Worker

from venom_tui.core.errors import NotFound, ReadOnly, VenomError
from venom_tui.core.types.session import Message, Role, Session
from venom_tui.core.types.turn import TurnEnded
from venom_tui.ui.screens.chat.entries import entry_of
from venom_tui.ui.screens.chat.session_list import is_blank
from venom_tui.ui.screens.chat.turn_view import TurnView
from venom_tui.ui.widgets.transcript import Entry, Transcript
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.ui.screens.section import SectionScreen
    from venom_tui.ui.widgets.prompt import Prompt

PAGE = 400
"""Messages that are read at once; older ones follow when the reader scrolls up to them."""


@dataclass(eq=False, slots=True)
class Visit:
    """A session from its being opened or begun until another one is. What was asked of it stays with it."""

    session: Session | None = None
    """None: it is new, and nothing was written into it yet."""
    temporary: bool = False
    drafted: str = ""
    """The unsent prompt as it was kept last."""
    draft: str | None = None
    """The same, while the session's row is made for it."""
    sending: bool = False


class Conversation:
    """Keeps transcript and prompt in step with one session. All methods run on the event loop.

    Args:
        owner: the screen; it runs the workers and says what fails.
        transcript: where the conversation is shown.
        prompt: where its draft is shown.
        changed: called when the session, or what is known of it, is another.
    """

    def __init__(
        self, owner: SectionScreen, transcript: Transcript, prompt: Prompt, changed: Callable[[], None]
    ) -> None:
        self._owner = owner
        self._transcript = transcript
        self._prompt = prompt
        self._changed = changed
        self._core: Core | None = None
        self._opened = asyncio.Event()
        self._view: TurnView | None = None
        self._follower: Worker[None] | None = None
        self._first_seq: int | None = None
        self._shown: tuple[str, ...] = ()
        self._creating = asyncio.Lock()
        self._begun = False
        self._visit = Visit()
        self.unseen: frozenset[str] = frozenset()
        """Sessions whose answer ended while another one was open."""
        self.last_answer: Message | None = None
        self.prompts: tuple[str, ...] = ()
        """What was asked in the open session, oldest first, as far as it is loaded."""

    # ------------------------------------------------------------------ which session

    @property
    def session(self) -> Session | None:
        """The open session; None: a new one that nothing was written into."""
        return self._visit.session

    @property
    def _read_only(self) -> bool:
        return self._owner.host.read_only

    async def open_last(self, core: Core) -> None:
        """Open the session that was open last, unless something was begun before it was read."""
        self._core = core
        last = core.settings.text("VENOM_LAST_SESSION")
        try:
            if last and not self._begun:
                await self._open(last, unless_begun=True)
        except NotFound:
            pass
        finally:
            self._opened.set()

    async def open(self, session_id: str, *, at: str | None = None, words: tuple[str, ...] = ()) -> None:
        """Show a session; with `at`, show that message with `words` highlighted.

        Raises:
            SessionNotFound: it was deleted meanwhile.
        """
        await self._open(session_id, at, words)

    async def _open(
        self, session_id: str, at: str | None = None, words: tuple[str, ...] = (), *, unless_begun: bool = False
    ) -> None:
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
        if unless_begun and self._begun:
            return
        left = self._leave_for(Visit(session, session.temporary, session.draft))
        self.unseen -= {session.id}
        running = core.chat.running(session.id)
        self._show(messages, running)
        if at is not None:
            self._transcript.go_to(at, words)
        if running is not None:
            self._follow(running, user_shown=True)
        await self._tidy(left)
        await self._remember(session)
        self._changed()

    def begin(self, *, temporary: bool = False) -> Visit:
        """Begin an empty session; its row is written with its first prompt or draft. `settle` what this returns."""
        self._begun = True
        left = self._leave_for(Visit(temporary=temporary))
        self._take(())
        self._transcript.set_entries(())
        self._changed()
        return left

    async def settle(self, left: Visit) -> None:
        """Do what takes time after a session was begun."""
        visit = self._visit
        await self._tidy(left)
        if visit.temporary:
            await self._ensure(visit)
            self._changed()

    async def _ensure(self, visit: Visit) -> Session:
        """Return a visit's session; make it when there is none yet."""
        await self._opened.wait()
        core = self._core
        assert core is not None
        async with self._creating:
            if visit.session is None:
                if self._read_only:
                    raise ReadOnly(
                        "venom-tui runs read-only: it begins no session.", hint="Start it without --read-only."
                    )
                visit.session = await core.sessions.create(temporary=visit.temporary)
                if self._visit is visit:
                    await self._remember(visit.session)
        return visit.session

    async def _remember(self, session: Session) -> None:
        core = self._core
        if core is not None and not session.temporary and not self._read_only:
            await core.save_setting("VENOM_LAST_SESSION", session.id)

    def _leave_for(self, visit: Visit) -> Visit:
        """Go to another session: keep the draft of the one that is left, follow it no more; return that visit."""
        left = self._visit
        self.draft(self._prompt.text)
        if self._follower is not None:
            self._follower.cancel()
        self._follower = self._view = None
        self._visit = visit
        if left.session is None or visit.session is None or left.session.id != visit.session.id:
            self._prompt.put("" if visit.session is None else visit.session.draft)
        return left

    async def _tidy(self, left: Visit) -> None:
        """Take a session away that was left without anything ever written into it."""
        core, session = self._core, left.session
        if core is None or session is None or left.sending or self._read_only:
            return
        if session.temporary or (self.session is not None and self.session.id == session.id):
            return
        try:
            if is_blank(await core.sessions.get(session.id)):
                await core.sessions.delete(session.id)
        except VenomError:
            pass  # it is gone already, or stays as an empty row: neither keeps anybody from leaving

    # ------------------------------------------------------------------ what is shown

    def _take(self, messages: Sequence[Message]) -> None:
        """Note what of the session is loaded."""
        self._first_seq = messages[0].seq if messages else None
        answers = [m for m in messages if m.role is Role.ASSISTANT]
        self.last_answer = answers[-1] if answers else None
        self.prompts = tuple(dict.fromkeys(m.content for m in messages if m.role is Role.USER))
        self._shown = tuple(message.id for message in messages)

    def _show(self, messages: list[Message], running: str | None) -> None:
        shown = [m for m in messages if running is None or m.request_id != running or m.role is not Role.ASSISTANT]
        self._take(shown)
        self._transcript.set_entries(self._entries(shown))

    def _entries(self, messages: Iterable[Message]) -> list[Entry]:
        # To look a key up takes longer than all the rest.
        retry_key = self._owner.key_of("chat.again")
        return [entry_of(message, retry_key=retry_key) for message in messages]

    def _entry(self, message: Message) -> Entry:
        return self._entries((message,))[0]

    async def show_older(self) -> None:
        """Put the messages before the first one above it."""
        core, session, first = self._core, self.session, self._first_seq
        if core is None or session is None or first is None or first <= 1:
            return
        older = await core.sessions.messages(session.id, before_seq=first, limit=PAGE)
        if older and self._first_seq == first and self.session is not None and self.session.id == session.id:
            self._first_seq = older[0].seq
            self._shown = (*(message.id for message in older), *self._shown)
            self._transcript.prepend(self._entries(older))

    async def refresh(self, session_id: str | None) -> None:
        """Take notice that a session was written; None: by another venom-tui, and any of them may be another."""
        core, visit = self._core, self._visit
        session = visit.session
        if core is None or session is None or session_id not in (None, session.id):
            return
        try:
            visit.session = await core.sessions.get(session.id)
        except NotFound:
            if self._visit is visit:
                await self.settle(self.begin())
            return
        if session_id is None and not session.temporary and not self.busy:
            first = self._first_seq
            messages = await core.sessions.messages(session.id, after_seq=None if first is None else first - 1)
            if not self.busy and self._visit is visit:
                self._update(messages)
        self._changed()

    def _update(self, messages: list[Message]) -> None:
        """Show what was changed elsewhere, and nothing else: the reader stays where he is."""
        there = {message.id for message in messages}
        for key in self._shown:
            if key not in there:
                self._transcript.remove_entry(key)
        for entry in self._entries(messages):
            self._transcript.put_last(entry)
        self._take(messages)

    def measure(self) -> str:
        """Return how many messages the session has, for its title's right side."""
        count = 0 if self.session is None else self.session.message_count
        return f"{count:,} message{'s' * (count != 1)}" if count else ""

    # ------------------------------------------------------------------ turns

    @property
    def busy(self) -> bool:
        """Whether an answer is being written in the open session by this venom-tui."""
        return self._core is not None and self.session is not None and bool(self._core.chat.running(self.session.id))

    def take_prompt(self) -> Visit:
        """Take notice that the prompt is about to be sent; return the visit that `send` needs."""
        self._begun = True
        visit = self._visit
        visit.sending, visit.draft, visit.drafted = True, None, ""
        return visit

    async def send(self, visit: Visit, text: str) -> None:
        """Send a prompt in the session of the visit in which it was taken.

        Raises:
            VenomError: it could not be sent; nothing of it was kept.
        """
        try:
            session = await self._ensure(visit)
            assert self._core is not None
            request_id = await self._core.chat.send(session.id, text)
        finally:
            visit.sending = False
        # The store took the draft for what was sent; what was typed since is the next one.
        typed, visit.drafted = visit.drafted, ""
        self._keep(visit, typed)
        if self._visit is visit:
            self._follow(request_id, user_shown=False)

    def give_back(self, visit: Visit, text: str) -> None:
        """Put a prompt that could not be sent back to where it was taken, unless something else was typed there."""
        if self._visit is not visit:
            self._keep(visit, visit.drafted or text)
        elif not self._prompt.text:
            self._prompt.put(text)

    async def regenerate(self) -> None:
        """Ask for the last answer again.

        Raises:
            VenomError: there is none, or it could not be asked for.
        """
        visit = self._visit
        if self._core is None or visit.session is None:
            return
        old = self.last_answer
        request_id = await self._core.chat.regenerate(visit.session.id)
        if self._visit is not visit:
            return
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
        if self._follower is not None:
            self._follower.cancel()
        self._transcript.follow_end()
        view = self._view = TurnView(self._transcript, self._entry)
        self._follower = start(
            self._owner,
            lambda: view.follow(core, request_id, user_shown=user_shown, ended=self._ended),
            group="turn",
            exclusive=True,
        )
        self._changed()

    def _ended(self, event: TurnEnded) -> None:
        message = event.message
        if message.role is Role.ASSISTANT:
            self.last_answer = message
        self._transcript.end(self._entry(message))
        if event.store_error:
            self._owner.notify(event.store_error, severity="warning", markup=False, timeout=15)
        start(self._owner, self._settle, group="settle", exclusive=True)

    async def _settle(self) -> None:
        """Show the session as it is stored after a turn: which answer of a repeated one stays is decided there."""
        await self.refresh(None)

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

    def draft(self, text: str) -> None:
        """Keep the unsent prompt with its session; a first draft makes the session's row."""
        self._keep(self._visit, text)

    def _keep(self, visit: Visit, text: str) -> None:
        core = self._core
        if text == visit.drafted or self._read_only:
            return
        visit.drafted = text
        if visit.session is not None and core is not None:
            core.sessions.set_draft(visit.session.id, text)
        elif text.strip() or visit.draft is not None:
            waiting, visit.draft = visit.draft is not None, text
            self._begun = True
            if not waiting:
                start(self._owner, lambda: self._first_draft(visit), group="first draft")

    async def _first_draft(self, visit: Visit) -> None:
        session = await self._ensure(visit)
        text, visit.draft = visit.draft, None
        if text is not None and self._core is not None:
            self._core.sessions.set_draft(session.id, text)
