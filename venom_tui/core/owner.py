"""Who runs something: this process, another living one, a dead one, or one on another machine.

A pid alone is not an identity: pids are used again, and a data directory may be shared by machines.
"""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Owner:
    """A process: machine, boot of that machine, pid, and when that pid began (clock ticks since boot)."""

    machine_id: str
    boot_id: str
    pid: int
    start_time: int
    host: str = ""

    @classmethod
    def current(cls) -> Owner:
        """Return this process (reads small files of /proc and /etc)."""
        return cls(_machine_id(), _boot_id(), os.getpid(), start_time(os.getpid()) or 0, socket.gethostname())

    def alive(self, here: Owner) -> bool | None:
        """Return whether the process lives, seen from `here`; None when that cannot be known.

        Machine ids are copied with disk images, so another host name is another machine as well; only a process of the
        same boot and the same pid namespace can be looked at. That reads /proc: not for the event loop.
        """
        if self.boot_id == here.boot_id and self.machine_id == here.machine_id:
            return start_time(self.pid) == self.start_time
        if self.machine_id != here.machine_id or self.host != here.host:
            return None
        boot, _, namespace = self.boot_id.partition("/")
        if namespace and boot == here.boot_id.partition("/")[0] and _namespace_lives(namespace):
            return None
        return False

    def as_text(self) -> str:
        """Return the owner as it is stored."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> Owner | None:
        """Return a stored owner, or None for something else."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError):
            return None


def start_time(pid: int) -> int | None:
    """Return when a process began, in clock ticks since boot (field 22 of /proc/PID/stat), or None when it is gone.

    A zombie has ended: it counts as gone.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None if Path("/proc/self/stat").exists() else _start_time_elsewhere(pid)
    # The command's name may hold spaces and parentheses; the fields begin after its last one.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else int(fields[19])


def _namespace_lives(namespace: str) -> bool:
    """Return whether a process that we may look at lives in a pid namespace."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "ns" / "pid") == namespace:
                return True
        except OSError:
            continue
    return False


def _start_time_elsewhere(pid: int) -> int | None:
    import psutil  # only where there is no /proc

    try:
        return int(psutil.Process(pid).create_time() * 100)
    except psutil.Error:
        return None


def _machine_id() -> str:
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        text = _read(path)
        if text:
            return text
    return socket.gethostname()


def _boot_id() -> str:
    # In a container with its own pid namespace the pids of others mean nothing: the namespace is part of the boot.
    boot = _read("/proc/sys/kernel/random/boot_id") or "unknown"
    try:
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return boot


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""
