"""Work that only its own process can do, and that waits for others all the same: one at a time on a machine."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.core.operations.sharing import S, venoms
from venom_tui.core.errors import StoreError
from venom_tui.core.operations.runner import Progress
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
