"""The SQLite file: one writer task, one connection for reading.

Everything that is written goes through a queue of work items; each is one `BEGIN IMMEDIATE … COMMIT`, whole or not at
all. Whoever waits for an item may be cancelled; the item is not, so that no transaction is ever left open.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from venom_tui.core.errors import StoreError
from venom_tui.core.store.failures import code_of, is_damage, store_error
from venom_tui.core.store.migrations import MIGRATIONS, Migration
from venom_tui.core.store.opening import BUSY_TIMEOUT_S, Opened, mark_suspect, open_file, remove_backups

T = TypeVar("T")
Work = Callable[[aiosqlite.Connection], Awaitable[T]]
_log = logging.getLogger(__name__)

_LOCKED_RETRIES = 2
_WAL_LIMIT_BYTES = 4 * 1024 * 1024
"""What the -wal is cut to once its content is in the database; a large transaction would leave it large for ever."""


class Database:
    """An open store. Make one with `Database.open`."""

    def __init__(self, path: Path, writer: aiosqlite.Connection, reader: aiosqlite.Connection, opened: Opened) -> None:
        self.path = path
        self.network_file_system = opened.network
        """Type of the network file system that holds the file, or None."""
        self.notices = tuple(opened.notices)
        """What `announce` was told at the opening, for a front end that listens only later."""
        self._writer = writer
        self._reader = reader
        self._lock = opened.lock
        self._queue: asyncio.Queue[tuple[Callable[[], Awaitable[object]], asyncio.Future[Any]] | None] = asyncio.Queue()
        self._closed = False
        self._writing = True
        self._version: int | None = None
        self._task = asyncio.create_task(self._write_all(), name="store writer")

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        announce: Callable[[str], None],
        migrations: Sequence[Migration] = MIGRATIONS,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> Database:
        """Open the file, making or migrating it; a damaged one is put aside and `announce` is told.

        Raises:
            StoreTooNew: a newer venom-tui wrote it; it is left as it is.
            StoreError: the folder or file cannot be used.
        """
        opened = await asyncio.to_thread(open_file, path, migrations)
        connections: list[aiosqlite.Connection] = []
        try:
            for _ in range(2):
                db = await aiosqlite.connect(path, isolation_level=None, timeout=busy_timeout_s)
                connections.append(db)
                await _prepare(db, opened.network)
            await connections[1].execute("PRAGMA query_only = 1")
        except BaseException as error:
            # A connection that is not closed keeps its thread, and that one the process.
            for db in connections:
                await db.close()
            opened.lock.release()
            if isinstance(error, sqlite3.Error | OSError):
                raise await asyncio.to_thread(store_error, error, path) from error
            raise
        for notice in opened.notices:
            announce(notice)
        return cls(path, connections[0], connections[1], opened)

    async def write(self, work: Work[T]) -> T:
        """Run `work` on the writing connection as one transaction and return its result once that is committed.

        `work` may be run again when another process kept the file locked, so it must change nothing but the database.

        Raises:
            DiskFull: there is no space; nothing of it was written.
            StoreError: it could not be written.
        """
        return await self._queued(partial(self._transaction, work))

    async def _queued(self, item: Callable[[], Awaitable[T]]) -> T:
        if self._closed or not self._writing:
            raise StoreError("The store is closed.")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((item, future))
        return await asyncio.shield(future)

    async def read(self, sql: str, parameters: Sequence[object] = ()) -> list[aiosqlite.Row]:
        """Return the rows of a query.

        Raises:
            StoreError: it failed.
        """
        if self._closed:
            raise StoreError("The store is closed.")
        try:
            return list(await self._reader.execute_fetchall(sql, parameters))
        except (sqlite3.Error, OSError) as error:
            raise await self._failure(error) from error

    async def _failure(self, error: sqlite3.Error | OSError) -> StoreError:
        if is_damage(error):
            await asyncio.to_thread(mark_suspect, self.path)
        return await asyncio.to_thread(store_error, error, self.path)

    async def check(self) -> str:
        """Return "ok", or the first thing that SQLite finds wrong with the file."""
        rows = await self.read("PRAGMA quick_check(1)")
        return str(rows[0][0]) if rows else "ok"

    async def journal_mode(self) -> str:
        """Return `wal`, or `delete` on a network file system."""
        return str((await self.read("PRAGMA journal_mode"))[0][0])

    async def changed_elsewhere(self) -> bool:
        """Return whether another process committed something since this was last asked.

        SQLite counts for each connection what others committed; ours that writes is the only one of this process.
        """
        if self._closed:
            return False
        try:
            rows = list(await self._writer.execute_fetchall("PRAGMA data_version"))
        except (sqlite3.Error, ValueError):
            return False  # Locked or just closed: the next look will tell.
        before, self._version = self._version, int(rows[0][0])
        return before is not None and before != self._version

    async def forget_deleted(self, *, backups: bool = True) -> None:
        """Take what was deleted out of the -wal too; while another process reads, a later checkpoint does it.

        With `backups` the copies that migrations have left are removed: what was deleted may stand in them.
        """
        if backups:
            try:
                await asyncio.to_thread(remove_backups, self.path)
            except OSError as error:
                _log.warning("a backup of the database was not removed: %s", error)
        if not self.network_file_system:
            await self._queued(self._checkpoint)

    async def _checkpoint(self) -> None:
        db = self._writer
        before = next(iter(await db.execute_fetchall("PRAGMA busy_timeout")))[0]
        try:
            await db.execute_fetchall("PRAGMA busy_timeout = 0")
            await db.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            _log.info("the -wal was not emptied: %s", error)
        finally:
            await db.execute_fetchall(f"PRAGMA busy_timeout = {before}")

    async def close(self) -> None:
        """Write what is queued, then close. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._queue.put_nowait(None)
        try:
            await asyncio.wait({self._task})
        finally:
            await self._reader.close()
            await self._writer.close()
            self._lock.release()

    async def _write_all(self) -> None:
        item = None
        try:
            while (item := await self._queue.get()) is not None:
                work, future = item
                try:
                    result = await work()
                except Exception as error:  # noqa: BLE001 (it belongs to whoever asked)
                    _fail(future, error)
                else:
                    if not future.cancelled():
                        future.set_result(result)
        finally:
            # Only an event loop that ends with everything on it cancels this task: nobody may wait for it for ever.
            self._writing = False
            left = [item, *(self._queue.get_nowait() for _ in range(self._queue.qsize()))]
            for one in left:
                if one is not None:
                    _fail(one[1], StoreError("The store was closed before this was written."))

    async def _transaction(self, work: Work[T]) -> T:
        attempt = 0
        while True:
            try:
                return await self._attempt(work)
            except (sqlite3.Error, OSError) as error:
                if code_of(error) == sqlite3.SQLITE_BUSY and attempt < _LOCKED_RETRIES and not self._closed:
                    attempt += 1
                    continue
                raise await self._failure(error) from error

    async def _attempt(self, work: Work[T]) -> T:
        db = self._writer
        await db.execute("BEGIN IMMEDIATE")
        try:
            result = await work(db)
            await db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                await db.execute("ROLLBACK")
            raise
        return result


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    """Give an error to whoever waits, if anybody does."""
    if not future.done():
        future.set_exception(error)
        # A waiter that was cancelled will never fetch it; that is no defect to log.
        future.exception()


async def _prepare(db: aiosqlite.Connection, network: str | None) -> None:
    db.row_factory = aiosqlite.Row
    for pragma in (
        # In a rollback journal NORMAL may lose the database at a power cut, in WAL only the last commits.
        f"synchronous = {'FULL' if network else 'NORMAL'}",
        "foreign_keys = ON",
        "secure_delete = ON",
        f"journal_size_limit = {_WAL_LIMIT_BYTES}",
    ):
        await db.execute_fetchall(f"PRAGMA {pragma}")
