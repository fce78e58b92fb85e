"""The events of one turn for those who follow it, from whenever they begin to look."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from venom_tui.core.types.turn import TurnDelta, TurnEnded, TurnEvent, TurnThinking


class _TextRun:
    """Pieces of text of one kind that came one after the other; joined only when somebody asks."""

    def __init__(self, first: TurnDelta | TurnThinking) -> None:
        self._first = first
        self._pieces = [first.text]
        self._count = first.pieces

    def takes(self, event: TurnDelta | TurnThinking) -> bool:
        """Add the event's text if it is of the same kind; return whether it was."""
        if type(event) is not type(self._first):
            return False
        self._pieces.append(event.text)
        self._count += event.pieces
        return True

    def joined(self) -> TurnDelta | TurnThinking:
        """Return all pieces as one event."""
        return replace(self._first, text="".join(self._pieces), pieces=self._count)


class _Log:
    """Events in their order, runs of text folded together."""

    def __init__(self) -> None:
        self._items: list[TurnEvent | _TextRun] = []

    def add(self, event: TurnEvent) -> None:
        if isinstance(event, TurnDelta | TurnThinking):
            last = self._items[-1] if self._items else None
            if not (isinstance(last, _TextRun) and last.takes(event)):
                self._items.append(_TextRun(event))
        else:
            self._items.append(event)

    def events(self) -> list[TurnEvent]:
        return [item.joined() if isinstance(item, _TextRun) else item for item in self._items]

    def take(self) -> list[TurnEvent]:
        events = self.events()
        self._items.clear()
        return events


class TurnFollower:
    """Iterates over a turn's events; unread text is joined, so that a slow reader holds one copy of the answer."""

    def __init__(self, past: list[TurnEvent]) -> None:
        self._unread = _Log()
        self._ready: list[TurnEvent] = []
        self._arrived = asyncio.Event()
        self._ended = False
        for event in past:
            self.put(event)

    def put(self, event: TurnEvent) -> None:
        """Take an event."""
        self._unread.add(event)
        self._ended = self._ended or isinstance(event, TurnEnded)
        self._arrived.set()

    def __aiter__(self) -> TurnFollower:
        return self

    async def __anext__(self) -> TurnEvent:
        while not self._ready:
            self._ready = self._unread.take()
            self._ready.reverse()
            if not self._ready:
                if self._ended:
                    raise StopAsyncIteration
                self._arrived.clear()
                await self._arrived.wait()
        return self._ready.pop()


class TurnFeed:
    """Hands each event of one turn to its followers and keeps what a late one must know."""

    def __init__(self) -> None:
        self._past = _Log()
        self._followers: list[TurnFollower] = []

    def emit(self, event: TurnEvent) -> None:
        """Announce an event."""
        self._past.add(event)
        for follower in self._followers:
            follower.put(event)

    def follow(self) -> TurnFollower:
        """Return an iterator over the turn so far, its text as one piece, and over what is to come."""
        follower = TurnFollower(self._past.events())
        self._followers.append(follower)
        return follower
