"""What venom-tui put into servers that others use too: models that it loaded, and pins that it set.

Written when it happens, so that any later venom-tui knows what is its own to take out again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import aiosqlite

from venom_tui.core.store.database import Database
from venom_tui.core.store.rows import parse_time, time_text


@dataclass(frozen=True, slots=True)
class Mark:
    """One model in one server, as it was when venom-tui saw it last."""

    endpoint: str
    model: str
    at: datetime
    """When venom-tui loaded or pinned it."""
    loaded: bool
    """Whether venom-tui loaded it while it was not loaded before."""
    pinned: bool = False
    """Whether its pin is venom-tui's."""
    context_length: int | None = None
    expires_at: datetime | None = None
    """When it was to leave; None: never, or not known."""


class HeldStore:
    """Reads and writes the table of marks."""

    def __init__(self, database: Database, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = database
        self.now = now

    async def all(self) -> dict[tuple[str, str], Mark]:
        """Return the marks by address and model."""
        rows = await self._database.read(
            "SELECT endpoint, model, at, loaded, pinned, context_length, expires_at FROM held"
        )
        marks = [
            Mark(
                row["endpoint"],
                row["model"],
                parse_time(row["at"]),
                bool(row["loaded"]),
                bool(row["pinned"]),
                row["context_length"],
                parse_time(row["expires_at"]) if row["expires_at"] else None,
            )
            for row in rows
        ]
        return {(mark.endpoint, mark.model): mark for mark in marks}

    async def put(self, *marks: Mark) -> None:
        """Write marks; one that stands for neither a load nor a pin is removed."""

        async def write(db: aiosqlite.Connection) -> None:
            for mark in marks:
                if not (mark.loaded or mark.pinned):
                    await db.execute("DELETE FROM held WHERE endpoint = ? AND model = ?", (mark.endpoint, mark.model))
                    continue
                await db.execute(
                    "INSERT OR REPLACE INTO held (endpoint, model, at, loaded, pinned, context_length, expires_at)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        mark.endpoint,
                        mark.model,
                        time_text(mark.at),
                        mark.loaded,
                        mark.pinned,
                        mark.context_length,
                        None if mark.expires_at is None else time_text(mark.expires_at),
                    ),
                )

        await self._database.write(write)
