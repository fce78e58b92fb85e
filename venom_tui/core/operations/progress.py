"""What the work of an operation tells of itself while it runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.types.operation import Operation

_RATE_EVERY_S = 0.5
_RATE_WEIGHT = 0.4
"""How much the newest half second counts; the rest is what was before, so that the figure can be read."""
_MORE_MAY_COME = 0.99
"""The largest share while the whole is not known."""
_LINES = 200
"""Lines of a log that are kept: the newest."""


class Progress:
    """Collects progress and hands every change on. What comes after the end is passed over.

    What is shown never steps back: where the work begins something again, its figures stand until it is as far as it
    was, unless it says that something is `lost`.
    """

    def __init__(
        self,
        operation: Operation,
        changed: Callable[[Operation], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        lines: Sequence[str] = (),
    ) -> None:
        self.operation = operation
        self.lines = list(lines)
        """The log."""
        self.joined = asyncio.Event()
        """Set when the work has taken over from another process that still did it (see `Kind.overlaps`)."""
        self.joins = False
        """Set while another process is at the same work, which this one takes over."""
        self.given_up = False
        """Set when somebody cancelled it: what it began is to be undone, as nobody will go on with it."""
        self._changed = changed
        self._clock = clock
        self._now = now
        self._mark: tuple[float, int] | None = None

    def update(
        self,
        *,
        message: str | None = None,
        bytes_done: int | None = None,
        bytes_total: int | None = None,
        bytes_moved: int | None = None,
        whole: bool = True,
        vram_before_bytes: int | None = None,
        vram_after_bytes: int | None = None,
    ) -> None:
        """Tell what is being done and how far it is; None leaves a field as it was. The rate follows from the bytes.

        Args:
            message: what it is doing.
            bytes_done: how much is there.
            bytes_total: how much there will be.
            bytes_moved: how much was really moved now, where some of it was there before.
            whole: whether `bytes_total` is all; else more may come.
            vram_before_bytes: memory that was used before.
            vram_after_bytes: memory that is used after.
        """
        before = self.operation
        if before.state.final:
            return
        moved = bytes_done if bytes_moved is None else bytes_moved
        if bytes_done is not None:
            bytes_done = max(bytes_done, before.bytes_done or 0)
        told: dict[str, Any] = {
            "message": None if message is None else sanitize_line(message),
            "bytes_done": bytes_done,
            "bytes_total": bytes_total,
            "vram_before_bytes": vram_before_bytes,
            "vram_after_bytes": vram_after_bytes,
            "rate_bytes_per_s": None if moved is None else self._rate(moved),
            "share": self._share(bytes_done, bytes_total or before.bytes_total, whole=whole),
        }
        self._tell(**{name: value for name, value in told.items() if value is not None})

    def lost(self, bytes_done: int) -> None:
        """Tell that only so much is there: parts that were there are gone."""
        total = self.operation.bytes_total
        self._mark = None
        self._tell(bytes_done=bytes_done, share=min(1.0, bytes_done / total) if total else None)

    def log(self, text: str) -> None:
        """Keep a line in the operation's log."""
        self.lines.append(f"{self._now():%Y-%m-%dT%H:%M:%SZ} {sanitize_line(text, 1000)}")
        del self.lines[:-_LINES]

    def retry(self, text: str) -> None:
        """Tell that something is begun again, and why."""
        self.log(text)
        self._tell(message=sanitize_line(text), retries=self.operation.retries + 1)

    def _tell(self, **changes: Any) -> None:
        operation = replace(self.operation, **changes)
        if operation != self.operation and not self.operation.state.final:
            self.operation = operation
            self._changed(operation)

    def _share(self, done: int | None, total: int | None, *, whole: bool) -> float | None:
        if done is None or not total:
            return None
        share = min(1.0 if whole else _MORE_MAY_COME, done / total)
        return max(share, self.operation.share or 0.0)

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
