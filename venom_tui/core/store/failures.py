"""Turns SQLite's failures into sentences."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from venom_tui.core.errors import DiskFull, StoreDamaged, StoreError

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


def is_damage(error: BaseException) -> bool:
    """Return whether SQLite says that the file is no sound database."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, sqlite3.DatabaseError) and code is not None and (code & 0xFF) in _DAMAGED


def store_error(error: Exception, path: Path) -> StoreError:
    """Return what a person is told of a failure of SQLite or of the file system."""
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    words = str(error)
    if code == sqlite3.SQLITE_FULL or (isinstance(error, OSError) and error.errno in _NO_SPACE):
        return DiskFull(
            f"The disk that holds {path.parent} is full, so nothing more is stored.",
            hint="Free some space; what is still in memory is written with the next message.",
            server_message=words,
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreError(
            f"Another program has kept {path.name} locked for too long.",
            hint="Try again; `venom-tui doctor` names the file.",
            server_message=words,
        )
    if code in _DAMAGED:
        return StoreDamaged(
            f"{path} is damaged.",
            hint="Start venom-tui again: it puts the file aside and begins a new one.",
            server_message=words,
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM) or isinstance(error, OSError):
        return StoreError(
            f"{path} cannot be opened for writing.",
            hint="Check the folder's owner and permissions, or set VENOM_DATA_DIR to another one.",
            server_message=words,
        )
    if code == sqlite3.SQLITE_IOERR:
        return StoreError(f"The disk failed under {path}.", hint="Check the disk.", server_message=words)
    return StoreError(f"The store failed: {words}.", server_message=words)
