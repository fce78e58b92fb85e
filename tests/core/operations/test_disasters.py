"""After each disaster the history is right: nothing is lost, nothing shows a state that it does not have, nothing is
done twice."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.core.operations.doer import STEPS, Journal, ask
from tests.core.operations.sharing import S, living
from tests.core.store.support import elsewhere
from tests.core.support import fill
from venom_tui.core.errors import DiskFull, StoreError
from venom_tui.core.events import EventBus
from venom_tui.core.operations.runner import Kind, OperationRunner
from venom_tui.core.owner import Owner
from venom_tui.core.store.database import Database
from venom_tui.core.store.operations import OperationStore
from venom_tui.core.store.shared_operations import Request, SharedOperations
from venom_tui.core.types.operation import Operation

ROOT = Path(__file__).resolve().parents[3]
SOAK = bool(os.environ.get("VENOM_SOAK"))
LOCKED_S, BUSY_S = (10.0, 2.0) if SOAK else (2.5, 0.3)
"""How long the database is locked, and how long ours waits at once: a third of that is far too short."""


@dataclass
class World:
    """A data directory, the processes that were on it, and one of ours that looks afterwards."""

    folder: Path
    """Of the database, and for processes of everything."""
    works: Path
    """What works write."""
    asked: dict[str, str] = field(default_factory=dict)
    """Id -> name of all operations that were ever written."""
    processes: list[subprocess.Popen[str]] = field(default_factory=list)
    shift: timedelta = timedelta()
    """How wrong our clock is."""

    @property
    def journal(self) -> Journal:
        return Journal(self.works)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.shift

    async def start(self, *names: str) -> subprocess.Popen[str]:
        """Start a process that asks for pulls, and wait until it has."""
        command = [sys.executable, "-m", "tests.core.operations.doer", str(self.folder), *names]
        process = await asyncio.to_thread(
            subprocess.Popen, command, cwd=ROOT, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.processes.append(process)
        assert process.stdout is not None
        line = (await asyncio.to_thread(process.stdout.readline)).split()
        assert line[0] == "asked", line
        self.asked |= dict(zip(line[1:], names, strict=True))
        return process

    async def kill(self, process: subprocess.Popen[str]) -> None:
        """Kill it."""
        process.kill()
        await asyncio.to_thread(process.wait)

    async def until(self, what: str, name: str) -> None:
        """Wait until a work has noted something."""
        async with asyncio.timeout(30):
            while True:
                if any((one, whose) == (what, name) for one, whose, _ in self.journal.lines()):
                    return
                await asyncio.sleep(0.02)

    async def until_left(self, runner: OperationRunner) -> None:
        """Wait until one of ours, who is not the owner any more, has noticed that and does nothing."""
        async with asyncio.timeout(30):
            while True:
                if not runner.running():
                    return
                await asyncio.sleep(0.02)

    @asynccontextmanager
    async def ours(self, owner: Owner | str = "ours", busy_s: float = 10.0) -> AsyncIterator[OperationRunner]:
        """Open one in this process."""
        database = await Database.open(self.folder / "venom.db", announce=pytest.fail, busy_timeout_s=busy_s)
        who = living(owner) if isinstance(owner, str) else owner
        runner = OperationRunner(OperationStore(database, self.now), EventBus(), who, self.now)
        runner.register(Kind("pull", self.journal.work))
        try:
            await runner.recover()
            yield runner
        finally:
            await runner.close()
            await database.close()

    async def ask(self, runner: OperationRunner, name: str, *, waiting: bool = False) -> Operation:
        """Ask for a pull in this process."""
        operation = await ask(runner, name, waiting=waiting)
        self.asked[operation.id] = name
        return operation

    async def rewrite(self, runner: OperationRunner, operation_id: str, owner: Owner) -> None:
        """Let another owner stand at an operation, as it would after something that cannot be done here."""
        text = owner.as_text()

        def write() -> None:
            with self.connect() as db:
                db.execute("UPDATE operations SET owner = ? WHERE id = ?", (text, operation_id))

        await asyncio.to_thread(write)

    @contextmanager
    def connect(self) -> Iterator[sqlite3.Connection]:
        """Write to the database from aside."""
        db = sqlite3.connect(self.folder / "venom.db", timeout=20)
        try:
            with db:
                yield db
        finally:
            db.close()

    @asynccontextmanager
    async def locked(self, seconds: float) -> AsyncIterator[None]:
        """Let another process keep the database locked for so long, from now on."""
        other = sqlite3.connect(self.folder / "venom.db", isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")

        async def release() -> None:
            await asyncio.sleep(seconds)
            other.execute("ROLLBACK")
            other.close()

        releasing = asyncio.create_task(release())
        try:
            yield
        finally:
            await releasing


Disaster = Callable[[World], Awaitable[None]]


async def killed_while_it_runs(world: World) -> None:
    process = await world.start("a")
    await world.until("begin", "a")
    await world.kill(process)


async def killed_while_another_waits_its_turn(world: World) -> None:
    process = await world.start("a", "b", "c")
    await world.until("begin", "a")
    await world.kill(process)


async def killed_at_any_moment(world: World) -> None:
    for _ in range(3):
        process = await world.start("a", "b")
        await asyncio.sleep(random.uniform(0.0, 1.0))
        await world.kill(process)


async def killed_at_its_end(world: World) -> None:
    process = await world.start("a")
    await world.until("done", "a")
    await world.kill(process)


async def killed_before_somebody_who_waits_for_it(world: World) -> None:
    first = await world.start("a")
    await world.until("begin", "a")
    second = await world.start("a", "b")
    await world.kill(first)
    assert await asyncio.to_thread(second.wait, 60) == 0, "b goes on behind it"


async def killed_in_front_of_another_process(world: World) -> None:
    first = await world.start("a")
    await world.until("begin", "a")
    second = await world.start("b")
    await world.kill(first)
    assert await asyncio.to_thread(second.wait, 60) == 0
    assert (world.works / "b.part").read_text() == str(STEPS)


async def the_server_is_killed(world: World) -> None:
    process = await world.start("a")
    await world.until("begin", "a")
    (world.works / "server is down").touch()
    await asyncio.to_thread(process.wait, 30)
    (world.works / "server is down").unlink()


async def both_are_killed(world: World) -> None:
    process = await world.start("a", "b")
    await world.until("begin", "a")
    (world.works / "server is down").touch()
    await world.kill(process)
    async with world.ours() as runner:
        failed = await runner.resume(next(iter(world.asked)))
        assert (await runner.wait(failed.id)).error == "The server is gone. no route"
    (world.works / "server is down").unlink()


async def the_machine_boots_anew(world: World) -> None:
    process = await world.start("a")
    await world.until("begin", "a")
    await world.kill(process)
    async with world.ours() as runner:
        operation = await world.ask(runner, "b")
        await world.until("begin", "b")
        await world.rewrite(runner, operation.id, replace(living("next"), boot_id="an earlier boot"))
        await world.until_left(runner)


async def its_pid_is_another_process_now(world: World) -> None:
    async with world.ours() as runner:
        operation = await world.ask(runner, "a")
        await world.until("begin", "a")
        await world.rewrite(runner, operation.id, replace(Owner.current(), start_time=1))
        await world.until_left(runner)


async def the_clock_is_set_back(world: World) -> None:
    async with world.ours() as runner:
        await world.ask(runner, "a")
        await world.ask(runner, "b")
        await world.until("begin", "a")
        world.shift = timedelta(days=-1)
        await world.ask(runner, "c")
        async with world.ours("another") as other:
            assert {one.target: one.state for one in await other.list()}["a"] is S.RUNNING
        for operation_id in tuple(world.asked):
            ended = await runner.wait(operation_id)
            assert ended.state is S.SUCCEEDED
    assert [name for what, name, _ in world.journal.lines() if what == "begin"] == ["a", "b", "c"]


async def the_clock_is_set_forward(world: World) -> None:
    process = await world.start("a")
    await world.until("begin", "a")
    world.shift = timedelta(days=2)
    async with world.ours() as runner:
        assert (await runner.list())[0].state is S.RUNNING, "it lives, whatever the time is"
        await world.ask(runner, "b")
    assert await asyncio.to_thread(process.wait, 30) == 0


async def the_database_is_locked_at_the_beginning(world: World) -> None:
    async with world.ours(busy_s=BUSY_S) as runner:
        await world.ask(runner, "b")
        async with world.locked(LOCKED_S):
            try:
                await world.ask(runner, "a")
            except StoreError:
                assert not [name for _, name, _ in world.journal.lines() if name == "a"], "refused is not begun"


async def the_database_is_locked_at_the_end(world: World) -> None:
    async with world.ours(busy_s=BUSY_S) as runner:
        operation = await world.ask(runner, "a")
        await world.until("begin", "a")
        await asyncio.sleep(0.5)
        async with world.locked(LOCKED_S):
            await world.until("done", "a")
        assert (await runner.wait(operation.id)).state is S.SUCCEEDED
        async with asyncio.timeout(30):
            while True:  # its end is written as soon as that is possible
                async with world.ours("another") as other:
                    if (await other.get(operation.id)).state is S.SUCCEEDED:
                        break
                await asyncio.sleep(0.1)


async def another_host_does_it(world: World) -> None:
    async with world.ours() as runner:
        operation = await world.ask(runner, "a")
        await world.until("begin", "a")
        await world.rewrite(runner, operation.id, elsewhere())
        await world.until_left(runner)
        seen = await runner.get(operation.id)
        assert (seen.state, seen.host) == (S.RUNNING, "other-host")
        assert (await ask(runner, "a")).id == operation.id and not runner.running()
    world.shift = timedelta(hours=25)  # it never comes back


async def another_host_was_silent_for_a_day(world: World) -> None:
    await another_host_does_it(world)
    async with world.ours() as one, world.ours("two") as two:
        found = await asyncio.gather(ask(one, "a"), ask(two, "a"))
        assert found[0].id == found[1].id
        assert len(one.running()) + len(two.running()) == 1
        await one.wait(found[0].id)


async def the_disk_is_full_in_the_middle_of_a_commit(world: World) -> None:
    async with world.ours() as runner:
        operation = await world.ask(runner, "a")
        await world.until("begin", "a")
        filler = fill(world.folder)
        ended = await runner.wait(operation.id)
        assert ended.state.final
        filler.unlink()


async def the_disk_is_full_before_it_begins(world: World) -> None:
    async with world.ours() as runner:
        filler = fill(world.folder)
        refused = 0
        for number in range(200):  # until SQLite has no page left either
            try:
                await world.ask(runner, f"n{number}")
            except (DiskFull, StoreError):
                refused += 1
                break
        assert refused
        filler.unlink()
        for one in runner.running():
            await runner.cancel(one.id)


async def two_ask_at_the_same_moment(world: World) -> None:
    processes = await asyncio.gather(*(world.start("a", "b") for _ in range(3)))
    for process in processes:
        assert await asyncio.to_thread(process.wait, 60) == 0


async def the_background_dies_before_it_begins(world: World) -> None:
    async with world.ours() as runner:
        await world.ask(runner, "a", waiting=True)
    world.shift = timedelta(minutes=1)


async def killed_while_it_hands_over(world: World) -> None:
    process = await world.start("a")
    await world.until("begin", "a")
    (operation_id,) = world.asked
    async with world.ours("background") as runner:
        await SharedOperations(runner._store.database).ask(operation_id, Request.HAND_OVER)
        await world.kill(process)
        assert await runner.adopt(operation_id)
        assert (await runner.wait(operation_id)).state is S.SUCCEEDED


async def killed_before_it_could_cancel(world: World) -> None:
    process = await world.start("a")
    await world.until("begin", "a")
    (operation_id,) = world.asked
    os.kill(process.pid, 19)  # SIGSTOP: it cannot answer
    async with world.ours() as runner:
        cancelling = asyncio.create_task(runner.cancel(operation_id))
        await asyncio.sleep(0.3)
        await world.kill(process)
        assert (await cancelling).state is S.INTERRUPTED, "it was not cancelled: nobody did that"


DISASTERS: list[Disaster] = [
    killed_while_it_runs,
    killed_while_another_waits_its_turn,
    killed_at_any_moment,
    killed_at_its_end,
    killed_before_somebody_who_waits_for_it,
    killed_in_front_of_another_process,
    the_server_is_killed,
    both_are_killed,
    the_machine_boots_anew,
    its_pid_is_another_process_now,
    the_clock_is_set_back,
    the_clock_is_set_forward,
    the_database_is_locked_at_the_beginning,
    the_database_is_locked_at_the_end,
    another_host_does_it,
    another_host_was_silent_for_a_day,
    the_disk_is_full_in_the_middle_of_a_commit,
    the_disk_is_full_before_it_begins,
    two_ask_at_the_same_moment,
    the_background_dies_before_it_begins,
    killed_while_it_hands_over,
    killed_before_it_could_cancel,
]
NEEDS_SMALL_DISK = (the_disk_is_full_in_the_middle_of_a_commit, the_disk_is_full_before_it_begins)


@pytest.mark.parametrize("disaster", DISASTERS, ids=lambda one: one.__name__)
async def test_disaster(disaster: Disaster, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue("small_disk") if disaster in NEEDS_SMALL_DISK else tmp_path
    world = World(folder, tmp_path)
    try:
        await disaster(world)
        await check(world)
    finally:
        for process in world.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


async def check(world: World) -> None:
    """Look at everything as the next venom-tui does, and go on with what can be gone on with."""
    async with world.ours("next") as runner:
        found = {one.id: one for one in await runner.list()}
        assert set(world.asked) <= set(found), "no operation is lost"
        assert all(one.state.final for one in found.values()), "nobody lives who could run one"
        done = {name for what, name, _ in world.journal.lines() if what == "done"}
        for one in found.values():
            assert one.state is not S.SUCCEEDED or one.target in done
            assert one.finished_at is not None
        for one in found.values():
            if one.state is not S.SUCCEEDED:
                again = await runner.resume(one.id)
                assert (await runner.wait(again.id)).state is S.SUCCEEDED
    assert not [name for what, name, _ in world.journal.lines() if what == "twice"]
