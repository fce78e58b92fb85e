"""The host: CPUs, RAM, swap, disks; inside a container its limits count, not the machine's."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.types.device import Disk, HostInfo

_CGROUP = Path("/sys/fs/cgroup")


class HostSampler:
    """Reads the host (synchronous; belongs to the sampler's thread)."""

    def __init__(self, disks: Sequence[tuple[str, Path]]) -> None:
        """`disks`: (label, folder) of each file system that is watched."""
        self._disks = disks
        self._name = sanitize_line(socket.gethostname(), 64)

    def sample(self) -> HostInfo:
        """Return what the host has and what of it is free."""
        import psutil

        unavailable: dict[str, str] = {}
        memory, swap = psutil.virtual_memory(), psutil.swap_memory()
        total, available = memory.total, memory.available
        limit = _cgroup_memory()
        if limit is not None and limit[0] < total:
            total, available = limit[0], max(0, min(available, limit[0] - limit[1]))
        try:
            load = os.getloadavg()[0]
        except OSError as error:
            load = None
            unavailable["load_1m"] = str(error)
        return HostInfo(
            name=self._name,
            cpu_count=_cpus(),
            cpu_percent=psutil.cpu_percent(interval=None),
            ram_total_bytes=total,
            ram_available_bytes=available,
            swap_total_bytes=swap.total,
            swap_used_bytes=swap.used,
            load_1m=load,
            disks=tuple(self._disk(label, folder) for label, folder in self._disks),
            unavailable=unavailable,
        )

    def _disk(self, label: str, folder: Path) -> Disk:
        place = folder
        while not place.exists() and place != place.parent:
            place = place.parent
        try:
            usage = shutil.disk_usage(place)
        except OSError:
            return Disk(str(folder), label, None, None)
        return Disk(str(folder), label, usage.total, usage.free)


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cgroup_memory() -> tuple[int, int] | None:
    """Return (limit, use without the page cache) of our cgroup in bytes, version 2 then 1; None without a limit."""
    own = ""
    try:
        for line in Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines():
            if line.startswith("0::"):
                own = line[3:].strip("/")
    except (OSError, ValueError):
        pass
    for folder, names in (
        (_CGROUP / own, ("memory.max", "memory.current", "inactive_file")),
        (_CGROUP, ("memory.max", "memory.current", "inactive_file")),
        (_CGROUP / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")),
    ):
        try:
            limit = (folder / names[0]).read_text(encoding="ascii").strip()
            used = int((folder / names[1]).read_text(encoding="ascii"))
            stat = dict(
                line.split(" ", 1) for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines()
            )
        except (OSError, ValueError):
            continue
        if limit != "max":
            return int(limit), max(0, used - int(stat.get(names[2], 0)))
    return None


def process_memory(pid: int) -> int | None:
    """Return the proportional set size of a process in bytes (its share of what it shares), or None when unknown."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        return None
    return None
