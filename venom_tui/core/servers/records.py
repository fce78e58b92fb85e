"""What is written of a server that venom-tui started: which process it is, and how it ended.

A file of mode 0600 for each. A process is the one that is meant when machine, boot, pid and start time are the same;
a file that others could have written says nothing.
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from venom_tui.core.owner import Owner

_LARGEST = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Record:
    """One start of a server."""

    name: str
    url: str
    command: tuple[str, ...] = ()
    server: Owner | None = None
    """Its process; None for a unit."""
    keeper: Owner | None = None
    """Our process beside it, which writes its log and how it ends."""
    unit: str = ""
    user_unit: bool = False
    invocation: str = ""
    """systemd's id of that run of the unit."""
    started_at: str = ""
    """ISO 8601, UTC."""
    ended_at: str = ""
    status: int | None = None
    """Exit status; negative: the signal that ended it."""
    asked: bool = False
    """Whether it was told to end."""

    def alive(self, here: Owner) -> bool | None:
        """Return whether the process that is meant lives; None: on another machine (reads /proc)."""
        return False if self.server is None else self.server.alive(here)


def record_path(folder: Path, name: str) -> Path:
    """Return where a server's record lies."""
    return folder / f"{name}.json"


def read_record(folder: Path, name: str) -> Record | None:
    """Return the record of a server, None where there is none that can be trusted (a small synchronous read)."""
    try:
        with record_path(folder, name).open(encoding="utf-8") as file:
            facts = os.fstat(file.fileno())
            if facts.st_uid != os.geteuid() or stat.S_IMODE(facts.st_mode) & 0o022:
                return None
            return _of(json.loads(file.read(_LARGEST)))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_record(folder: Path, record: Record) -> None:
    """Put a record into its place, as a whole.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = record_path(folder, record.name)
    new = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(asdict(record), file)
    new.replace(path)


def mark_asked(folder: Path, record: Record) -> Record:
    """Note that a server is about to be told to end, so that its end is not taken for a crash."""
    told = replace(record, asked=True)
    write_record(folder, told)
    return told


def forget(folder: Path, name: str) -> None:
    """Remove a record."""
    record_path(folder, name).unlink(missing_ok=True)


def _of(values: Any) -> Record:
    known = {name: values[name] for name in Record.__dataclass_fields__ if name in values}
    for field in ("server", "keeper"):
        known[field] = Owner(**known[field]) if known.get(field) else None
    known["command"] = tuple(str(one) for one in known.get("command", ()))
    record = Record(**known)
    process = record.server
    # Nothing of what is written may lead to a signal for a group, for everybody, or for init.
    if process is not None and (not isinstance(process.pid, int) or process.pid < 2):
        raise ValueError(process.pid)
    return record
