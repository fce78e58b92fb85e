"""The statements that write messages; each runs inside a transaction that the caller has begun."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from enum import Enum, auto

import aiosqlite

from venom_tui.core.errors import SessionNotFound
from venom_tui.core.store import rows
from venom_tui.core.types.request import RequestTrace
from venom_tui.core.types.session import Message, MessageState

_INSERT = f"INSERT INTO messages ({rows.MESSAGE_COLUMNS}) VALUES ({', '.join('?' * 19)})"
_ATTACH = f"INSERT INTO attachments ({rows.ATTACHMENT_COLUMNS}) VALUES ({', '.join('?' * 7)})"


class Replacement(Enum):
    """What becomes of two answers when the one that was to replace the other has ended."""

    TAKEN = auto()
    """The new one stands in the old one's stead."""
    BOTH = auto()
    """The new one was cut: what came of it is kept, and the old one too."""
    DROPPED = auto()
    """The new one holds nothing: the old one stays alone."""


def replacement(answer: Message) -> Replacement:
    """Return what an ended answer does to the one that it was to replace."""
    if not answer.content.strip() and not answer.tool_calls:
        return Replacement.DROPPED
    # A user who stops an answer has seen it and keeps what came.
    ended_well = answer.state in (MessageState.COMPLETE, MessageState.STOPPED)
    return Replacement.TAKEN if ended_well else Replacement.BOTH


async def next_seq(db: aiosqlite.Connection, session_id: str) -> int:
    """Return the number of a session's next message.

    Raises:
        SessionNotFound: it was deleted meanwhile.
    """
    found = await db.execute_fetchall(
        "SELECT (SELECT max(seq) FROM messages WHERE session_id = s.id) AS last FROM sessions s WHERE s.id = ?",
        (session_id,),
    )
    for row in found:
        return int(row[0] or 0) + 1
    raise SessionNotFound("This session was deleted meanwhile.", hint="Begin a new one.")


async def insert(db: aiosqlite.Connection, messages: Sequence[Message], *, owner: str = "", replaces: str = "") -> None:
    """Add messages with what is attached to them; `owner` and `replaces` belong to answers that are being written."""
    values = [
        rows.message_values(message, owner=owner, replaces=replaces)
        if message.state is MessageState.STREAMING
        else rows.message_values(message)
        for message in messages
    ]
    await db.executemany(_INSERT, values)
    attached = [
        rows.attachment_values(message.id, place, one)
        for message in messages
        for place, one in enumerate(message.attachments)
    ]
    if attached:
        await db.executemany(_ATTACH, attached)


async def touch(
    db: aiosqlite.Connection, session_id: str, now: datetime, *, title: str = "", sent: bool = False
) -> None:
    """Note that a session was used; one without a title gets one. `sent`: its draft was sent."""
    await db.execute(
        "UPDATE sessions SET updated_at = ?, title = CASE WHEN title = '' THEN ? ELSE title END, "
        "draft = CASE WHEN ? THEN '' ELSE draft END WHERE id = ?",
        (rows.time_text(now), title, sent, session_id),
    )


async def clear_draft(db: aiosqlite.Connection, session_id: str) -> None:
    """Forget the unsent prompt: it was sent."""
    await db.execute("UPDATE sessions SET draft = '' WHERE id = ?", (session_id,))


async def update(db: aiosqlite.Connection, answer: Message) -> bool:
    """Write a message that has ended over its row; return whether the row was there."""
    cursor = await db.execute(
        "UPDATE messages SET content = ?, thinking = ?, state = ?, model = ?, runtime = ?, demonstration = ?, "
        "error = ?, finish_reason = ?, measures = ?, tool_calls = ?, owner = '', replaces = '' WHERE id = ?",
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
            rows.calls_text(answer),
            answer.id,
        ),
    )
    return cursor.rowcount > 0


async def write_partials(db: aiosqlite.Connection, answers: Iterable[Message]) -> None:
    """Write the newest text of answers that are being written; those that have ended are left as they are."""
    await db.executemany(
        "UPDATE messages SET content = ?, thinking = ?, tool_calls = ?, model = ?, runtime = ?, demonstration = ? "
        "WHERE id = ? AND state = 'streaming'",
        [(a.content, a.thinking, rows.calls_text(a), a.model, a.runtime, int(a.demonstration), a.id) for a in answers],
    )


async def finish(db: aiosqlite.Connection, answer: Message, trace: RequestTrace | None) -> None:
    """Write the end of an answer with its trace; settle what becomes of the answer that it was to replace."""
    found = list(await db.execute_fetchall("SELECT replaces FROM messages WHERE id = ?", (answer.id,)))
    if not found:
        return  # The session was deleted while the answer came: it is not brought back.
    replaced = found[0][0]
    settled = replacement(answer) if replaced else Replacement.BOTH
    if settled is Replacement.DROPPED:
        await db.execute("DELETE FROM messages WHERE id = ?", (answer.id,))
    else:
        await update(db, answer)
    if settled is Replacement.TAKEN:
        await db.execute("DELETE FROM messages WHERE id = ? AND session_id = ?", (replaced, answer.session_id))
    if trace is not None:
        await db.execute(
            "INSERT OR REPLACE INTO traces (request_id, session_id, message_id, started_at, trace) "
            "VALUES (?, ?, ?, ?, ?)",
            (
                trace.request_id,
                trace.session_id,
                trace.message_id,
                rows.time_text(trace.started_at),
                rows.trace_text(trace),
            ),
        )


async def choose(db: aiosqlite.Connection, message_id: str) -> str | None:
    """Mark an answer as the chosen one of its prompt; return its session, or None where it is no answer.

    The answers of a prompt are those between it and the message after them that is no answer.
    """
    found = await db.execute_fetchall(
        "SELECT session_id, seq FROM messages WHERE id = ? AND role = 'assistant'", (message_id,)
    )
    for session_id, seq in found:
        others = "SELECT seq FROM messages WHERE session_id = ?1 AND role <> 'assistant' AND seq"
        await db.execute(
            "UPDATE messages SET chosen = (id = ?3) WHERE session_id = ?1 AND role = 'assistant' "
            f"AND seq > coalesce((SELECT max(seq) FROM ({others} < ?2)), 0) "
            f"AND seq < coalesce((SELECT min(seq) FROM ({others} > ?2)), 9e18)",
            (session_id, seq, message_id),
        )
        return str(session_id)
    return None


async def adopt(db: aiosqlite.Connection, session_id: str, messages: Iterable[Message]) -> None:
    """Add messages that could not be written when they were made; rows that are there take the newer text."""
    for message in messages:
        if not await update(db, message):
            await insert(db, [replace(message, seq=await next_seq(db, session_id))])


async def delete_sessions(db: aiosqlite.Connection, ids: Sequence[str]) -> None:
    """Delete sessions with their messages, what is attached to them, traces and index entries."""
    for session_id in ids:
        # Not by the foreign key alone: cascaded deletions do not fire the trigger that cleans the index. Attachments,
        # which have no trigger, go with their messages, and prompts that wait with the session.
        await db.execute("DELETE FROM messages WHERE session_id = ?", (session_id,))
        await db.execute("DELETE FROM traces WHERE session_id = ?", (session_id,))
        await db.execute("DELETE FROM sessions WHERE id = ?", (session_id,))
    # A deletion only marks the words in the index as gone; merging its segments drops them from the file as well.
    # (FTS5's own `secure-delete` is no way: SQLite before 3.42 cannot read an index that used it.)
    await db.execute("INSERT INTO messages_text (messages_text) VALUES ('optimize')")
