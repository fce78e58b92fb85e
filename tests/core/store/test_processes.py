"""What several venom-tui processes do to one store, and what is left of one that is killed."""

from __future__ import annotations

import asyncio
import os
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen

import pytest

from venom_tui.core.store.watch import StoreWatch
from venom_tui.core.types.session import MessageState, Role

from .support import open_store, start_worker

KILLS = int(os.environ.get("VENOM_TEST_KILLS", "6"))
"""`make soak` asks for more."""
_LOST_S = 2.0


async def line(process: Popen[str]) -> str:
    assert process.stdout is not None
    text = await asyncio.to_thread(process.stdout.readline)
    assert text, "the worker ended"
    return text.strip()


async def end(process: Popen[str]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    assert await asyncio.to_thread(process.wait, 20) == 0
    process.stdout.close()


async def test_two_write_at_once(folder: Path) -> None:
    workers = [start_worker("add", str(folder), name, "15") for name in ("ann", "bob")]
    async with open_store(folder) as store:
        for number in range(15):
            session = await store.sessions.create(title=f"we {number}")
            await store.say(session.id, f"we ask {number}", "yes")
        for worker in workers:
            assert await line(worker) == "done"
            await end(worker)
        sessions = await store.sessions.list()
        assert sorted(session.title for session in sessions) == sorted(
            f"{name} {number}" for name in ("ann", "bob", "we") for number in range(15)
        )
        assert {session.message_count for session in sessions} == {2}
        assert len(await store.sessions.search("asks")) == 30
        assert await store.database.check() == "ok"


async def test_a_living_answer_is_left_alone(folder: Path) -> None:
    worker = start_worker("hold", str(folder))
    session_id, _ = (await line(worker)).split()
    async with open_store(folder) as store:
        assert await store.sessions.recover() == 0
        answer = (await store.sessions.messages(session_id))[1]
        assert (answer.state, answer.content) == (MessageState.STREAMING, "so far")
        assert (await store.sessions.list())[0].streaming
        assert worker.stdin is not None
        worker.stdin.write("\n")
        worker.stdin.flush()
        assert await line(worker) == "ended"
        await end(worker)
        answer = (await store.sessions.messages(session_id))[1]
        assert (answer.state, answer.content) == (MessageState.COMPLETE, "the end")


async def test_a_killed_answer_is_seen_by_who_lives(folder: Path) -> None:
    worker = start_worker("hold", str(folder))
    session_id, _ = (await line(worker)).split()
    async with open_store(folder) as store:
        assert (await store.sessions.list())[0].streaming
        worker.kill()
        worker.communicate()
        assert not (await store.sessions.list())[0].streaming
        answer = (await store.sessions.messages(session_id))[1]
        assert (answer.state, answer.content) == (MessageState.INTERRUPTED, "so far")


async def test_the_others_sessions_are_noticed(folder: Path) -> None:
    async with open_store(folder) as store:
        noticed = asyncio.Event()
        path = store.database.path
        watch = StoreWatch(path, noticed.set, elsewhere=store.database.changed_elsewhere, every_s=0.02)
        await watch.start()
        session = await store.sessions.create(title="ours")
        await store.say(session.id, "hello", "there")
        await asyncio.sleep(0.2)  # ten looks: our own writes are no news
        assert not noticed.is_set()
        worker = start_worker("add", str(folder), "ann", "1")
        async with asyncio.timeout(20):
            await noticed.wait()
        assert await line(worker) == "done"
        await end(worker)
        await watch.close()
        assert {found.title for found in await store.sessions.list()} == {"ours", "ann 0"}


@dataclass
class Told:
    """What a process said before it was killed."""

    prompts: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By answer id: session and text of the prompt."""
    done: set[str] = field(default_factory=set)
    parts: list[tuple[float, int]] = field(default_factory=list)
    """Time and number of words of the pieces of the last answer."""
    answer: str = ""

    def take(self, text: str) -> None:
        kind, *rest = text.split(" ", 3)
        if kind == "user":
            self.answer, self.parts = rest[1], []
            self.prompts[self.answer] = (rest[0], rest[2])
        elif kind == "part":
            self.parts.append((float(rest[0]), int(rest[1])))
        elif kind == "done":
            self.done.add(rest[0])


@pytest.mark.timeout(60 + 20 * KILLS)
async def test_kills(folder: Path) -> None:
    """SIGKILL at a random moment: every start works, no committed message is missing, 2 s of a partial text at most."""
    told = Told()
    chance = random.Random(os.urandom(8))
    for _ in range(KILLS):
        worker = start_worker("stream", str(folder))
        assert worker.stdout is not None
        said: list[str] = [await line(worker)]
        reading = asyncio.create_task(asyncio.to_thread(worker.stdout.readlines))
        await asyncio.sleep(chance.uniform(0.0, 2.5))
        worker.kill()
        killed = time.time()
        worker.wait()
        said += [text.strip() for text in await reading if text.endswith("\n")]
        worker.stdout.close()
        assert worker.stdin is not None
        worker.stdin.close()
        assert not any("damaged" in text for text in said)
        for text in said:
            told.take(text)
        async with open_store(folder) as store:
            await store.sessions.recover()
            assert not store.notices
            assert await store.database.check() == "ok"
            stored = {
                m.id: m for session in await store.sessions.list() for m in await store.sessions.messages(session.id)
            }
            prompts = {(m.session_id, m.content) for m in stored.values() if m.role is Role.USER}
            assert set(told.prompts.values()) <= prompts
            assert set(told.prompts) <= set(stored)
            assert {stored[answer].state for answer in told.done} <= {MessageState.COMPLETE}
            assert all(len(stored[answer].content.split()) == 59 for answer in told.done)
            assert not [m for m in stored.values() if m.state is MessageState.STREAMING]
            if told.answer not in told.done:
                kept = len(stored[told.answer].content.split())
                due = max((words for at, words in told.parts if at < killed - _LOST_S), default=0)
                assert kept >= due
                assert stored[told.answer].state in (MessageState.INTERRUPTED, MessageState.COMPLETE)
