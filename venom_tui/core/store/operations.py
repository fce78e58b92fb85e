"""The table of operations: what ran, what runs, what became of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import NamedTuple, TypeAlias

import aiosqlite

from venom_tui.core.owner import Owner
from venom_tui.core.store.database import Database
from venom_tui.core.store.rows import parse_time, time_text
from venom_tui.core.types.operation import Operation, OperationState


class Entry(NamedTuple):
    """An operation with what is known of the process that runs it."""

    operation: Operation
    owner: Owner | None
    """None for ended ones, and where it cannot be read."""
    seen_at: datetime | None
    """When its process last gave a sign of life."""


# Inside the class `list` is the method.
Entries: TypeAlias = list[Entry]

_TIMES = ("created_at", "started_at", "finished_at")
_OPEN = "state IN ('queued', 'running', 'paused')"


class OperationStore:
    """Reads and writes operations; the states of ended ones are final and never overwritten."""

    def __init__(self, database: Database, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = database
        self._now = now

    async def save(self, operation: Operation, owner: Owner) -> None:
        """Write an operation as it stands; one that is final in the store already is left alone."""
        values = (
            operation.id,
            operation.kind,
            operation.target,
            operation.state.value,
            time_text(operation.created_at) if operation.created_at else "",
            time_text(operation.finished_at) if operation.finished_at else None,
            time_text(self._now()),
            "" if operation.state.final else owner.as_text(),
            _text(operation),
        )

        async def write(db: aiosqlite.Connection) -> None:
            await db.execute(
                f"""INSERT INTO operations (id, kind, target, state, created_at, finished_at, seen_at, owner, operation)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (id) DO UPDATE SET state = excluded.state, finished_at = excluded.finished_at,
                    seen_at = excluded.seen_at, owner = excluded.owner, operation = excluded.operation
                WHERE operations.{_OPEN}""",
                values,
            )

        await self._database.write(write)

    async def list(self, limit: int | None = None, *, before: Operation | None = None) -> Entries:
        """Return the operations with the owners of open ones, newest first; those after `before` in that order."""
        most = -1 if limit is None else limit
        columns, order = "SELECT operation, owner, seen_at FROM operations", "ORDER BY created_at DESC, id LIMIT ?"
        if before is None or before.created_at is None:
            found = await self._database.read(f"{columns} {order}", (most,))
        else:
            created = time_text(before.created_at)
            found = await self._database.read(
                f"{columns} WHERE created_at <= ? AND (created_at < ? OR id > ?) {order}",
                (created, created, before.id, most),
            )
        return [_entry(row) for row in found]

    async def count_ended(self) -> int:
        """Return how many operations have ended."""
        found = await self._database.read(
            f"SELECT (SELECT count(*) FROM operations) - (SELECT count(*) FROM operations WHERE {_OPEN})"
        )
        return int(found[0][0])

    async def get(self, operation_id: str) -> Entry | None:
        """Return an operation by its id or by a beginning of it that no other has."""
        found = await self._database.read(
            "SELECT operation, owner, seen_at FROM operations WHERE id >= ? AND id < ? LIMIT 2",
            (operation_id, operation_id + "\U0010ffff"),
        )
        if len(found) != 1:
            return None
        return _entry(found[0])

    async def beat(self, ids: Sequence[str], now: datetime) -> None:
        """Note that the process of these open operations is alive."""
        values = [(time_text(now), operation_id) for operation_id in ids]

        async def write(db: aiosqlite.Connection) -> None:
            await db.executemany(f"UPDATE operations SET seen_at = ? WHERE id = ? AND {_OPEN}", values)

        await self._database.write(write)

    async def open_ones(self) -> Entries:
        """Return the operations that have not ended."""
        found = await self._database.read(f"SELECT operation, owner, seen_at FROM operations WHERE {_OPEN}")
        return [_entry(row) for row in found]

    async def clear(self) -> int:
        """Remove the ended ones; return how many."""

        async def write(db: aiosqlite.Connection) -> int:
            cursor = await db.execute(f"DELETE FROM operations WHERE NOT {_OPEN}")
            return cursor.rowcount

        return await self._database.write(write)

    async def expire(self, before: datetime) -> None:
        """Remove those that ended before a moment."""

        async def write(db: aiosqlite.Connection) -> None:
            await db.execute(f"DELETE FROM operations WHERE NOT {_OPEN} AND finished_at < ?", (time_text(before),))

        await self._database.write(write)


def _text(operation: Operation) -> str:
    fields = asdict(operation)
    for name in _TIMES:
        if fields[name] is not None:
            fields[name] = time_text(fields[name])
    del fields["owner_alive"]
    return json.dumps(fields, separators=(",", ":"))


def _entry(row: aiosqlite.Row) -> Entry:
    seen = row["seen_at"]
    return Entry(_operation(row["operation"]), Owner.from_text(row["owner"]), parse_time(seen) if seen else None)


def _operation(text: str) -> Operation:
    fields = json.loads(text)
    for name in _TIMES:
        if fields.get(name):
            fields[name] = parse_time(fields[name])
    fields["state"] = OperationState(fields["state"])
    return Operation(**fields)
