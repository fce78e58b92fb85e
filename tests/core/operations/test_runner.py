from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.core.store.support import dead_owner, elsewhere
from venom_tui.core.errors import Interrupted, LoadFailed, NotFound, VenomError
from venom_tui.core.events import EventBus, OperationChanged, StoreTrouble, Subscription
from venom_tui.core.operations import runs as module
from venom_tui.core.operations.runner import OperationRunner, Progress
from venom_tui.core.owner import Owner
from venom_tui.core.store.database import Database
from venom_tui.core.store.operations import Entry, OperationStore
from venom_tui.core.types.operation import Operation, OperationState

S = OperationState


class Written(OperationStore):
    """A store that tells when it was written to."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        super().__init__(database, now)
        self.written = asyncio.Condition()

    async def save(self, operation: Operation, owner: Owner, log: Sequence[str] | None = None) -> bool:
        ours = await super().save(operation, owner, log)
        await self._tell()
        return ours

    async def beat(self, ids: Sequence[str], now: datetime) -> None:
        await super().beat(ids, now)
        await self._tell()

    async def _tell(self) -> None:
        async with self.written:
            self.written.notify_all()


class Rig:
    """A runner over a real store."""

    def __init__(self, database: Database, events: Subscription, bus: EventBus, owner: Owner) -> None:
        self.database = database
        self.events = events
        self.bus = bus
        self.time = datetime(2026, 3, 1, tzinfo=UTC)
        self.store = Written(database, lambda: self.time)
        self.owner = owner
        self.runner = self.another()

    def another(self, owner: Owner | None = None) -> OperationRunner:
        return OperationRunner(self.store, self.bus, owner or self.owner, lambda: self.time)

    async def stored(self) -> dict[str, Operation]:
        """The operations as they are in the file, by target."""
        return {entry.operation.target: entry.operation for entry in await self.store.list()}

    async def states(self) -> dict[str, OperationState]:
        return {target: operation.state for target, operation in (await self.stored()).items()}

    async def until(self, target: str, condition: Callable[[Entry], bool]) -> None:
        """Wait until the row of a target is as it should be."""
        async with asyncio.timeout(5), self.store.written:
            while not any(e.operation.target == target and condition(e) for e in await self.store.list()):
                await self.store.written.wait()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let another process keep the file locked for longer than ours waits."""
        other = sqlite3.connect(self.database.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")
            other.close()


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    database = await Database.open(tmp_path / "data" / "venom.db", announce=pytest.fail, busy_timeout_s=0.01)
    bus = EventBus()
    with bus.subscribe() as events:
        rig = Rig(database, events, bus, Owner.current())
        yield rig
        await rig.runner.close()
    await database.close()


class Work:
    """Work that waits until it is told how to end."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.calls = 0
        self.begun = asyncio.Event()
        self.end = asyncio.Event()
        self.failure: Exception | None = None
        self.progress: Progress | None = None

    async def __call__(self, progress: Progress) -> str:
        self.calls += 1
        self.progress = progress
        self.begun.set()
        await self.end.wait()
        if self.failure:
            raise self.failure
        return "result"

    def start(self, target: str = "m", runner: OperationRunner | None = None, **options: str) -> asyncio.Task[str]:
        return asyncio.create_task((runner or self.rig.runner).run("load", target, self, **options))


@pytest.fixture
def work(rig: Rig) -> Work:
    return Work(rig)


async def test_from_queued_to_succeeded(rig: Rig, work: Work) -> None:
    task = work.start("a\x1b[1m b", runtime="embedded", provider="local", cause="first\nprompt")
    await work.begun.wait()
    assert await rig.states() == {"a b": S.RUNNING}
    rig.time += timedelta(seconds=5)
    work.end.set()
    assert await task == "result"
    operation = (await rig.stored())["a b"]
    assert (operation.kind, operation.runtime, operation.provider, operation.cause) == (
        "load",
        "embedded",
        "local",
        "first prompt",
    )
    assert operation.state is S.SUCCEEDED
    assert operation.started_at is not None
    assert operation.finished_at == operation.started_at + timedelta(seconds=5)
    assert await rig.runner.list() == [operation]
    assert await rig.runner.get(operation.id[:6]) == operation
    assert rig.runner.running() == []


async def test_events_tell_the_end(rig: Rig, work: Work) -> None:
    work.end.set()
    await work.start()
    seen: list[Operation] = []
    async with asyncio.timeout(5):
        while not seen or not seen[-1].state.final:
            event = await anext(rig.events)
            assert isinstance(event, OperationChanged)
            seen.append(event.operation)
    assert seen[-1].state is S.SUCCEEDED


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (
            LoadFailed("It does not load.", server_message="llama: \x1b[31mout of memory"),
            "It does not load. llama: out of memory",
        ),
        (ValueError("oops"), "venom-tui made a mistake (ValueError: oops)"),
    ],
)
async def test_a_failure_keeps_its_words(rig: Rig, work: Work, failure: Exception, error: str) -> None:
    work.failure = failure
    work.end.set()
    with pytest.raises(type(failure)):
        await work.start()
    operation = (await rig.stored())["m"]
    assert (operation.state, operation.error) == (S.FAILED, error)


async def test_one_queue_for_each_runtime(rig: Rig) -> None:
    first, second, other = Work(rig), Work(rig), Work(rig)
    tasks = [first.start("1", runtime="x"), second.start("2", runtime="x"), other.start("3", runtime="y")]
    await first.begun.wait()
    await other.begun.wait()
    await rig.until("2", lambda entry: entry.operation.state is S.QUEUED)
    assert not second.begun.is_set()
    first.end.set()
    await second.begun.wait()
    for work in (second, other):
        work.end.set()
    await asyncio.gather(*tasks)
    assert set((await rig.states()).values()) == {S.SUCCEEDED}


async def test_a_named_queue(rig: Rig) -> None:
    first, second = Work(rig), Work(rig)
    tasks = [first.start("1", runtime="x", queue="switch"), second.start("2", runtime="x")]
    await first.begun.wait()
    await second.begun.wait()
    first.end.set()
    second.end.set()
    await asyncio.gather(*tasks)


async def test_the_same_request_joins_the_first(rig: Rig, work: Work) -> None:
    tasks = [work.start(runtime="x") for _ in range(3)]
    other = Work(rig)
    tasks.append(other.start(runtime="y"))
    await work.begun.wait()
    tasks.append(work.start(runtime="x"))
    work.end.set()
    other.end.set()
    assert await asyncio.gather(*tasks) == ["result"] * 5
    assert work.calls == 1
    assert len(await rig.runner.list()) == 2
    again = work.start(runtime="x")
    await again
    assert work.calls == 2


async def test_what_an_operation_begins_itself_does_not_wait_for_it(rig: Rig) -> None:
    async def inner(_progress: Progress) -> str:
        return "inside"

    async def outer(_progress: Progress) -> str:
        return await rig.runner.run("load", "inner", inner, runtime="x")

    async with asyncio.timeout(5):
        assert await rig.runner.run("switch", "outer", outer, runtime="x") == "inside"
    assert await rig.states() == {"outer": S.SUCCEEDED, "inner": S.SUCCEEDED}


# ---------------------------------------------------------------------- cancelling


async def test_the_last_waiter_cancels(rig: Rig, work: Work) -> None:
    first, second = work.start(), work.start()
    await work.begun.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await rig.states() == {"m": S.RUNNING}
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert await rig.states() == {"m": S.CANCELLED}


async def test_cancelled_while_queued(rig: Rig) -> None:
    first, second, third = Work(rig), Work(rig), Work(rig)
    tasks = [first.start("1"), second.start("2"), third.start("3")]
    await first.begun.wait()
    tasks[1].cancel()
    await asyncio.wait({tasks[1]})
    first.end.set()
    third.end.set()
    await asyncio.gather(tasks[0], tasks[2])
    assert second.calls == 0
    assert await rig.states() == {"1": S.SUCCEEDED, "2": S.CANCELLED, "3": S.SUCCEEDED}
    assert (await rig.stored())["2"].started_at is None


async def test_cancelled_by_id(rig: Rig, work: Work) -> None:
    task = work.start()
    await work.begun.wait()
    (operation,) = rig.runner.running()
    assert await rig.runner.cancel(operation.id)
    with pytest.raises(Interrupted, match="cancelled"):
        await task
    assert await rig.states() == {"m": S.CANCELLED}
    assert (await rig.runner.cancel(operation.id)).state is S.CANCELLED


@pytest.mark.parametrize("by_id", [True, False])
async def test_what_is_being_cancelled_is_begun_anew(rig: Rig, work: Work, by_id: bool) -> None:
    stopping = asyncio.Event()

    async def slow_to_undo(_progress: Progress) -> None:
        try:
            await asyncio.Future()
        finally:
            stopping.set()
            await work.end.wait()

    first = asyncio.create_task(rig.runner.run("load", "m", slow_to_undo))
    await rig.until("m", lambda one: one.operation.state is S.RUNNING)
    cancelling = asyncio.create_task(rig.runner.cancel(rig.runner.running()[0].id)) if by_id else first
    assert by_id or first.cancel()
    await stopping.wait()
    again = [work.start(), work.start()]
    work.end.set()
    assert await asyncio.gather(*again) == ["result", "result"]
    await asyncio.gather(first, cancelling, return_exceptions=True)
    assert (work.calls, len(await rig.runner.list())) == (1, 2)


async def test_closing_interrupts_and_commits(rig: Rig, work: Work) -> None:
    queued = Work(rig)
    tasks = [work.start("1"), queued.start("2")]
    await work.begun.wait()
    assert work.progress is not None
    work.progress.update(message="half way", bytes_done=50)
    await rig.runner.close()
    for task in tasks:
        with pytest.raises(Interrupted, match="interrupted"):
            await task
    assert await rig.states() == {"1": S.INTERRUPTED, "2": S.INTERRUPTED}
    assert (await rig.stored())["1"].bytes_done == 50
    with pytest.raises(Interrupted, match="closing"):
        await rig.runner.run("load", "late", work)


async def test_closing_does_not_wait_for_ever(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CLOSE_LIMIT_S", 0.05)
    go_on = asyncio.Event()
    begun = asyncio.Event()

    async def stubborn(_progress: Progress) -> str:
        begun.set()
        while not go_on.is_set():
            try:
                await go_on.wait()
            except asyncio.CancelledError:
                continue
        return "after all"

    task = asyncio.create_task(rig.runner.run("load", "m", stubborn))
    await begun.wait()
    await rig.runner.close()
    assert await rig.states() == {"m": S.INTERRUPTED}
    go_on.set()
    assert await task == "after all"
    assert await rig.states() == {"m": S.INTERRUPTED}  # what was told once stays


# ---------------------------------------------------------------------- progress


async def test_progress_is_seen_at_once_and_written_behind(rig: Rig, work: Work) -> None:
    task = work.start()
    await work.begun.wait()
    assert work.progress is not None
    work.progress.update(message="load\x07ing\n", bytes_done=10, bytes_total=100)
    work.progress.update(vram_before_bytes=5)
    (operation,) = await rig.runner.list()
    assert (operation.message, operation.bytes_done, operation.bytes_total, operation.vram_before_bytes) == (
        "loading",
        10,
        100,
        5,
    )
    assert (await rig.stored())["m"].bytes_done is None
    await rig.until("m", lambda entry: entry.operation.bytes_done == 10)
    work.end.set()
    await task
    work.progress.update(message="late")
    assert (await rig.runner.list())[0].message == "loading"


# ---------------------------------------------------------------------- a store that fails


async def test_work_goes_on_when_it_cannot_be_recorded(rig: Rig, work: Work) -> None:
    task = work.start()
    await work.begun.wait()
    work.failure = LoadFailed("It does not load.")
    with rig.locked():
        work.end.set()
        with pytest.raises(LoadFailed):
            await task
    trouble = [event async for event in _until(rig.events, StoreTrouble)]
    assert "could not be recorded" in trouble[-1].message
    assert await rig.states() == {"m": S.RUNNING}
    (operation,) = await rig.runner.list()
    assert operation.state is S.FAILED  # told truly all the same
    assert await rig.runner.get(operation.id) == operation
    other = Work(rig)
    other.end.set()
    await other.start("next")
    assert await rig.states() == {"m": S.FAILED, "next": S.SUCCEEDED}


async def test_an_operation_without_any_record_is_listed(rig: Rig, work: Work) -> None:
    with rig.locked():
        task = work.start()
        await work.begun.wait()
        assert [o.state for o in await rig.runner.list()] == [S.RUNNING]
        work.end.set()
        await task
    assert await rig.states() == {}
    (operation,) = await rig.runner.list()
    assert operation.state is S.SUCCEEDED
    assert await rig.runner.get(operation.id) == operation
    await rig.runner.close()
    assert await rig.states() == {"m": S.SUCCEEDED}


async def _until(events: Subscription, kind: type[StoreTrouble]) -> AsyncIterator[StoreTrouble]:
    async with asyncio.timeout(5):
        async for event in events:
            if isinstance(event, kind):
                yield event
                return


# ---------------------------------------------------------------------- the history


async def left_running(rig: Rig, owner: Owner, target: str) -> None:
    operation = Operation(f"{target}-id-0123", "pull", target, S.RUNNING, created_at=rig.time, started_at=rig.time)
    await rig.store.save(operation, owner)


async def test_recover(rig: Rig) -> None:
    await left_running(rig, dead_owner(), "dead")
    await left_running(rig, replace(Owner.current(), boot_id="an earlier boot"), "rebooted")
    await left_running(rig, Owner.current(), "alive")
    await left_running(rig, elsewhere(), "elsewhere")
    rig.time += timedelta(minutes=1)
    seen = {operation.target: operation for operation in await rig.runner.list()}
    truth = {"dead": S.INTERRUPTED, "rebooted": S.INTERRUPTED, "alive": S.RUNNING, "elsewhere": S.RUNNING}
    assert {target: operation.state for target, operation in seen.items()} == truth
    assert not seen["dead"].owner_alive
    assert set((await rig.states()).values()) == {S.RUNNING}
    assert await rig.runner.recover() == 2
    assert await rig.runner.recover() == 0
    assert await rig.states() == truth
    assert (await rig.stored())["dead"].finished_at == rig.time


async def test_another_machine_that_is_silent(rig: Rig) -> None:
    await left_running(rig, elsewhere(), "silent")
    rig.time += timedelta(hours=23)
    assert await rig.runner.recover() == 0
    await rig.store.beat(["silent-id-0123"], rig.time)
    rig.time += timedelta(hours=23)
    assert await rig.runner.recover() == 0
    rig.time += timedelta(hours=2)
    assert await rig.runner.recover() == 1


async def test_a_heartbeat_while_it_runs(rig: Rig, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_HEARTBEAT_S", 0.01)
    task = work.start()
    await work.begun.wait()
    rig.time += timedelta(hours=1)
    await rig.until("m", lambda entry: entry.seen_at == rig.time)
    work.end.set()
    await task


async def test_an_end_is_never_overwritten(rig: Rig) -> None:
    operation = Operation("id-1", "pull", "m", S.SUCCEEDED, created_at=rig.time, finished_at=rig.time)
    await rig.store.save(operation, rig.owner)
    for state in (S.RUNNING, S.FAILED, S.QUEUED):
        await rig.store.save(replace(operation, state=state), rig.owner)
    assert await rig.states() == {"m": S.SUCCEEDED}


async def test_newest_first(rig: Rig) -> None:
    for number in range(5):
        rig.time += timedelta(seconds=1)
        await left_running(rig, rig.owner, str(number))
    assert [o.target for o in await rig.runner.list()] == ["4", "3", "2", "1", "0"]
    assert [o.target for o in await rig.runner.list(2)] == ["4", "3"]


async def test_clear_and_expire(rig: Rig, work: Work) -> None:
    for target, state in (("old", S.FAILED), ("new", S.SUCCEEDED)):
        rig.time += timedelta(days=10)
        await rig.store.save(
            Operation(target, "pull", target, state, created_at=rig.time, finished_at=rig.time), rig.owner
        )
    task = work.start("running")
    await work.begun.wait()
    rig.time += timedelta(days=1)
    await rig.runner.expire(0)
    assert set(await rig.states()) == {"old", "new", "running"}
    await rig.runner.expire(5)
    assert set(await rig.states()) == {"new", "running"}
    assert await rig.runner.clear() == 1
    assert set(await rig.states()) == {"running"}
    work.end.set()
    await task


@pytest.mark.parametrize("wrong", ["", "nothing", "\udcff", "%"])
async def test_unknown_ids(rig: Rig, wrong: str) -> None:
    await left_running(rig, rig.owner, "a")
    await left_running(rig, rig.owner, "b")
    with pytest.raises(NotFound):
        await rig.runner.get(wrong)


async def test_a_venom_error_is_told_to_every_waiter(rig: Rig, work: Work) -> None:
    work.failure = VenomError("no")
    tasks = [work.start() for _ in range(3)]
    work.end.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(result) for result in results] == ["no"] * 3
