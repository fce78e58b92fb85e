from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from venom_tui.core.events import EventBus
from venom_tui.core.operations.runner import OperationRunner
from venom_tui.core.owner import Owner
from venom_tui.core.store.database import Database
from venom_tui.core.store.operations import OperationStore
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
