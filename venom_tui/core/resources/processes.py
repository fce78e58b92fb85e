"""Who a process is, and how much memory it really takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from venom_tui.core.sanitize import sanitize_line

_SHARE = 0.005
"""Share of one CPU that measuring memory may take: the page tables of a large model are long to walk."""

Who = tuple[str | None, str | None]


class ProcessNames:
    """User and command of processes, read once per process (belongs to one thread).

    Args:
        hold_s: seconds for which it is not asked whether a pid is still that of the same process. For whoever says with
            `forget_others` which pids are still there: one that was gone meanwhile is asked for at once.
        clock: seconds that never go back.
    """

    def __init__(self, hold_s: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._hold_s = hold_s
        self._clock = clock
        self._known: dict[int, tuple[float, Who]] = {}
        self._due: dict[int, float] = {}
        """Pid -> when it is to be asked again whose it is."""

    def of(self, pid: int) -> Who:
        """Return (user, command); None for what is not known: a process of another container, or one that has ended."""
        now = self._clock()
        if now < self._due.get(pid, now):
            known = self._known.get(pid)
            return (None, None) if known is None else known[1]
        if self._hold_s:
            self._due[pid] = now + self._hold_s
        import psutil

        try:
            born = _born(pid)  # a pid is given again
            known = self._known.get(pid)
            if known is None or known[0] != born:
                known = self._known[pid] = born, self._read(psutil.Process(pid))
            return known[1]
        except (psutil.Error, OSError):
            self._known.pop(pid, None)
            return None, None

    def forget_others(self, pids: Iterable[int]) -> None:
        """Forget processes that are not among these."""
        kept = set(pids)
        for pid in self._known.keys() - kept:
            del self._known[pid]
        for pid in self._due.keys() - kept:
            del self._due[pid]

    @staticmethod
    def _read(process: object) -> Who:
        import psutil

        assert isinstance(process, psutil.Process)
        user: str | None
        command: str | None
        try:
            user = sanitize_line(process.username(), 32)
        except (psutil.Error, OSError, KeyError):
            user = None
        try:
            command = sanitize_line(" ".join(process.cmdline()) or process.name(), 300)
        except (psutil.Error, OSError):
            command = None
        return user, command


def _born(pid: int) -> float:
    """Return when a process was started; with its pid that names it. Raises what psutil raises for one that is gone."""
    try:
        # What psutil reads, without what it makes of it: it is asked for each process of each GPU, again and again.
        with open(f"/proc/{pid}/stat", "rb", 0) as file:
            data = file.read(4096)
        return float(data[data.rindex(b")") + 2 :].split()[19])
    except (OSError, ValueError, IndexError):
        import psutil

        return psutil.Process(pid).create_time()


class MemoryMeter:
    """The proportional set size of processes, measured no more often than is cheap (belongs to one thread)."""

    def __init__(self) -> None:
        self._measured: dict[int, int | None] = {}
        self._due: dict[int, float] = {}

    def measure(self, pids: Iterable[int], every_s: float) -> dict[int, int | None]:
        """Return bytes for each pid, None where they are not known; measures again what is older than `every_s`."""
        wanted = set(pids)
        for gone in self._due.keys() - wanted:
            del self._due[gone], self._measured[gone]
        for pid in wanted:
            begun = time.monotonic()
            if begun >= self._due.get(pid, 0.0):
                self._measured[pid] = process_memory(pid)
                took = time.monotonic() - begun
                self._due[pid] = begun + max(every_s, took / _SHARE)
        return dict(self._measured)


def process_memory(pid: int) -> int | None:
    """Return the proportional set size of a process in bytes (its share of what it shares), or None when unknown."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        return None
    return None
