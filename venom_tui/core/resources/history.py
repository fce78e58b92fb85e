"""The last ten minutes of a few figures, for graphs."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from venom_tui.core.types.device import Gpu, GuardSnapshot

SLOT_S = 10.0
"""Seconds that one value stands for."""
SLOTS = 60


class History:
    """Mean values of slots of ten seconds. Values are shares, 0 to 1; None where nothing was known."""

    def __init__(self) -> None:
        self._slots: dict[str, deque[float | None]] = {}
        self._sums: dict[str, tuple[float, int]] = {}
        self._slot: int | None = None

    def add(self, moment_s: float, snapshot: GuardSnapshot) -> None:
        """Take a snapshot's figures; `moment_s` is a clock that never goes back."""
        slot = int(moment_s // SLOT_S)
        if self._slot is not None and slot > self._slot:
            self._close(slot - self._slot)
        self._slot = slot
        for name, share in _figures(snapshot):
            if share is not None:
                total, count = self._sums.get(name, (0.0, 0))
                self._sums[name] = total + share, count + 1

    def of(self, name: str) -> tuple[float | None, ...]:
        """Return the values of a series, the newest last: ten minutes at most, with the slot that is not full yet."""
        values = self._slots.get(name, ())
        total, count = self._sums.get(name, (0.0, 0))
        return (*values, total / count)[-SLOTS:] if count else tuple(values)

    def _close(self, slots: int) -> None:
        for name in self._slots.keys() | self._sums.keys():
            total, count = self._sums.get(name, (0.0, 0))
            values = self._slots.setdefault(name, deque(maxlen=SLOTS))
            values.append(total / count if count else None)
            values.extend([None] * min(SLOTS, slots - 1))
            if not any(value is not None for value in values):
                del self._slots[name]
        self._sums.clear()


def gpu_series(gpu: Gpu, figure: str) -> str:
    """Return the name of a GPU's series; `figure` is `memory` or `utilization`."""
    return f"gpu.{gpu.uuid or gpu.index}.{figure}"


def _figures(snapshot: GuardSnapshot) -> Iterable[tuple[str, float | None]]:
    host = snapshot.host
    yield "cpu", None if host.cpu_percent is None else host.cpu_percent / 100
    if host.ram_total_bytes and host.ram_available_bytes is not None:
        yield "ram", 1 - host.ram_available_bytes / host.ram_total_bytes
    for gpu in snapshot.gpus:
        if gpu.stale_since is not None:
            continue
        if gpu.memory_total_bytes and gpu.memory_used_bytes is not None:
            yield gpu_series(gpu, "memory"), gpu.memory_used_bytes / gpu.memory_total_bytes
        if gpu.utilization_percent is not None:
            yield gpu_series(gpu, "utilization"), gpu.utilization_percent / 100
