"""The end of a server's log, and where it lies."""

from __future__ import annotations

import os
import re
from pathlib import Path

from venom_tui.core.sanitize import sanitize_line

_READ = 256 * 1024
_LOOK = re.compile(r'"GET /(?:health|metrics|version|props|slots|v1/models|api/(?:ps|tags|version)) HTTP/1\.\d" 200')
"""What a server writes when it is asked how it is, which happens all the time: it would push out everything else."""


def log_path(data_dir: Path, name: str) -> Path:
    """Return the file of a server's log."""
    return data_dir / "logs" / "servers" / f"{name}.log"


def tail(path: Path, count: int) -> list[str]:
    """Return the last lines of a log, sanitized; of an overwritten line what stands there now (blocks)."""
    lines = _last(path)
    if len(lines) < count:
        lines = [*_last(path.with_name(f"{path.name}.1")), *lines] if _continues(path) else lines
    return lines[-count:]


def size(path: Path) -> int:
    """Return how large a log is, -1 where there is none: another size means that it says more."""
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _continues(path: Path) -> bool:
    """Return whether the log before it belongs to the same start: only a full one is followed by another."""
    from venom_tui.core.servers.keeper import LARGEST_LOG

    return size(path.with_name(f"{path.name}.1")) > LARGEST_LOG // 2


def _last(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            length = file.seek(0, os.SEEK_END)
            file.seek(max(0, length - _READ))
            data = file.read(_READ)
    except OSError:
        return []
    if length > _READ:
        data = data.partition(b"\n")[2]
    lines = data.decode("utf-8", "replace").split("\n")
    shown = (sanitize_line(line.rstrip("\r").rpartition("\r")[2], 500) for line in lines if line.strip())
    return [line for line in shown if not _LOOK.search(line)]
