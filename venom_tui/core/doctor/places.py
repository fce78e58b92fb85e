"""The data directory and the database in it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

from venom_tui.core.doctor.check import Check, fail, ok, warn
from venom_tui.core.settings import Settings
from venom_tui.core.store.location import SUFFIXES, network_file_system
from venom_tui.core.store.peek import KNOWN_VERSION, Peek, peek

_LITTLE_BYTES = 1024**3
_NOTHING_BYTES = 32 * 1024**2
_ELSEWHERE = "Set VENOM_DATA_DIR to a folder of a local disk."


def checks(settings: Settings) -> Iterator[Check]:
    """Look at the folder, its file system and the database."""
    folder = settings.data_dir
    yield _folder(folder)
    yield from _disk(folder)
    yield _file_system(folder)
    database = folder / "venom.db"
    yield from _modes(folder, database)
    yield _sqlite()
    yield _database(database, peek(database, check=True))


def _folder(folder: Path) -> Check:
    there = _nearest(folder)
    if there != folder:
        if os.access(there, os.W_OK | os.X_OK) and there.is_dir():
            return ok("data directory", f"{folder} is made at the first start")
        return fail("data directory", f"{folder} cannot be made: {there} is not writable", "Set VENOM_DATA_DIR.")
    if not folder.is_dir():
        return fail("data directory", f"{folder} is no folder", "Move it away, or set VENOM_DATA_DIR.")
    if not os.access(folder, os.W_OK | os.X_OK):
        return fail("data directory", f"{folder} is not writable", "Correct its owner, or set VENOM_DATA_DIR.")
    return ok("data directory", str(folder))


def _disk(folder: Path) -> Iterator[Check]:
    try:
        free = shutil.disk_usage(_nearest(folder)).free
    except OSError as error:
        yield warn("disk", f"its free space is not known: {error.strerror}", _ELSEWHERE)
        return
    found = f"{free / 1024**3:.1f} GiB free"
    if free < _NOTHING_BYTES:
        yield fail("disk", found, "Make room: without it no message can be saved.")
    elif free < _LITTLE_BYTES:
        yield warn("disk", found, "Make room: models and sessions need it.")
    else:
        yield ok("disk", found)


def _file_system(folder: Path) -> Check:
    kind = network_file_system(_nearest(folder))
    if kind is None:
        return ok("file system", "local")
    found = f"{kind}, a network file system: the database uses a rollback journal there, which is slower"
    return warn("file system", found, _ELSEWHERE)


def _modes(folder: Path, database: Path) -> Iterator[Check]:
    files = [database.with_name(database.name + suffix) for suffix in SUFFIXES]
    wide = [path.name for path in (folder, *files) if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077]
    foreign = [path.name for path in (folder, *files) if path.exists() and path.stat().st_uid != os.geteuid()]
    if foreign:
        yield warn(
            "owner", f"{', '.join(foreign)} belongs to somebody else", f"chown it to yourself, in {folder.parent}."
        )
    if wide:
        yield warn("modes", f"{', '.join(wide)} can be read by others", "The next start closes them (0700 and 0600).")
    elif folder.exists():
        yield ok("modes", "only you can read it")


def _sqlite() -> Check:
    db = sqlite3.connect(":memory:")
    try:
        db.execute("CREATE VIRTUAL TABLE words USING fts5(text)")
    except sqlite3.Error as error:
        return fail(
            "sqlite", f"{sqlite3.sqlite_version} has no full-text search: {error}", "Use another build of Python."
        )
    finally:
        db.close()
    return ok("sqlite", f"{sqlite3.sqlite_version} with full-text search")


def _database(path: Path, seen: Peek) -> Check:
    if not seen.exists and not seen.error:
        return ok("database", "is made at the first start")
    if seen.error:
        return fail("database", f"{path} cannot be read: {seen.error}", "A damaged one is put aside by the next start.")
    if seen.version is not None and seen.version > KNOWN_VERSION:
        found = f"{path} was written by a newer venom-tui (format {seen.version}, this one knows {KNOWN_VERSION})"
        return fail("database", found, "Update venom-tui, or set VENOM_DATA_DIR to another folder.")
    if seen.check != "ok":
        return fail(
            "database", f"{path} is damaged: {seen.check}", "The next start puts it aside and begins a new one."
        )
    size = path.stat().st_size / 1024**2
    return ok("database", f"sound, {size:.1f} MiB, format {seen.version}, journal {seen.journal_mode}")


def _nearest(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that is there."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder
