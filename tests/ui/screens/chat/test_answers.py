"""Answers: thinking and calls apart, asked of another model too, side by side, gone on with, the model before."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.ollama import FakeOllama
from tests.openai import plain, vllm
from tests.servers import Exchange, answer, head, piece, sends, serving
from tests.ui.screens.chat.conftest import OpenChat
from tests.ui.screens.chat.support import Gated, call, streamed, thought, words
from venom_tui.core.types.session import Message, MessageState

_VLLM = {"VENOM_ACTIVE_RUNTIME": "vllm"}


async def test_thinking_is_apart_and_folds_and_calls_are_what_they_are(chat: OpenChat) -> None:
    fake = vllm("thinker", 4096)
    arguments = '{"city": "Bern", "then": "\\u001b[31m"}'
    parts = (thought("First I weigh "), thought("everything."), piece("It is **so**."), call("get_weather", arguments))
    fake.paths["POST /v1/chat/completions"] = sends(streamed(*parts))
    async with serving(fake) as server, chat(VLLM_ENDPOINT=server.url, **_VLLM) as shown:
        await shown.ask("why")
        (_, found) = await shown.answered()
        assert (found.thinking, found.content) == ("First I weigh everything.", "It is **so**.")
        assert shown.line("thought for").startswith("▸ thought for")
        assert "I weigh" not in shown.text and "It is so." in shown.text
        assert shown.line("get_weather") == "▸ get_weather is called for, not run"
        assert shown.line('"city"') == '▌ "city": "Bern",'
        assert shown.line('"then"') == '▌ "then": "\\u001b[31m"', "what would drive the terminal is told, not sent"
        await shown.press("escape", "t")
        assert "First I weigh everything." in shown.text
        await shown.press("t")
        assert "I weigh" not in shown.text


async def test_another_model_answers_too_and_both_stay(chat: OpenChat) -> None:
    one, other = vllm("first-model", 4096), FakeOllama({"other:1b": {}, "third:1b": {}})
    one.paths["POST /v1/chat/completions"] = sends(answer("The first answer."))
    asked: list[Exchange] = []

    async def chatting(exchange: Exchange) -> None:
        asked.append(exchange)
        await sends(OTHER)(exchange)

    other.chat = chatting
    async with (
        serving(one) as server,
        serving(other) as ollama,
        chat(VLLM_ENDPOINT=server.url, OLLAMA_HOST=ollama.url, **_VLLM) as shown,
    ):
        await shown.press("alt+r")
        assert shown.notices == ["There is no answer to ask another model for."]
        await shown.ask("hello")
        await shown.answered()
        await shown.press("alt+r")
        await shown.until_text("Ask another model, too")
        await shown.until_text("Both answers stay.")
        assert "first-model" not in "\n".join(line for line in shown.lines if "│" in line), "it answered already"
        await shown.type("other")
        await shown.press("enter")
        messages = await shown.answered(2)
        assert words(messages) == ["user: hello", "assistant: The first answer.", "assistant: The other answer."]
        assert [m["role"] for m in asked[0].json["messages"]] == ["system", "user"], "it is not told the first answer"
        assert shown.line("first-model @").endswith("○ 1 of 2")
        assert shown.line("other:1b @").endswith("● 2 of 2, goes on")

        await shown.press("alt+v")
        await shown.until_text("go on with it")
        row = shown.lines[0]
        assert (
            "first-model @ vllm ─" in row
            and "○ 1 of 2" in row
            and "other:1b @ ollama" in row
            and "● 2 of 2, goes on" in row
        )
        assert any("The first answer." in line and "The other answer." in line for line in shown.lines)
        await shown.press("left", "a")
        await shown.until(lambda: shown.line("first-model @").endswith("● 1 of 2, goes on"))
        assert shown.line("other:1b @").endswith("○ 2 of 2")
        await shown.ask("on")
        messages = await shown.answered(3)
        sent = one.chats[-1]["messages"] if len(one.chats) > 1 else asked[-1].json["messages"]
        assert [m["content"] for m in sent[1:]] == ["hello", "The first answer.", "on"], "on with the chosen one"


OTHER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\nconnection: close\r\n\r\n"
    b'{"model":"other:1b","message":{"role":"assistant","content":"The other answer."},"done":false}\n'
    b'{"model":"other:1b","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop"}\n'
)


async def test_side_by_side_needs_two_answers_and_room(chat: OpenChat) -> None:
    fake = plain("one", "two")
    async with serving(fake) as server, chat(columns=80, VLLM_ENDPOINT=server.url, **_VLLM) as shown:
        await shown.ask("hello")
        await shown.answered()
        await shown.press("alt+v")
        assert shown.notices == ["There is one answer only; alt+r asks another model, too."]
        await shown.press("alt+r")
        await shown.until_text("Ask another model, too")
        await shown.press("enter")
        await shown.answered(2)
        await shown.press("alt+v")
        assert "Side by side takes 100 columns" in shown.notices[-1]
        await shown.press("escape", "p", "p", "a")  # the first answer is selected by keys
        await shown.until(lambda: "● 1 of 2, goes on" in shown.text)


async def test_side_by_side_goes_through_all_answers_and_says_when_there_are_two_only(chat: OpenChat) -> None:
    fake = plain("one", "two", "three")
    async with serving(fake) as server, chat(VLLM_ENDPOINT=server.url, **_VLLM) as shown:
        await shown.ask("hello")
        await shown.answered()
        for count in (2, 3):
            await shown.press("alt+r")
            await shown.until_text("Ask another model, too")
            await shown.press("enter")
            await shown.answered(count)
            await shown.press("alt+v")
            await shown.until_text("go on with it")
            if count == 2:
                for key in ("n", "p"):
                    shown.app.clear_notifications()
                    await shown.press(key)
                    assert shown.notices == ["There are only these two answers."]
                await shown.press("escape")
        await shown.press("left")
        for key, seen in (("n", "1"), ("n", "2"), ("p", "1"), ("p", "2")):
            before = re.findall(r"(\d) of 3", shown.lines[0])
            assert before[1] == "3" and before[0] != seen
            await shown.press(key)
            assert re.findall(r"(\d) of 3", shown.lines[0]) == [seen, "3"], key


async def test_the_model_before_comes_back_by_one_key(chat: OpenChat) -> None:
    fake = plain("one", "two")
    async with serving(fake) as server, chat(VLLM_ENDPOINT=server.url, VENOM_ACTIVE_MODEL="one", **_VLLM) as shown:
        await shown.press("f9")
        await shown.until(lambda: "No other model was active before." in shown.notices)
        await shown.press("ctrl+o")
        await shown.type("two")
        await shown.press("enter")
        await shown.until(lambda: shown.lines[0].find("two @ vllm") > 0)
        await shown.ask("who")
        await shown.answered()
        assert fake.chats[-1]["model"] == "two"
        await shown.press("f9")
        await shown.until(lambda: shown.lines[0].find("one @ vllm") > 0)
        await shown.press("f9")
        await shown.until(lambda: shown.lines[0].find("two @ vllm") > 0)


async def test_again_takes_the_place_of_the_answer(chat: OpenChat) -> None:
    fake = plain("one")
    texts = iter(["The first.", "The second."])

    async def chatting(exchange: Exchange) -> None:
        await sends(answer(next(texts)))(exchange)

    fake.paths["POST /v1/chat/completions"] = chatting
    async with serving(fake) as server, chat(VLLM_ENDPOINT=server.url, **_VLLM) as shown:
        await shown.ask("hello")
        await shown.answered()
        await shown.press("ctrl+r")
        await shown.until_text("The second.")
        assert words(await shown.answered()) == ["user: hello", "assistant: The second."]
        assert "The first." not in shown.text


async def test_two_that_failed_stand_in_their_order(chat: OpenChat) -> None:
    fake = plain("one")
    texts = iter(["The first bit", "The second bit"])

    async def chatting(exchange: Exchange) -> None:
        await sends(head() + piece(next(texts)))(exchange)

    fake.paths["POST /v1/chat/completions"] = chatting
    async with serving(fake) as server, chat(VLLM_ENDPOINT=server.url, **_VLLM) as shown:
        await shown.ask("hello")
        await shown.answered()
        await shown.press("ctrl+r")
        await shown.answered(2)
        await shown.until_text("2 of 2, goes on")
        places = [shown.text.index(words) for words in ("The first bit", "The second bit")]
        assert places == sorted(places) and shown.text.index("1 of 2") < places[0] < shown.text.index("2 of 2")


async def test_asking_again_where_nothing_was_asked_is_said_and_the_card_stays(chat: OpenChat) -> None:
    async with serving(plain("tiny")) as server, chat(VLLM_ENDPOINT=server.url, **_VLLM) as shown:
        await shown.press("ctrl+r")
        await shown.until(lambda: len(shown.notices) == 1)
        shown.app.clear_notifications()
        await shown.ask("/again")
        await shown.until(lambda: len(shown.notices) == 1)
        assert shown.notices[0].startswith("There is no answer to ask for again.")
        await shown.press("ctrl+r")
        await shown.pilot.pause()
        assert len(shown.notices) == 1, "what is said again takes the place of what was said"
        assert "Answering: " in shown.text, "the card stays"
        await shown.ask("one")
        await shown.answered()
        assert "Answering: " not in shown.text


async def test_an_answer_that_ends_while_its_session_is_opened_is_shown_whole(
    chat: OpenChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    gated = Gated()
    async with serving(gated.server) as server, chat(VLLM_ENDPOINT=server.url, **_VLLM) as shown:
        await shown.ask("one")
        await shown.until_text("beginning 1")
        session = shown.screen.conversation.session
        assert session is not None
        await shown.press("ctrl+n")
        real = shown.core.sessions.messages

        async def messages(session_id: str, **limits: Any) -> list[Message]:
            found = await real(session_id, **limits)
            gated.let()
            await shown.until(lambda: not shown.core.chat.running(session_id))
            return found

        monkeypatch.setattr(shown.core.sessions, "messages", messages)
        shown.screen.open_session(session.id)
        await shown.until_text("beginning 1 end 1")
        answer = shown.screen.conversation.last_answer
        assert answer is not None
        assert answer.state is MessageState.COMPLETE
