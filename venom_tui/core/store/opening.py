"""Brings the database file into order before it is used: modes, newer and damaged files, backup, migrations.

All of this blocks, so it runs in a thread.
"""

from __future__ import annotations

import glob
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from venom_tui.core.errors import StoreDamaged, StoreTooNew
from venom_tui.core.store.failures import damage, is_damage, store_error
from venom_tui.core.store.location import UseLock, network_file_system, prepare_file, prepare_folder, put_aside
from venom_tui.core.store.migrations import Migration, migrate, rebuild_index, version_of

BUSY_TIMEOUT_S = 10.0
"""How long SQLite waits for another process that writes."""

_BEFORE = ".before-format-"
"""Between the name of the database and the format before which a copy of it was made."""

_CHECKED_BYTES = 16 * 1024 * 1024
"""Up to this size a database is checked at each start (some 50 ms)."""


@dataclass(slots=True)
class Opened:
    """A file that is ready for use."""

    lock: UseLock
    network: str | None
    """Type of the network file system that holds it, or None."""
    notices: list[str] = field(default_factory=list)
    """What the user must be told."""


def open_file(path: Path, migrations: Sequence[Migration]) -> Opened:
    """Make or check, and migrate, the file; a damaged one is put aside.

    Raises:
        StoreTooNew: a newer venom-tui wrote it; it is left as it is.
        StoreDamaged: it is damaged, and another venom-tui still uses it.
        StoreError: the folder or file cannot be used.
    """
    lock = UseLock(path)
    try:
        prepare_folder(path.parent)
        opened = Opened(lock, network_file_system(path.parent))
        _refuse_newer(path, migrations)
        prepare_file(path)
        alone = lock.acquire()
        try:
            _migrate(path, opened.network, migrations)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            if not alone and not lock.try_alone():
                raise StoreDamaged(
                    f"{path} is damaged, and another venom-tui still uses it.",
                    hint="Quit that one and start again: the file is then kept aside, and a new one is begun.",
                    server_message=str(error),
                ) from error
            aside = put_aside(path, f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
            opened.notices.append(
                f"The database {path} was damaged ({error}). It was kept as {aside.name}, and a new one was begun."
            )
            prepare_file(path)
            _migrate(path, opened.network, migrations)
        lock.share()
    except (sqlite3.Error, OSError) as error:
        lock.release()
        raise store_error(error, path) from error
    except BaseException:
        lock.release()
        raise
    return opened


def suspect(path: Path) -> Path:
    """Return the empty file that tells the next start to check the whole database."""
    return path.with_name(f"{path.name}.suspect")


def mark_suspect(path: Path) -> None:
    """Make the next start check the whole database. A folder that takes no file is passed over."""
    try:
        suspect(path).touch(mode=0o600)
    except OSError:
        return


def _refuse_newer(path: Path, migrations: Sequence[Migration]) -> None:
    """Look at the version through a connection that cannot write: a newer file must stay as it is, to the byte."""
    if not path.is_file():
        return
    try:
        db = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)
    except sqlite3.Error:
        return
    try:
        version = version_of(db)
    except sqlite3.Error:
        return  # Not readable this way, or damaged: told further on.
    finally:
        db.close()
    if version > len(migrations):
        raise _too_new(path, version, len(migrations))


def _too_new(path: Path, version: int, known: int) -> StoreTooNew:
    return StoreTooNew(
        f"{path} was written by a newer venom-tui (format {version}, this one knows {known}).",
        hint="Update venom-tui, or set VENOM_DATA_DIR to another folder.",
    )


def _migrate(path: Path, network: str | None, migrations: Sequence[Migration]) -> None:
    db = sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_S)
    try:
        version = version_of(db)
        if version > len(migrations):
            raise _too_new(path, version, len(migrations))
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
    suspected = suspect(path)
    if not suspected.exists() and path.stat().st_size > _CHECKED_BYTES:
        return
    found = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
    if found == "ok" and suspected.exists():
        # SQLite does not look into the search index; what it holds can be made again from the messages.
        rebuild_index(db)
    suspected.unlink(missing_ok=True)
    if found != "ok":
        raise damage(found)


def remove_backups(path: Path) -> None:
    """Remove the copies that were made before the format changed: they hold what is deleted from the database.

    Raises:
        OSError: one cannot be removed.
    """
    for backup in path.parent.glob(f"{glob.escape(path.name)}{_BEFORE}*"):
        if backup.name.rpartition("-")[2].isdecimal():  # one that is being made has another name
            backup.unlink(missing_ok=True)


def _backup(db: sqlite3.Connection, path: Path, version: int) -> None:
    """Copy the database as it is before its format changes; one that is there is of an earlier, failed try: kept."""
    target = path.with_name(f"{path.name}{_BEFORE}{version + 1}")
    if target.exists():
        return
    part = target.with_name(f"{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        # SQLite fills an empty file, which so has the right mode from its first byte on.
        prepare_file(part)
        db.execute("VACUUM INTO ?", (str(part),))
        part.rename(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
