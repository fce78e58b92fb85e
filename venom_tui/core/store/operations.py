"""The table of operations: what ran, what runs, what became of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
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
    """None for ended ones, for those that nobody runs, and where it cannot be read."""
    seen_at: datetime | None
    """When its process last gave a sign of life."""
    request: str = ""
    """What is asked of its process: see `shared_operations`."""
    queue: str = ""
    owner_text: str = ""
    """The owner as it is stored: what must still stand there when somebody else takes the operation over."""


# Inside the class `list` is the method.
Entries: TypeAlias = list[Entry]
Lines: TypeAlias = list[str]

_TIMES = ("created_at", "started_at", "finished_at")
_NOT_STORED = ("owner_alive", "host", "place")
"""What follows from the row or from who reads it."""
OPEN = "state IN ('queued', 'running', 'paused')"
COLUMNS = "SELECT operation, owner, seen_at, request, queue, place FROM operations"


class OperationStore:
    """Reads and writes operations; the states of ended ones are final and never overwritten."""

    def __init__(self, database: Database, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.database = database
        self._now = now

    async def save(self, operation: Operation, owner: Owner, log: Sequence[str] | None = None) -> bool:
        """Write an operation as it stands, with its log where that is given; return whether it was ours to write.

        One that is final in the store already, or that another process took over, is left alone.
        """
        values = (
            operation.id,
            operation.kind,
            operation.target,
            operation.state.value,
            time_text(operation.created_at) if operation.created_at else "",
            time_text(operation.finished_at) if operation.finished_at else None,
            time_text(self._now()),
            "" if operation.state.final else owner.as_text(),
            text_of(operation),
            operation.place,
            "" if log is None else log_text(log),
        )

        async def write(db: aiosqlite.Connection) -> bool:
            cursor = await db.execute(
                f"""INSERT INTO operations
                    (id, kind, target, state, created_at, finished_at, seen_at, owner, operation, place, log)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (id) DO UPDATE SET state = excluded.state, finished_at = excluded.finished_at,
                    seen_at = excluded.seen_at, owner = excluded.owner, operation = excluded.operation,
                    log = CASE excluded.log WHEN '' THEN operations.log ELSE excluded.log END
                WHERE operations.{OPEN} AND operations.owner = ?""",
                (*values, owner.as_text()),
            )
            return cursor.rowcount > 0

        return await self.database.write(write)

    async def list(self, limit: int | None = None, *, before: Operation | None = None) -> Entries:
        """Return the operations with the owners of open ones, newest first; those after `before` in that order."""
        most = -1 if limit is None else limit
        order = "ORDER BY created_at DESC, id LIMIT ?"
        if before is None or before.created_at is None:
            found = await self.database.read(f"{COLUMNS} {order}", (most,))
        else:
            created = time_text(before.created_at)
            found = await self.database.read(
                f"{COLUMNS} WHERE created_at <= ? AND (created_at < ? OR id > ?) {order}",
                (created, created, before.id, most),
            )
        return [entry_of(row) for row in found]

    async def count_ended(self) -> int:
        """Return how many operations have ended."""
        found = await self.database.read(
            f"SELECT (SELECT count(*) FROM operations) - (SELECT count(*) FROM operations WHERE {OPEN})"
        )
        return int(found[0][0])

    async def get(self, operation_id: str) -> Entry | None:
        """Return an operation by its id or by a beginning of it that no other has."""
        found = await self.database.read(
            f"{COLUMNS} WHERE id >= ? AND id < ? LIMIT 2",
            (operation_id, operation_id + "\U0010ffff"),
        )
        if len(found) != 1:
            return None
        return entry_of(found[0])

    async def log(self, operation_id: str) -> Lines:
        """Return the log of an operation."""
        found = await self.database.read("SELECT log FROM operations WHERE id = ?", (operation_id,))
        return [str(line) for line in json.loads(found[0][0])] if found and found[0][0] else []

    async def beat(self, ids: Sequence[str], now: datetime) -> None:
        """Note that the process of these open operations is alive."""
        values = [(time_text(now), operation_id) for operation_id in ids]

        async def write(db: aiosqlite.Connection) -> None:
            await db.executemany(f"UPDATE operations SET seen_at = ? WHERE id = ? AND {OPEN}", values)

        await self.database.write(write)

    async def open_ones(self) -> Entries:
        """Return the operations that have not ended."""
        found = await self.database.read(f"{COLUMNS} WHERE {OPEN}")
        return [entry_of(row) for row in found]

    async def clear(self) -> int:
        """Remove the ended ones; return how many."""

        async def write(db: aiosqlite.Connection) -> int:
            cursor = await db.execute(f"DELETE FROM operations WHERE NOT {OPEN}")
            return cursor.rowcount

        return await self.database.write(write)

    async def expire(self, before: datetime) -> None:
        """Remove those that ended before a moment."""

        async def write(db: aiosqlite.Connection) -> None:
            await db.execute(f"DELETE FROM operations WHERE NOT {OPEN} AND finished_at < ?", (time_text(before),))

        await self.database.write(write)


def text_of(operation: Operation) -> str:
    """Return an operation as it is stored."""
    fields = asdict(operation)
    for name in _TIMES:
        if fields[name] is not None:
            fields[name] = time_text(fields[name])
    for name in _NOT_STORED:
        del fields[name]
    return json.dumps(fields, separators=(",", ":"))


def log_text(lines: Sequence[str]) -> str:
    """Return the lines of a log as they are stored."""
    return json.dumps(list(lines), separators=(",", ":"))


def entry_of(row: aiosqlite.Row) -> Entry:
    """Return the entry of a row of COLUMNS."""
    seen = row["seen_at"]
    operation = replace(_operation(row["operation"]), place=row["place"])
    owner = row["owner"]
    return Entry(
        operation, Owner.from_text(owner), parse_time(seen) if seen else None, row["request"], row["queue"], owner
    )


def _operation(text: str) -> Operation:
    fields = json.loads(text)
    for name in _TIMES:
        if fields.get(name):
            fields[name] = parse_time(fields[name])
    fields["state"] = OperationState(fields["state"])
    return Operation(**fields)
