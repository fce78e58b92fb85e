"""Operations that several processes share, decided in the database: who does it, whose turn it is, what is asked of it.

Each step is one transaction, so that two processes that decide at the same moment decide one after the other. Whether
a process lives is not decided here (that reads /proc): a caller names the owner that it saw, and a step is taken only
while that one still stands there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import aiosqlite

from venom_tui.core.owner import Owner
from venom_tui.core.store.database import Database
from venom_tui.core.store.operations import COLUMNS, OPEN, Entry, entry_of, text_of
from venom_tui.core.store.rows import time_text
from venom_tui.core.types.operation import Operation, OperationState

_PLACE_STEP = 0.001
_HOLDS = "json_each(CASE {} WHEN '' THEN '{{}}' ELSE {} END, '$.holds')"
_BEFORE = f"""JOIN (SELECT id AS my_id, queue AS my_queue, place AS my_place, arguments AS mine FROM operations
        WHERE id = ?)
    WHERE {OPEN} AND id <> my_id AND (
        (queue = my_queue AND queue <> '' AND (state = 'running' OR (state = 'queued' AND place < my_place)))
        OR (state = 'running' AND EXISTS (SELECT 1 FROM {_HOLDS.format("arguments", "arguments")} AS theirs
            JOIN {_HOLDS.format("mine", "mine")} AS ours ON theirs.value = ours.value)))"""
_UNFINISHED = f"""SELECT operation, owner, seen_at, request, queue, place, claim, arguments FROM operations AS one
    WHERE kind = ? AND state <> 'succeeded' AND arguments <> '' AND ({OPEN} OR NOT EXISTS (
        SELECT 1 FROM operations AS later WHERE later.kind = one.kind AND later.created_at > one.created_at
        AND (later.target = one.target OR (later.claim = one.claim AND one.claim <> ''))))
    ORDER BY created_at"""


class Request(StrEnum):
    """What is asked of the process that runs an operation."""

    CANCEL = "cancel"
    PAUSE = "pause"
    STOP = "stop"
    """End it, to be resumed some time: the background is being cleared."""
    ADOPT = "adopt"
    """Nobody runs it: a process that is just starting takes it over."""
    HAND_OVER = "hand over"
    """Its process goes on until another one has joined."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How an operation gets along with others."""

    queue: str
    """One operation of a queue runs at a time, over all processes of this machine; "" is none."""
    claim: str
    """Two open operations never have the same one, over all processes and machines that share the database."""
    arguments: Mapping[str, Any]
    """What its kind needs to do it, as JSON has it. Of `holds` no two that run at once have one in common."""

    @property
    def holds(self) -> frozenset[str]:
        """What it changes, by names."""
        return frozenset(self.arguments.get("holds", ()))


class SharedOperations:
    """The steps; see `OperationStore` for what one process does for itself."""

    def __init__(self, database: Database, now: Any = lambda: datetime.now(UTC)) -> None:
        self._database = database
        self._now = now

    async def begin(self, operation: Operation, owner: Owner | None, terms: Terms) -> Entry | None:
        """Write a new operation; where an open one has its claim, write nothing and return that one.

        Without an owner it waits for a process that is just starting (`ADOPT`).
        """
        now = self._now()

        async def write(db: aiosqlite.Connection) -> Entry | None:
            taken = await _one(db, f"{COLUMNS} WHERE claim = ? AND claim <> '' AND {OPEN}", terms.claim)
            if taken is not None:
                return taken
            await db.execute(
                """INSERT INTO operations (id, kind, target, state, created_at, seen_at, owner, operation,
                    queue, claim, arguments, request, place) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                (
                    operation.id,
                    operation.kind,
                    operation.target,
                    operation.state.value,
                    time_text(operation.created_at or now),
                    time_text(now),
                    "" if owner is None else owner.as_text(),
                    text_of(operation),
                    terms.queue,
                    terms.claim,
                    json.dumps(terms.arguments, separators=(",", ":")),
                    Request.ADOPT.value if owner is None else "",
                    await _next_place(db, terms.queue, now),
                ),
            )
            return None

        return await self._database.write(write)

    async def terms(self, operation_id: str) -> Terms | None:
        """Return how an operation gets along with others, None for one that only its own process can do."""
        found = await self._database.read(
            "SELECT queue, claim, arguments FROM operations WHERE id = ? AND arguments <> ''", (operation_id,)
        )
        return Terms(found[0][0], found[0][1], json.loads(found[0][2])) if found else None

    async def unfinished(self, kind: str) -> list[tuple[Entry, Terms]]:
        """Return what of a kind is open or can be done again, oldest first.

        What ended and was begun anew since is left out.
        """
        rows = await self._database.read(_UNFINISHED, (kind,))
        return [(entry_of(row), Terms(row["queue"], row["claim"], json.loads(row["arguments"]))) for row in rows]

    async def claimed(self, claim: str) -> Entry | None:
        """Return the open operation that has a claim."""
        rows = await self._database.read(f"{COLUMNS} WHERE claim = ? AND claim <> '' AND {OPEN}", (claim,))
        return entry_of(rows[0]) if rows else None

    async def amend(self, operation_id: str, arguments: Mapping[str, Any]) -> None:
        """Change what an open operation needs to be done; who does it already is not told."""
        text = json.dumps(arguments, separators=(",", ":"))

        async def write(db: aiosqlite.Connection) -> None:
            await db.execute(f"UPDATE operations SET arguments = ? WHERE id = ? AND {OPEN}", (text, operation_id))

        await self._database.write(write)

    async def start(self, operation: Operation, owner: Owner) -> list[Entry] | None:
        """Set an operation running if it is its turn: then the list is empty, else it holds what stands before it.

        None: it is not ours any more.
        """
        running = replace(operation, state=OperationState.RUNNING)

        async def write(db: aiosqlite.Connection) -> list[Entry] | None:
            mine = await _one(db, f"{COLUMNS} WHERE id = ? AND owner = ? AND {OPEN}", operation.id, owner.as_text())
            if mine is None:
                return None
            before = await db.execute_fetchall(f"{COLUMNS} {_BEFORE}", (operation.id,))
            if not before:
                await db.execute(
                    "UPDATE operations SET state = 'running', seen_at = ?, operation = ? WHERE id = ?",
                    (time_text(self._now()), text_of(running), operation.id),
                )
            return [entry_of(row) for row in before]

        return await self._database.write(write)

    async def before(self, operation_id: str) -> int:
        """Return how many operations stand before one in its queue."""
        found = await self._database.read(f"SELECT count(*) FROM operations {_BEFORE}", (operation_id,))
        return int(found[0][0])

    async def take(self, entry: Entry, owner: Owner, state: OperationState) -> Operation | None:
        """Make an operation ours, as long as it stands as it was seen; None when it does not, or its claim is taken.

        One that was interrupted, failed or cancelled is opened again.
        """
        seen = entry.operation

        async def write(db: aiosqlite.Connection) -> Operation | None:
            found = await _one(db, f"{COLUMNS} WHERE id = ?", seen.id)
            if found is None or (found.owner_text, found.operation.state) != (entry.owner_text, seen.state):
                return None
            other = await db.execute_fetchall(
                f"""SELECT 1 FROM operations WHERE {OPEN} AND id <> ? AND claim <> ''
                    AND claim = (SELECT claim FROM operations WHERE id = ?)""",
                (seen.id, seen.id),
            )
            if other:
                return None
            taken = replace(
                found.operation,
                state=state,
                finished_at=None,
                error="",
                server_message="",
                error_code="",
                hint="",
            )
            # What waited already keeps its place; what was paused or had ended takes its turn after the others.
            waits = seen.state in (OperationState.QUEUED, OperationState.RUNNING)
            place = seen.place if waits else await _next_place(db, found.queue, self._now())
            await db.execute(
                """UPDATE operations SET state = ?, finished_at = NULL, seen_at = ?, owner = ?, request = '',
                    operation = ?, place = ? WHERE id = ?""",
                (state.value, time_text(self._now()), owner.as_text(), text_of(taken), place, seen.id),
            )
            return replace(taken, place=place)

        return await self._database.write(write)

    async def release(self, operation: Operation, owner: Owner, request: Request | None = None, log: str = "") -> bool:
        """Write an open operation of ours as nobody's: paused, or to be adopted; False when it is not ours."""

        async def write(db: aiosqlite.Connection) -> bool:
            cursor = await db.execute(
                f"""UPDATE operations SET state = ?, owner = '', seen_at = ?, request = ?, operation = ?,
                    log = CASE ? WHEN '' THEN log ELSE ? END WHERE id = ? AND owner = ? AND {OPEN}""",
                (
                    operation.state.value,
                    time_text(self._now()),
                    request.value if request else "",
                    text_of(operation),
                    log,
                    log,
                    operation.id,
                    owner.as_text(),
                ),
            )
            return cursor.rowcount > 0

        return await self._database.write(write)

    async def end(self, entry: Entry, operation: Operation) -> bool:
        """Write the end of an operation that nobody runs, as long as it stands as it was seen."""

        async def write(db: aiosqlite.Connection) -> bool:
            cursor = await db.execute(
                f"""UPDATE operations SET state = ?, owner = '', request = '', finished_at = ?, operation = ?
                    WHERE id = ? AND owner = ? AND {OPEN}""",
                (
                    operation.state.value,
                    time_text(operation.finished_at or self._now()),
                    text_of(operation),
                    operation.id,
                    entry.owner_text,
                ),
            )
            return cursor.rowcount > 0

        return await self._database.write(write)

    async def ask(self, operation_id: str, request: Request) -> bool:
        """Ask something of the process that runs an operation; False when it has ended."""

        async def write(db: aiosqlite.Connection) -> bool:
            cursor = await db.execute(
                f"UPDATE operations SET request = ? WHERE id = ? AND owner <> '' AND {OPEN}",
                (request.value, operation_id),
            )
            return cursor.rowcount > 0

        return await self._database.write(write)

    async def answered(self, operation_id: str, request: str) -> None:
        """Take a request back that could not be followed."""

        async def write(db: aiosqlite.Connection) -> None:
            await db.execute("UPDATE operations SET request = '' WHERE id = ? AND request = ?", (operation_id, request))

        await self._database.write(write)

    async def move(self, operation_id: str, by: int) -> bool:
        """Move a queued operation so many places back in its queue, or forward (negative); False when it cannot."""

        async def write(db: aiosqlite.Connection) -> bool:
            rows = list(
                await db.execute_fetchall(
                    """SELECT id, place FROM operations WHERE state = 'queued' AND queue <> ''
                    AND queue = (SELECT queue FROM operations WHERE id = ?) ORDER BY place""",
                    (operation_id,),
                )
            )
            ids, places = [row[0] for row in rows], [row[1] for row in rows]
            if operation_id not in ids:
                return False
            at = ids.index(operation_id)
            to = max(0, min(len(ids) - 1, at + by))
            ids.insert(to, ids.pop(at))
            await db.executemany("UPDATE operations SET place = ? WHERE id = ?", list(zip(places, ids, strict=True)))
            return to != at

        return await self._database.write(write)

    async def open_ones(self) -> Sequence[Entry]:
        """Return the operations that have not ended."""
        return [entry_of(row) for row in await self._database.read(f"{COLUMNS} WHERE {OPEN}")]


async def _one(db: aiosqlite.Connection, sql: str, *values: object) -> Entry | None:
    for row in await db.execute_fetchall(sql, values):
        return entry_of(row)
    return None


async def _next_place(db: aiosqlite.Connection, queue: str, now: datetime) -> float:
    """Return the last place of a queue: the present moment, also where the clock was set back."""
    rows = await db.execute_fetchall(f"SELECT max(place) FROM operations WHERE queue = ? AND {OPEN}", (queue,))
    last = next(iter(rows))[0]
    return now.timestamp() if last is None else max(now.timestamp(), float(last) + _PLACE_STEP)
