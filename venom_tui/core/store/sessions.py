"""Sessions and messages: written so that nothing is lost, read so that a long history opens at once."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import aiosqlite

from venom_tui.core.errors import NotFound, SessionNotFound, UsageError
from venom_tui.core.events import EventBus, SessionsChanged
from venom_tui.core.owner import Owner
from venom_tui.core.sanitize import sanitize, sanitize_line
from venom_tui.core.store import message_table, reading, session_table, upkeep
from venom_tui.core.store.database import Database
from venom_tui.core.store.debounce import Debounce
from venom_tui.core.store.drafts import Drafts
from venom_tui.core.store.export import export_text, write_new
from venom_tui.core.store.options import check_options
from venom_tui.core.store.prompt_queue import QueuedPrompts, take
from venom_tui.core.store.search import search
from venom_tui.core.store.temporary import PREFIX, TemporarySessions
from venom_tui.core.types.content import Attachment
from venom_tui.core.types.request import RequestTrace
from venom_tui.core.types.session import Message, MessageState, QueuedPrompt, Role, SearchHit, Session, SessionOptions

_NO_OPTIONS = SessionOptions()
# Inside the class `list` is the method.
Sessions: TypeAlias = list[Session]
Messages: TypeAlias = list[Message]
Hits: TypeAlias = list[SearchHit]
Texts: TypeAlias = list[str]
Traces: TypeAlias = list[RequestTrace]


class SessionStore:
    """Reads and writes sessions. Methods raise SessionNotFound for unknown ids and StoreError when the store fails."""

    def __init__(
        self,
        database: Database,
        events: EventBus,
        owner: Owner,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._events = events
        self._owner = owner
        self._now = now
        self._temporary = TemporarySessions()
        self._partials: Debounce[Message] = Debounce(self._write_partials)
        self._drafts = Drafts(database, self._changed)
        self._writing: dict[str, str] = {}
        """Answer -> session of what this process is writing: nobody need look whether its writer is alive."""
        self.queue = QueuedPrompts(database, self._drafts, self._temporary, now)

    # ------------------------------------------------------------------ sessions

    async def list(self, limit: int | None = None) -> Sessions:
        """Return the sessions, newest first; temporary ones of this process come before the stored ones."""
        found = await session_table.newest(self._database, limit)
        ours = self._writing.values()
        if any(session.streaming and session.id not in ours for session in found) and await self.recover():
            found = await session_table.newest(self._database, limit)
        return [*self._temporary.list(), *map(self._drafts.newest, found)][:limit]

    async def get(self, session_id: str) -> Session:
        """Return a session by its id, or by a beginning of it that no other id has.

        Raises:
            SessionNotFound: there is none.
            UsageError: several ids begin so.
        """
        if session_id.startswith(PREFIX):
            return self._temporary.get(session_id)
        return self._drafts.newest(await session_table.find(self._database, session_id))

    async def create(
        self,
        *,
        title: str = "",
        system: str = "",
        temporary: bool = False,
        options: SessionOptions = _NO_OPTIONS,
    ) -> Session:
        """Begin a session; a temporary one is never written.

        Raises:
            UsageError: an option cannot be chosen.
        """
        check_options(options)
        title, system, now = sanitize_line(title, 200), sanitize(system), self._now()
        if temporary:
            session = self._temporary.create(title, system, options, now)
        else:
            session = Session(uuid.uuid4().hex[:16], title, now, now, system=system, options=options)
            await self._database.write(lambda db: session_table.insert(db, session))
        self._changed(session.id)
        return session

    async def rename(self, session_id: str, title: str) -> None:
        """Give a session another title.

        Raises:
            UsageError: the title is empty.
        """
        session = await self.get(session_id)
        title = sanitize_line(title, 200)
        if not title:
            raise UsageError("A title cannot be empty.")
        if session.temporary:
            self._temporary.change(session.id, title=title)
        else:
            await self._database.write(lambda db: session_table.rename(db, session.id, title))
        self._changed(session.id)

    async def set_options(self, session_id: str, options: SessionOptions) -> None:
        """Choose what holds for all further turns of a session.

        Raises:
            UsageError: an option cannot be chosen.
        """
        check_options(options)
        session = await self.get(session_id)
        if session.temporary:
            self._temporary.change(session.id, options=options)
        else:
            await self._database.write(lambda db: session_table.set_options(db, session.id, options))
        self._changed(session.id)

    async def delete(self, session_id: str) -> None:
        """Delete a session with all that belongs to it; nothing of it is left in the files, nor in their backups."""
        session = await self.get(session_id)
        if session.temporary:
            self._temporary.delete(session.id)
            self.queue.drop(session.id)
        else:
            self._drafts.drop(session.id)
            await self._database.write(lambda db: message_table.delete_sessions(db, [session.id]))
            holds_words = bool(session.message_count or session.draft or session.title or session.system)
            await self._database.forget_deleted(backups=holds_words)
        self._changed(session.id)

    def set_draft(self, session_id: str, text: str) -> None:
        """Keep the unsent prompt (debounced). A session that is gone is passed over."""
        text = sanitize(text)
        if not session_id.startswith(PREFIX):
            self._drafts.put(session_id, text)
        elif self._temporary.has(session_id):
            self._temporary.change(session_id, draft=text)

    # ------------------------------------------------------------------ messages

    async def messages(
        self,
        session_id: str,
        *,
        before_seq: int | None = None,
        after_seq: int | None = None,
        limit: int | None = None,
        data: bool = True,
    ) -> Messages:
        """Return messages in their order: the last `limit` of those between `after_seq` and `before_seq`.

        Without `data` attachments are named, but what they hold (up to 20 MiB each) is not read.
        """
        if session_id.startswith(PREFIX):
            kept = self._temporary.messages(session_id)
            chosen = [m for m in kept if (before_seq is None or m.seq < before_seq) and m.seq > (after_seq or 0)]
            return chosen if limit is None else chosen[-limit:] if limit else []

        async def read() -> Messages:
            return await reading.messages(
                self._database, session_id, after_seq=after_seq, before_seq=before_seq, limit=limit, data=data
            )

        found = await read()
        written = (m.id for m in found if m.state is MessageState.STREAMING)
        if any(message_id not in self._writing for message_id in written) and await self.recover():
            found = await read()
        return [(self._partials.pending(m.id) or m) if m.state is MessageState.STREAMING else m for m in found]

    async def prompts(self, limit: int = 1000) -> Texts:
        """Return what was asked in all stored sessions, newest first, each once."""
        return await reading.prompts(self._database, limit)

    async def begin_turn(
        self,
        session_id: str,
        text: str,
        *,
        request_id: str,
        attachments: Sequence[Attachment] = (),
        queued: QueuedPrompt | None = None,
    ) -> tuple[Message, Message]:
        """Commit the user's message with what is attached, and an empty answer of ours, in one transaction.

        Raises:
            NotFound: the prompt was `queued`, and does not wait any more.
        """
        text, attached = sanitize(text), tuple(attachments)

        def make(seq: int, now: datetime) -> Messages:
            user = Message(_id(), session_id, seq, Role.USER, text, MessageState.COMPLETE, now, attachments=attached)
            return [user, _empty_answer(session_id, seq + 1, now, request_id)]

        title = session_table.title_of(text, attached)
        user, answer = await self._append(session_id, make, prompt=title, queued=queued)
        return user, answer

    async def begin_answer(self, session_id: str, *, request_id: str, replaces: Message | None) -> Message:
        """Commit an empty answer of ours to the last prompt; `replaces` stays until this one has ended well."""

        def make(seq: int, now: datetime) -> Messages:
            return [_empty_answer(session_id, seq, now, request_id)]

        (answer,) = await self._append(session_id, make, replaces="" if replaces is None else replaces.id)
        return answer

    async def _append(
        self,
        session_id: str,
        make: Callable[[int, datetime], Messages],
        *,
        prompt: str | None = None,
        replaces: str = "",
        queued: QueuedPrompt | None = None,
    ) -> Messages:
        """Commit new messages in one transaction; `make` is given the number of the first one and the time.

        `prompt` is the title that a session takes from its first prompt, where one is among them: then that was the
        draft, or waited in the queue. `replaces` is what an answer that is being written is to replace.
        """
        now, title = self._now(), prompt or ""

        async def insert(db: aiosqlite.Connection) -> Messages:
            made = make(await message_table.next_seq(db, session_id), now)
            await message_table.insert(db, made, owner=self._owner.as_text(), replaces=replaces)
            sent = prompt is not None and queued is None
            await message_table.touch(db, session_id, now, title=title, sent=sent)
            if queued is not None:
                await take(db, queued)
            return made

        if session_id.startswith(PREFIX):
            if queued is not None:
                self.queue.forget(queued)
            made = make(self._temporary.next_seq(session_id), now)
            self._temporary.put(made, replaces=replaces)
            self._temporary.touch(session_id, now, title=title)
            if prompt is not None and queued is None:
                self._temporary.change(session_id, draft="")
        elif prompt is None or queued is not None:
            made = await self._database.write(insert)
        else:
            made = await self._drafts.write_sent(session_id, insert)
        self._writing.update((message.id, session_id) for message in made if message.state is MessageState.STREAMING)
        self._changed(session_id)
        return made

    def partial(self, answer: Message) -> None:
        """Take the newest text of an answer that is being written (debounced)."""
        if answer.session_id.startswith(PREFIX):
            self._temporary.put([answer])
        else:
            self._partials.put(answer.id, answer)

    async def finish(self, answer: Message, trace: RequestTrace | None) -> None:
        """Commit the end of an answer at once, with its trace.

        An answer that was to replace another one takes its place when it is complete, or when the user stopped it; one
        that failed or was interrupted is kept beside the other one, and dropped when it holds no text.
        """
        self._partials.drop(answer.id)
        if answer.session_id.startswith(PREFIX):
            self._temporary.finish(answer)
        else:
            await self._database.write(lambda db: message_table.finish(db, answer, trace))
        self._writing.pop(answer.id, None)
        self._changed(answer.session_id)

    async def choose_answer(self, message_id: str) -> None:
        """Go on with this answer among those to its prompt; without a choice it is the last complete one.

        Raises:
            NotFound: there is no such answer.
        """
        session_id = self._temporary.choose(message_id)
        if session_id is None:
            session_id = await self._database.write(lambda db: message_table.choose(db, message_id))
        if session_id is None:
            raise NotFound("There is no such answer.", hint="It may have been replaced by another one.")
        self._changed(session_id)

    async def add_program_message(
        self, session_id: str, text: str, role: Role = Role.PROGRAM, *, queued: QueuedPrompt | None = None
    ) -> Message:
        """Commit a message of venom-tui itself, or the question that it answers."""
        text = sanitize(text)

        def make(seq: int, now: datetime) -> Messages:
            return [Message(_id(), session_id, seq, role, text, MessageState.COMPLETE, now)]

        title = session_table.title_of(text) if role is Role.USER else None
        (message,) = await self._append(session_id, make, prompt=title, queued=queued)
        return message

    async def adopt(self, session_id: str, messages: Sequence[Message]) -> None:
        """Write messages that could not be written when they were made; rows that are there take the newer text.

        Those of a session that was deleted meanwhile are forgotten.
        """
        if session_id.startswith(PREFIX) or not messages:
            return
        prompts = (message for message in messages if message.role is Role.USER)
        title = next((session_table.title_of(prompt.content, prompt.attachments) for prompt in prompts), "")

        async def adopt(db: aiosqlite.Connection) -> None:
            await message_table.adopt(db, session_id, messages)
            await message_table.touch(db, session_id, self._now(), title=title)

        try:
            await self._database.write(adopt)
        except SessionNotFound:
            return
        self._changed(session_id)

    # ------------------------------------------------------------------ search, traces, export

    async def search(self, text: str, *, limit: int = 50) -> Hits:
        """Return the newest messages that hold all words of `text` (the last may be a beginning)."""
        return await search(self._database, text, limit)

    async def traces(self, session_id: str) -> Traces:
        """Return the traces of a session's requests, oldest first."""
        return await session_table.traces(self._database, session_id)

    async def export(self, session_id: str, kind: str) -> str:
        """Return a session as `md` or `json`.

        Raises:
            UsageError: another kind.
        """
        session = await self.get(session_id)
        return export_text(session, await self.messages(session.id), kind)

    async def export_to(self, session_id: str, path: Path) -> Path:
        """Write a session to a new file of mode 0600, its format by the suffix (.md, .json); return the path.

        Raises:
            UsageError: another suffix, the file exists, or it cannot be written.
        """
        text = await self.export(session_id, path.suffix.removeprefix(".").lower() or "md")
        await asyncio.to_thread(write_new, path, text)
        return path

    # ------------------------------------------------------------------ life

    async def recover(self) -> int:
        """Mark as interrupted what a dead process was writing, nothing that lives or is elsewhere; return how many."""
        count = await upkeep.recover(self._database, self._owner, self._now())
        if count:
            self._changed(None)
        return count

    async def expire(self, *, sessions_days: int, traces_days: int) -> None:
        """Delete sessions and traces that are older than so many days; 0 keeps them for ever."""
        if await upkeep.expire(self._database, self._now(), sessions_days=sessions_days, traces_days=traces_days):
            self._changed(None)

    async def flush(self) -> None:
        """Write what waits: partial answers and drafts."""
        await self._partials.flush()
        await self._drafts.flush()

    async def close(self) -> None:
        """Write what waits; nothing is written after this."""
        await self._partials.close()
        await self._drafts.close()

    # ------------------------------------------------------------------ inside

    def _changed(self, session_id: str | None) -> None:
        self._events.emit(SessionsChanged(session_id))

    async def _write_partials(self, answers: dict[str, Message]) -> None:
        await self._database.write(lambda db: message_table.write_partials(db, answers.values()))


def _id() -> str:
    return uuid.uuid4().hex


def _empty_answer(session_id: str, seq: int, now: datetime, request_id: str) -> Message:
    return Message(_id(), session_id, seq, Role.ASSISTANT, "", MessageState.STREAMING, now, request_id)
