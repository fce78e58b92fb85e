"""What the store does to itself: answers of dead processes are marked, what is too old is deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta

import aiosqlite

from venom_tui.core.owner import Owner
from venom_tui.core.store import rows
from venom_tui.core.store.database import Database
from venom_tui.core.store.message_table import delete_sessions

_UNKNOWN_OWNER_LIMIT = timedelta(hours=24)
"""No answer is written for that long: what another machine began before has ended, whatever became of that machine."""


async def recover(database: Database, owner: Owner, now: datetime) -> int:
    """Mark as interrupted what a dead process was writing; return how many. What lives, or is elsewhere, is left alone.

    An answer that was to replace another one and holds nothing is dropped.
    """
    found = await database.read("SELECT id, owner, created_at FROM messages WHERE state = 'streaming'")
    others = [row for row in found if row["owner"] != owner.as_text()]
    if not others:
        return 0
    dead = await asyncio.to_thread(_dead, others, owner, now)
    if not dead:
        return 0

    async def mark(db: aiosqlite.Connection) -> None:
        values = [(message_id,) for message_id in dead]
        await db.executemany(
            "DELETE FROM messages WHERE id = ? AND state = 'streaming' AND replaces <> '' AND trim(content) = '' "
            "AND tool_calls = '[]'",
            values,
        )
        await db.executemany(
            "UPDATE messages SET state = 'interrupted', finish_reason = 'interrupted', owner = '', replaces = '' "
            "WHERE id = ? AND state = 'streaming'",
            values,
        )

    await database.write(mark)
    return len(dead)


def _dead(found: Iterable[aiosqlite.Row], here: Owner, now: datetime) -> list[str]:
    dead = []
    for row in found:
        owner = Owner.from_text(row["owner"])
        alive = False if owner is None else owner.alive(here)
        if alive is None:
            alive = now - rows.parse_time(row["created_at"]) < _UNKNOWN_OWNER_LIMIT
        if not alive:
            dead.append(row["id"])
    return dead


async def expire(database: Database, now: datetime, *, sessions_days: int, traces_days: int) -> int:
    """Delete sessions and traces that are older than so many days (0 keeps them for ever); return how many sessions."""
    if traces_days > 0:
        limit = rows.time_text(now - timedelta(days=traces_days))

        async def forget_traces(db: aiosqlite.Connection) -> None:
            await db.execute("DELETE FROM traces WHERE started_at < ?", (limit,))

        await database.write(forget_traces)
    if sessions_days <= 0:
        return 0
    oldest = rows.time_text(now - timedelta(days=sessions_days))

    async def forget_sessions(db: aiosqlite.Connection) -> int:
        # Chosen inside the transaction: a session that is used again just now is not too old any more.
        found = await db.execute_fetchall(
            "SELECT id FROM sessions s WHERE updated_at < ? AND NOT EXISTS "
            "(SELECT 1 FROM messages m WHERE m.session_id = s.id AND m.state = 'streaming')",
            (oldest,),
        )
        old = [row["id"] for row in found]
        if old:
            await delete_sessions(db, old)
        return len(old)

    count = await database.write(forget_sessions)
    if count:
        await database.forget_deleted()
    return count
