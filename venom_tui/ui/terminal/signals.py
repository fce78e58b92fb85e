"""SIGTERM and SIGHUP end the application in order; if that takes too long, in haste."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

GRACE_S = 3.0
"""Seconds that an orderly end is given before a further signal ends the process at once."""

LIMIT_S = 20.0
"""Seconds after the first signal at which the process ends in any case."""

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class QuitSignals:
    """Turns SIGTERM and SIGHUP into one orderly quit.

    The first signal starts `orderly_quit`; another one within `GRACE_S` is part of the same goodbye (a dropped
    connection sends both), a later one, or `LIMIT_S`, calls `last_resort` (which restores the terminal) and ends the
    process.
    """

    def __init__(self, orderly_quit: Callable[[str], Awaitable[None]], last_resort: Callable[[], None]) -> None:
        self._orderly_quit = orderly_quit
        self._last_resort = last_resort
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._since = 0.0
        self._limit: asyncio.TimerHandle | None = None

    def install(self) -> None:
        """Handle the signals in the running loop (the main thread's)."""
        self._loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            self._loop.add_signal_handler(number, self.received, number)

    def remove(self) -> None:
        """Give the signals back; the limit on an end that has begun is lifted, too."""
        if self._loop is not None and not self._loop.is_closed():
            for number in _SIGNALS:
                self._loop.remove_signal_handler(number)
        if self._limit is not None:
            self._limit.cancel()

    def received(self, number: int) -> None:
        """Act on a signal."""
        self.begin(signal.Signals(number).name, number)

    def begin(self, reason: str, number: int = signal.SIGHUP) -> None:
        """Start the orderly quit, or end at once when it has been going on for too long."""
        loop = asyncio.get_running_loop()
        if self._task is None:
            self._since = loop.time()
            self._task = loop.create_task(self._run(reason), name="quit on signal")
            self._limit = loop.call_later(LIMIT_S, self._end, number)
        elif loop.time() - self._since > GRACE_S:
            self._end(number)

    async def _run(self, reason: str) -> None:
        await self._orderly_quit(reason)

    def _end(self, number: int) -> None:
        self._last_resort()
        os._exit(128 + number)
