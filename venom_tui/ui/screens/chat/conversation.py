"""The open session: which it is, what of it is shown, its draft."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from venom_tui.core.errors import NotFound, ReadOnly, VenomError
from venom_tui.core.types.session import Message, MessageState, Role, Session, SessionOptions
from venom_tui.ui.screens.chat.asking import Asking
from venom_tui.ui.screens.chat.entries import answer_groups, entries_of
from venom_tui.ui.screens.chat.session_list import is_blank
from venom_tui.ui.widgets.transcript import Entry, Transcript
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.types.turn import TurnEnded
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
    sending: int = 0
    """Prompts that are on their way into it."""


class Conversation:
    """Keeps transcript and prompt in step with one session. All methods run on the event loop.

    Args:
        owner: the screen; it runs the workers and says what fails.
        transcript: where the conversation is shown.
        prompt: where its draft is shown.
        changed: called when the session, or what is known of it, is another.
        ended: called when a turn of the open session has ended.
    """

    def __init__(
        self,
        owner: SectionScreen,
        transcript: Transcript,
        prompt: Prompt,
        *,
        changed: Callable[[], None],
        ended: Callable[[TurnEnded], None],
    ) -> None:
        self.owner = owner
        self.transcript = transcript
        self._prompt = prompt
        self.changed = changed
        self.core: Core | None = None
        self._opened = asyncio.Event()
        self._creating = asyncio.Lock()
        self._choosing = asyncio.Lock()
        self._begun = False
        self.visit = Visit()
        self.asking = Asking(self, ended)
        self.unseen: frozenset[str] = frozenset()
        """Sessions with an answer that ended while it was not looked at."""
        self.messages: tuple[Message, ...] = ()
        """What of the open session is loaded, without the answer that is being written."""
        self._not_stored: frozenset[str] = frozenset()
        """Messages that could not be written yet: the disk is full."""

    # ------------------------------------------------------------------ which session

    @property
    def session(self) -> Session | None:
        """The open session; None: a new one that nothing was written into."""
        return self.visit.session

    @property
    def options(self) -> SessionOptions:
        """What is chosen for the open session."""
        return SessionOptions() if self.visit.session is None else self.visit.session.options

    @property
    def last_answer(self) -> Message | None:
        """The last answer of a model."""
        return next((m for m in reversed(self.messages) if m.role is Role.ASSISTANT), None)

    def answers_beside(self, key: str | None) -> list[Message]:
        """Return the answers to the prompt that a message is, or answers; without a key those to the last prompt."""
        last: list[Message] = []
        before = ""
        for group in answer_groups(self.messages):
            if group[0].role is not Role.ASSISTANT:
                before = group[0].id
                continue
            last = group
            if key is not None and (key == before or any(message.id == key for message in group)):
                return group
        return last if key is None else []

    @property
    def _read_only(self) -> bool:
        return self.owner.host.read_only

    async def open_last(self, core: Core) -> None:
        """Open the session that was open last, unless something was begun before it was read."""
        self.core = core
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
        core = self.core
        if core is None:
            return
        session, messages = await self._read(core, session_id, at)
        for _again in range(2):  # an answer ended while it was read; then the prompt that waited for it began one
            if _is_outdated(messages, core.chat.running(session.id)):
                session, messages = await self._read(core, session_id, at)
        if unless_begun and self._begun:
            return
        left = self._leave_for(Visit(session, session.temporary, session.draft))
        self.unseen -= {session.id}
        running = core.chat.running(session.id)
        self._show(messages, running)
        if at is not None:
            self.transcript.go_to(at, words)
        if running is not None:
            self.asking.follow(running, user_shown=True)
        await self._tidy(left)
        await self._remember(session)
        self.changed()

    async def _read(self, core: Core, session_id: str, at: str | None) -> tuple[Session, list[Message]]:
        """Read a session and its newest messages, back to the one that is sought."""
        session = await core.sessions.get(session_id)
        messages = await core.sessions.messages(session.id, limit=PAGE, data=False)
        while at is not None and messages and messages[0].seq > 1 and all(m.id != at for m in messages):
            first = messages[0].seq
            older = await core.sessions.messages(session.id, before_seq=first, limit=4 * PAGE, data=False)
            if not older:
                break
            messages = [*older, *messages]
        return session, messages

    def seen(self) -> None:
        """Take notice that the open session is looked at."""
        if self.session is not None and self.session.id in self.unseen:
            self.unseen -= {self.session.id}
            self.changed()

    def begin(self, *, temporary: bool = False) -> Visit:
        """Begin an empty session; its row is written with its first prompt or draft. `settle` what this returns."""
        self._begun = True
        left = self._leave_for(Visit(temporary=temporary))
        self.messages = ()
        self.transcript.set_entries(())
        self.changed()
        return left

    def begun(self) -> Visit:
        """Take notice that something is about to be written into the open session; return its visit."""
        self._begun = True
        return self.visit

    async def settle(self, left: Visit) -> None:
        """Do what takes time after a session was begun."""
        visit = self.visit
        await self._tidy(left)
        if visit.temporary:
            await self.ensure(visit)
            self.changed()

    async def ready(self) -> None:
        """Wait until the core is open and the last session is shown, or something was begun instead."""
        await self._opened.wait()

    async def ensure(self, visit: Visit) -> Session:
        """Return a visit's session; make it when there is none yet."""
        await self.ready()
        core = self.core
        assert core is not None
        async with self._creating:
            if visit.session is None:
                if self._read_only:
                    raise ReadOnly(
                        "venom-tui runs read-only: it begins no session.", hint="Start it without --read-only."
                    )
                visit.session = await core.sessions.create(temporary=visit.temporary)
                if self.visit is visit:
                    await self._remember(visit.session)
        return visit.session

    async def choose(self, **changes: object) -> None:
        """Choose something for all further turns of the open session (fields of SessionOptions).

        Raises:
            VenomError: it cannot be chosen, or not be kept.
        """
        await self.change_options(lambda options: replace(options, **changes))  # type: ignore[arg-type]  # keywords

    async def change_options(self, change: Callable[[SessionOptions], SessionOptions]) -> None:
        """Choose for all further turns of the open session what `change` makes of what was chosen before.

        Raises:
            VenomError: it cannot be chosen, or not be kept.
        """
        visit = self.begun()
        await self.ensure(visit)
        async with self._choosing:  # each goes on from what the one before has chosen
            assert self.core is not None
            assert visit.session is not None
            options = change(visit.session.options)
            await self.core.sessions.set_options(visit.session.id, options)
            visit.session = replace(visit.session, options=options)
        self.changed()

    async def _remember(self, session: Session) -> None:
        core = self.core
        if core is not None and not session.temporary and not self._read_only:
            await core.save_setting("VENOM_LAST_SESSION", session.id)

    def _leave_for(self, visit: Visit) -> Visit:
        """Go to another session: keep the draft of the one that is left, follow it no more; return that visit."""
        left = self.visit
        self.draft(self._prompt.content)
        self.asking.leave()
        self.visit = visit
        if left.session is None or visit.session is None or left.session.id != visit.session.id:
            self._prompt.put("" if visit.session is None else visit.session.draft)
        return left

    async def _tidy(self, left: Visit) -> None:
        """Take a session away that was left without anything ever written into it."""
        core, session = self.core, left.session
        if core is None or session is None or left.sending or self._read_only:
            return
        if session.temporary or (self.session is not None and self.session.id == session.id):
            return
        try:
            if is_blank(await core.sessions.get(session.id)) and not await core.chat.queued(session.id):
                await core.sessions.delete(session.id)
        except VenomError:
            pass  # it is gone already, or stays as an empty row: neither keeps anybody from leaving

    # ------------------------------------------------------------------ what is shown

    def _show(self, messages: list[Message], running: str | None) -> None:
        shown = [m for m in messages if running is None or m.request_id != running or m.role is not Role.ASSISTANT]
        self.messages = tuple(shown)
        self.transcript.set_entries(self._entries(shown))

    def _entries(self, messages: Sequence[Message]) -> list[Entry]:
        # To look a key up takes longer than all the rest.
        retry_key = self.owner.key_of("chat.again")
        return entries_of(messages, retry_key=retry_key)

    def entry(self, message: Message) -> Entry:
        """Return what the transcript shows of a message."""
        return self._entries((message,))[0]

    def took(self, message: Message, *, stored: bool) -> None:
        """Take notice of a message that was written in the open session, and whether it is in the store."""
        self._not_stored = self._not_stored - {message.id} if stored else self._not_stored | {message.id}
        known = [one.id for one in self.messages]
        if message.id in known:
            at = known.index(message.id)
            self.messages = (*self.messages[:at], message, *self.messages[at + 1 :])
        else:
            self.messages = (*self.messages, message)

    async def show_older(self) -> None:
        """Put the messages before the first one above it."""
        core, session, first = self.core, self.session, self.messages[0].seq if self.messages else None
        if core is None or session is None or first is None or first <= 1:
            return
        older = await core.sessions.messages(session.id, before_seq=first, limit=PAGE, data=False)
        here = self.session is not None and self.session.id == session.id
        if older and here and self.messages and self.messages[0].seq == first:
            self.messages = (*older, *self.messages)
            self.transcript.prepend(self._entries(older))

    async def refresh(self, session_id: str | None) -> None:
        """Take notice that a session was written; None: by another venom-tui, and any of them may be another."""
        core, visit = self.core, self.visit
        session = visit.session
        if core is None or session is None or session_id not in (None, session.id):
            return
        try:
            visit.session = await core.sessions.get(session.id)
        except NotFound:
            if self.visit is visit:
                await self.settle(self.begin())
            return
        if session_id is None:
            await self.show_stored(visit)
        self.changed()

    async def show_stored(self, visit: Visit) -> None:
        """Show the session as it is stored, unless an answer is being written: which answers stay is decided there."""
        core, session = self.core, visit.session
        if core is None or session is None or self.asking.busy:
            return
        first = self.messages[0].seq - 1 if self.messages else None
        messages = await core.sessions.messages(session.id, after_seq=first, data=False)
        if self.asking.busy or self.visit is not visit:
            return
        there = {message.id for message in messages}
        for message in self.messages:
            if message.id in self._not_stored - there:
                messages.append(message)
            elif message.id not in there:
                self.transcript.remove_entry(message.id)
        self._not_stored -= there
        self._put(self._entries(messages))
        self.messages = tuple(messages)

    def _put(self, entries: Sequence[Entry]) -> None:
        """Show entries anew, those that are new at the end; all anew where that would not be their order."""
        order = [entry.key for entry in entries]
        shown = [key for key in self.transcript.keys if key in order]
        if order[: len(shown)] != shown:  # an answer that was asked for again stays beside the new one, which failed
            self.transcript.set_entries(entries)
            return
        for entry in entries:
            self.transcript.put_last(entry)

    def measure(self) -> str:
        """Return how many messages the session has."""
        count = 0 if self.session is None else self.session.message_count
        return f"{count:,} message{'s' * (count != 1)}" if count else ""

    # ------------------------------------------------------------------ the draft

    def draft(self, text: str) -> None:
        """Keep the unsent prompt with its session; a first draft makes the session's row."""
        self.keep(self.visit, text)

    def keep(self, visit: Visit, text: str) -> None:
        """Keep the unsent prompt of a visit."""
        core = self.core
        if text == visit.drafted or self._read_only:
            return
        visit.drafted = text
        if visit.session is not None and core is not None:
            core.sessions.set_draft(visit.session.id, text)
        elif text.strip() or visit.draft is not None:
            waiting, visit.draft = visit.draft is not None, text
            self._begun = True
            if not waiting:
                start(self.owner, lambda: self._first_draft(visit), group="first draft")

    async def _first_draft(self, visit: Visit) -> None:
        session = await self.ensure(visit)
        text, visit.draft = visit.draft, None
        if text is not None and self.core is not None:
            self.core.sessions.set_draft(session.id, text)

    def give_back(self, visit: Visit, text: str) -> None:
        """Put a prompt that could not be sent back to where it was taken, unless something else was typed there."""
        if self.visit is not visit:
            self.keep(visit, visit.drafted or text)
        elif not self._prompt.text:
            self._prompt.put(text)


def _is_outdated(messages: Sequence[Message], running: str | None) -> bool:
    """Return whether messages were read before a turn ended, or began, that runs no more, or now."""
    if running is None:
        return any(message.state is MessageState.STREAMING for message in messages)
    return all(message.request_id != running for message in messages)
