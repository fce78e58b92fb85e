"""Turns with the real embedded llama.cpp and the demonstration model; one server for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.core.support import COUNTING, answers, ask, ended, first_words, open_core, recording, sent, turn
from tests.servers import Server
from venom_tui.core.chat.answering import DEMONSTRATION_MAX_TOKENS
from venom_tui.core.core import Core
from venom_tui.core.types.session import MessageState
from venom_tui.core.types.turn import TurnDelta, TurnEnded, TurnRouted, TurnStarted, TurnStatus

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEMONSTRATION = "smollm2-135m"
LONG = "long"
"""The same file by another name: not capped and not stopped when it repeats itself."""
QUESTION = "What is the capital of France?"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def core(tmp_path_factory: pytest.TempPathFactory, demonstration_model: Path) -> AsyncIterator[Core]:
    folder = tmp_path_factory.mktemp("real")
    (folder / "data" / "models").mkdir(parents=True)
    (folder / "data" / "models" / f"{LONG}.gguf").symlink_to(demonstration_model)
    async with open_core(folder) as opened:
        await opened.models.set_parameters(LONG, None, {"temperature": "0"})
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def recorded(core: Core, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    """What goes to the real server, seen on the wire."""
    async with recording(core, monkeypatch) as server:
        yield server


async def test_a_turn_from_the_prompt_to_the_committed_answer(core: Core) -> None:
    session = await core.sessions.create()
    events = await turn(core, await core.chat.send(session.id, QUESTION, model=DEMONSTRATION))
    kinds = [type(event) for event in events]
    assert kinds[:2] == [TurnStarted, TurnRouted]
    assert kinds[-1] is TurnEnded
    assert kinds == sorted(kinds, key=[TurnStarted, TurnRouted, TurnStatus, TurnDelta, TurnEnded].index), (
        "each kind has its place"
    )
    last = events[-1]
    assert isinstance(last, TurnEnded)
    message, timings, usage = last.message, last.message.timings, last.message.usage
    assert "Paris" in message.content
    assert "".join(event.text for event in events if isinstance(event, TurnDelta)) == message.content
    assert (message.state, message.finish_reason, message.demonstration) == (MessageState.COMPLETE, "stop", True)
    assert timings.model_to_first_token_ms is not None
    assert timings.submit_to_first_token_ms is not None
    assert timings.load_ms is not None
    assert timings.total_ms is not None
    assert 0 < timings.model_to_first_token_ms <= timings.submit_to_first_token_ms <= timings.total_ms
    assert usage.prompt_tokens is not None
    assert usage.prompt_tokens > 10
    assert usage.completion_tokens is not None
    assert usage.completion_tokens > 3
    assert usage.tokens_per_second is not None
    assert usage.tokens_per_second > 0
    assert (await core.sessions.messages(session.id))[1] == message


async def test_the_first_turn_tells_what_it_waits_for(tmp_path: Path, demonstration_model: Path) -> None:
    async with open_core(tmp_path) as core:
        session = await core.sessions.create()
        events = await turn(core, await core.chat.send(session.id, QUESTION))
        statuses = [event.text for event in events if isinstance(event, TurnStatus)]
        assert statuses == [f"loading {DEMONSTRATION}"]
        (operation,) = await core.operations.list()
        assert (operation.kind, operation.target, operation.state, operation.cause) == (
            "load",
            DEMONSTRATION,
            "succeeded",
            "prompt",
        )
        again = await turn(core, await core.chat.send(session.id, QUESTION))
        assert not [event for event in again if isinstance(event, TurnStatus)]
        # A prompt that does not fit says so with the numbers, and the chat goes on.
    async with open_core(tmp_path, VENOM_CONTEXT=512) as core:
        session = await core.sessions.create()
        last = await ended(core, await core.chat.send(session.id, "many words " * 2000))
        assert last.error_code == "context_overflow"
        assert "tokens, the context 512" in last.error
        assert last.server_message
        assert (await ended(core, await core.chat.send(session.id, QUESTION))).message.content


async def test_the_conversation_goes_along(core: Core, recorded: Server) -> None:
    session = await core.sessions.create()
    first = await ask(core, session.id, "My name is Zebedee. What is the capital of France?", model=DEMONSTRATION)
    second = await ask(core, session.id, "What is my name?", model=DEMONSTRATION)
    assert sent(recorded.asked[1]) == [
        ("user", "My name is Zebedee. What is the capital of France?"),
        ("assistant", first.message.content),
        ("user", "What is my name?"),
    ]
    assert (second.message.usage.prompt_tokens or 0) > (first.message.usage.prompt_tokens or 0)
    assert "Zebedee" in second.message.content


async def test_saved_parameters_reach_the_model(core: Core, recorded: Server) -> None:
    session = await core.sessions.create()
    await core.models.set_parameters(LONG, None, {"max_tokens": "7", "top_k": "1", "stop": "twelve,14"})
    try:
        last = await ask(core, session.id, COUNTING, model=LONG)
        asked = recorded.asked[0].json
        assert (asked["max_tokens"], asked["top_k"], asked["stop"], asked["temperature"]) == (7, 1, ["twelve", "14"], 0)
        assert (last.message.usage.completion_tokens or 0) <= 7
    finally:
        await core.models.set_parameters(LONG, None, {"max_tokens": None, "top_k": None, "stop": None})


async def test_the_demonstration_model_is_capped(core: Core, recorded: Server) -> None:
    session = await core.sessions.create()
    await core.models.set_parameters(DEMONSTRATION, None, {"max_tokens": "100000"})
    try:
        last = await ask(core, session.id, COUNTING, model=DEMONSTRATION)
        assert recorded.asked[0].json["max_tokens"] == DEMONSTRATION_MAX_TOKENS == 256
        assert recorded.asked[0].json["temperature"] == 0
        assert last.message.usage.completion_tokens == 256
        assert last.message.finish_reason == "length"
        assert last.message.state is MessageState.COMPLETE
    finally:
        await core.models.set_parameters(DEMONSTRATION, None, {"max_tokens": None})


async def test_the_demonstration_model_is_stopped_when_it_repeats_itself(core: Core, recorded: Server) -> None:
    session = await core.sessions.create()
    text = "Repeat after me, again and again: yes yes yes yes yes yes yes yes yes yes yes yes yes yes yes yes yes yes"
    last = await ask(core, session.id, text, model=DEMONSTRATION)
    assert last.message.finish_reason == "repetition"
    assert last.message.state is MessageState.COMPLETE
    async with asyncio.timeout(10):
        await recorded.asked[0].gone()  # the server is told, and does not write on for nobody


async def test_stopping_keeps_what_came(core: Core) -> None:
    session = await core.sessions.create()
    request_id = await core.chat.send(session.id, COUNTING, model=LONG)
    first = await first_words(core, request_id)
    await core.chat.stop(request_id)
    message = (await ended(core, request_id)).message
    assert message.content.startswith(first)
    assert (message.state, message.finish_reason) == (MessageState.STOPPED, "stopped")
    # The slot is free at once: the next prompt is not kept waiting by an answer that nobody reads.
    assert (await ask(core, session.id, QUESTION, model=LONG, max_tokens=5)).message.state is MessageState.COMPLETE


async def test_asking_again(core: Core) -> None:
    session = await core.sessions.create()
    first = await ask(core, session.id, QUESTION, model=DEMONSTRATION)
    request_id = await core.chat.regenerate(session.id, model=DEMONSTRATION)
    await first_words(core, request_id)
    assert first.message.id in {message.id for message in await answers(core, session.id)}
    second = await ended(core, request_id)
    assert [message.id for message in await answers(core, session.id)] == [second.message.id]
    assert "Paris" in second.message.content


async def test_two_sessions_at_once(core: Core) -> None:
    sessions = [await core.sessions.create(), await core.sessions.create(temporary=True)]
    texts = (QUESTION, "What is the capital of Germany?")
    ids = [
        await core.chat.send(session.id, text, model=DEMONSTRATION)
        for session, text in zip(sessions, texts, strict=True)
    ]
    found = [await ended(core, request_id) for request_id in ids]
    assert ["Paris" in found[0].message.content, "Berlin" in found[1].message.content] == [True, True]


async def test_one_that_waits_for_its_turn_can_be_stopped(core: Core) -> None:
    first, second = [await core.sessions.create() for _ in range(2)]
    running = await core.chat.send(first.id, COUNTING, model=LONG)
    await first_words(core, running)
    waiting = await core.chat.send(second.id, QUESTION, model=LONG)
    await core.chat.stop(waiting)
    assert (await ended(core, waiting)).message.state is MessageState.STOPPED
    assert core.chat.running(first.id) == running
    await core.chat.stop(running)


async def test_both_names_of_the_file_are_held_at_once(core: Core) -> None:
    session = await core.sessions.create()
    await ask(core, session.id, QUESTION, model=DEMONSTRATION)
    await ask(core, session.id, QUESTION, model=LONG, max_tokens=5)
    assert {model.name for model in core.runtimes.loaded()} == {DEMONSTRATION, LONG}
    pids = {model.pid for model in core.runtimes.loaded()}
    assert len(pids) == 2
    assert [m.model for m in await answers(core, session.id)] == [DEMONSTRATION, LONG]
