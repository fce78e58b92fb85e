"""Prompts with files, structured answers, options of a session, calls of functions: what is sent, and what is kept."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.core.support import answers, ask, ended, open_core, sent, turn
from tests.gguf_files import write_gguf
from tests.servers import DONE, answer, event, head, piece, sends
from venom_tui.core.core import Core
from venom_tui.core.errors import UsageError
from venom_tui.core.types.content import Attachment, AttachmentKind, ToolCall
from venom_tui.core.types.request import GenerationParameters
from venom_tui.core.types.session import MessageState, SessionOptions
from venom_tui.core.types.turn import TurnEvent, TurnNotice, TurnToolCall

from .conftest import Answering
from .scripted_ollama import NAME, Ollama, chunk, done, ollama_core

NOTES = Attachment("notes.txt", AttachmentKind.TEXT, "text/plain", 14, "the word is heron\n")
CAT = Attachment("cat.png", AttachmentKind.IMAGE, "image/png", 3, base64.b64encode(b"cat").decode())
IN_WORDS = "File notes.txt:\n```\nthe word is heron\n```"


def notices(events: list[TurnEvent]) -> list[str]:
    return [one.text for one in events if isinstance(one, TurnNotice)]


# ---------------------------------------------------------------------- files


async def test_a_text_goes_along_with_every_turn(core: Core, answering: Answering) -> None:
    server = await answering(sends(answer("heron")))
    session = await core.sessions.create()
    await ended(core, await core.chat.send(session.id, "Which word?", attachments=[NOTES]))
    await ask(core, session.id, "Again?")
    first = ("user", f"Which word?\n\n{IN_WORDS}")
    assert sent(server.asked[0]) == [first]
    assert sent(server.asked[1]) == [first, ("assistant", "heron"), ("user", "Again?")]
    user, *_ = await core.sessions.messages(session.id)
    assert (user.content, user.attachments) == ("Which word?", (NOTES,)), (
        "what was typed and what was attached stay apart"
    )


async def test_a_file_alone_is_a_prompt(core: Core, answering: Answering) -> None:
    server = await answering(sends(answer("heron")))
    session = await core.sessions.create()
    await ended(core, await core.chat.send(session.id, "", attachments=[NOTES]))
    assert sent(server.asked[0]) == [("user", IN_WORDS)]
    assert (await core.chat.route("", attachments=[NOTES])).kind == "chat"
    with pytest.raises(UsageError, match="empty"):
        await core.chat.send(session.id, "")


async def test_a_question_about_venom_tui_with_a_file_is_for_the_model(core: Core, answering: Answering) -> None:
    server = await answering(sends(answer("ok")))
    session = await core.sessions.create()
    await ended(core, await core.chat.send(session.id, "help", attachments=[NOTES]))
    assert sent(server.asked[0]) == [("user", f"help\n\n{IN_WORDS}")]


async def test_an_image_to_a_server_of_openais_wire(core: Core, answering: Answering, tmp_path: Path) -> None:
    """Nothing is known of a file without a chat template: it is tried."""
    (tmp_path / "data" / "models" / "tiny.gguf").unlink()
    write_gguf(tmp_path / "data" / "models" / "base.gguf", tokenizer__chat_template=None)
    refusal = b'{"error":{"message":"image input is not supported"}}'
    server = await answering(sends(answer("a cat")), sends(head("500 No", "application/json"), refusal))
    session = await core.sessions.create()
    await ended(core, await core.chat.send(session.id, "What?", attachments=[CAT], model="base"))
    assert server.asked[0].json["messages"][-1]["content"] == [
        {"type": "text", "text": "What?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{CAT.data}"}},
    ]
    last = await ended(core, await core.chat.send(session.id, "", attachments=[CAT], model="base"))
    assert [part["type"] for part in server.asked[1].json["messages"][-1]["content"]] == ["image_url"]
    assert "image input is not supported" in last.message.error, "the server's own words"


async def test_an_image_to_a_model_that_cannot_see(core: Core, answering: Answering) -> None:
    server = await answering(sends(answer("ok")))
    session = await core.sessions.create()
    last = await ended(core, await core.chat.send(session.id, "What is it?", attachments=[CAT]))
    assert (last.error_code, last.error) == ("usage", "tiny cannot see images.")
    assert server.asked == []
    # The chat is not lost for that: what was shown to another model is left out, and said.
    events = await turn(core, await core.chat.send(session.id, "Never mind."))
    assert sent(server.asked[0]) == [("user", "Never mind.")]
    told = "tiny cannot see images: those of earlier messages are left out."
    assert notices(events) == [told]
    assert [message.notices for message in await core.sessions.messages(session.id)] == [(), (), (), (told,)]


async def test_earlier_images_keep_their_names(core: Core, answering: Answering) -> None:
    server = await answering(sends(answer("ok")))
    session = await core.sessions.create()
    user, reply = await core.sessions.begin_turn(session.id, "look", request_id="r", attachments=[CAT, NOTES])
    await core.sessions.finish(replace(reply, content="a cat", state=MessageState.COMPLETE), None)
    await ask(core, session.id, "sure?")
    assert sent(server.asked[0])[0] == ("user", f"look\n\n{IN_WORDS}\n\n(Image cat.png)")
    assert user.attachments == (CAT, NOTES)


@pytest.mark.parametrize("capabilities", [("completion", "vision"), None])
async def test_an_image_to_a_model_that_sees(tmp_path: Path, capabilities: tuple[str, ...] | None) -> None:
    ollama = Ollama(capabilities)
    async with ollama_core(tmp_path, ollama) as core:
        session = await core.sessions.create()
        last = await ended(core, await core.chat.send(session.id, "look", attachments=[CAT, NOTES]))
        assert last.message.content == "yes"
    assert ollama.chats[0]["messages"][-1] == {
        "role": "user",
        "content": f"look\n\n{IN_WORDS}",
        "images": [CAT.data],
    }


# ---------------------------------------------------------------------- structured answers

SCHEMA = {"type": "object", "properties": {"capital": {"type": "string"}}}


@pytest.mark.parametrize("schema", [SCHEMA, {}])
async def test_a_schema_goes_along(core: Core, answering: Answering, schema: dict[str, object]) -> None:
    server = await answering(sends(answer("{}")))
    session = await core.sessions.create()
    await ended(core, await core.chat.send(session.id, "Capital?", schema=schema))
    format_ = server.asked[0].json["response_format"]
    assert format_ == (
        {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
        if schema
        else {"type": "json_object"}
    )
    await ask(core, session.id, "And in words?")
    assert "response_format" not in server.asked[1].json


async def test_the_schema_of_a_session(tmp_path: Path) -> None:
    ollama = Ollama()
    async with ollama_core(tmp_path, ollama) as core:
        session = await core.sessions.create(options=SessionOptions(schema='{"type": "array"}'))
        await ask(core, session.id, "one")
        await ended(core, await core.chat.send(session.id, "two", schema={}))
        await ended(core, await core.chat.regenerate(session.id))
    assert [chat["format"] for chat in ollama.chats] == [{"type": "array"}, "json", {"type": "array"}]


# ---------------------------------------------------------------------- options of a session


async def test_the_session_goes_before_the_model_and_the_call_before_the_session(tmp_path: Path) -> None:
    ollama = Ollama(("completion", "thinking"), loaded=False)
    async with ollama_core(tmp_path, ollama) as core:
        await core.models.set_parameters(NAME, "ollama", {"think": "off", "context_length": "2048", "top_k": "3"})
        session = await core.sessions.create(options=SessionOptions(context_length=4096, think="high"))
        await ask(core, session.id, "one")
        await ended(core, await core.chat.send(session.id, "two", parameters=GenerationParameters(think="low")))
        other = await core.sessions.create()
        await ask(core, other.id, "one")
    told = [(chat["think"], chat["options"]) for chat in ollama.chats]
    assert told == [
        ("high", {"num_ctx": 4096, "top_k": 3}),
        ("low", {"num_ctx": 4096, "top_k": 3}),
        (False, {"num_ctx": 2048, "top_k": 3}),
    ]


@pytest.mark.parametrize("by", ["send", "regenerate"])
async def test_a_context_that_is_chosen_holds_for_the_session(tmp_path: Path, by: str) -> None:
    ollama = Ollama()
    async with ollama_core(tmp_path, ollama) as core:
        session = await core.sessions.create()
        await ask(core, session.id, "one")
        if by == "send":
            await ended(core, await core.chat.send(session.id, "two", context_length=4096))
        else:
            await ended(core, await core.chat.regenerate(session.id, context_length=4096))
        await ask(core, session.id, "three")
        assert (await core.sessions.get(session.id)).options.context_length == 4096
        with pytest.raises(UsageError, match="256 to"):
            await core.chat.send(session.id, "four", context_length=3)
        assert len(await core.sessions.messages(session.id)) == (6 if by == "send" else 4)
    # Loaded by somebody else with 512: asked so until another context is chosen, which is then always the same.
    assert [chat["options"]["num_ctx"] for chat in ollama.chats] == [512, 4096, 4096]


@pytest.mark.parametrize(("chosen", "words"), [(8192, []), (16384, ["was trained for 8,192 tokens"])])
async def test_a_context_that_no_model_of_its_kind_has(tmp_path: Path, chosen: int, words: list[str]) -> None:
    ollama = Ollama(loaded=False)
    async with ollama_core(tmp_path, ollama) as core:
        session = await core.sessions.create(options=SessionOptions(context_length=chosen))
        events = await turn(core, await core.chat.send(session.id, "one"))
        assert [word in notice for word, notice in zip(words, notices(events), strict=True)] == [True] * len(words)
    assert ollama.chats[0]["options"]["num_ctx"] == 8192


async def test_nothing_is_chosen_where_there_is_nothing_to_ask_for_again(core: Core) -> None:
    session = await core.sessions.create()
    with pytest.raises(UsageError, match="no answer to ask for again"):
        await core.chat.regenerate(session.id, context_length=4096)
    assert (await core.sessions.get(session.id)).options == SessionOptions()


# ---------------------------------------------------------------------- calls of functions, thinking

CALL: dict[str, Any] = {"id": "c1", "function": {"name": "get_weather", "arguments": {"city": "Rome"}}}


async def test_an_answer_of_calls_alone_is_complete(tmp_path: Path) -> None:
    ollama = Ollama(("completion", "tools"))
    ollama.answers = [[chunk(tool_calls=[CALL]), done(prompt_eval_count=9, eval_count=7)], [chunk("yes"), done()]]
    async with ollama_core(tmp_path, ollama) as core:
        session = await core.sessions.create()
        events = await turn(core, await core.chat.send(session.id, "Weather in Rome?"))
        call = ToolCall("get_weather", '{"city": "Rome"}', "c1")
        assert [one.call for one in events if isinstance(one, TurnToolCall)] == [call]
        (message,) = await answers(core, session.id)
        assert (message.state, message.content, message.tool_calls) == (MessageState.COMPLETE, "", (call,))
        await ask(core, session.id, "It rains there. Umbrella?")
        assert [m["content"] for m in ollama.chats[1]["messages"] if m["role"] != "system"] == [
            "It rains there. Umbrella?"
        ], "nothing runs calls in this mode, so a turn of calls alone is not passed back"


async def test_calls_in_pieces(core: Core, answering: Answering) -> None:
    def delta(**call: object) -> bytes:
        return event({"choices": [{"delta": {"tool_calls": [{"index": 0, **call}]}}]})

    parts = (
        piece("Let me see."),
        delta(id="c1", function={"name": "get_weather", "arguments": '{"city":'}),
        delta(function={"arguments": '"Ro\x1b[1mme"}'}),
        piece(finish_reason="tool_calls"),
        DONE,
    )
    server = await answering(sends(head(), *parts), sends(answer("yes")))
    session = await core.sessions.create()
    last = await ask(core, session.id, "Weather?")
    assert last.message.finish_reason == "tool_calls"
    assert last.message.tool_calls == (ToolCall("get_weather", '{"city":"Rome"}', "c1"),)
    await ask(core, session.id, "And?")
    assert sent(server.asked[1])[1] == ("assistant", "Let me see.")


async def test_thinking_goes_back_where_the_wire_takes_it(tmp_path: Path) -> None:
    ollama = Ollama(("completion", "thinking"))
    ollama.answers = [[chunk(thinking="hm "), chunk("Paris."), done()]]
    async with ollama_core(tmp_path, ollama) as core:
        session = await core.sessions.create()
        await ask(core, session.id, "Capital?")
        await ask(core, session.id, "Sure?")
    assert ollama.chats[1]["messages"][-2] == {"role": "assistant", "content": "Paris.", "thinking": "hm "}


async def test_thinking_does_not_go_back_on_openais_wire(core: Core, answering: Answering) -> None:
    thought = event({"choices": [{"delta": {"reasoning_content": "hm"}}]})
    server = await answering(sends(head(), thought, piece("Paris."), piece(finish_reason="stop"), DONE))
    session = await core.sessions.create()
    await ask(core, session.id, "Capital?")
    await ask(core, session.id, "Sure?")
    assert server.asked[1].json["messages"][-2] == {"role": "assistant", "content": "Paris."}


# ---------------------------------------------------------------------- what was not counted


async def test_an_answer_that_was_cut_is_counted_by_its_pieces(core: Core, answering: Answering) -> None:
    await answering(sends(head() + piece("so ") + piece("far")))
    session = await core.sessions.create()
    usage = (await ask(core, session.id, "hello")).message.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.estimated) == (None, 2, True)
    assert (await answers(core, session.id))[0].usage == usage


async def test_a_temporary_session_keeps_files_in_memory_only(tmp_path: Path) -> None:
    async with open_core(tmp_path) as core:
        session = await core.sessions.create(temporary=True)
        last = await ended(core, await core.chat.send(session.id, "zanzibar", attachments=[NOTES], model="nothing"))
        assert last.error_code == "model_not_found"
        assert (await core.sessions.messages(session.id))[0].attachments == (NOTES,)
        assert (await core.database.read("SELECT count(*) FROM attachments"))[0][0] == 0
