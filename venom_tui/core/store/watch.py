"""Notices that another venom-tui wrote to the same database, by a look at two files once a second."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

_EVERY_S = 1.0


class StoreWatch:
    """Calls back on the event loop when another process changed the database.

    A thread looks, since a hung network mount must not hang the loop. Times and sizes of the files change with our own
    writes too; `elsewhere` (see `Database.changed_elsewhere`) is asked then. Without it every change is told.
    """

    def __init__(
        self,
        path: Path,
        changed: Callable[[], None],
        *,
        elsewhere: Callable[[], Awaitable[bool]] | None = None,
        every_s: float = _EVERY_S,
    ) -> None:
        self._files = (path, path.with_name(f"{path.name}-wal"))
        self._changed = changed
        self._elsewhere = elsewhere
        self._every = every_s
        self._asking: asyncio.Task[None] | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    async def start(self) -> None:
        """Begin to look."""
        loop = asyncio.get_running_loop()
        if self._elsewhere is not None:
            await self._elsewhere()  # what was changed before does not count
        self._thread = threading.Thread(target=self._look, args=(loop,), name="store watch", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Look no more."""
        self._stop.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, 1.0)
        if self._asking is not None:
            await asyncio.wait({self._asking})

    def _ask(self) -> None:
        if self._elsewhere is None:
            self._changed()
        elif self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._tell(self._elsewhere), name="store watch")

    async def _tell(self, elsewhere: Callable[[], Awaitable[bool]]) -> None:
        if await elsewhere():
            self._changed()

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        seen = self._state()
        while not self._stop.wait(self._every):
            state = self._state()
            if state != seen:
                seen = state
                try:
                    loop.call_soon_threadsafe(self._ask)
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
