"""Turns from prompt to committed answer, with a scripted server in the model's place."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.core.support import answered_by, answers, ask, ended, first_words, next_of, open_core, sent, turn
from tests.gguf_files import write_gguf
from tests.servers import (
    DONE,
    Exchange,
    Script,
    answer,
    event,
    head,
    piece,
    sends,
    sends_then_hangs,
    serving,
)
from venom_tui.core.core import Core
from venom_tui.core.errors import ModelNotFound, NotFound, ReadOnly, SessionNotFound, UsageError
from venom_tui.core.events import TurnProgress
from venom_tui.core.types.request import GenerationParameters
from venom_tui.core.types.session import MessageState
from venom_tui.core.types.turn import TurnDelta, TurnEnded, TurnEvent, TurnRouted, TurnStarted

from .conftest import Answering

HANGS_AFTER = sends_then_hangs(head() + piece("so ") + piece("far"))


# ---------------------------------------------------------------------- what is sent


async def test_the_conversation_goes_along(core: Core, answering: Answering) -> None:
    server = await answering(sends(answer("Paris.")), sends(answer("Berlin.")))
    session = await core.sessions.create(system="Be brief.")
    await ask(core, session.id, "Capital of France?")
    await ask(core, session.id, "help")
    await ask(core, session.id, "And Germany?")
    assert server.asked[0].json["messages"][0] == {"role": "system", "content": "Be brief."}
    assert sent(server.asked[1]) == [
        ("user", "Capital of France?"),
        ("assistant", "Paris."),
        ("user", "And Germany?"),
    ]


async def test_saved_parameters_go_along_and_those_of_the_turn_win(core: Core, answering: Answering) -> None:
    server = await answering(sends(answer("ok")))
    session = await core.sessions.create()
    await core.models.set_parameters("tiny", None, {"temperature": "0.7", "stop": "END", "max_tokens": "33"})
    await ask(core, session.id, "one")
    asked = server.asked[0].json
    assert (asked["temperature"], asked["stop"], asked["max_tokens"]) == (0.7, ["END"], 33)
    assert "top_k" not in asked
    await ended(core, await core.chat.send(session.id, "two", parameters=GenerationParameters(temperature=0.1, seed=4)))
    asked = server.asked[1].json
    assert (asked["temperature"], asked["seed"], asked["max_tokens"]) == (0.1, 4, 33)


async def test_the_default_system_message_is_a_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_gguf(tmp_path / "data" / "models" / "tiny.gguf")
    async with (
        serving(sends(answer("ok"))) as server,
        open_core(tmp_path, SIMPLE_MODE_SYSTEM_PROMPT="Speak like a pirate.") as core,
    ):
        answered_by(core, server, monkeypatch)
        await ask(core, (await core.sessions.create()).id, "one")
    assert server.asked[0].json["messages"][0] == {"role": "system", "content": "Speak like a pirate."}


# ---------------------------------------------------------------------- events


async def test_events_in_their_order(core: Core, answering: Answering) -> None:
    await answering(sends(answer("a", "b")))
    session = await core.sessions.create()
    with core.events.subscribe() as bus:
        request_id = await core.chat.send(session.id, "hello")
        assert core.chat.running(session.id) == request_id
        events = await turn(core, request_id)
        assert core.chat.running(session.id) is None
        seen: list[TurnEvent] = []
        while not (seen and isinstance(seen[-1], TurnEnded)):
            seen.append((await next_of(bus, TurnProgress)).event)
    kinds = [type(event) for event in events]
    assert kinds[:2] == [TurnStarted, TurnRouted]
    assert kinds[-1] is TurnEnded
    assert "".join(event.text for event in events if isinstance(event, TurnDelta)) == "ab"
    assert [type(event) for event in seen] == [TurnStarted, TurnRouted, TurnEnded], "pieces only to who follows"
    assert {event.request_id for event in events} == {request_id}
    started, last = events[0], events[-1]
    assert isinstance(started, TurnStarted)
    assert isinstance(last, TurnEnded)
    assert await core.sessions.messages(session.id) == [started.user, last.message]
    assert (last.message.model, last.message.runtime, last.message.finish_reason) == ("tiny", "embedded", "stop")
    assert not last.message.demonstration
    (trace,) = await core.sessions.traces(session.id)
    assert (trace.request_id, trace.route, trace.timings) == (request_id, last.route, last.message.timings)


async def test_following_from_the_middle_and_after_the_end(core: Core, answering: Answering) -> None:
    go_on = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.write(head() + piece("one "))
        await go_on.wait()
        await exchange.write(piece("two") + piece(finish_reason="stop") + DONE)

    await answering(script)
    session = await core.sessions.create()
    request_id = await core.chat.send(session.id, "hello")
    assert await first_words(core, request_id) == "one "
    late = core.chat.follow(request_id)
    assert isinstance(await anext(late), TurnStarted)
    go_on.set()
    assert (await ended(core, request_id)).message.content == "one two"
    rest = [event async for event in late]
    assert "".join(event.text for event in rest if isinstance(event, TurnDelta)) == "one two"
    for _ in range(2):
        again = await turn(core, request_id)
        assert [event.text for event in again if isinstance(event, TurnDelta)] == ["one two"]
        assert isinstance(again[-1], TurnEnded)


async def test_ended_turns_can_be_followed_for_a_while(core: Core, answering: Answering) -> None:
    session = await core.sessions.create()
    ids = [await core.chat.send(session.id, "help") for _ in range(40)]
    await turn(core, ids[-1])
    await turn(core, ids[-30])
    with pytest.raises(NotFound):
        core.chat.follow(ids[0])
    with pytest.raises(NotFound, match="No turn 'nonsense'"):
        core.chat.follow("nonsense\x1b[31m")


# ---------------------------------------------------------------------- stopping


async def test_stopping_keeps_what_came(core: Core, answering: Answering) -> None:
    left = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await HANGS_AFTER(exchange)
        left.set()

    await answering(script, sends(answer("new")))
    session = await core.sessions.create()
    request_id = await core.chat.send(session.id, "hello")
    await first_words(core, request_id)
    await core.chat.stop(request_id)
    async with asyncio.timeout(5):
        await left.wait()  # the server sees that nobody reads
    message = (await ended(core, request_id)).message
    assert message.content.startswith("so ")
    assert (message.state, message.finish_reason, message.error) == (MessageState.STOPPED, "stopped", "")
    assert (await core.sessions.messages(session.id))[1] == message
    await core.chat.stop(request_id)
    await core.chat.stop("nonsense")
    assert (await core.sessions.messages(session.id))[1] == message
    assert (await ask(core, session.id, "next")).message.content == "new"


async def test_stopping_at_once(core: Core, answering: Answering) -> None:
    await answering(HANGS_AFTER)
    session = await core.sessions.create()
    request_id = await core.chat.send(session.id, "hello")
    await core.chat.stop(request_id)
    message = (await ended(core, request_id)).message
    assert (message.state, message.content) == (MessageState.STOPPED, "")
    assert [m.state for m in await answers(core, session.id)] == [MessageState.STOPPED]


# ---------------------------------------------------------------------- refusals


@pytest.mark.parametrize("text", ["", " \n\t ", "\x1b[31m", "\u202e"])
async def test_an_empty_prompt(core: Core, text: str) -> None:
    session = await core.sessions.create()
    with pytest.raises(UsageError, match="empty"):
        await core.chat.send(session.id, text)
    assert await core.sessions.messages(session.id) == []


async def test_a_session_that_is_being_answered_takes_no_prompt(core: Core, answering: Answering) -> None:
    await answering(HANGS_AFTER)
    session = await core.sessions.create()
    request_id = await core.chat.send(session.id, "hello")
    again = core.chat.send(session.id, "more"), core.chat.send(session.id, "help"), core.chat.regenerate(session.id)
    for refused in again:
        with pytest.raises(UsageError, match="still being written"):
            await refused
    await core.chat.stop(request_id)
    assert len(await core.sessions.messages(session.id)) == 2


async def test_two_prompts_at_the_same_moment(core: Core, answering: Answering) -> None:
    await answering(HANGS_AFTER)
    session = await core.sessions.create()
    found = await asyncio.gather(
        core.chat.send(session.id, "one"), core.chat.send(session.id, "two"), return_exceptions=True
    )
    assert [type(one) for one in found] == [str, UsageError]
    assert isinstance(found[0], str)
    await core.chat.stop(found[0])
    assert [m.content for m in await core.sessions.messages(session.id) if m.role == "user"] == ["one"]


async def test_what_cannot_be_sent(core: Core) -> None:
    session = await core.sessions.create()
    with pytest.raises(UsageError, match="not built"):
        await core.chat.send(session.id, "hello", mode="complex")
    with pytest.raises(SessionNotFound):
        await core.chat.send("ffffffffffffffff", "hello")
    with pytest.raises(SessionNotFound):
        await core.chat.send("tmp-gone", "hello")
    with pytest.raises(UsageError, match="no answer to ask for again"):
        await core.chat.regenerate(session.id)
    assert await core.sessions.messages(session.id) == []
    last = await ended(core, await core.chat.send(session.id, "hello", model="not-here"))
    assert last.error_code == ModelNotFound.code
    assert (await answers(core, session.id))[0].state is MessageState.FAILED


async def test_read_only(tmp_path: Path) -> None:
    async with open_core(tmp_path) as core:
        session = await core.sessions.create()
    async with open_core(tmp_path, VENOM_READ_ONLY=True) as core:
        for refused in (
            core.chat.send(session.id, "hello"),
            core.chat.send(session.id, "help"),
            core.chat.regenerate(session.id),
            core.models.set_parameters("smollm2-135m", None, {}),
            core.save_setting("VENOM_THEME", "ansi"),
        ):
            with pytest.raises(ReadOnly, match="read-only"):
                await refused
        assert (await core.chat.route("hello")).kind == "chat"
        assert await core.sessions.messages(session.id) == []


# ---------------------------------------------------------------------- failures


@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        (sends(head("500 Oh", "text/plain") + b"out of \x1b[31mmemory"), "runtime_failure", "out of memory"),
        (sends(head("401 No") + b'{"error": {"message": "no key"}}'), "runtime_refused", "no key"),
        (
            sends(head() + piece("so far") + event({"error": "the GPU fell\noff"})),
            "runtime_failure",
            "the GPU fell off",
        ),
        (sends(head() + piece("so far")), "cut_stream", ""),
        (sends(head(kind="text/html") + b"<html>"), "bad_answer", "an HTML page"),
        (sends(b""), "cut_stream", ""),
    ],
)
async def test_a_failure_leaves_its_sentence(
    core: Core, answering: Answering, script: Script, code: str, words: str
) -> None:
    await answering(script, sends(answer("better")))
    session = await core.sessions.create()
    last = await ask(core, session.id, "hello")
    message = last.message
    assert (last.error_code, message.state, message.finish_reason) == (code, MessageState.FAILED, "error")
    assert last.error.startswith("The embedded llama.cpp")
    assert words in last.server_message
    assert last.error in message.error
    assert last.hint in message.error
    assert words in message.error
    assert message.content in ("", "so far")
    assert (await core.sessions.messages(session.id))[1] == message
    (trace,) = await core.sessions.traces(session.id)
    assert trace.error == message.error
    assert (await ask(core, session.id, "again")).message.content == "better"


async def test_a_defect_of_ours_ends_the_turn_too(
    core: Core, answering: Answering, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr(core.router, "prepare", broken)
    session = await core.sessions.create()
    last = await ask(core, session.id, "hello")
    assert last.error == "venom-tui made a mistake (ZeroDivisionError)."
    assert "of all things" in caplog.text


async def test_an_answer_that_cannot_be_committed_has_an_end_all_the_same(
    core: Core, answering: Answering, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("of all things")

    await answering(sends(answer("yes")))
    monkeypatch.setattr(core.sessions, "finish", broken)
    session = await core.sessions.create()
    last = await ask(core, session.id, "hello")
    assert last.message.content == "yes"
    assert "ZeroDivisionError" in last.store_error
    assert "of all things" in caplog.text


async def test_a_reason_of_the_end_is_outside_text_too(core: Core, answering: Answering) -> None:
    await answering(sends(head() + piece("yes") + piece(finish_reason="st\x1b[31mop\ud800\u202e") + DONE))
    session = await core.sessions.create()
    assert (await ask(core, session.id, "hello")).message.finish_reason == "stop"


async def test_a_session_that_is_deleted_while_it_is_answered(core: Core, answering: Answering) -> None:
    go_on = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.write(head() + piece("one"))
        await go_on.wait()
        await exchange.write(piece(finish_reason="stop") + DONE)

    await answering(script)
    session = await core.sessions.create()
    request_id = await core.chat.send(session.id, "hello")
    await first_words(core, request_id)
    await core.sessions.delete(session.id)
    go_on.set()
    assert (await ended(core, request_id)).message.content == "one"
    assert await core.sessions.list() == []
