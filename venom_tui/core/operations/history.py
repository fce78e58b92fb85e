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
from venom_tui.core.store.shared_operations import Request, SharedOperations
from venom_tui.core.types.operation import Operation, OperationState

# Inside the class `list` is the method.
Operations: TypeAlias = list[Operation]
Sentences: TypeAlias = list[str]

_SILENCE_LIMIT = timedelta(hours=24)
"""After that long without a heartbeat an operation of another machine counts as dead; clocks may differ by hours."""
_ADOPTION_LIMIT = timedelta(seconds=30)
"""So long a process that is to take an operation over may need to start."""


class History:
    """Reads operations, of this process and of others, and tells which of them are still alive."""

    def __init__(self, store: OperationStore, owner: Owner, now: Callable[[], datetime]) -> None:
        self._store = store
        self._shared = SharedOperations(store.database, now)
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

    async def recover(self, entries: Sequence[Entry] | None = None) -> Operations:
        """Mark as interrupted what a dead process was doing, of these or of all that is open; return what was."""
        if entries is None:
            entries = await self._store.open_ones()
        seen = await asyncio.to_thread(self._all_seen, entries)
        ended = []
        for entry, found in zip(entries, seen, strict=True):
            if found.state.final and not entry.operation.state.final:
                operation = replace(found, finished_at=self._now(), rate_bytes_per_s=None)
                if await self._shared.end(entry, operation):
                    ended.append(operation)
        return ended

    async def expire(self, days: int) -> None:
        """Remove those that ended more than so many days ago; 0 keeps them for ever."""
        if days > 0:
            await self._store.expire(self._now() - timedelta(days=days))

    async def look(self, entries: Sequence[Entry]) -> Operations:
        """Return operations as they are true from here."""
        return await asyncio.to_thread(self._all_seen, entries)

    def _all_seen(self, entries: Sequence[Entry]) -> Operations:
        return [self._seen(entry) for entry in entries]

    def _seen(self, entry: Entry) -> Operation:
        operation, owner = entry.operation, entry.owner
        if operation.state.final or (operation.state is OperationState.PAUSED and owner is None):
            return operation
        alive: bool | None = False
        if owner is not None:
            alive = owner.alive(self._owner)
            if alive is None:
                alive = entry.seen_at is None or self._now() - entry.seen_at < _SILENCE_LIMIT
                operation = replace(operation, host=sanitize_line(owner.host, 80) or "another machine")
        elif entry.request == Request.ADOPT and entry.seen_at is not None:
            alive = abs(self._now() - entry.seen_at) < _ADOPTION_LIMIT
        if alive:
            return operation
        return replace(operation, state=OperationState.INTERRUPTED, owner_alive=False)
