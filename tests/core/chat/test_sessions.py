"""Turns of several sessions, of temporary ones, at the end of the program, and without a model."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.core.support import answered_by, answers, ask, ended, first_words, next_of, open_core
from tests.gguf_files import write_gguf
from tests.servers import (
    DONE,
    Exchange,
    answer,
    event,
    head,
    piece,
    sends,
    sends_then_hangs,
    serving,
)
from venom_tui.core.core import Core
from venom_tui.core.errors import UsageError
from venom_tui.core.events import SessionsChanged
from venom_tui.core.types.session import Message, MessageState
from venom_tui.core.types.turn import TurnEnded

from .conftest import Answering

HANGS_AFTER = sends_then_hangs(head() + piece("so ") + piece("far"))


# ---------------------------------------------------------------------- several at once, and the end


async def test_two_sessions_at_once(core: Core, answering: Answering) -> None:
    arrived, both = [], asyncio.Event()

    async def script(exchange: Exchange) -> None:
        arrived.append(exchange)
        if len(arrived) == 2:
            both.set()
        await both.wait()
        await sends(answer(exchange.json["messages"][-1]["content"].upper()))(exchange)

    await answering(script)
    sessions = [await core.sessions.create() for _ in range(2)]
    ids = [await core.chat.send(session.id, text) for session, text in zip(sessions, "ab", strict=True)]
    assert [(await ended(core, one)).message.content for one in ids] == ["A", "B"]


async def test_closing_keeps_what_came_as_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_gguf(tmp_path / "data" / "models" / "tiny.gguf")
    async with serving(HANGS_AFTER) as server:
        async with open_core(tmp_path) as core:
            answered_by(core, server, monkeypatch)
            session = await core.sessions.create()
            request_id = await core.chat.send(session.id, "hello")
            await first_words(core, request_id)
            following = core.chat.follow(request_id)
        last = [event async for event in following][-1]
        assert isinstance(last, TurnEnded)
        assert (last.message.state, last.error_code) == (MessageState.INTERRUPTED, "")
        with pytest.raises(UsageError, match="closing"):
            await core.chat.send(session.id, "more")
    async with open_core(tmp_path) as core:
        message = (await core.sessions.messages(session.id))[1]
        assert (message.state, message.content) == (MessageState.INTERRUPTED, last.message.content)
        assert message.content.startswith("so ")


async def test_a_prompt_at_the_moment_of_closing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever came first: nothing runs on after the end, and what was begun has ended."""
    write_gguf(tmp_path / "data" / "models" / "tiny.gguf")
    async with serving(HANGS_AFTER) as server:
        before = asyncio.all_tasks()
        async with open_core(tmp_path) as core:
            answered_by(core, server, monkeypatch)
            session = await core.sessions.create()
            sending = asyncio.create_task(core.chat.send(session.id, "hello"))
            await asyncio.sleep(0)
        await asyncio.gather(sending, return_exceptions=True)
        tasks = {task for task in asyncio.all_tasks() - before if task.get_name().startswith(("answer", "turn"))}
        assert tasks == set()
    async with open_core(tmp_path) as core:
        assert {m.state for m in await answers(core, session.id)} <= {MessageState.INTERRUPTED}


# ---------------------------------------------------------------------- what venom-tui answers itself


@pytest.mark.parametrize(
    ("text", "intent", "says"),
    [
        ("help", "help", "`/help` shows every key"),
        ("what can you do?", "help", "`/help` shows every key"),
        ("status", "infra", "Answering: **`tiny`**"),
        ("quit", "quit", "`/quit` quits"),
        ("what time is it?", "time", "on this machine"),
    ],
)
async def test_no_model_is_asked(core: Core, text: str, intent: str, says: str) -> None:
    session = await core.sessions.create()
    with core.events.subscribe() as bus:
        last = await ask(core, session.id, text)
        assert (await next_of(bus, SessionsChanged)).session_id == session.id
    assert last.route is not None
    assert (last.route.kind, last.route.intent, last.route.target, last.route.model) == (
        "static",
        intent,
        "program",
        "",
    )
    assert says in last.message.content
    assert [(m.role.value, m.state.value) for m in await core.sessions.messages(session.id)] == [
        ("user", "complete"),
        ("program", "complete"),
    ]
    assert core.runtimes.loaded() == ()
    assert await core.sessions.traces(session.id) == []
    assert (await core.chat.route(text)).kind == "static"


# ---------------------------------------------------------------------- temporary sessions


async def test_a_temporary_session_leaves_nothing(core: Core, answering: Answering, tmp_path: Path) -> None:
    await answering(sends(answer("the zanzibar answer")), HANGS_AFTER, sends(b""), sends(answer("zanzibar again")))
    session = await core.sessions.create(temporary=True, system="zanzibar system")
    core.sessions.set_draft(session.id, "zanzibar draft")
    await ask(core, session.id, "tell me of zanzibar")
    await ask(core, session.id, "status")
    request_id = await core.chat.send(session.id, "more zanzibar")
    await first_words(core, request_id)
    await core.chat.stop(request_id)
    await ask(core, session.id, "zanzibar fails")
    await ended(core, await core.chat.regenerate(session.id))
    assert [m.content for m in await answers(core, session.id)][-1] == "zanzibar again"
    await core.sessions.flush()
    for table in ("sessions", "messages", "traces", "messages_text"):
        assert (await core.database.read(f"SELECT count(*) FROM {table}"))[0][0] == 0
    assert await core.sessions.search("zanzibar") == []
    for file in (tmp_path / "data").rglob("*"):
        assert not file.is_file() or b"zanzibar" not in await asyncio.to_thread(file.read_bytes)


async def test_messages_know_how_they_came_about(core: Core, answering: Answering) -> None:
    """What is stored is what was told."""
    last = piece(finish_reason="length", usage={"prompt_tokens": 9, "completion_tokens": 2})
    thinking = event({"choices": [{"delta": {"reasoning_content": "hm"}}]})
    await answering(sends(head(), thinking, piece("yes"), last, DONE))
    session = await core.sessions.create()
    message: Message = (await ask(core, session.id, "hello")).message
    assert (message.thinking, message.finish_reason, message.usage.prompt_tokens) == ("hm", "length", 9)
    assert (await core.sessions.messages(session.id))[1] == message
