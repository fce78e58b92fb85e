"""What a download from a hub tells of itself: how much is there, which file, and when nothing comes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from venom_tui.core.downloads.patience import Patience, silence
from venom_tui.core.operations.progress import Progress
from venom_tui.core.sanitize import sanitize_line

_TOLD_EVERY_S = 0.1


class Teller:
    """Adds up bytes and tells them, not more often than it is worth."""

    def __init__(self, progress: Progress, names: Sequence[str], who: str, patience: Patience) -> None:
        self.progress = progress
        self.total = 0
        self.there = 0
        """Bytes that were there before."""
        self.moved = 0
        self.finished = 0
        """Files that are whole."""
        self._names = names
        self._who = who
        self._patience = patience
        self._told_at = 0.0
        self._heard_at = time.monotonic()

    @property
    def missing(self) -> int:
        """Bytes that are still to come."""
        return max(0, self.total - self.there - self.moved)

    def heard(self) -> None:
        """Take notice that something came."""
        self._heard_at = time.monotonic()

    def came(self, size: int) -> None:
        """Take notice of bytes that are on the disk."""
        self.moved += size
        self.tell()

    def lost(self, size: int, before: int) -> None:
        """Take notice that bytes are gone, of which `before` had been there from the beginning."""
        self.there -= before
        self.moved = max(0, self.moved - (size - before))
        self.progress.lost(self.there + self.moved)

    def tell(self, message: str | None = None, *, at_once: bool = False) -> None:
        """Tell how far it is."""
        now = time.monotonic()
        if not at_once and now - self._told_at < _TOLD_EVERY_S:
            return
        self._told_at = now
        self.progress.update(
            message=self._words() if message is None else message,
            bytes_done=self.there + self.moved,
            bytes_total=self.total,
            bytes_moved=self.moved,
        )

    def _words(self) -> str:
        count = len(self._names)
        if count == 1:
            return sanitize_line(self._names[0], 120)
        return f"file {min(count, self.finished + 1)} of {count}"

    async def watch(self) -> None:
        """Tell when nothing comes, and for how long."""
        while True:
            await asyncio.sleep(min(1.0, self._patience.quiet_s))
            quiet = time.monotonic() - self._heard_at
            if quiet >= self._patience.quiet_s:
                self.tell(f"no byte for {silence(quiet)} s, {self._who} is asked again", at_once=True)
