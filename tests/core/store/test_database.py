from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

from venom_tui.core.errors import StoreError
from venom_tui.core.store.database import Database, Work


async def opened(folder: Path, **options: Any) -> Database:
    return await Database.open(folder / "venom.db", announce=pytest.fail, **options)


def put(name: str, value: str = "x") -> Work[None]:
    async def work(db: aiosqlite.Connection) -> None:
        await db.execute("INSERT INTO settings (name, value) VALUES (?, ?)", (name, value))

    return work


def pragma(name: str) -> Work[Iterable[sqlite3.Row]]:
    return lambda db: db.execute_fetchall(f"PRAGMA {name}")


async def names(database: Database) -> list[str]:
    return [row["name"] for row in await database.read("SELECT name FROM settings ORDER BY name")]


async def test_pragmas(folder: Path) -> None:
    database = await opened(folder)
    found = {
        name: await database.write(pragma(name))
        for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    }
    assert {name: next(iter(rows))[0] for name, rows in found.items()} == {
        "journal_mode": "wal",
        "synchronous": 1,
        "foreign_keys": 1,
        "busy_timeout": 10_000,
    }
    assert await database.journal_mode() == "wal"
    assert await database.check() == "ok"
    await database.close()


async def test_modes_whatever_the_umask(folder: Path) -> None:
    before = os.umask(0o022)
    try:
        database = await opened(folder / "deeper")
        await database.write(put("a"))
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (folder / "deeper").iterdir()}
        await database.close()
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("venom.db", "venom.db-wal", "venom.db-shm", "venom.db.lock"), 0o600)
    assert stat.S_IMODE((folder / "deeper").stat().st_mode) == 0o700


async def test_closes_what_others_left_open(folder: Path) -> None:
    database = await opened(folder)
    await database.write(put("a"))
    await database.close()
    folder.chmod(0o755)
    (folder / "venom.db").chmod(0o644)
    database = await opened(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "venom.db").stat().st_mode) == 0o600
    assert await names(database) == ["a"]
    await database.close()


async def test_a_failing_item_leaves_nothing(folder: Path) -> None:
    database = await opened(folder)

    async def half(db: aiosqlite.Connection) -> None:
        await put("half")(db)
        raise LookupError("in the middle")

    with pytest.raises(LookupError):
        await database.write(half)
    await database.write(put("next"))
    assert await names(database) == ["next"]
    await database.close()


async def test_a_cancelled_waiter_stops_nothing(folder: Path) -> None:
    database = await opened(folder)
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(db: aiosqlite.Connection) -> None:
        await put("slow")(db)
        begun.set()
        await go_on.wait()

    waiter = asyncio.create_task(database.write(slow))
    await begun.wait()
    second = asyncio.create_task(database.write(put("second")))
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert await names(database) == []
    go_on.set()
    await second
    assert await names(database) == ["second", "slow"]
    await database.close()


async def test_a_failure_after_its_waiter_left_is_quiet(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    database = await opened(folder)
    go_on = asyncio.Event()

    async def fails(_db: aiosqlite.Connection) -> None:
        await go_on.wait()
        raise LookupError

    waiter = asyncio.create_task(database.write(fails))
    await asyncio.sleep(0)
    waiter.cancel()
    go_on.set()
    await database.close()
    assert not caplog.records


async def test_close_writes_what_is_queued(folder: Path) -> None:
    database = await opened(folder)
    waiting = [asyncio.create_task(database.write(put(f"{number:03}"))) for number in range(50)]
    await asyncio.sleep(0)
    await database.close()
    await asyncio.gather(*waiting)
    database = await opened(folder)
    assert len(await names(database)) == 50
    await database.close()


async def test_closed(folder: Path) -> None:
    database = await opened(folder)
    await database.close()
    await database.close()
    with pytest.raises(StoreError, match="closed"):
        await database.write(put("late"))
    with pytest.raises(StoreError, match="closed"):
        await database.read("SELECT 1")
    assert not await database.changed_elsewhere()


async def test_a_loop_that_ends_leaves_nobody_waiting(folder: Path) -> None:
    """As when everything on an event loop is cancelled at its end."""
    database = await opened(folder)
    begun = asyncio.Event()

    async def slow(db: aiosqlite.Connection) -> None:
        begun.set()
        await asyncio.sleep(60)

    waiters = [asyncio.create_task(database.write(slow)) for _ in range(3)]
    await begun.wait()
    database._task.cancel()
    found = await asyncio.gather(*waiters, return_exceptions=True)
    assert [str(one) for one in found] == ["The store was closed before this was written."] * 3
    with pytest.raises(StoreError, match="closed"):
        await database.write(slow)
    await database.close()
    await database.close()


async def test_the_reader_cannot_write(folder: Path) -> None:
    database = await opened(folder)
    with pytest.raises(StoreError):
        await database.read("DELETE FROM settings")
    await database.close()


async def test_locked_by_another(folder: Path) -> None:
    database = await opened(folder, busy_timeout_s=0.02)
    other = sqlite3.connect(folder / "venom.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=r"kept venom\.db locked"):
        await database.write(put("first"))
    other.execute("COMMIT")
    other.close()
    await database.write(put("second"))
    assert await names(database) == ["second"]
    await database.close()


async def test_waits_for_another(folder: Path) -> None:
    database = await opened(folder)
    other = sqlite3.connect(folder / "venom.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = asyncio.create_task(database.write(put("patient")))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    other.execute("COMMIT")
    other.close()
    await waiting
    assert await names(database) == ["patient"]
    await database.close()


async def test_closing_does_not_wait_long_for_another(folder: Path) -> None:
    database = await opened(folder, busy_timeout_s=0.05)
    other = sqlite3.connect(folder / "venom.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = [asyncio.create_task(database.write(put(str(number)))) for number in range(3)]
    await asyncio.sleep(0)
    await database.close()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [StoreError] * 3
    other.close()


async def test_changed_elsewhere(folder: Path) -> None:
    first, second = await opened(folder), await opened(folder)
    assert not await first.changed_elsewhere()
    await first.write(put("ours"))
    assert not await first.changed_elsewhere()
    await second.write(put("theirs"))
    assert await first.changed_elsewhere()
    assert not await first.changed_elsewhere()
    await first.close()
    await second.close()


@pytest.mark.parametrize("broken", ["newer", "folder", "file"])
async def test_a_failed_opening_leaves_no_thread(folder: Path, broken: str) -> None:
    if broken == "newer":
        folder.mkdir()
        db = sqlite3.connect(folder / "venom.db")
        db.execute("PRAGMA user_version = 99")
        db.close()
    elif broken == "folder":
        folder.write_text("no folder")
    else:
        (folder / "venom.db").mkdir(parents=True)
    before = set(threading.enumerate())
    with pytest.raises(StoreError) as caught:
        await opened(folder)
    assert caught.value.message.endswith((".", ")."))
    # What remains are the pool's threads, which serve asyncio.to_thread.
    assert not [thread for thread in set(threading.enumerate()) - before if "asyncio" not in thread.name]
