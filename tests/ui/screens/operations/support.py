"""Operations as they are in the store before the application opens, and their times."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from venom_tui.core.owner import Owner
from venom_tui.core.store.database import Database
from venom_tui.core.store.operations import OperationStore, text_of
from venom_tui.core.store.rows import time_text
from venom_tui.core.types.operation import Operation, OperationState

GIB = 1024**3
MIB = 1024**2


def ago(**since: float) -> datetime:
    """Return a moment so long ago, by the arguments of timedelta."""
    return datetime.now(UTC) - timedelta(**since)


def operation(
    operation_id: str, state: OperationState, *, hours: float = 1.0, took_s: float = 4.1, **facts: object
) -> Operation:
    """Return an operation that was asked for so many hours ago; `kind` and `target` may be among the facts."""
    created = ago(hours=hours)
    given: dict[str, object] = {"kind": "pull", "target": f"model-{operation_id}", "created_at": created}
    if state is not OperationState.QUEUED:
        given["started_at"] = created
    if state.final:
        given["finished_at"] = created + timedelta(seconds=took_s)
    return Operation(operation_id, state=state, **(given | facts))  # type: ignore[arg-type]  # keywords of one dataclass


async def write(folder: Path, operations: Iterable[Operation], owner: Owner | None = None) -> None:
    """Write operations as if an owner, by default this very process, ran those that have not ended."""
    folder.mkdir(parents=True, exist_ok=True)
    database = await Database.open(folder / "venom.db", announce=lambda text: None)
    store, owner = OperationStore(database), owner or Owner.current()
    try:
        for one in operations:
            await store.save(one, owner)
    finally:
        await database.close()


async def write_many(folder: Path, count: int) -> None:
    """Write so many loads that ended, the newest one a day old, one a minute; the first is `old-0`."""
    await write(folder, [])
    newest = ago(days=1)
    rows = []
    for number in range(count):
        created = newest - timedelta(minutes=number)
        one = Operation(
            f"{number:016x}",
            "load",
            f"old-{number}",
            OperationState.SUCCEEDED,
            runtime="embedded",
            created_at=created,
            started_at=created,
            finished_at=created + timedelta(seconds=1),
        )
        written = time_text(created)
        rows.append((one.id, one.kind, one.target, one.state.value, written, written, written, "", text_of(one)))
    with sqlite3.connect(folder / "venom.db") as database:
        database.executemany(
            "INSERT INTO operations (id, kind, target, state, created_at, finished_at, seen_at, owner, operation)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
    database.close()
