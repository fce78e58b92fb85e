"""The history of operations as it is true from here: an open one whose process is gone is interrupted, not running."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeAlias

from venom_tui.core.errors import NotFound
from venom_tui.core.owner import Owner
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.store.operations import Entry, OperationStore
from venom_tui.core.types.operation import Operation, OperationState

# Inside the class `list` is the method.
Operations: TypeAlias = list[Operation]

_SILENCE_LIMIT = timedelta(hours=24)
"""After that long without a heartbeat an operation of another machine counts as dead; clocks may differ by hours."""


class History:
    """Reads operations, of this process and of others, and tells which of them are still alive."""

    def __init__(self, store: OperationStore, owner: Owner, now: Callable[[], datetime]) -> None:
        self._store = store
        self._owner = owner
        self._now = now

    async def list(
        self, limit: int | None, known: Mapping[str, Operation], before: Operation | None = None
    ) -> Operations:
        """Return all operations, newest first; `known` ones of this process stand for their rows, also missing ones.

        With `before` those that follow it in this order, as far as they have a row.
        """
        entries = await self._store.list(limit, before=before)
        seen = await asyncio.to_thread(self._all_seen, entries)
        stored = {operation.id for operation in seen}
        missing = [operation for operation in known.values() if operation.id not in stored and before is None]
        found = [known.get(operation.id, operation) for operation in seen] + missing
        found.sort(
            key=lambda operation: operation.created_at.timestamp() if operation.created_at else 0.0, reverse=True
        )
        return found[:limit]

    async def get(self, operation_id: str, known: Mapping[str, Operation]) -> Operation:
        """Return one operation; a `known` one of this process stands for its row, or for a missing row.

        Raises:
            NotFound: there is none of this id, or several begin so.
        """
        entry = await self._store.get(sanitize_line(operation_id, 80))
        found = operation_id if entry is None else entry.operation.id
        if found in known:
            return known[found]
        if entry is None:
            raise NotFound(
                f"There is no operation {sanitize_line(operation_id, 40)!r}.", hint="`operations list` shows all."
            )
        return await asyncio.to_thread(self._seen, entry)

    async def recover(self) -> int:
        """Mark as interrupted what a dead process was doing; return how many."""
        entries = await self._store.open_ones()
        dead = [found for found in await asyncio.to_thread(self._all_seen, entries) if found.state.final]
        for operation in dead:
            await self._store.save(replace(operation, finished_at=self._now()), self._owner)
        return len(dead)

    async def expire(self, days: int) -> None:
        """Remove those that ended more than so many days ago; 0 keeps them for ever."""
        if days > 0:
            await self._store.expire(self._now() - timedelta(days=days))

    def _all_seen(self, entries: Sequence[Entry]) -> Operations:
        return [self._seen(entry) for entry in entries]

    def _seen(self, entry: Entry) -> Operation:
        if entry.operation.state.final:
            return entry.operation
        alive = False if entry.owner is None else entry.owner.alive(self._owner)
        if alive is None:
            alive = entry.seen_at is None or self._now() - entry.seen_at < _SILENCE_LIMIT
        if alive:
            return entry.operation
        return replace(entry.operation, state=OperationState.INTERRUPTED, owner_alive=False)
