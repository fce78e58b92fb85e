"""Looks at a database without opening it for use: nothing is made, migrated or put aside. Blocks."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from venom_tui.core.store.migrations import MIGRATIONS

KNOWN_VERSION = len(MIGRATIONS)


@dataclass(slots=True)
class Peek:
    """What a file looks like from outside."""

    exists: bool = False
    version: int | None = None
    journal_mode: str = ""
    check: str = ""
    """"ok", or the first thing that SQLite finds wrong; "" when that was not asked for."""
    settings: dict[str, str] = field(default_factory=dict)
    error: str = ""
    """Why it cannot be read, or ""."""


def peek(path: Path, *, check: bool = False) -> Peek:
    """Return what can be seen; `check` reads the whole file, which takes a second for every few hundred MB."""
    found = Peek()
    try:
        found.exists = path.is_file()
        if not found.exists:
            return found
        # Its own connection, which cannot write, waits 2 s for another process at most.
        db = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=2.0)
    except (OSError, sqlite3.Error) as error:
        found.error = str(error)
        return found
    try:
        found.version = int(db.execute("PRAGMA user_version").fetchone()[0])
        found.journal_mode = str(db.execute("PRAGMA journal_mode").fetchone()[0])
        if 0 < found.version <= KNOWN_VERSION:
            found.settings = dict(db.execute("SELECT name, value FROM settings"))
        if check:
            found.check = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.Error as error:
        found.error = str(error)
    finally:
        db.close()
    return found
