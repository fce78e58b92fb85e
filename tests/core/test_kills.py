"""SIGKILL while a venom-tui chats with the real model, and two of them on one data directory."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.core.beside import all_gone, beside, put_model
from tests.core.support import COUNTING, ask, ended, first_words, next_of, open_core
from venom_tui.core.core import Core
from venom_tui.core.events import SessionsChanged
from venom_tui.core.types.request import GenerationParameters
from venom_tui.core.types.session import Message, MessageState, Role

KILLS = int(os.environ.get("VENOM_TEST_KILLS", "10"))
"""`make soak` asks for more."""
_LOST_S = 2.0
STEADY = GenerationParameters(temperature=0.0)


@dataclass
class Told:
    """What processes said before they were killed."""

    prompts: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By answer: session and text of the prompt."""
    done: dict[str, str] = field(default_factory=dict)
    """By answer: its whole text."""
    answer: str = ""
    """The one that was begun last."""
    parts: list[tuple[float, str]] = field(default_factory=list)
    """Its text so far, with the time."""

    def take(self, line: str) -> None:
        kind, _, rest = line.partition(" ")
        if kind == "user":
            self.answer, session_id, text = rest.split(" ", 2)
            self.prompts[self.answer] = (session_id, text)
            self.parts = []
        elif kind == "part":
            at, text = rest.split(" ", 1)
            self.parts.append((float(at), json.loads(text)))
        elif kind == "done":
            answer, state, text = rest.split(" ", 2)
            assert state == "complete"
            self.done[answer] = json.loads(text)


async def everything(core: Core) -> dict[str, Message]:
    sessions = await core.sessions.list()
    return {message.id: message for session in sessions for message in await core.sessions.messages(session.id)}


def check(told: Told, stored: dict[str, Message], killed: float) -> None:
    """Compare what was told with what is there."""
    prompts = {(message.session_id, message.content) for message in stored.values() if message.role is Role.USER}
    assert set(told.prompts.values()) <= prompts, "a committed prompt is missing"
    assert set(told.prompts) <= set(stored)
    for answer, text in told.done.items():
        assert (stored[answer].state, stored[answer].content) == (MessageState.COMPLETE, text)
    assert not [message for message in stored.values() if message.state is MessageState.STREAMING]
    assert {message.state for message in stored.values()} <= {MessageState.COMPLETE, MessageState.INTERRUPTED}
    if told.answer and told.answer not in told.done:
        kept = stored[told.answer].content
        known = [text for at, text in told.parts if at < killed - _LOST_S]
        assert len(kept) >= len(known[-1] if known else ""), "more than two seconds of the answer are gone"
        last = told.parts[-1][1] if told.parts else ""
        assert kept.startswith(last) or last.startswith(kept)


@pytest.mark.timeout(60 + 20 * KILLS)
async def test_kills(tmp_path: Path, demonstration_model: Path) -> None:
    put_model(tmp_path, demonstration_model)
    told, chance = Told(), random.Random(os.urandom(8))
    longest = 2.5
    for _ in range(KILLS):
        async with beside(tmp_path) as process:
            assert await process.line("notices") == "0"
            await asyncio.sleep(chance.uniform(0.0, longest))  # the moment is to be any
            children = process.children()
            await process.kill()
            killed = time.time()
        for line in process.lines:
            told.take(line)
        if not told.done:  # on a busy machine an answer takes longer; some are to have ended before the kill
            longest *= 1.4
        assert await all_gone(children)
        async with open_core(tmp_path) as core:
            assert core.database.notices == ()
            assert (await core.database.read("PRAGMA integrity_check"))[0][0] == "ok"
            check(told, await everything(core), killed)
            assert not [o for o in await core.operations.list() if not o.state.final]
    assert told.done, "some answers ended before the kill"
    async with open_core(tmp_path) as core:
        session_id = told.prompts[told.answer][0]
        before = await core.sessions.messages(session_id)
        last = await ask(core, session_id, "And then?", model="long", max_tokens=5)
        assert last.message.state is MessageState.COMPLETE
        assert (await core.sessions.messages(session_id))[: len(before)] == before
        assert await core.sessions.search("numbers")


async def test_two_on_one_data_directory(tmp_path: Path, demonstration_model: Path) -> None:
    put_model(tmp_path, demonstration_model)
    async with open_core(tmp_path) as core, beside(tmp_path, "once") as process:
        ours = await core.sessions.create(title="ours")
        with core.events.subscribe() as events:
            answer_id, session_id, prompt = (await process.line("user")).split(" ", 2)
            await process.line("part")
            while (await next_of(events, SessionsChanged)).session_id is not None:
                pass  # ours; None is told for what another process wrote
        (theirs,) = [session for session in await core.sessions.list() if session.id == session_id]
        assert (theirs.title, theirs.streaming) == ("from beside", True)
        # While it answers, neither we nor one that is just starting takes its answer for a dead one's.
        async with open_core(tmp_path) as third:
            assert await third.sessions.recover() == 0
            running = await third.chat.send(ours.id, COUNTING, model="long", parameters=STEADY)
            await first_words(third, running)
            assert await core.sessions.recover() == 0
            user, answer = await third.sessions.messages(session_id)
            assert (user.content, answer.id, answer.state) == (prompt, answer_id, MessageState.STREAMING)
            await third.chat.stop(running)
            stopped = (await ended(third, running)).message
        assert (await core.sessions.messages(ours.id))[1] == stopped
        await process.tell()
        state, text = (await process.line("done")).split(" ", 2)[1:]
        assert state == "stopped"
        assert json.loads(await process.line("sees")) == ["from beside", "ours"]
        answer = (await core.sessions.messages(session_id))[1]
        assert (answer.state, answer.content) == (MessageState.STOPPED, json.loads(text))


async def test_a_killed_one_is_noticed_by_who_lives(tmp_path: Path, demonstration_model: Path) -> None:
    put_model(tmp_path, demonstration_model)
    async with open_core(tmp_path) as core, beside(tmp_path, "once") as process:
        answer_id, session_id, _ = (await process.line("user")).split(" ", 2)
        await process.line("part")
        await process.kill()
        (session,) = await core.sessions.list()
        assert (session.id, session.streaming) == (session_id, False)
        answer = (await core.sessions.messages(session_id))[1]
        assert (answer.id, answer.state) == (answer_id, MessageState.INTERRUPTED)
        operations = await core.operations.list()
        assert [(o.kind, o.target, o.state.final) for o in operations] == [("load", "long", True)]
