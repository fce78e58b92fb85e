"""The statements that read and write sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import aiosqlite

from venom_tui.core.errors import SessionNotFound, UsageError
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.store import rows
from venom_tui.core.store.database import Database
from venom_tui.core.types.content import Attachment
from venom_tui.core.types.request import RequestTrace
from venom_tui.core.types.session import Session, SessionOptions

_TITLE_LENGTH = 60
_SHORTEST_PREFIX = 4
"""Characters of a session's id that are enough on the command line when no other id begins so."""

_SESSIONS = """
    SELECT s.*, (SELECT count(*) FROM messages m WHERE m.session_id = s.id) AS message_count,
           EXISTS (SELECT 1 FROM messages m WHERE m.session_id = s.id AND m.state = 'streaming') AS streaming
    FROM sessions s"""


async def newest(database: Database, limit: int | None) -> list[Session]:
    """Return the sessions, newest first."""
    sql = f"{_SESSIONS} ORDER BY s.updated_at DESC, s.id LIMIT ?"
    return _sessions(await database.read(sql, (-1 if limit is None else limit,)))


async def find(database: Database, session_id: str) -> Session:
    """Return a session by its id, or by a beginning of it that no other id has.

    Raises:
        SessionNotFound: there is none.
        UsageError: several ids begin so.
    """
    session_id = sanitize_line(session_id, 80)
    found = _sessions(await database.read(f"{_SESSIONS} WHERE s.id = ?", (session_id,)))
    if not found and len(session_id) >= _SHORTEST_PREFIX and session_id.isalnum():
        between = (session_id, session_id + "\U0010ffff")
        found = _sessions(await database.read(f"{_SESSIONS} WHERE s.id >= ? AND s.id < ? LIMIT 2", between))
        if len(found) > 1:
            raise UsageError(
                f"Several sessions begin with {session_id}.", hint="Give more of the id; `sessions list` shows them."
            )
    if not found:
        raise SessionNotFound(
            f"There is no session {sanitize_line(session_id, 40)!r}.", hint="`venom-tui sessions list` shows all."
        )
    return found[0]


async def traces(database: Database, session_id: str) -> list[RequestTrace]:
    """Return the traces of a session's requests, oldest first."""
    found = await database.read("SELECT trace FROM traces WHERE session_id = ? ORDER BY started_at", (session_id,))
    return [rows.trace_of(row["trace"]) for row in found]


async def insert(db: aiosqlite.Connection, session: Session) -> None:
    """Add a session."""
    created, updated = rows.time_text(session.created_at), rows.time_text(session.updated_at)
    await db.execute(
        "INSERT INTO sessions (id, title, system, options, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)",
        (session.id, session.title, session.system, rows.options_text(session.options), created, updated),
    )


async def rename(db: aiosqlite.Connection, session_id: str, title: str) -> None:
    """Give a session another title."""
    await db.execute("UPDATE sessions SET title = ? WHERE id = ?", (title, session_id))


async def set_options(db: aiosqlite.Connection, session_id: str, options: SessionOptions) -> None:
    """Write what is chosen for all turns of a session."""
    await db.execute("UPDATE sessions SET options = ? WHERE id = ?", (rows.options_text(options), session_id))


async def write_drafts(db: aiosqlite.Connection, drafts: Mapping[str, str]) -> None:
    """Keep the unsent prompts of sessions."""
    await db.executemany("UPDATE sessions SET draft = ? WHERE id = ?", [(text, key) for key, text in drafts.items()])


def title_of(text: str, attachments: Sequence[Attachment] = ()) -> str:
    """Return a title made from the first prompt: its first line, cut at a word, 60 characters at most.

    A prompt without a text is named after what is attached to it.
    """
    text = text if text.strip() or not attachments else attachments[0].name
    line = " ".join(text.strip().split("\n", 1)[0].split())
    if len(line) <= _TITLE_LENGTH:
        return line
    return line[: _TITLE_LENGTH - 1].rsplit(" ", 1)[0] + "…"


def _sessions(found: Sequence[aiosqlite.Row]) -> list[Session]:
    return [rows.session_of(row) for row in found]
