"""What the control group of this process allows: a container's RAM is its limit, its CPUs are its quota."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """The tightest memory limit, in bytes."""

    limit_bytes: int
    used_bytes: int
    """What counts against it, less the file cache that the kernel gives back at once."""


def memory_limit(root: Path = _ROOT, own: Path = _OWN) -> MemoryLimit | None:
    """Return the tightest memory limit of our group and those around it (cgroup v2 or v1), or None without one."""
    found = [
        limit
        for folder in _folders(root, own, "memory")
        for names in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        )
        if (limit := _memory(folder, *names)) is not None
    ]
    # The tightest is the one that leaves least; an ancestor may be the one that is full.
    return min(found, key=lambda limit: limit.limit_bytes, default=None)


def cpu_quota(root: Path = _ROOT, own: Path = _OWN) -> float | None:
    """Return the smallest CPU quota of our group and those around it in CPUs (cgroup v2 or v1), or None without one."""
    found = []
    for folder in _folders(root, own, "cpu"):
        text = _read(folder / "cpu.max") or " ".join(
            filter(None, (_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")))
        )
        try:
            quota, period = (int(part) for part in text.split())
        except ValueError:  # "max 100000", or nothing there
            continue
        if quota > 0 and period > 0:
            found.append(quota / period)
    return min(found, default=None)


def _folders(root: Path, own: Path, controller: str) -> Iterator[Path]:
    """Yield our group's folder and those around it, of version 2 and of version 1, as far as they are visible here."""
    for line in _read(own).splitlines():
        number, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        if number == "0" and not names:
            base = root
        elif controller in names.split(","):
            base = root / controller
        else:
            continue
        folder = base / path.strip("/")
        while folder != base:
            yield folder
            folder = folder.parent
        yield base


def _memory(folder: Path, limit: str, used: str, cache: str) -> MemoryLimit | None:
    try:
        most, now = int(_read(folder / limit)), int(_read(folder / used))
    except ValueError:  # "max", or nothing there
        return None
    for line in _read(folder / "memory.stat").splitlines():
        name, _, value = line.partition(" ")
        if name == cache and value.isdigit():
            now -= int(value)
    return MemoryLimit(most, max(0, now))


def _read(path: Path) -> str:
    try:
        with open(path, "rb", 0) as file:  # some of them with each look at the machine
            return file.read(65_536).decode("ascii").strip()
    except (OSError, ValueError):
        return ""
