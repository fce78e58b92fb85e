"""Two venom-tui on one database: nothing is done twice, each sees and stops what the other does."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.core.operations.sharing import S, Venom, living, venoms
from tests.core.store.support import dead_owner, elsewhere
from venom_tui.core.errors import OperationRefused
from venom_tui.core.events import OperationChanged
from venom_tui.core.owner import Owner
from venom_tui.core.types.operation import Operation


async def test_from_begin_to_end(tmp_path: Path) -> None:
    async with venoms(tmp_path, "a") as (a,):
        operation = await a.pull("m")
        assert (operation.state, operation.repeatable) == (S.QUEUED, True)
        await a.works.until_begun("m")
        a.works.progress["m"].log("half way")
        a.works.end("m")
        ended = await a.runner.wait(operation.id)
        assert ended.state is S.SUCCEEDED
        assert [line.partition(" ")[2] for line in await a.runner.log(operation.id)] == ["half way", "succeeded"]


async def test_the_same_is_done_once_over_all_processes(tmp_path: Path) -> None:
    async with venoms(tmp_path, "a", "b") as (a, b):
        found = await asyncio.gather(a.pull("m"), b.pull("m"), a.pull("m"), b.pull("m"))
        assert len({operation.id for operation in found}) == 1
        one = a if a.runner.running() else b
        await one.works.until_begun("m")
        waits = asyncio.create_task((b if one is a else a).runner.wait(found[0].id))
        await asyncio.sleep(0.1)
        one.works.end("m")
        assert (await waits).state is S.SUCCEEDED
        assert a.works.begun + b.works.begun == ["m"]


async def test_one_of_a_queue_at_a_time_in_the_order_of_asking(tmp_path: Path) -> None:
    async with venoms(tmp_path, "a", "b") as (a, b):
        first = await a.pull("1")
        await a.works.until_begun("1")
        for venom, name in ((b, "2"), (a, "3"), (b, "4")):
            await venom.pull(name)
        other = await b.pull("other", queue="elsewhere")
        await b.works.until_begun("other")
        b.works.end("other")
        assert (await b.runner.wait(other.id)).state is S.SUCCEEDED
        await asyncio.sleep(0.5)
        assert (a.works.running, b.works.running) == ({"1"}, set())
        waiting = next(one for one in b.runner.running() if one.target == "2")
        assert waiting.message == "waits for the pull of 1"
        for venom, name, then, following in ((a, "1", b, "2"), (b, "2", a, "3"), (a, "3", b, "4")):
            venom.works.end(name)
            await then.works.until_begun(following)
        b.works.end("4")
        await b.until("4", S.SUCCEEDED)
        assert (a.works.most, b.works.most) == (1, 1)
        assert (await a.runner.get(first.id)).state is S.SUCCEEDED


async def test_reordered_by_whoever_looks(tmp_path: Path) -> None:
    async with venoms(tmp_path, "a", "b") as (a, b):
        await a.pull("1")
        await a.works.until_begun("1")
        asked = {name: await (a if name in "24" else b).pull(name) for name in ("2", "3", "4")}
        assert await b.runner.move(asked["4"].id, -1)
        assert await b.runner.move(asked["4"].id, -5)
        assert not await b.runner.move(asked["4"].id, -1), "it is the first already"
        assert not await b.runner.move((await a.until("1", S.RUNNING)).id, 1), "it runs"
        a.works.end("1")
        await a.works.until_begun("4")
        a.works.end("4", "2")
        await a.works.until_begun("2")
        b.works.end("3")
        await b.until("3", S.SUCCEEDED)


async def test_cancelled_and_paused_by_another(tmp_path: Path) -> None:
    async with venoms(tmp_path, "a", "b") as (a, b):
        operation = await a.pull("m")
        await a.works.until_begun("m")
        a.works.progress["m"].update(bytes_done=50, bytes_total=100)
        paused = await b.runner.pause(operation.id)
        assert (paused.state, paused.bytes_done, paused.message) == (S.PAUSED, 50, "paused")
        assert (await a.runner.get(operation.id)).state is S.PAUSED
        assert a.works.running == set()
        assert await b.runner.pause(operation.id) == await b.runner.get(operation.id)

        resumed = await b.runner.resume(operation.id[:6])
        assert resumed.id == operation.id
        await b.works.until_begun("m")
        assert b.works.progress["m"].operation.bytes_done == 50
        assert (await a.runner.resume(operation.id)).state is S.RUNNING, "what runs is left running"
        cancelled = await a.runner.cancel(operation.id)
        assert (cancelled.state, b.works.running) == (S.CANCELLED, set())
        again = await a.runner.retry(operation.id)
        assert again.id != operation.id and again.cause == f"retry of {operation.id}"
        await a.works.until_begun("m", 2)
        a.works.end("m")
        assert (await a.runner.wait(again.id)).state is S.SUCCEEDED
        with pytest.raises(OperationRefused, match="nothing is left to do"):
            await a.runner.resume(again.id)


async def test_a_paused_one_stays_paused_and_the_same_request_goes_on_with_it(tmp_path: Path) -> None:
    async with venoms(tmp_path, "a") as (a,):
        operation = await a.pull("m")
        await a.works.until_begun("m")
        await a.runner.pause(operation.id)
    async with venoms(tmp_path, "b") as (b,):
        assert await b.runner.recover() == 0
        assert await b.states() == {"m": S.PAUSED}
        assert (await b.pull("m")).id == operation.id
        await b.works.until_begun("m")
    async with venoms(tmp_path, "c") as (c,):
        assert await c.states() == {"m": S.INTERRUPTED}, "closing interrupts"
        assert (await c.runner.resume(operation.id)).id == operation.id
        await c.works.until_begun("m")
        c.works.end("m")
        assert (await c.runner.wait(operation.id)).state is S.SUCCEEDED
        assert len(await c.runner.list()) == 1


async def test_a_paused_one_can_be_cancelled_by_anybody(tmp_path: Path) -> None:
    async with venoms(tmp_path, "a", "b") as (a, b):
        operation = await a.pull("m")
        await a.works.until_begun("m")
        await a.runner.pause(operation.id)
        assert (await b.runner.cancel(operation.id)).state is S.CANCELLED


async def test_others_are_told_as_events(tmp_path: Path) -> None:
    async with venoms(tmp_path, "a", "b") as (a, b):
        with b.events.subscribe() as events:
            operation = await a.pull("m")
            await a.works.until_begun("m")
            b.runner.noticed()
            a.works.progress["m"].update(bytes_done=7, bytes_total=9)
            seen = []
            async with asyncio.timeout(10):
                async for event in events:
                    assert isinstance(event, OperationChanged)
                    seen.append(event.operation)
                    a.works.end("m")
                    if event.operation.state.final:
                        break
        assert {one.id for one in seen} == {operation.id}
        assert (seen[-1].state, seen[-1].bytes_done) == (S.SUCCEEDED, 7)


async def test_what_a_dead_process_did_is_taken_over(tmp_path: Path) -> None:
    async with venoms(tmp_path, "a") as (a,):
        operation = await put(a, dead_owner())
        assert (await a.runner.get(operation.id)).state is S.INTERRUPTED
        assert (await a.pull("m")).id == operation.id, "the same request goes on with it"
        await a.works.until_begun("m")
        a.works.end("m")
        assert (await a.runner.wait(operation.id)).state is S.SUCCEEDED


async def test_a_queue_goes_on_after_a_dead_process(tmp_path: Path) -> None:
    async with venoms(tmp_path, "a") as (a,):
        await put(a, dead_owner(), "dead")
        operation = await a.pull("m")
        await a.works.until_begun("m")
        assert (await a.states())["dead"] is S.INTERRUPTED
        a.works.end("m")
        assert (await a.runner.wait(operation.id)).state is S.SUCCEEDED


async def test_what_another_machine_does_is_left_alone(tmp_path: Path) -> None:
    async with venoms(tmp_path, "a") as (a,):
        operation = await put(a, elsewhere())
        seen = await a.pull("m")
        assert (seen.id, seen.state, seen.host) == (operation.id, S.RUNNING, "other-host")
        assert a.works.begun == []
        for act in (a.runner.cancel, a.runner.pause):
            with pytest.raises(OperationRefused, match="runs on other-host"):
                await act(operation.id)
        a.time = datetime.now(UTC) + timedelta(hours=25)
        assert (await a.pull("m")).id == operation.id, "after a day of silence it is taken over"
        await a.works.until_begun("m")


async def test_who_lost_an_operation_writes_nothing_more(tmp_path: Path) -> None:
    async with venoms(tmp_path, "a", "b") as (a, b):
        operation = await a.pull("m")
        await a.works.until_begun("m")
        entry = await a.store.get(operation.id)
        assert entry is not None
        assert await b.shared.take(entry, b.owner, S.RUNNING) is not None
        await asyncio.wait({running.task for running in a.runner._runs.all()}, timeout=10)
        assert not a.runner.running()
        entry = await a.store.get(operation.id)
        assert entry is not None and (entry.owner, entry.operation.state) == (b.owner, S.RUNNING)


async def test_work_of_this_process_alone_cannot_be_paused_or_done_again(tmp_path: Path) -> None:
    async with venoms(tmp_path, "a", "b") as (a, b):
        hold = asyncio.Event()
        task = asyncio.create_task(a.runner.run("load", "m", lambda progress: hold.wait(), runtime="x"))
        await a.until("m", S.RUNNING)
        (operation,) = a.runner.running()
        for venom in (a, b):
            with pytest.raises(OperationRefused, match="cannot be paused"):
                await venom.runner.pause(operation.id)
        assert (await b.runner.cancel(operation.id)).state is S.CANCELLED
        await asyncio.wait({task})
        with pytest.raises(OperationRefused, match="cannot be done again"):
            await b.runner.retry(operation.id)


# ---------------------------------------------------------------------- changing hands


@pytest.mark.parametrize("overlaps", [False, True])
async def test_given_from_one_process_to_another(tmp_path: Path, overlaps: bool) -> None:
    async with venoms(tmp_path, "a", "b", overlaps=overlaps) as (a, b):
        running, queued = await a.pull("1"), await a.pull("2")
        await a.works.until_begun("1")
        a.works.progress["1"].update(bytes_done=50, bytes_total=100, message="half")
        left_early: list[bool] = []
        b.works.on_begin = lambda name: left_early.append("1" not in a.works.running)

        async def adopt(ids: object) -> None:
            async def later() -> None:
                for one in (running, queued):
                    assert await b.runner.adopt(one.id)
                await b.works.until_begun("1")

            tasks.append(asyncio.create_task(later()))

        tasks: list[asyncio.Task[None]] = []
        given = await a.runner.hand_over(adopt)
        await asyncio.gather(*tasks)
        assert {one.target for one in given} == {"1", "2"}
        assert left_early[:1] == [not overlaps], "the second one joins before the first one leaves, where it may"
        assert not a.runner.running()
        assert [one.target for one in b.runner.running()] == ["1", "2"]
        assert all(one.background for one in b.runner.running())
        assert b.works.progress["1"].operation.bytes_done == 50
        b.works.end("1", "2")
        assert (await a.runner.wait(queued.id)).state is S.SUCCEEDED
        assert await a.states() == {"1": S.SUCCEEDED, "2": S.SUCCEEDED}


async def test_what_nobody_takes_is_interrupted(tmp_path: Path) -> None:
    async with venoms(tmp_path, "a") as (a,):
        operation = await a.pull("m", waiting=True)
        assert await a.states() == {"m": S.QUEUED}, "a process may just be starting"
        assert a.works.begun == []
        a.time = datetime.now(UTC) + timedelta(minutes=1)
        assert await a.states() == {"m": S.INTERRUPTED}
        await a.runner.recover()
        a.time = None
        assert await a.states() == {"m": S.INTERRUPTED}
        assert not await a.runner.adopt(operation.id)


async def test_what_ends_while_it_is_given_ends_once(tmp_path: Path) -> None:
    async with venoms(tmp_path, "a", "b", overlaps=True) as (a, b):
        operation = await a.pull("m")
        await a.works.until_begun("m")

        async def adopt(ids: object) -> None:
            a.works.end("m")
            await a.until("m", S.SUCCEEDED)

        await a.runner.hand_over(adopt)
        assert not await b.runner.adopt(operation.id)
        assert (await b.runner.get(operation.id)).state is S.SUCCEEDED


async def test_the_background_is_ended(tmp_path: Path) -> None:
    async with venoms(tmp_path, "a", "b") as (a, b):
        operation = await a.pull("m", waiting=True)
        assert await b.runner.adopt(operation.id)
        await b.works.until_begun("m")
        await b.until("m", S.RUNNING)
        ended, silent = await a.runner.stop_background()
        assert ([one.state for one in ended], silent) == ([S.INTERRUPTED], [])
        assert not b.runner.running()


async def test_what_the_user_paused_is_not_stopped_again(tmp_path: Path) -> None:
    async with venoms(tmp_path, "a", "b") as (a, b):
        operation = await a.pull("m", waiting=True)
        assert await b.runner.adopt(operation.id)
        await b.works.until_begun("m")
        paused = await a.runner.pause(operation.id)
        assert (paused.state, paused.background) == (S.PAUSED, True)
        assert await a.runner.stop_background() == ([], [])
        assert (await a.runner.get(operation.id)).state is S.PAUSED


async def put(venom: Venom, owner: Owner, name: str = "m") -> Operation:
    """Write an operation as an owner left it running."""
    other = Venom(venom.database, living("left"))
    operation = await other.pull(name)
    await other.works.until_begun(name)
    entry = await venom.store.get(operation.id)
    assert entry is not None
    await venom.shared.take(entry, owner, S.RUNNING)
    await other.runner.close()
    found = await venom.store.get(operation.id)
    assert found is not None and found.owner == owner
    return replace(found.operation)
