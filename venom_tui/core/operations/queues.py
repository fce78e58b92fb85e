"""Whose turn it is within this process: operations hold names, and no two that hold the same name run at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class _Waiting:
    key: str
    names: frozenset[str]
    place: float
    turn: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Queues:
    """Lets who waits in, the lowest place first; who comes later never overtakes for a name that both want."""

    def __init__(self) -> None:
        self._held: set[str] = set()
        self._waiting: list[_Waiting] = []

    @asynccontextmanager
    async def turn(self, key: str, names: Iterable[str], place: float) -> AsyncIterator[None]:
        """Wait until nobody else holds any of these names, and hold them inside the block."""
        waiting = _Waiting(key, frozenset(names), place)
        self._waiting.append(waiting)
        self._let_in()
        try:
            await waiting.turn
        except asyncio.CancelledError:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            else:
                self._held -= waiting.names
            self._let_in()
            raise
        try:
            yield
        finally:
            self._held -= waiting.names
            self._let_in()

    def move(self, key: str, place: float) -> None:
        """Give one that waits another place."""
        for waiting in self._waiting:
            if waiting.key == key:
                waiting.place = place

    def _let_in(self) -> None:
        wanted = set(self._held)
        for waiting in sorted(self._waiting, key=lambda one: one.place):
            if waiting.turn.cancelled():
                continue  # its task has not been told yet
            if not waiting.names & wanted:
                self._held |= waiting.names
                self._waiting.remove(waiting)
                waiting.turn.set_result(None)
            wanted |= waiting.names
