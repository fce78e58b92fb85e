"""Work that only its own process can do, and that waits for others all the same: one at a time on a machine."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.core.operations.sharing import S, venoms
from venom_tui.core.errors import StoreError, UsageError
from venom_tui.core.operations.runner import Progress, Terms
from venom_tui.core.owner import Owner, start_time

HERE = Owner.current()
BESIDE = replace(HERE, pid=os.getppid(), start_time=start_time(os.getppid()) or 0)
"""Another process of this machine."""


async def test_one_at_a_time_over_all_processes(tmp_path: Path) -> None:
    async with venoms(tmp_path, HERE, BESIDE) as (a, b):
        order: list[str] = []
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def first(progress: Progress) -> str:
            order.append("first begins")
            begun.set()
            await go_on.wait()
            order.append("first ends")
            return "one"

        async def second(progress: Progress) -> str:
            order.append("second begins")
            return "two"

        one = asyncio.create_task(a.runner.run("switch", "x", first, machine="memory"))
        await begun.wait()
        two = asyncio.create_task(b.runner.run("switch", "y", second, machine="memory"))
        waiting = await b.until("y", S.QUEUED)
        while b.runner.running()[0].message != "waits for the switch of x":  # noqa: ASYNC110 (it is asked, not told)
            await asyncio.sleep(0.01)
        assert not waiting.repeatable
        other = await b.runner.run("switch", "z", second, queue=(), machine="elsewhere")
        assert (other, order) == ("two", ["first begins", "second begins"])
        assert a.runner.can_go_on() == [], "no other process could go on with it"
        go_on.set()
        assert (await one, await two) == ("one", "two")
        assert order[-2:] == ["first ends", "second begins"]
        assert await a.states() == {"x": S.SUCCEEDED, "y": S.SUCCEEDED, "z": S.SUCCEEDED}


async def test_what_waits_can_be_cancelled_and_the_dead_hold_nobody_up(tmp_path: Path) -> None:
    async with venoms(tmp_path, HERE, BESIDE) as (a, b):
        begun = asyncio.Event()

        async def for_ever(progress: Progress) -> None:
            begun.set()
            await asyncio.Event().wait()

        async def at_once(progress: Progress) -> str:
            return "done"

        one = asyncio.create_task(a.runner.run("load", "x", for_ever, machine="memory"))
        await begun.wait()
        two = asyncio.create_task(b.runner.run("load", "y", at_once, machine="memory"))
        await b.until("y", S.QUEUED)
        two.cancel()
        with pytest.raises(asyncio.CancelledError):
            await two
        assert (await b.states())["y"] is S.CANCELLED
        dead = replace(HERE, pid=2**22 - 1, start_time=1)
        running = next(o for o in a.runner.running())
        await a.database.write(
            lambda db: db.execute("UPDATE operations SET owner = ? WHERE id = ?", (dead.as_text(), running.id))
        )
        assert await b.runner.run("load", "y", at_once, machine="memory") == "done"
        one.cancel()
        await asyncio.gather(one, return_exceptions=True)


async def test_without_a_store_it_is_done_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with venoms(tmp_path, HERE) as (a,):

        async def full(*_: object) -> None:
            raise StoreError("The disk is full.")

        async def work(progress: Progress) -> str:
            return "done"

        monkeypatch.setattr(a.runner._runs._shared, "begin", full)
        monkeypatch.setattr(a.store, "save", full)
        assert await a.runner.run("load", "x", work, machine="memory") == "done"
        monkeypatch.undo()


async def test_two_that_hold_the_same_never_run_beside_each_other(tmp_path: Path) -> None:
    async with venoms(tmp_path, HERE, BESIDE) as (a, b):
        order: list[str] = []

        async def remove(progress: Progress) -> None:
            order.append("remove")

        pulling = await a.runner.submit("pull", "x", Terms("net", "pull x", {"name": "x", "holds": ["repo", "all"]}))
        await a.works.until_begun("x")
        removing = asyncio.create_task(b.runner.run("remove", "y", remove, holds=["repo"]))
        await b.until("y", S.QUEUED)
        while b.runner.running()[0].message != "waits for the pull of x":  # noqa: ASYNC110 (it is asked, not told)
            await asyncio.sleep(0.01)
        await b.runner.run("remove", "z", remove, queue=(), holds=["another", "more"])
        assert order == ["remove"], "what holds something else does not wait"
        a.works.end("x")
        await removing
        assert (await a.runner.wait(pulling.id)).state is S.SUCCEEDED and len(order) == 2


async def test_a_pull_that_was_moved_forward_does_not_wait_for_the_one_behind_it(tmp_path: Path) -> None:
    async with venoms(tmp_path, HERE, BESIDE) as (a, b):
        first = await b.pull("first")
        await b.works.until_begun("first")
        for name in ("x", "y"):
            await a.runner.submit("pull", name, Terms("net", f"pull {name}", {"name": name, "holds": ["repo"]}))
        y = await a.until("y", S.QUEUED)
        assert await a.runner.move(y.id, -1)
        b.works.end("first")
        await b.runner.wait(first.id)
        await a.works.until_begun("y")
        a.works.end("y", "x")
        await a.works.until_begun("x")
        assert a.works.most == 1


async def test_what_can_be_gone_on_with(tmp_path: Path) -> None:
    async with venoms(tmp_path, HERE) as (a,):
        for name in ("done", "failed", "again", "open"):
            await a.pull(name)
            await a.works.until_begun(name)
            if name in ("failed", "again"):
                a.works.failures[name] = UsageError("no")
            if name != "open":
                a.works.end(name)
                await a.until(name, S.SUCCEEDED if name == "done" else S.FAILED)
        del a.works.failures["again"]
        again = next(one for one in await a.runner.list() if one.target == "again")
        await a.runner.cancel((await a.until("open", S.RUNNING)).id)
        await a.runner.wait((await a.runner.retry(again.id)).id)
        found = {one.target: one.state for one, _ in await a.runner.unfinished("pull")}
        assert found == {"failed": S.FAILED, "open": S.CANCELLED}
