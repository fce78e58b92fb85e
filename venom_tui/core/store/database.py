"""The SQLite file: one writer task, one connection for reading.

Everything that is written goes through a queue of work items; each is one `BEGIN IMMEDIATE … COMMIT`, whole or not at
all. Whoever waits for an item may be cancelled; the item is not, so that no transaction is ever left open.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import aiosqlite

from venom_tui.core.errors import StoreError, StoreTooNew
from venom_tui.core.store.failures import is_damage, store_error
from venom_tui.core.store.location import network_file_system, prepare_file, prepare_folder, put_aside
from venom_tui.core.store.migrations import MIGRATIONS, Migration, migrate, version_of

T = TypeVar("T")
Work = Callable[[aiosqlite.Connection], Awaitable[T]]

BUSY_TIMEOUT_MS = 10_000
_LOCKED_RETRIES = 2
_CHECKED_BYTES = 16 * 1024 * 1024
"""Up to this size a database is checked at each start (some 50 ms)."""


class Database:
    """An open store. Make one with `Database.open`."""

    def __init__(
        self, path: Path, writer: aiosqlite.Connection, reader: aiosqlite.Connection, network: str | None
    ) -> None:
        self.path = path
        self.network_file_system = network
        """Type of the network file system that holds the file, or None."""
        self._writer = writer
        self._reader = reader
        self._queue: asyncio.Queue[tuple[Work[object], asyncio.Future[object]] | None] = asyncio.Queue()
        self._closed = False
        self._task = asyncio.create_task(self._write_all(), name="store writer")

    @classmethod
    async def open(
        cls, path: Path, *, announce: Callable[[str], None], migrations: Sequence[Migration] = MIGRATIONS
    ) -> Database:
        """Open the file, making or migrating it; a damaged one is put aside and `announce` is told.

        Raises:
            StoreTooNew: a newer venom-tui wrote it; it is left as it is.
            StoreError: the folder or file cannot be used.
        """
        network = await asyncio.to_thread(_prepare, path, announce, migrations)
        try:
            writer = await _connect(path, network)
            reader = await _connect(path, network)
            await reader.execute("PRAGMA query_only = 1")
        except (sqlite3.Error, OSError) as error:
            raise store_error(error, path) from error
        return cls(path, writer, reader, network)

    async def write(self, work: Work[T]) -> T:
        """Run `work` on the writing connection as one transaction and return its result once that is committed.

        Raises:
            DiskFull: there is no space; nothing of it was written.
            StoreError: it could not be written.
        """
        if self._closed:
            raise StoreError("The store is closed.")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((work, future))  # type: ignore[arg-type]
        return await asyncio.shield(future)

    async def read(self, sql: str, parameters: Sequence[object] = ()) -> list[aiosqlite.Row]:
        """Return the rows of a query.

        Raises:
            StoreError: it failed.
        """
        try:
            return list(await self._reader.execute_fetchall(sql, parameters))
        except (sqlite3.Error, OSError) as error:
            raise await self._failure(error) from error

    async def _failure(self, error: sqlite3.Error | OSError) -> StoreError:
        if is_damage(error):
            with suppress(OSError):
                await asyncio.to_thread(_suspect(self.path).touch)
        return store_error(error, self.path)

    async def check(self) -> str:
        """Return "ok", or the first thing that SQLite finds wrong with the file."""
        rows = await self.read("PRAGMA quick_check(1)")
        return str(rows[0][0]) if rows else "ok"

    async def journal_mode(self) -> str:
        """Return `wal`, or `delete` on a network file system."""
        return str((await self.read("PRAGMA journal_mode"))[0][0])

    async def close(self) -> None:
        """Write what is queued, then close. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._queue.put_nowait(None)
        await self._task
        await self._reader.close()
        await self._writer.close()

    async def _write_all(self) -> None:
        while (item := await self._queue.get()) is not None:
            work, future = item
            try:
                result = await self._transaction(work)
            except Exception as error:  # noqa: BLE001 (it belongs to whoever asked)
                if not future.cancelled():
                    future.set_exception(error)
                    # A waiter that was cancelled will never fetch it; that is no defect to log.
                    future.exception()
            else:
                if not future.cancelled():
                    future.set_result(result)

    async def _transaction(self, work: Work[object]) -> object:
        attempt = 0
        while True:
            try:
                return await self._attempt(work)
            except (sqlite3.Error, OSError) as error:
                code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
                if code == sqlite3.SQLITE_BUSY and attempt < _LOCKED_RETRIES:
                    attempt += 1
                    continue
                raise await self._failure(error) from error

    async def _attempt(self, work: Work[object]) -> object:
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


def _prepare(path: Path, announce: Callable[[str], None], migrations: Sequence[Migration]) -> str | None:
    """Bring folder, file and schema into order (in a thread); return the network file system's type or None."""
    try:
        prepare_folder(path.parent)
        network = network_file_system(path.parent)
        prepare_file(path)
        try:
            _migrate(path, network, migrations)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            aside = put_aside(path, f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
            announce(
                f"The database {path} was damaged ({error}). It was kept as {aside.name}, and a new one was begun."
            )
            prepare_file(path)
            _migrate(path, network, migrations)
    except (sqlite3.Error, OSError) as error:
        raise store_error(error, path) from error
    return network


def _migrate(path: Path, network: str | None, migrations: Sequence[Migration]) -> None:
    db = sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_MS / 1000)
    try:
        version = version_of(db)
        if version > len(migrations):
            raise StoreTooNew(
                f"{path} was written by a newer venom-tui (format {version}, this one knows {len(migrations)}).",
                hint="Update venom-tui, or set VENOM_DATA_DIR to another folder.",
            )
        # The mode is written into the file, so it is set before anything else; on a network it must not be WAL.
        db.execute(f"PRAGMA journal_mode = {'DELETE' if network else 'WAL'}")
        _look_for_damage(db, path)
        if 0 < version < len(migrations):
            _backup(db, path, version)
        migrate(db, migrations)
    finally:
        db.close()


def _look_for_damage(db: sqlite3.Connection, path: Path) -> None:
    """Check a file that is small, or in which damage was met while it was used; a check of all costs too much else."""
    suspect = _suspect(path)
    if suspect.exists() or path.stat().st_size <= _CHECKED_BYTES:
        found = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
        suspect.unlink(missing_ok=True)
        if found != "ok":
            raise _damage(found)


def _suspect(path: Path) -> Path:
    """The empty file that tells the next start to check the whole database."""
    return path.with_name(f"{path.name}.suspect")


def _damage(words: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(words)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _backup(db: sqlite3.Connection, path: Path, version: int) -> None:
    target = path.with_name(f"{path.name}.before-format-{version + 1}")
    if not target.exists():
        prepare_file(target)
        target.unlink()
        db.execute("VACUUM INTO ?", (str(target),))
        target.chmod(0o600)


async def _connect(path: Path, network: str | None) -> aiosqlite.Connection:
    db = await aiosqlite.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_MS / 1000)
    db.row_factory = aiosqlite.Row
    await db.execute(f"PRAGMA synchronous = {'FULL' if network else 'NORMAL'}")
    await db.execute("PRAGMA foreign_keys = ON")
    await db.execute("PRAGMA secure_delete = ON")
    await db.execute("PRAGMA cache_size = -8000")
    return db
