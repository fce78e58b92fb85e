"""Prompts that wait for the answer before them.

A prompt that was entered is never lost, so each is committed when it is entered, like a message, and leaves the queue
in the transaction that makes it one. Those of temporary sessions are in memory only.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime

import aiosqlite

from venom_tui.core.errors import NotFound, SessionNotFound
from venom_tui.core.sanitize import sanitize
from venom_tui.core.store import message_table, rows
from venom_tui.core.store.database import Database
from venom_tui.core.store.drafts import Drafts
from venom_tui.core.store.temporary import PREFIX, TemporarySessions
from venom_tui.core.types.content import Attachment
from venom_tui.core.types.session import QueuedPrompt


class QueuedPrompts:
    """Reads and writes the prompts that wait, by session, in their order."""

    def __init__(
        self, database: Database, drafts: Drafts, temporary: TemporarySessions, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._drafts = drafts
        self._temporary = temporary
        self._now = now
        self._in_memory: list[QueuedPrompt] = []

    async def list(self, session_id: str) -> list[QueuedPrompt]:
        """Return the prompts that wait in a session."""
        if session_id.startswith(PREFIX):
            return [prompt for prompt in self._in_memory if prompt.session_id == session_id]
        found = await self._database.read(
            "SELECT * FROM queued_prompts WHERE session_id = ? ORDER BY number", (session_id,)
        )
        return [_prompt(row) for row in found]

    async def add(self, session_id: str, text: str, attachments: Sequence[Attachment] = ()) -> QueuedPrompt:
        """Commit a prompt that waits; it was the session's draft until now.

        Raises:
            SessionNotFound: the session is not there.
        """
        prompt = QueuedPrompt(uuid.uuid4().hex, session_id, sanitize(text), tuple(attachments), self._now())
        if session_id.startswith(PREFIX):
            self._temporary.change(session_id, draft="")
            self._in_memory.append(prompt)
            return prompt

        async def insert(db: aiosqlite.Connection) -> None:
            cursor = await db.execute(
                "INSERT INTO queued_prompts (id, session_id, text, attachments, created_at) "
                "SELECT ?, id, ?, ?, ? FROM sessions WHERE id = ?",
                (prompt.id, prompt.text, _attachments_text(prompt), rows.time_text(prompt.created_at), session_id),
            )
            if not cursor.rowcount:
                raise SessionNotFound("This session was deleted meanwhile.", hint="Begin a new one.")
            await message_table.clear_draft(db, session_id)

        await self._drafts.write_sent(session_id, insert)
        return prompt

    async def remove(self, prompt: QueuedPrompt) -> None:
        """Take a prompt out of the queue.

        Raises:
            NotFound: it does not wait any more.
        """
        if prompt.session_id.startswith(PREFIX):
            self.forget(prompt)
        else:
            await self._database.write(lambda db: take(db, prompt))

    def forget(self, prompt: QueuedPrompt) -> None:
        """Take a prompt of a temporary session out of the queue.

        Raises:
            NotFound: it does not wait any more.
        """
        if prompt not in self._in_memory:
            raise _gone()
        self._in_memory.remove(prompt)

    def drop(self, session_id: str) -> None:
        """Forget the prompts of a temporary session that is deleted; those of a stored one go with its row."""
        self._in_memory = [prompt for prompt in self._in_memory if prompt.session_id != session_id]


async def take(db: aiosqlite.Connection, prompt: QueuedPrompt) -> None:
    """Take a prompt out of the queue, inside a transaction.

    Raises:
        NotFound: another venom-tui has sent or removed it.
    """
    cursor = await db.execute("DELETE FROM queued_prompts WHERE id = ?", (prompt.id,))
    if not cursor.rowcount:
        raise _gone()


def _gone() -> NotFound:
    return NotFound("This prompt does not wait any more.", hint="It was sent, or removed by another venom-tui.")


def _attachments_text(prompt: QueuedPrompt) -> str:
    return json.dumps([asdict(one) for one in prompt.attachments], ensure_ascii=False, separators=(",", ":"))


def _prompt(row: aiosqlite.Row) -> QueuedPrompt:
    return QueuedPrompt(
        id=row["id"],
        session_id=row["session_id"],
        text=row["text"],
        attachments=tuple(rows.attachment_of(one) for one in json.loads(row["attachments"])),
        created_at=rows.parse_time(row["created_at"]),
    )
