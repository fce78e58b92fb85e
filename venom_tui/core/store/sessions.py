"""Sessions and messages: written so that nothing is lost, read so that a long history opens at once."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiosqlite

from venom_tui.core.errors import SessionNotFound, UsageError
from venom_tui.core.events import EventBus, SessionsChanged
from venom_tui.core.owner import Owner
from venom_tui.core.sanitize import sanitize, sanitize_line
from venom_tui.core.store import rows
from venom_tui.core.store.database import Database
from venom_tui.core.store.debounce import Debounce
from venom_tui.core.store.export import export_text
from venom_tui.core.store.search import search
from venom_tui.core.store.temporary import PREFIX, TemporarySessions
from venom_tui.core.types.request import RequestTrace
from venom_tui.core.types.session import Message, MessageState, Role, SearchHit, Session

_TITLE_LENGTH = 60
_SHORTEST_PREFIX = 4
"""Characters of a session's id that are enough on the command line when no other id begins so."""

_SESSIONS = """
    SELECT s.*, (SELECT count(*) FROM messages m WHERE m.session_id = s.id) AS message_count,
           EXISTS (SELECT 1 FROM messages m WHERE m.session_id = s.id AND m.state = 'streaming') AS streaming
    FROM sessions s"""

_INSERT = f"INSERT INTO messages ({rows.MESSAGE_COLUMNS}) VALUES ({', '.join('?' * 17)})"


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
        self._drafts: Debounce[str] = Debounce(self._write_drafts)

    # ------------------------------------------------------------------ sessions

    async def list(self, limit: int | None = None) -> list[Session]:
        """Return the sessions, newest first; temporary ones of this process come before the stored ones."""
        found = await self._database.read(f"{_SESSIONS} ORDER BY s.updated_at DESC LIMIT ?", (-1 if limit is None else limit,))
        stored = [self._with_draft(rows.session_of(row)) for row in found]
        return [*self._temporary.list(), *stored][:limit]

    async def get(self, session_id: str) -> Session:
        """Return a session by its id, or by a beginning of it that no other id has.

        Raises:
            SessionNotFound: there is none.
            UsageError: several ids begin so.
        """
        if session_id.startswith(PREFIX):
            return self._temporary.get(session_id)
        found = await self._database.read(f"{_SESSIONS} WHERE s.id = ?", (session_id,))
        if not found and len(session_id) >= _SHORTEST_PREFIX and session_id.isalnum():
            found = await self._database.read(
                f"{_SESSIONS} WHERE s.id >= ? AND s.id < ? LIMIT 2", (session_id, session_id + "\U0010ffff")
            )
            if len(found) > 1:
                raise UsageError(
                    f"Several sessions begin with {session_id}.", hint="Give more of the id; `sessions list` shows them."
                )
        if not found:
            raise SessionNotFound(
                f"There is no session {sanitize_line(session_id, 40)!r}.", hint="`venom-tui sessions list` shows all."
            )
        return self._with_draft(rows.session_of(found[0]))

    async def create(self, *, title: str = "", system: str = "", temporary: bool = False) -> Session:
        """Begin a session; a temporary one is never written."""
        title, system, now = sanitize_line(title, 200), sanitize(system), self._now()
        if temporary:
            session = self._temporary.create(title, system, now)
        else:
            session = Session(uuid.uuid4().hex[:16], title, now, now, system=system)
            values = (session.id, title, system, rows.time_text(now), rows.time_text(now))

            async def insert(db: aiosqlite.Connection) -> None:
                await db.execute(
                    "INSERT INTO sessions (id, title, system, created_at, updated_at) VALUES (?, ?, ?, ?, ?)", values
                )

            await self._database.write(insert)
        self._changed(session.id)
        return session

    async def rename(self, session_id: str, title: str) -> None:
        """Give a session another title."""
        session = await self.get(session_id)
        title = sanitize_line(title, 200)
        if not title:
            raise UsageError("A title cannot be empty.")
        if session.temporary:
            self._temporary.change(session.id, title=title)
        else:
            await self._execute("UPDATE sessions SET title = ? WHERE id = ?", (title, session.id))
        self._changed(session.id)

    async def delete(self, session_id: str) -> None:
        """Delete a session with its messages, traces and index entries."""
        session = await self.get(session_id)
        if session.temporary:
            self._temporary.delete(session.id)
        else:
            for message in await self._streaming_of(session.id):
                self._partials.drop(message)
            self._drafts.drop(session.id)
            # Not by the foreign key alone: cascaded deletions do not fire the trigger that cleans the index.
            await self._database.write(lambda db: _delete_sessions(db, [session.id]))
        self._changed(session.id)

    def set_draft(self, session_id: str, text: str) -> None:
        """Keep the unsent prompt (debounced)."""
        text = sanitize(text)
        if session_id.startswith(PREFIX):
            self._temporary.change(session_id, draft=text)
        else:
            self._drafts.put(session_id, text)

    # ------------------------------------------------------------------ messages

    async def messages(
        self, session_id: str, *, before_seq: int | None = None, after_seq: int | None = None, limit: int | None = None
    ) -> list[Message]:
        """Return messages in their order: the last `limit` of those between `after_seq` and `before_seq`."""
        if session_id.startswith(PREFIX):
            kept = self._temporary.messages(session_id)
            chosen = [m for m in kept if (before_seq is None or m.seq < before_seq) and m.seq > (after_seq or 0)]
            return chosen if limit is None else chosen[-limit:] if limit else []
        found = await self._database.read(
            "SELECT * FROM messages WHERE session_id = ? AND seq > ? AND seq < ? ORDER BY seq DESC LIMIT ?",
            (
                session_id,
                after_seq or 0,
                2**62 if before_seq is None else before_seq,
                -1 if limit is None else limit,
            ),
        )
        messages = [rows.message_of(row) for row in reversed(found)]
        return [self._partials.pending(m.id) or m if m.state is MessageState.STREAMING else m for m in messages]

    async def begin_turn(self, session_id: str, text: str, *, request_id: str) -> tuple[Message, Message]:
        """Commit the user's message and an empty answer of ours, in one transaction; return both."""
        now = self._now()
        text = sanitize(text)

        def make(seq: int) -> tuple[Message, Message]:
            user = Message(_id(), session_id, seq, Role.USER, text, MessageState.COMPLETE, now)
            answer = Message(_id(), session_id, seq + 1, Role.ASSISTANT, "", MessageState.STREAMING, now, request_id)
            return user, answer

        if session_id.startswith(PREFIX):
            pair = make(self._temporary.next_seq(session_id))
            self._temporary.put(pair)
            title = self._temporary.get(session_id).title or title_of(text)
            self._temporary.change(session_id, updated_at=now, draft="", title=title)
        else:
            self._drafts.drop(session_id)
            pair = await self._database.write(lambda db: self._insert_turn(db, session_id, make, text))
        self._changed(session_id)
        return pair

    async def _insert_turn(
        self,
        db: aiosqlite.Connection,
        session_id: str,
        make: Callable[[int], tuple[Message, Message]],
        text: str,
    ) -> tuple[Message, Message]:
        user, answer = make(await _next_seq(db, session_id))
        await db.execute(_INSERT, rows.message_values(user))
        await db.execute(_INSERT, rows.message_values(answer, owner=self._owner.as_text()))
        await _touch(db, session_id, user.created_at, title_of(text))
        return user, answer

    async def begin_answer(self, session_id: str, *, request_id: str, replaces: Message | None) -> Message:
        """Commit an empty answer of ours to the last prompt; `replaces` stays until this one ends with text."""
        now = self._now()
        replaced = "" if replaces is None else replaces.id
        if session_id.startswith(PREFIX):
            seq = self._temporary.next_seq(session_id)
            answer = Message(_id(), session_id, seq, Role.ASSISTANT, "", MessageState.STREAMING, now, request_id)
            self._temporary.put([answer])
            if replaces is not None:
                self._temporary.remove(session_id, replaces.id)
        else:

            async def insert(db: aiosqlite.Connection) -> Message:
                seq = await _next_seq(db, session_id)
                answer = Message(_id(), session_id, seq, Role.ASSISTANT, "", MessageState.STREAMING, now, request_id)
                values = rows.message_values(answer, owner=self._owner.as_text(), replaces=replaced)
                await db.execute(_INSERT, values)
                await _touch(db, session_id, now, "")
                return answer

            answer = await self._database.write(insert)
        self._changed(session_id)
        return answer

    def partial(self, answer: Message) -> None:
        """Take the newest text of an answer that is being written (debounced)."""
        if answer.session_id.startswith(PREFIX):
            self._temporary.put([answer])
        else:
            self._partials.put(answer.id, answer)

    async def finish(self, answer: Message, trace: RequestTrace | None) -> None:
        """Commit the end of an answer at once, with its trace.

        An answer that was to replace another one and holds no text is dropped, and the other one stays.
        """
        self._partials.drop(answer.id)
        if answer.session_id.startswith(PREFIX):
            self._temporary.put([answer])
        else:
            await self._database.write(lambda db: _finish(db, answer, trace))
        self._changed(answer.session_id)

    async def add_program_message(self, session_id: str, text: str, role: Role = Role.PROGRAM) -> Message:
        """Commit a message of venom-tui itself, or the question that it answers."""
        now = self._now()
        text = sanitize(text)
        if session_id.startswith(PREFIX):
            seq = self._temporary.next_seq(session_id)
            message = Message(_id(), session_id, seq, role, text, MessageState.COMPLETE, now)
            self._temporary.put([message])
        else:

            async def insert(db: aiosqlite.Connection) -> Message:
                seq = await _next_seq(db, session_id)
                message = Message(_id(), session_id, seq, role, text, MessageState.COMPLETE, now)
                await db.execute(_INSERT, rows.message_values(message))
                await _touch(db, session_id, now, title_of(text) if role is Role.USER else "")
                return message

            self._drafts.drop(session_id)
            message = await self._database.write(insert)
        self._changed(session_id)
        return message

    async def adopt(self, session_id: str, messages: Sequence[Message]) -> None:
        """Write messages that could not be written when they were made; rows that are there take the newer text."""
        if session_id.startswith(PREFIX):
            return

        async def insert(db: aiosqlite.Connection) -> None:
            for message in messages:
                if not await _update(db, message):
                    seq = await _next_seq(db, session_id)
                    await db.execute(_INSERT, rows.message_values(replace(message, seq=seq)))
            await _touch(db, session_id, self._now(), title_of(messages[0].content) if messages else "")

        await self._database.write(insert)
        self._changed(session_id)

    # ------------------------------------------------------------------ search, traces, export

    async def search(self, text: str, *, limit: int = 50) -> list[SearchHit]:
        """Return the newest messages that hold all words of `text` (the last may be a beginning)."""
        return await search(self._database, text, limit)

    async def traces(self, session_id: str) -> list[RequestTrace]:
        """Return the traces of a session's requests, oldest first."""
        found = await self._database.read(
            "SELECT trace FROM traces WHERE session_id = ? ORDER BY started_at", (session_id,)
        )
        return [rows.trace_of(row["trace"]) for row in found]

    async def export(self, session_id: str, format: str) -> str:  # noqa: A002 (the command's own word)
        """Return a session as `md` or `json`.

        Raises:
            UsageError: another format.
        """
        session = await self.get(session_id)
        return export_text(session, await self.messages(session.id), format)

    async def export_to(self, session_id: str, path: Path) -> Path:
        """Write a session to a new file of mode 0600, its format by the suffix (.md, .json); return the path.

        Raises:
            UsageError: another suffix, the file exists, or it cannot be written.
        """
        text = await self.export(session_id, path.suffix.removeprefix(".").lower() or "md")
        try:
            await asyncio.to_thread(_write_new, path, text)
        except FileExistsError:
            raise UsageError(f"{path} exists already.", hint="Choose another name.") from None
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}.", hint="Choose another place.") from None
        return path

    # ------------------------------------------------------------------ life

    async def recover(self) -> int:
        """Mark as interrupted what a dead process was writing; return how many. What lives, or is elsewhere, is left alone."""
        found = await self._database.read("SELECT id, content, owner, replaces FROM messages WHERE state = 'streaming'")
        dead = await asyncio.to_thread(self._dead, found)
        if not dead:
            return 0

        async def mark(db: aiosqlite.Connection) -> None:
            for row in dead:
                if row["replaces"] and not row["content"]:
                    await db.execute("DELETE FROM messages WHERE id = ? AND state = 'streaming'", (row["id"],))
                else:
                    await db.execute(
                        "UPDATE messages SET state = 'interrupted', finish_reason = 'interrupted', owner = '' "
                        "WHERE id = ? AND state = 'streaming'",
                        (row["id"],),
                    )

        await self._database.write(mark)
        self._changed(None)
        return len(dead)

    def _dead(self, found: Iterable[aiosqlite.Row]) -> list[aiosqlite.Row]:
        dead = []
        for row in found:
            owner = Owner.from_text(row["owner"])
            if owner is None or owner.alive(self._owner) is False:
                dead.append(row)
        return dead

    async def expire(self, *, sessions_days: int, traces_days: int) -> None:
        """Delete sessions and traces that are older than so many days; 0 keeps them for ever."""
        if traces_days > 0:
            limit = rows.time_text(self._now() - timedelta(days=traces_days))
            await self._execute("DELETE FROM traces WHERE started_at < ?", (limit,))
        if sessions_days > 0:
            limit = rows.time_text(self._now() - timedelta(days=sessions_days))
            old = await self._database.read(
                "SELECT id FROM sessions s WHERE updated_at < ? AND NOT EXISTS "
                "(SELECT 1 FROM messages m WHERE m.session_id = s.id AND m.state = 'streaming')",
                (limit,),
            )
            if old:
                await self._database.write(lambda db: _delete_sessions(db, [row["id"] for row in old]))
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

    def _with_draft(self, session: Session) -> Session:
        draft = self._drafts.pending(session.id)
        return session if draft is None else replace(session, draft=draft)

    async def _execute(self, sql: str, values: Sequence[object]) -> None:
        async def run(db: aiosqlite.Connection) -> None:
            await db.execute(sql, values)

        await self._database.write(run)

    async def _streaming_of(self, session_id: str) -> list[str]:
        found = await self._database.read(
            "SELECT id FROM messages WHERE session_id = ? AND state = 'streaming'", (session_id,)
        )
        return [row["id"] for row in found]

    async def _write_partials(self, answers: dict[str, Message]) -> None:
        async def update(db: aiosqlite.Connection) -> None:
            await db.executemany(
                "UPDATE messages SET content = ?, thinking = ?, model = ?, runtime = ?, demonstration = ? "
                "WHERE id = ? AND state = 'streaming'",
                [(a.content, a.thinking, a.model, a.runtime, int(a.demonstration), a.id) for a in answers.values()],
            )

        await self._database.write(update)

    async def _write_drafts(self, drafts: dict[str, str]) -> None:
        async def update(db: aiosqlite.Connection) -> None:
            await db.executemany("UPDATE sessions SET draft = ? WHERE id = ?", [(t, i) for i, t in drafts.items()])

        await self._database.write(update)
        for session_id in drafts:
            self._changed(session_id)


def title_of(text: str) -> str:
    """Return a title made from the first prompt: its first line, cut at a word."""
    lines = text.strip().split("\n", 1)
    line = " ".join(lines[0].split())
    if len(line) <= _TITLE_LENGTH:
        return line
    return line[:_TITLE_LENGTH].rsplit(" ", 1)[0] + "…"


def _id() -> str:
    return uuid.uuid4().hex


async def _next_seq(db: aiosqlite.Connection, session_id: str) -> int:
    """Return the number of a session's next message; SessionNotFound when it was deleted meanwhile."""
    found = await db.execute_fetchall(
        "SELECT (SELECT max(seq) FROM messages WHERE session_id = s.id) AS last FROM sessions s WHERE s.id = ?",
        (session_id,),
    )
    for row in found:
        return int(row[0] or 0) + 1
    raise SessionNotFound("This session was deleted meanwhile.", hint="Begin a new one.")


async def _touch(db: aiosqlite.Connection, session_id: str, now: datetime, title: str) -> None:
    await db.execute(
        "UPDATE sessions SET updated_at = ?, draft = '', title = CASE WHEN title = '' THEN ? ELSE title END WHERE id = ?",
        (rows.time_text(now), title, session_id),
    )


async def _update(db: aiosqlite.Connection, answer: Message) -> bool:
    """Write a message over its row; return whether the row was there."""
    cursor = await db.execute(
        "UPDATE messages SET content = ?, thinking = ?, state = ?, model = ?, runtime = ?, demonstration = ?, error = ?, "
        "finish_reason = ?, measures = ?, owner = '' WHERE id = ?",
        (
            answer.content,
            answer.thinking,
            answer.state.value,
            answer.model,
            answer.runtime,
            int(answer.demonstration),
            answer.error,
            answer.finish_reason,
            rows.measures_text(answer),
            answer.id,
        ),
    )
    return cursor.rowcount > 0


async def _finish(db: aiosqlite.Connection, answer: Message, trace: RequestTrace | None) -> None:
    found = list(await db.execute_fetchall("SELECT replaces FROM messages WHERE id = ?", (answer.id,)))
    if not found:
        return  # The session was deleted while the answer came: it is not brought back.
    replaced = found[0][0]
    if replaced and not answer.content.strip():
        await db.execute("DELETE FROM messages WHERE id = ?", (answer.id,))
    else:
        await _update(db, answer)
        if replaced:
            await db.execute("DELETE FROM messages WHERE id = ? AND session_id = ?", (replaced, answer.session_id))
            await db.execute("UPDATE messages SET replaces = '' WHERE id = ?", (answer.id,))
    if trace is not None:
        await db.execute(
            "INSERT OR REPLACE INTO traces (request_id, session_id, message_id, started_at, trace) VALUES (?, ?, ?, ?, ?)",
            (
                trace.request_id,
                trace.session_id,
                trace.message_id,
                rows.time_text(trace.started_at),
                rows.trace_text(trace),
            ),
        )


async def _delete_sessions(db: aiosqlite.Connection, ids: Sequence[str]) -> None:
    for session_id in ids:
        await db.execute("DELETE FROM messages WHERE session_id = ?", (session_id,))
        await db.execute("DELETE FROM traces WHERE session_id = ?", (session_id,))
        await db.execute("DELETE FROM sessions WHERE id = ?", (session_id,))
    # A deletion only marks the words in the index as gone; merging its segments drops them from the file as well.
    # (FTS5's own `secure-delete` is no way: SQLite before 3.42 cannot read an index that used it.)
    await db.execute("INSERT INTO messages_text (messages_text) VALUES ('optimize')")


def _write_new(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
