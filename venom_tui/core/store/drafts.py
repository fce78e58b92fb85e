"""The unsent prompts of sessions: written a moment later, and forgotten at once when they are sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from venom_tui.core.errors import StoreError
from venom_tui.core.store import session_table
from venom_tui.core.store.database import Database, Work
from venom_tui.core.store.debounce import Debounce
from venom_tui.core.types.session import Session

T = TypeVar("T")


class Drafts:
    """Drafts of stored sessions. `changed` is told which session has another draft in the store."""

    def __init__(self, database: Database, changed: Callable[[str], None]) -> None:
        self._database = database
        self._changed = changed
        self._waiting: Debounce[str] = Debounce(self._write)

    def put(self, session_id: str, text: str) -> None:
        """Keep the unsent prompt (debounced)."""
        self._waiting.put(session_id, text)

    def drop(self, session_id: str) -> None:
        """Forget a draft that waits to be written."""
        self._waiting.drop(session_id)

    def newest(self, session: Session) -> Session:
        """Return a session of the store with its draft as it is now."""
        draft = self._waiting.pending(session.id)
        return session if draft is None else replace(session, draft=draft)

    async def write_sent(self, session_id: str, work: Work[T]) -> T:
        """Write what was the draft until now; where that fails, the draft stays."""
        # Dropped before the write is queued: a draft that is written after it would come back.
        draft = self._waiting.pending(session_id)
        self._waiting.drop(session_id)
        try:
            return await self._database.write(work)
        except StoreError:
            if draft is not None:
                self._waiting.put(session_id, draft)
            raise

    async def flush(self) -> None:
        """Write what waits, now."""
        await self._waiting.flush()

    async def close(self) -> None:
        """Write what waits; a failure is logged."""
        await self._waiting.close()

    async def _write(self, drafts: dict[str, str]) -> None:
        await self._database.write(lambda db: session_table.write_drafts(db, drafts))
        for session_id in drafts:
            self._changed(session_id)
