"""Fills a data folder before venom-tui is started on it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiosqlite

from benchmarks.texts import older_messages
from venom_tui.core.events import EventBus
from venom_tui.core.owner import Owner
from venom_tui.core.store import rows
from venom_tui.core.store.database import Database
from venom_tui.core.store.sessions import SessionStore
from venom_tui.core.types.session import Message, MessageState, Role


def write_session(data_dir: Path, count: int, *, title: str = "A long session", last: str = "") -> str:
    """Write a session of `count` messages, prompts and answers in turn; return its id.

    `last` is added to the text of its last message.
    """
    return asyncio.run(_write(data_dir, count, title, last))


async def _write(data_dir: Path, count: int, title: str, last: str) -> str:
    database = await Database.open(data_dir / "venom.db", announce=print)
    try:
        session = await SessionStore(database, EventBus(), Owner.current()).create(title=title)
        begin = datetime.now(UTC) - timedelta(days=1)
        messages = [
            Message(
                f"{session.id}-{seq}",
                session.id,
                seq,
                Role.USER if role == "user" else Role.ASSISTANT,
                f"{text}\n\n{last}" if last and seq == count else text,
                MessageState.COMPLETE,
                begin + timedelta(seconds=seq),
                model="" if role == "user" else "paced",
            )
            for seq, (role, text) in enumerate(older_messages(count), 1)
        ]
        values = [rows.message_values(message) for message in messages]

        async def insert(db: aiosqlite.Connection) -> None:
            places = ", ".join("?" * len(values[0]))
            await db.executemany(f"INSERT INTO messages ({rows.MESSAGE_COLUMNS}) VALUES ({places})", values)

        await database.write(insert)
        return session.id
    finally:
        await database.close()
