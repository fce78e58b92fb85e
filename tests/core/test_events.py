"""The bus: facts never drop, snapshots give way to newer ones."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

from venom_tui.core.events import (
    ActiveModelChanged,
    Event,
    EventBus,
    GuardSampled,
    ModelsChanged,
    OperationChanged,
    SessionsChanged,
    StoreTrouble,
    Subscription,
)
from venom_tui.core.types.device import GuardSnapshot, HostInfo
from venom_tui.core.types.operation import Operation, OperationState


def sampled(name: str) -> GuardSampled:
    host = HostInfo(name, None, None, None, None, None, None, None)
    return GuardSampled(GuardSnapshot(datetime(2026, 3, 1, tzinfo=UTC), host))


def changed(state: OperationState, message: str = "") -> OperationChanged:
    return OperationChanged(Operation("o1", "load", "tiny", state, message=message))


async def pending(events: Subscription) -> list[Event]:
    """Return what is there without waiting for more."""
    found: list[Event] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(0.01):
            async for event in events:
                found.append(event)
    return found


async def test_facts_stay_and_snapshots_give_way() -> None:
    bus = EventBus()
    with bus.subscribe() as events:
        for event in (
            StoreTrouble("one"),
            sampled("old"),
            changed(OperationState.RUNNING, "10 %"),
            SessionsChanged("a"),
            ModelsChanged(),
            StoreTrouble("one"),
            changed(OperationState.RUNNING, "20 %"),
            sampled("new"),
            SessionsChanged("b"),
            ActiveModelChanged(None),
            SessionsChanged("a"),
            ModelsChanged(),
            ActiveModelChanged(None),
        ):
            bus.emit(event)
        assert await pending(events) == [
            StoreTrouble("one"),
            StoreTrouble("one"),
            changed(OperationState.RUNNING, "20 %"),
            sampled("new"),
            SessionsChanged("b"),
            ActiveModelChanged(None),
            SessionsChanged("a"),
            ModelsChanged(),
            ActiveModelChanged(None),
        ]


async def test_the_end_of_an_operation_comes_after_its_progress_and_is_never_dropped() -> None:
    bus = EventBus()
    with bus.subscribe() as events:
        bus.emit(changed(OperationState.RUNNING))
        bus.emit(changed(OperationState.FAILED))
        bus.emit(changed(OperationState.FAILED))
        states = [event.operation.state for event in await pending(events) if isinstance(event, OperationChanged)]
        assert states == [OperationState.RUNNING, OperationState.FAILED, OperationState.FAILED]


async def test_a_slow_reader_holds_one_snapshot() -> None:
    bus = EventBus()
    with bus.subscribe() as events:
        for number in range(10_000):
            bus.emit(sampled(str(number)))
        assert len(events._pending) == 1


async def test_each_subscriber_has_its_own() -> None:
    bus = EventBus()
    with bus.subscribe() as first:
        bus.emit(StoreTrouble("before"))
        with bus.subscribe() as second:
            bus.emit(StoreTrouble("both"))
        bus.emit(StoreTrouble("after"))
        assert await pending(second) == [StoreTrouble("both")]
        assert await pending(first) == [StoreTrouble("before"), StoreTrouble("both"), StoreTrouble("after")]


async def test_closing_ends_them_after_what_is_pending() -> None:
    bus = EventBus()
    with bus.subscribe() as events:
        waiting = asyncio.create_task(anext(events))
        await asyncio.sleep(0)
        bus.emit(StoreTrouble("one"))
        bus.emit(StoreTrouble("two"))
        bus.close()
        assert await waiting == StoreTrouble("one")
        assert [event async for event in events] == [StoreTrouble("two")]
    with bus.subscribe() as late:
        assert [event async for event in late] == []
