"""Turns SQLite's failures into sentences."""

from __future__ import annotations

import errno
import os
import sqlite3
import tempfile
from pathlib import Path

from venom_tui.core.errors import DiskFull, StoreDamaged, StoreError

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_PROBE_BYTES = 64 * 1024


def code_of(error: BaseException) -> int:
    """Return SQLite's primary result code, or 0 for what is not SQLite's."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def is_damage(error: BaseException) -> bool:
    """Return whether SQLite says that the file is no sound database."""
    return isinstance(error, sqlite3.DatabaseError) and code_of(error) in _DAMAGED


def damage(words: str) -> sqlite3.DatabaseError:
    """Return an error as SQLite raises it for a file that is no sound database."""
    error = sqlite3.DatabaseError(words)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def store_error(error: Exception, path: Path) -> StoreError:
    """Return what a person is told of a failure of SQLite or of the file system. May write a probe: not in the loop."""
    code = code_of(error)
    words = str(error)
    if _is_full(error, code, path.parent):
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
            hint="Start venom-tui again: it checks the file, and puts it aside when it cannot be used.",
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


def _is_full(error: Exception, code: int, folder: Path) -> bool:
    if code == sqlite3.SQLITE_FULL or (isinstance(error, OSError) and error.errno in _NO_SPACE):
        return True
    # A used-up quota, or no room for the WAL's shared memory, reads as a failing disk: a small file tells them apart.
    return code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN) and _takes_nothing(folder)


def _takes_nothing(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, _PROBE_BYTES)
    except OSError as error:
        return error.errno in _NO_SPACE
    return False
