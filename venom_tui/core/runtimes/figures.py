"""How a runtime has answered looks in the last ten minutes, and what it says of its work."""

from __future__ import annotations

from collections import deque

from venom_tui.core.types.runtime import RuntimeFigures, RuntimeLoad

SLOT_S = 10.0
SLOTS = 60


class Figures:
    """Collects them: of each ten seconds the slowest answer."""

    def __init__(self) -> None:
        self._slots: deque[float | None] = deque(maxlen=SLOTS)
        self._slot: int | None = None
        self._looks = 0
        self._answered = 0
        self.load = RuntimeLoad(reason="not asked yet")

    def add(self, moment_s: float, latency_ms: float | None) -> None:
        """Take the latency of a look, None where it was not answered; `moment_s` is a clock that never goes back."""
        slot = int(moment_s // SLOT_S)
        passed = slot - self._slot if self._slot is not None else 1
        self._slot = slot
        self._looks += 1
        self._answered += latency_ms is not None
        if passed <= 0 and self._slots:
            before = self._slots.pop()
            known = [value for value in (before, latency_ms) if value is not None]
            self._slots.append(max(known, default=None))
            return
        # Between two looks nothing is known; a runtime that nobody watches is asked every second slot.
        self._slots.extend([None] * min(SLOTS, passed - 1))
        self._slots.append(latency_ms)

    def taken(self) -> RuntimeFigures:
        """Return them as they stand."""
        return RuntimeFigures(tuple(self._slots), self._looks, self._answered, self.load)
