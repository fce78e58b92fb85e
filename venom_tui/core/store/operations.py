"""The table of operations: what ran, what runs, what became of it."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import TypeAlias

import aiosqlite

from venom_tui.core.owner import Owner
from venom_tui.core.store.database import Database
from venom_tui.core.store.rows import parse_time, time_text
from venom_tui.core.types.operation import Operation, OperationState

Entries: TypeAlias = list[tuple[Operation, Owner | None]]

_TIMES = ("created_at", "started_at", "finished_at")
_OPEN = "state IN ('queued', 'running', 'paused')"


class OperationStore:
    """Reads and writes operations; the states of ended ones are final and never overwritten."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, operation: Operation, owner: Owner) -> None:
        """Write an operation as it stands; one that is final in the store already is left alone."""
        values = (
            operation.id,
            operation.kind,
            operation.target,
            operation.state.value,
            time_text(operation.created_at) if operation.created_at else "",
            time_text(operation.finished_at) if operation.finished_at else None,
            "" if operation.state.final else owner.as_text(),
            _text(operation),
        )

        async def write(db: aiosqlite.Connection) -> None:
            await db.execute(
                f"""INSERT INTO operations (id, kind, target, state, created_at, finished_at, owner, operation)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (id) DO UPDATE SET state = excluded.state, finished_at = excluded.finished_at,
                    owner = excluded.owner, operation = excluded.operation WHERE operations.{_OPEN}""",
                values,
            )

        await self._database.write(write)

    async def list(self, limit: int | None = None) -> Entries:
        """Return the operations with the owners of open ones, newest first."""
        found = await self._database.read(
            "SELECT operation, owner FROM operations ORDER BY created_at DESC, id LIMIT ?",
            (-1 if limit is None else limit,),
        )
        return [(_operation(row["operation"]), Owner.from_text(row["owner"])) for row in found]

    async def get(self, operation_id: str) -> tuple[Operation, Owner | None] | None:
        """Return an operation by its id or by a beginning of it that no other has."""
        found = await self._database.read(
            "SELECT operation, owner FROM operations WHERE id >= ? AND id < ? LIMIT 2",
            (operation_id, operation_id + "\U0010ffff"),
        )
        if len(found) != 1:
            return None
        return _operation(found[0]["operation"]), Owner.from_text(found[0]["owner"])

    async def open_ones(self) -> Entries:
        """Return the operations that have not ended."""
        found = await self._database.read(f"SELECT operation, owner FROM operations WHERE {_OPEN}")
        return [(_operation(row["operation"]), Owner.from_text(row["owner"])) for row in found]

    async def clear(self) -> int:
        """Remove the ended ones; return how many."""

        async def write(db: aiosqlite.Connection) -> int:
            cursor = await db.execute(f"DELETE FROM operations WHERE NOT {_OPEN}")
            return cursor.rowcount

        return await self._database.write(write)

    async def expire(self, before: datetime) -> None:
        """Remove those that ended before a moment."""

        async def write(db: aiosqlite.Connection) -> None:
            await db.execute(
                f"DELETE FROM operations WHERE NOT {_OPEN} AND finished_at < ?", (time_text(before),)
            )

        await self._database.write(write)


def _text(operation: Operation) -> str:
    fields = asdict(operation)
    for name in _TIMES:
        if fields[name] is not None:
            fields[name] = time_text(fields[name])
    del fields["owner_alive"]
    return json.dumps(fields, separators=(",", ":"))


def _operation(text: str) -> Operation:
    fields = json.loads(text)
    for name in _TIMES:
        if fields.get(name):
            fields[name] = parse_time(fields[name])
    fields["state"] = OperationState(fields["state"])
    return Operation(**fields)
