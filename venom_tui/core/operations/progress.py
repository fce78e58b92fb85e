"""What the work of an operation tells of itself while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.types.operation import Operation

_RATE_EVERY_S = 0.5
_RATE_WEIGHT = 0.4
"""How much the newest half second counts; the rest is what was before, so that the figure can be read."""


class Progress:
    """Collects progress and hands every change on. What comes after the end is passed over."""

    def __init__(
        self,
        operation: Operation,
        changed: Callable[[Operation], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.operation = operation
        self._changed = changed
        self._clock = clock
        self._mark: tuple[float, int] | None = None

    def update(
        self,
        *,
        message: str | None = None,
        bytes_done: int | None = None,
        bytes_total: int | None = None,
        vram_before_bytes: int | None = None,
        vram_after_bytes: int | None = None,
    ) -> None:
        """Tell what is being done and how far it is; None leaves a field as it was. The rate follows from the bytes."""
        if self.operation.state.final:
            return
        told: dict[str, Any] = {
            "message": None if message is None else sanitize_line(message),
            "bytes_done": bytes_done,
            "bytes_total": bytes_total,
            "vram_before_bytes": vram_before_bytes,
            "vram_after_bytes": vram_after_bytes,
            "rate_bytes_per_s": None if bytes_done is None else self._rate(bytes_done),
        }
        changes = {name: value for name, value in told.items() if value is not None}
        operation = replace(self.operation, **changes)
        if operation != self.operation:
            self.operation = operation
            self._changed(operation)

    def _rate(self, done: int) -> float | None:
        now = self._clock()
        if self._mark is None or done < self._mark[1]:
            # The first figure, or a step back (a part is fetched again): nothing to compare with.
            self._mark = (now, done)
            return None
        elapsed = now - self._mark[0]
        if elapsed < _RATE_EVERY_S:
            return None
        rate = (done - self._mark[1]) / elapsed
        self._mark = (now, done)
        before = self.operation.rate_bytes_per_s
        return rate if before is None else _RATE_WEIGHT * rate + (1 - _RATE_WEIGHT) * before
