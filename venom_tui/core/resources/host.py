"""The host: CPUs, RAM, swap; inside a container its limits count, not the machine's."""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from venom_tui.core.resources.cgroup import cpu_quota, memory_limit
from venom_tui.core.resources.disks import read_disk
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.types.device import HostInfo

T = TypeVar("T")

_SHORTEST_S = 0.08
"""Seconds of CPU time, all CPUs together, below which the kernel's clock is too coarse for a load."""

_SELDOM_S = 5.0
"""Seconds for which holds that there is no limit and no swap: to look for them costs more than all the figures."""


@dataclass(frozen=True, slots=True)
class Memory:
    """RAM that this process may count on, in bytes."""

    total_bytes: int
    available_bytes: int
    machine_bytes: int
    """RAM of the whole machine."""


def host_memory(limited: bool = True) -> Memory:
    """Return the RAM: a container's is its limit. `limited`: False where it is known that there is none."""
    import psutil

    memory = psutil.virtual_memory()
    limit = memory_limit() if limited else None
    if limit is None or limit.limit_bytes >= memory.total:
        return Memory(memory.total, memory.available, memory.total)
    available = max(0, min(memory.available, limit.limit_bytes - limit.used_bytes))
    return Memory(limit.limit_bytes, available, memory.total)


class HostSampler:
    """Reads the host (synchronous; belongs to one thread)."""

    def __init__(self, disks: Sequence[tuple[str, Path]] = (), clock: Callable[[], float] = time.monotonic) -> None:
        """`disks`: (label, folder) of file systems to read along; one on a dead network mount makes `sample` hang."""
        self._disks = disks
        self._clock = clock
        self._due = float("-inf")
        """When what changes seldom is to be looked for again."""
        self._limited = True
        self._swaps = True
        self._quota: float | None = None
        self._name = sanitize_line(socket.gethostname(), 64)
        self._cpu = CpuLoad()

    def sample(self) -> HostInfo:
        """Return what the host has and what of it is free. The load of the CPUs is known from the second look on."""
        unavailable: dict[str, str] = {}
        notes: list[str] = []
        if (now := self._clock()) >= self._due:
            self._due = now + _SELDOM_S
            self._limited = self._swaps = True
            self._quota = cpu_quota()
        memory = _known(partial(host_memory, self._limited), ("ram_total_bytes", "ram_available_bytes"), unavailable)
        self._limited = memory is None or memory.total_bytes < memory.machine_bytes
        if memory is not None and memory.total_bytes < memory.machine_bytes:
            limit, machine = memory.total_bytes / 1024**3, memory.machine_bytes / 1024**3
            notes.append(f"RAM is limited to {limit:.1f} GiB here; the machine has {machine:.1f} GiB")
        swap: tuple[int | None, int | None] = 0, 0
        if self._swaps:
            swap = _known(_swap, ("swap_total_bytes", "swap_used_bytes"), unavailable) or (None, None)
            self._swaps = swap[0] != 0
        percent = _known(self._cpu.percent, ("cpu_percent",), unavailable)
        if percent is None:
            unavailable.setdefault("cpu_percent", "known from the second look on")
        load = _known(os.getloadavg, ("load_1m",), unavailable)
        return HostInfo(
            name=self._name,
            cpu_count=self._cpus(notes),
            cpu_percent=percent,
            ram_total_bytes=None if memory is None else memory.total_bytes,
            ram_available_bytes=None if memory is None else memory.available_bytes,
            swap_total_bytes=swap[0],
            swap_used_bytes=swap[1],
            load_1m=None if load is None else round(load[0], 2),
            disks=tuple(read_disk(label, folder, unavailable) for label, folder in self._disks),
            unavailable=unavailable,
            notes=tuple(notes),
        )

    def _cpus(self, notes: list[str]) -> int:
        machine = os.cpu_count() or 1
        usable = len(self._cpu.usable) or machine
        if usable < machine:
            notes.append(f"{usable} of {machine} CPUs may be used here")
        quota = self._quota
        if quota is not None and quota < usable:
            notes.append(f"CPU time is limited to that of {quota:g} CPUs here; the load shown is the machine's")
            usable = max(1, math.ceil(quota))
        return usable


def _swap() -> tuple[int, int]:
    """Return the swap space and what of it is used, in bytes."""
    import psutil

    swap = psutil.swap_memory()
    return swap.total, swap.used


def _known(question: Callable[[], T], figures: Sequence[str], unavailable: dict[str, str]) -> T | None:
    """Return what the system says, or None with the reason noted: a hardened container may hide parts of /proc."""
    import psutil

    try:
        return question()
    except (psutil.Error, OSError, ValueError, LookupError) as error:
        unavailable.update(dict.fromkeys(figures, sanitize_line(str(error), 120) or type(error).__name__))
        return None


class CpuLoad:
    """The load of the CPUs that this process may use, between two looks."""

    def __init__(self) -> None:
        self.usable: frozenset[int] = frozenset()
        """Numbers of the CPUs that this process may use; empty where that cannot be told."""
        self._before: tuple[float, float] | None = None
        self._percent: float | None = None

    def percent(self) -> float | None:
        """Return the load since the look before, 0 to 100; None at the first look."""
        self.usable = frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset()
        busy, total = self._times()
        if self._before is None:
            self._before = busy, total
            return None
        passed = total - self._before[1]
        if passed >= _SHORTEST_S:
            share = 100 * (busy - self._before[0]) / passed
            # Counters may run backwards for a moment (idle time of a CPU that was taken away).
            self._percent = round(min(max(share, 0.0), 100.0), 1)
            self._before = busy, total
        return self._percent

    def _times(self) -> tuple[float, float]:
        import psutil

        if 0 < len(self.usable) < (os.cpu_count() or 1):
            each = psutil.cpu_times(percpu=True)
            return _sum([_busy_total(times) for number, times in enumerate(each) if number in self.usable])
        return _busy_total(psutil.cpu_times())


def _busy_total(times: Any) -> tuple[float, float]:
    # On Linux the time of guests is counted in `user` and `nice` as well.
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    total = sum(times) - guests
    return total - times.idle - getattr(times, "iowait", 0.0), total


def _sum(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return sum(busy for busy, _ in pairs), sum(total for _, total in pairs)
