"""Writes that may wait a moment: the newest of each key, half a second after the last change, 1.5 s at most."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from venom_tui.core.errors import StoreError

V = TypeVar("V")
_log = logging.getLogger(__name__)

DELAY_S = 0.5
LONGEST_S = 1.5
_RETRY_FACTOR = 10
"""After a failure the next try comes this much later than a change would wait at most."""


class Debounce(Generic[V]):
    """Collects the newest value of each key and hands them all to `flush` together.

    A flush that fails keeps its values; they are tried again after a while, with the next change, and at `close`.
    """

    def __init__(
        self,
        flush: Callable[[dict[str, V]], Awaitable[None]],
        *,
        delay_s: float = DELAY_S,
        longest_s: float = LONGEST_S,
    ) -> None:
        self._flush = flush
        self._delay = delay_s
        self._longest = longest_s
        self._values: dict[str, V] = {}
        self._since: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._failing = False

    def put(self, key: str, value: V) -> None:
        """Take a value; an older one of the same key is forgotten."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._values[key] = value
        if self._since is None:
            self._since = now
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(min(now + self._delay, self._since + self._longest), self._due)

    def drop(self, key: str) -> None:
        """Forget what waits under a key."""
        self._values.pop(key, None)

    def pending(self, key: str) -> V | None:
        """Return what waits under a key."""
        return self._values.get(key)

    def _due(self) -> None:
        self._timer = None
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write(), name="debounced write")
        else:
            self._timer = asyncio.get_running_loop().call_later(self._delay, self._due)

    async def _write(self) -> None:
        try:
            await self._take()
        except StoreError as failure:
            if not self._failing:
                _log.warning("a debounced write failed: %s", failure.message)
            self._failing = True
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(self._longest * _RETRY_FACTOR, self._due)
        else:
            self._failing = False

    async def _take(self) -> None:
        values, self._values, self._since = self._values, {}, None
        if not values:
            return
        try:
            await self._flush(values)
        except StoreError:
            self._values = {**values, **self._values}
            raise

    async def flush(self) -> None:
        """Write what waits, now.

        Raises:
            StoreError: it could not be written; it still waits.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is not None:
            await asyncio.wait({self._task})
        await self._take()

    async def close(self) -> None:
        """Write what waits; a failure is logged, since nobody is left to be told."""
        try:
            await self.flush()
        except StoreError as failure:
            _log.error("lost at the end: %s", failure.message)
