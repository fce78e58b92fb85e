from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import aiosqlite
import pytest

from venom_tui.core.events import EventBus
from venom_tui.core.operations.runner import OperationRunner
from venom_tui.core.owner import Owner
from venom_tui.core.store.database import Database
from venom_tui.core.store.operations import OperationStore, log_text, text_of
from venom_tui.core.store.rows import time_text
from venom_tui.core.types.operation import Operation, OperationState

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[OperationStore]:
    database = await Database.open(tmp_path / "venom.db", announce=lambda text: None)
    yield OperationStore(database)
    await database.close()


async def write(store: OperationStore, owner: Owner, id_: str, minutes: int, state: OperationState) -> None:
    await store.save(
        Operation(id_, "pull", id_, state, created_at=BEGIN + timedelta(minutes=minutes), finished_at=BEGIN), owner
    )


async def test_page_after_page_gives_every_operation_once(store: OperationStore) -> None:
    owner = Owner.current()
    runner = OperationRunner(store, EventBus(), owner)
    # Several began in the same moment, also over the border of a page.
    for number in range(23):
        await write(store, owner, f"op{number:02}", number // 4, OperationState.SUCCEEDED)
    expected = [operation.id for operation in await runner.list()]
    assert len(set(expected)) == 23
    found = await runner.list(5)
    while page := await runner.list(5, before=found[-1]):
        found += page
    assert [operation.id for operation in found] == expected


async def test_how_many_have_ended(store: OperationStore) -> None:
    owner = Owner.current()
    runner = OperationRunner(store, EventBus(), owner)
    assert await runner.count_ended() == 0
    for number, state in enumerate(OperationState):
        await write(store, owner, state.value, number, state)
    assert await runner.count_ended() == 4
    assert await runner.clear() == 4
    assert await runner.count_ended() == 0


async def test_the_retention_bounds_the_database(store: OperationStore, tmp_path: Path) -> None:
    """Three years, of which one is kept: what is forgotten makes room for what comes."""
    sizes = []
    log = log_text([f"{number:03} something that was done, told in as many words as are usual" for number in range(40)])
    for year in range(1, 4):
        day = BEGIN + timedelta(days=365 * year)
        runner = OperationRunner(
            store, EventBus(), Owner.current(), partial(datetime.fromtimestamp, day.timestamp(), UTC)
        )
        rows = []
        for number in range(1000):
            then = day - timedelta(hours=number + 1)
            one = Operation(
                f"{year}-{number}", "pull", "m", OperationState.SUCCEEDED, created_at=then, finished_at=then
            )
            written = time_text(then)
            rows.append((one.id, "pull", "m", "succeeded", written, written, written, "", text_of(one), log))

        async def insert(db: aiosqlite.Connection, rows: Sequence[tuple[str, ...]] = tuple(rows)) -> None:
            await db.executemany(
                "INSERT INTO operations (id, kind, target, state, created_at, finished_at, seen_at, owner, operation,"
                " log) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )

        await store.database.write(insert)
        await runner.expire(365)
        assert await runner.count_ended() == 1000
        (found,) = await store.database.read("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
        sizes.append(found[0])
    assert sizes[0] > 2_000_000 and sizes[2] <= 1.05 * sizes[1] <= 2.2 * sizes[0], sizes
