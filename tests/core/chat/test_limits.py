"""Nothing is cut silently: a prompt that does not fit, one that a server cut, an answer at the context's end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.core.support import ask, ended, turn
from tests.servers import DONE, answer, head, piece, sends
from venom_tui.core.chat.limits import notices
from venom_tui.core.core import Core
from venom_tui.core.types.request import ChatMessage, ChatRequest
from venom_tui.core.types.session import MessageState, Overflow, SessionOptions, Usage
from venom_tui.core.types.turn import TurnEvent, TurnNotice

from .conftest import Answering
from .scripted_ollama import Ollama, chunk, done, ollama_core

CUT = "The server cut the conversation without a word"
END = "The answer ran into the end of the model's context of 512 tokens"
DROPPED = "more than the context of 512: the server dropped the oldest text"


def told(events: list[TurnEvent]) -> list[str]:
    return [one.text for one in events if isinstance(one, TurnNotice)]


# ---------------------------------------------------------------------- by the numbers


@pytest.mark.parametrize(
    ("characters", "usage", "context", "reason", "words"),
    [
        # Ollama cuts to half of the context: seen on a real one.
        (25_000, Usage(258, 1), 512, "stop", CUT),
        (45_000, Usage(2050, 5), None, "stop", CUT),
        (2_400, Usage(258, 1), 512, "stop", CUT),
        (25_000, Usage(510, 1), 512, "stop", CUT),
        # The numbers fit.
        (2_000, Usage(500, 10), 512, "stop", ""),
        (2_000, Usage(500, 10), 512, "length", ""),
        (2_000, Usage(500, 10), None, "length", ""),
        (2_400, Usage(258, 1), None, "stop", ""),
        # A server that counts only what it had not read before says little; its count is no part of a cut prompt.
        (25_000, Usage(100, 1), 512, "stop", ""),
        (25_000, Usage(None, 1), 512, "stop", ""),
        (25_000, Usage(0, 1), None, "stop", ""),
        # The end of the context.
        (100, Usage(34, 478), 512, "length", END),
        (100, Usage(34, 477), 512, "length", END),
        (100, Usage(34, 478), 512, "stop", ""),
        (100, Usage(21, 900), 512, "length", DROPPED),
        (100, Usage(21, 900), 512, "stop", DROPPED),
        (100, Usage(21, 900), None, "length", ""),
        (100, Usage(21, 900, estimated=True), 512, "length", ""),
    ],
)
def test_what_the_numbers_say(characters: int, usage: Usage, context: int | None, reason: str, words: str) -> None:
    request = ChatRequest("tiny", (ChatMessage("user", "x" * characters),))
    found = list(notices(request, usage, context, reason))
    assert [words in text for text in found] == [True] * bool(words)


def test_both_at_once() -> None:
    request = ChatRequest("tiny", (ChatMessage("user", "x" * 25_000),))
    cut, dropped = notices(request, Usage(258, 600), 512, "stop")
    assert "it has at least 3,125 tokens, the model read 258, the context 512" in cut
    assert DROPPED in dropped


# ---------------------------------------------------------------------- in a turn


async def test_a_silent_cut_is_told(tmp_path: Path) -> None:
    ollama = Ollama()
    ollama.answers = [[chunk("yes"), done(prompt_eval_count=258, eval_count=1)]]
    async with ollama_core(tmp_path, ollama) as core:
        session = await core.sessions.create()
        events = await turn(core, await core.chat.send(session.id, "word " * 5000))
    (notice,) = told(events)
    assert notice.startswith(CUT)
    assert "the model read 258, the context 512" in notice
    assert ollama.chats[0]["truncate"] is False, "a newer one is told not to"


async def test_an_overflow_has_its_numbers(tmp_path: Path) -> None:
    said = "request (2010 tokens) exceeds the available context size (512 tokens)"
    words = json.dumps({"error": {"code": 400, "message": said, "n_prompt_tokens": 2010, "n_ctx": 512}})
    ollama = Ollama(answers=[(400, words), [chunk("yes"), done(prompt_eval_count=9, eval_count=1)]])
    async with ollama_core(tmp_path, ollama) as core:
        session = await core.sessions.create()
        last = await ask(core, session.id, "hello")
        assert (last.error_code, last.prompt_tokens, last.context_length) == ("context_overflow", 2010, 512)
        assert "it has 2,010 tokens, the context 512" in last.error
        assert last.message.state is MessageState.FAILED
        (_, stored) = await core.sessions.messages(session.id)
        assert stored.overflow == Overflow(2010, 512, said)
        last = await ended(core, await core.chat.regenerate(session.id))
        assert (last.message.content, last.prompt_tokens, last.context_length) == ("yes", 9, 512)
        assert last.message.overflow is None
        assert [m.content for m in await core.sessions.messages(session.id)] == ["hello", "yes"]


# ---------------------------------------------------------------------- leaving the oldest out


def refusal(tokens: int) -> tuple[int, str]:
    return 400, f"request ({tokens} tokens) exceeds the available context size (512 tokens), try increasing it"


async def talk(core: Core, session_id: str, turns: int) -> None:
    for number in range(turns):
        await ask(core, session_id, f"question {number} " + "long " * 100)


async def test_by_the_numbers_of_the_refusal(tmp_path: Path) -> None:
    plain: list[dict[str, object]] = [chunk("yes"), done(prompt_eval_count=9, eval_count=1)]
    ollama = Ollama(answers=[plain, plain, plain, plain, refusal(600), refusal(450), plain, refusal(600), plain])
    async with ollama_core(tmp_path, ollama) as core:
        session = await core.sessions.create()
        await talk(core, session.id, 4)
        events = await turn(core, await core.chat.send(session.id, "the last one", leave_out_oldest=True))
        assert told(events) == [
            f"{count} older messages were left out, to fit into the context of 512 tokens." for count in (4, 6)
        ]
        asked = [[m["content"][:10] for m in chat["messages"]] for chat in ollama.chats[4:]]
        assert [len(messages) for messages in asked] == [10, 6, 4]
        assert {messages[0] for messages in asked} == {asked[0][0]}, "the system message stays"
        assert asked[2][1] == "question 3"
        assert {messages[-1] for messages in asked} == {"the last o"}
        assert len(await core.sessions.messages(session.id)) == 10, "the session keeps all"
        # The choice was for that one answer.
        last = await ask(core, session.id, "and now")
        assert last.error_code == "context_overflow"
        last = await ended(core, await core.chat.regenerate(session.id, leave_out_oldest=True))
        assert last.message.content == "yes"


async def test_a_session_may_always_leave_out(tmp_path: Path) -> None:
    plain: list[dict[str, object]] = [chunk("yes"), done(prompt_eval_count=9, eval_count=1)]
    ollama = Ollama(answers=[plain, refusal(600), plain, refusal(700), plain])
    async with ollama_core(tmp_path, ollama) as core:
        session = await core.sessions.create(options=SessionOptions(leave_out_oldest=True))
        for number in range(3):
            assert (await ask(core, session.id, f"question {number}")).message.content == "yes"


async def test_a_prompt_that_is_too_long_by_itself(tmp_path: Path) -> None:
    plain: list[dict[str, object]] = [chunk("yes"), done(prompt_eval_count=9, eval_count=1)]
    ollama = Ollama(answers=[plain, refusal(9000), refusal(8000)])
    async with ollama_core(tmp_path, ollama) as core:
        session = await core.sessions.create()
        await ask(core, session.id, "one")
        last = await ended(core, await core.chat.send(session.id, "word " * 8000, leave_out_oldest=True))
        assert (last.error_code, last.prompt_tokens) == ("context_overflow", 8000)
        assert len(ollama.chats) == 3


async def test_an_answer_that_has_begun_is_not_begun_again(core: Core, answering: Answering) -> None:
    words = b'data: {"error": {"message": "the request exceeds the available context size"}}\n\n'
    server = await answering(sends(answer("ok")), sends(head() + piece("half") + words), sends(answer("no")))
    session = await core.sessions.create()
    await ask(core, session.id, "one")
    last = await ended(core, await core.chat.send(session.id, "two", leave_out_oldest=True))
    assert (last.error_code, last.message.content) == ("context_overflow", "half")
    assert sum(exchange.target.endswith("/chat/completions") for exchange in server.asked) == 2


async def test_an_answer_of_a_server_without_numbers(core: Core, answering: Answering) -> None:
    await answering(sends(head() + piece("yes") + piece(finish_reason="length") + DONE))
    session = await core.sessions.create()
    events = await turn(core, await core.chat.send(session.id, "hello"))
    assert told(events) == [], "nothing is known of the context, so nothing is claimed"
