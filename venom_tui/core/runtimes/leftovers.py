"""The processes of embedded llama.cpps on this machine, seen from outside. Only looks; signals nobody."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_MODULE = "venom_tui.core.runtimes.embedded_worker"


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that holds a model for a venom-tui of this user."""

    pid: int
    parent_pid: int
    orphan: bool
    """Its venom-tui is gone. It should be, too: the kernel ends it, in a moment at the latest."""
    memory_bytes: int | None


def workers() -> list[Worker]:
    """Return the embedded workers of this user, by pid; empty where there is no /proc."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
            if _MODULE.encode() not in arguments[1:4] or folder.stat().st_uid != os.geteuid():
                continue
            fields = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            if fields[0] in ("Z", "X"):
                continue
            parent = int(fields[1])
            memory = int((folder / "statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
            found.append(Worker(int(folder.name), parent, not _same_python(folder, parent), memory))
        except (OSError, ValueError, IndexError):
            continue
    return sorted(found, key=lambda worker: worker.pid)


def _same_python(folder: Path, parent: int) -> bool:
    """Return whether the parent runs the same Python; what adopts an orphan (init, a user's systemd) does not."""
    try:
        return os.readlink(folder / "exe") == os.readlink(f"/proc/{parent}/exe")
    except OSError:
        return False
