"""Notices that another venom-tui wrote to the same database, by a look at two files once a second."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

_EVERY_S = 1.0


class StoreWatch:
    """Calls back on the event loop when the database changed; our own writes count too, which costs one more look.

    A thread looks, since a hung network mount must not hang the loop.
    """

    def __init__(self, path: Path, changed: Callable[[], None], *, every_s: float = _EVERY_S) -> None:
        self._files = (path, path.with_name(f"{path.name}-wal"))
        self._changed = changed
        self._every = every_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    async def start(self) -> None:
        """Begin to look."""
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._look, args=(loop,), name="store watch", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Look no more."""
        self._stop.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, 1.0)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        seen = self._state()
        while not self._stop.wait(self._every):
            state = self._state()
            if state != seen:
                seen = state
                try:
                    loop.call_soon_threadsafe(self._changed)
                except RuntimeError:  # the loop has ended
                    return

    def _state(self) -> tuple[tuple[int, int], ...]:
        state = []
        for file in self._files:
            try:
                stat = file.stat()
                state.append((stat.st_mtime_ns, stat.st_size))
            except OSError:
                state.append((0, 0))
        return tuple(state)
