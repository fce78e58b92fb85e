"""Reads messages with what is attached to them."""

from __future__ import annotations

from venom_tui.core.store import rows
from venom_tui.core.store.database import Database
from venom_tui.core.types.content import Attachment
from venom_tui.core.types.session import Message

_LONGEST_PROMPT = 20_000
"""Characters of a prompt that is worth being found again."""


async def messages(
    database: Database, session_id: str, *, after_seq: int | None, before_seq: int | None, limit: int | None, data: bool
) -> list[Message]:
    """Return messages in their order: the last `limit` of those between `after_seq` and `before_seq`."""
    last = 2**62 if before_seq is None else before_seq
    found = await database.read(
        "SELECT m.*, EXISTS (SELECT 1 FROM attachments a WHERE a.message_id = m.id) AS attached "
        "FROM messages m WHERE session_id = ? AND seq > ? AND seq < ? ORDER BY seq DESC LIMIT ?",
        (session_id, after_seq or 0, last, -1 if limit is None else limit),
    )
    attached: dict[str, list[Attachment]] = {}
    if any(row["attached"] for row in found):
        attached = await _attachments(database, session_id, found[-1]["seq"], found[0]["seq"], data=data)
    return [rows.message_of(row, tuple(attached.get(row["id"], ()))) for row in reversed(found)]


async def prompts(database: Database, limit: int) -> list[str]:
    """Return what was asked in all sessions, newest first, each once; very long ones are left out."""
    found = await database.read(
        "SELECT content FROM messages WHERE role = 'user' AND content <> '' AND length(content) <= ? "
        "ORDER BY number DESC LIMIT ?",
        (_LONGEST_PROMPT, limit),
    )
    return list(dict.fromkeys(row["content"] for row in found))


async def _attachments(
    database: Database, session_id: str, first: int, last: int, *, data: bool
) -> dict[str, list[Attachment]]:
    """Return message -> what is attached to it, for the messages from `first` to `last`; without `data` the names."""
    what = "a.data" if data else "'' AS data"
    found = await database.read(
        f"SELECT a.message_id, a.name, a.kind, a.media_type, a.size_bytes, {what} FROM messages m "
        "JOIN attachments a ON a.message_id = m.id WHERE m.session_id = ? AND m.seq BETWEEN ? AND ? "
        "AND m.role = 'user' ORDER BY m.seq, a.place",
        (session_id, first, last),
    )
    by_message: dict[str, list[Attachment]] = {}
    for row in found:
        by_message.setdefault(row["message_id"], []).append(rows.attachment_of(row))
    return by_message
