"""Facts that the core announces, and the bus that carries them.

Facts never drop. Snapshots (guard figures, operation progress) replace the pending one of the same key, so that a slow
subscriber sees the newest and never falls behind.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from venom_tui.core.types.device import GuardSnapshot
from venom_tui.core.types.limits import Breach
from venom_tui.core.types.model import ActiveModel
from venom_tui.core.types.operation import Operation
from venom_tui.core.types.runtime import RuntimeStatus
from venom_tui.core.types.server import Server
from venom_tui.core.types.turn import TurnEvent


@dataclass(frozen=True, slots=True)
class SessionsChanged:
    """Sessions or messages were written, by this or another venom-tui. None: anything may have changed."""

    session_id: str | None


@dataclass(frozen=True, slots=True)
class QueueChanged:
    """Prompts that wait in a session were added, sent or removed, or do not go on by themselves any more."""

    session_id: str


@dataclass(frozen=True, slots=True)
class OperationChanged:
    """An operation began, moved on or ended."""

    operation: Operation


@dataclass(frozen=True, slots=True)
class RuntimeChanged:
    """A runtime's state is another one than before."""

    status: RuntimeStatus


@dataclass(frozen=True, slots=True)
class ServerChanged:
    """The process of a server that is controlled here began, ended, or moved to another address."""

    server: Server


@dataclass(frozen=True, slots=True)
class ModelsChanged:
    """The list of models, or what is loaded of them, is another one than before."""


@dataclass(frozen=True, slots=True)
class ActiveModelChanged:
    """Another model answers the next prompt; None when there is no model at all."""

    active: ActiveModel | None


@dataclass(frozen=True, slots=True)
class FitsChanged:
    """Badges of models that a list shows are others than before: whether they fit, or after whose leaving."""


@dataclass(frozen=True, slots=True)
class GuardSampled:
    """New figures of the machine."""

    snapshot: GuardSnapshot


@dataclass(frozen=True, slots=True)
class LimitChanged:
    """A limit was broken while everything ran, or holds again (`state.broken` is False then)."""

    breach: Breach


@dataclass(frozen=True, slots=True)
class TurnProgress:
    """An event of a chat turn, for whoever does not follow that turn itself."""

    event: TurnEvent


@dataclass(frozen=True, slots=True)
class StoreTrouble:
    """The store had to do something that the user must know (a damaged file put aside, a full disk)."""

    message: str


Event = (
    SessionsChanged
    | QueueChanged
    | OperationChanged
    | RuntimeChanged
    | ServerChanged
    | ModelsChanged
    | ActiveModelChanged
    | FitsChanged
    | GuardSampled
    | LimitChanged
    | TurnProgress
    | StoreTrouble
)


def _replaces(event: Event) -> object | None:
    """The key under which a newer event makes an older, unread one superfluous; None for facts."""
    match event:
        case GuardSampled():
            return GuardSampled
        case ModelsChanged():
            return ModelsChanged
        case FitsChanged():
            return FitsChanged
        case SessionsChanged(session_id=session_id):
            return (SessionsChanged, session_id)
        case QueueChanged(session_id=session_id):
            return (QueueChanged, session_id)
        case OperationChanged(operation=operation) if not operation.state.final:
            return (OperationChanged, operation.id)
        case _:
            return None


class Subscription:
    """The events that one subscriber has not read yet. Iterate it; it ends when the bus closes."""

    def __init__(self) -> None:
        self._pending: OrderedDict[object, Event] = OrderedDict()
        self._arrived = asyncio.Event()
        self._closed = False
        self._count = 0

    def put(self, event: Event) -> None:
        """Add an event; the pending one that it replaces is dropped and the new one takes the end of the queue."""
        key = _replaces(event)
        if key is None:
            self._count += 1
            key = self._count
        self._pending.pop(key, None)
        self._pending[key] = event
        self._arrived.set()

    def close(self) -> None:
        """End the iteration after what is pending."""
        self._closed = True
        self._arrived.set()

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Event:
        while not self._pending:
            if self._closed:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._pending.popitem(last=False)[1]


class EventBus:
    """Hands each event to every subscriber. Used from the event loop's thread only."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription] = []
        self._closed = False

    def emit(self, event: Event) -> None:
        """Announce an event; returns at once."""
        for subscription in self._subscriptions:
            subscription.put(event)

    @contextmanager
    def subscribe(self) -> Iterator[Subscription]:
        """Receive the events from now on: `with bus.subscribe() as events: async for event in events: …`.

        After the block the iteration ends with what is pending.
        """
        subscription = Subscription()
        if self._closed:
            subscription.close()
        self._subscriptions.append(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.remove(subscription)
            subscription.close()

    def close(self) -> None:
        """End every subscription."""
        self._closed = True
        for subscription in self._subscriptions:
            subscription.close()
