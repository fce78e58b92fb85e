"""What processes cost, read from outside them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from pathlib import Path

_PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used, all of its threads together, to the nanosecond."""
    # What clock_getcpuclockid(3) returns on Linux; Python has it for threads only.
    return time.clock_gettime((~pid << 3) | 2)


def pss_mb(pid: int) -> float:
    """Return the memory of a process in MB; what it shares with others counts by its share."""
    found = _PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii"))
    assert found is not None
    return int(found[1]) / 1024


class CpuTrack:
    """The CPU time of some processes over time, for a look at what was used between any two moments."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._pids = tuple(pids)
        self._points: list[tuple[float, float]] = []
        self.sample()

    def sample(self) -> float:
        """Take a reading; return the moment."""
        used = 0.0
        for pid in self._pids:
            try:
                used += cpu_seconds(pid)
            except OSError:  # it has ended
                continue
        now = time.monotonic()
        self._points.append((now, used))
        return now

    def at(self, moment: float) -> float:
        """Return the CPU seconds used until a moment, between two readings in proportion."""
        before = self._points[0]
        for point in self._points:
            if point[0] >= moment:
                span = point[0] - before[0]
                share = (moment - before[0]) / span if span > 0 else 1.0
                return before[1] + (point[1] - before[1]) * max(0.0, share)
            before = point
        return before[1]

    def between(self, begin: float, end: float) -> float:
        """Return the CPU seconds used between two moments."""
        return self.at(end) - self.at(begin)
