"""What models were estimated to take, beside what they took when they were loaded."""

from __future__ import annotations

import aiosqlite

from venom_tui.core.store.database import Database
from venom_tui.core.store.rows import parse_time, time_text
from venom_tui.core.types.fit import EstimateRecord

_KEPT = 1000
"""Records that are kept; the oldest leave."""
_COLUMNS = (
    "at, architecture, runtime, model, context_length, kv_type, parallel, place, plain_bytes, likely_bytes, "
    "actual_bytes, source"
)


class EstimateStore:
    """Reads and writes the table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, record: EstimateRecord) -> None:
        """Keep one record.

        Raises:
            StoreError: it could not be written.
        """
        r = record
        values = (
            time_text(r.at), r.architecture, r.runtime, r.model, r.context_length, r.kv_type, r.parallel, r.place,
            r.plain_bytes, r.likely_bytes, r.actual_bytes, r.source,
        )  # fmt: skip

        async def write(db: aiosqlite.Connection) -> None:
            marks = ", ".join("?" * len(values))
            await db.execute(f"INSERT INTO estimates ({_COLUMNS}) VALUES ({marks})", values)
            await db.execute("DELETE FROM estimates WHERE number <= (SELECT max(number) FROM estimates) - ?", (_KEPT,))

        await self._database.write(write)

    async def all(self) -> list[EstimateRecord]:
        """Return the records, the oldest first.

        Raises:
            StoreError: they could not be read.
        """
        rows = await self._database.read(f"SELECT {_COLUMNS} FROM estimates ORDER BY number")
        return [EstimateRecord(**{**dict(row), "at": parse_time(row["at"])}) for row in rows]
