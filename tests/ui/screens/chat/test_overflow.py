"""A conversation that does not fit: the numbers, the three ways out, the meter."""

from __future__ import annotations

import asyncio

from tests.ollama import FakeOllama, replays, says
from tests.openai import plain
from tests.servers import DONE, Exchange, Script, Server, answer, head, piece, sends, serving
from tests.ui.screens.chat.conftest import OpenChat
from tests.ui.screens.chat.support import Chat

_OVER = replays("chat-prompt-over-context-no-truncate")
_ANSWER = replays("chat-stream")
_OURS = {"VENOM_ACTIVE_MODEL": "smollm2:135m", "VENOM_ACTIVE_RUNTIME": "ollama"}


def tight(fits: int = 4, larger: int = 8192) -> FakeOllama:
    """An Ollama that refuses what has more messages than fit, unless it got a larger context."""
    fake = FakeOllama()

    async def chat(exchange: Exchange) -> None:
        body = exchange.json
        fit = len(body["messages"]) <= fits or body.get("options", {}).get("num_ctx", 0) >= larger
        await (_ANSWER if fit else _OVER)(exchange)

    script: Script = chat
    fake.chat = script
    return fake


def chats(server: Server) -> list[tuple[int, object]]:
    """How many messages each chat sent, and with which context."""
    asked = [exchange.json for exchange in server.asked if exchange.target == "POST /api/chat"]
    return [(len(body["messages"]), body.get("options", {}).get("num_ctx")) for body in asked]


async def overflow(shown: Chat) -> None:
    """Ask until it does not fit."""
    for number, prompt in enumerate(("one", "two"), 1):
        await shown.ask(prompt)
        await shown.answered(number)
    await shown.ask("three")
    await shown.until_text("The conversation does not fit")
    await shown.until_text("cancel: nothing is sent")


async def test_a_larger_context_with_its_cost(chat: OpenChat) -> None:
    async with serving(tight()) as server, chat(OLLAMA_HOST=server.url, **_OURS) as shown:
        await overflow(shown)
        assert "The conversation takes 5,010 tokens." in shown.squeezed
        assert "smollm2:135m has a context of 512 tokens." in shown.squeezed
        assert "GiB of KV cache · reloads the model" in shown.line("8,192 tokens of context")
        await shown.press("enter")
        messages = await shown.answered(3)
        await shown.until_text("of 8k context")
        assert chats(server) == [(2, None), (4, None), (6, None), (6, 8192)]
        assert [m.state.value for m in messages if m.role.value == "assistant"] == ["complete"] * 3
        await shown.ask("four")
        await shown.answered(4)
        assert chats(server)[-1] == (8, 8192), "the same in every request of the session"


async def test_the_oldest_left_out_once_or_always(chat: OpenChat) -> None:
    async with serving(tight()) as server, chat(OLLAMA_HOST=server.url, **_OURS) as shown:
        await overflow(shown)
        await shown.press("down", "enter")
        await shown.answered(3)
        assert chats(server)[-1][1] is None and chats(server)[-1][0] <= 4
        assert "left out" in shown.squeezed, "what was done is told under the answer"
        await shown.ask("four")
        await shown.until_text("leave the oldest turns out from now on")
        await shown.press("down", "down", "enter")
        await shown.answered(4)
        assert "oldest left out" in shown.line("Direct")
        await shown.ask("five")
        await shown.answered(5)
        assert "does not fit" not in shown.text
        assert len(shown.screen.conversation.messages) == 10, "nothing of the session is gone"


async def test_cancel_sends_nothing_and_another_try_offers_the_ways_again(chat: OpenChat) -> None:
    async with serving(tight()) as server, chat(OLLAMA_HOST=server.url, **_OURS) as shown:
        await overflow(shown)
        asked = len(chats(server))
        await shown.press("escape")
        await shown.until(lambda: "does not fit" not in shown.line("three") and "cancel:" not in shown.text)
        assert "✕" in shown.text and "5,010 tokens" in shown.squeezed
        assert len(chats(server)) == asked
        await shown.press("ctrl+r")
        await shown.until_text("cancel: nothing is sent")
        await shown.press("end", "enter")  # the last one is to cancel
        await shown.until(lambda: "cancel:" not in shown.text)
        assert len(chats(server)) == asked + 1


async def test_what_did_not_fit_and_what_was_told_is_there_again_in_the_next_run(chat: OpenChat) -> None:
    fake = tight()
    async with serving(fake) as server:
        async with chat(OLLAMA_HOST=server.url, **_OURS) as shown:
            await overflow(shown)
            await shown.press("down", "enter")
            await shown.answered(3)
            told = "older messages were left out, to fit into the context of 512 tokens."
            await shown.until(lambda: told in shown.squeezed)
            await shown.press("ctrl+n")
            await shown.until(lambda: told not in shown.squeezed)
            await shown.press("ctrl+s", "end", "enter")
            await shown.until_text(told)
            await shown.press("ctrl+n")
            await shown.until(lambda: told not in shown.squeezed)
            await overflow(shown)
            await shown.press("escape")
        async with chat(OLLAMA_HOST=server.url, **_OURS) as shown:
            await shown.until_text("✕")
            asked = len(chats(server))
            await shown.ask("/context")
            await shown.until_text("cancel: nothing is sent")
            assert "The conversation takes 5,010 tokens." in shown.squeezed
            assert "smollm2:135m has a context of 512 tokens." in shown.squeezed
            await shown.press("enter")
            await shown.answered(3)
            assert chats(server)[asked:] == [(6, 8192)]


async def test_who_writes_the_next_prompt_is_told_and_context_offers_the_same_ways(chat: OpenChat) -> None:
    fake, may_end = tight(fits=2), asyncio.Event()
    script = fake.chat
    assert callable(script)

    async def late(exchange: Exchange) -> None:
        if len(exchange.json["messages"]) > 2:
            await may_end.wait()
        await script(exchange)

    fake.chat = late
    async with serving(fake) as server, chat(OLLAMA_HOST=server.url, **_OURS) as shown:
        await shown.ask("one")
        await shown.answered()
        await shown.ask("two")
        await shown.until(lambda: len(chats(server)) == 2)
        await shown.type("ne")
        may_end.set()
        await shown.until(lambda: any("/context shows what can be done" in notice for notice in shown.notices))
        await shown.type("xt")
        await shown.press("up")
        assert shown.prompt.content == "next" and "cancel: nothing is sent" not in shown.text
        await shown.until(lambda: not shown.screen.conversation.asking.busy)
        shown.prompt.put("")
        await shown.ask("/context")
        await shown.until_text("cancel: nothing is sent")
        await shown.press("enter")
        await shown.answered(2)
        assert chats(server)[-1] == (4, 8192)
        await shown.until(lambda: shown.prompt.has_focus)
        await shown.ask("/context")
        await shown.until_text("leave it as it is")
        assert "cancel:" not in shown.text, "nothing that did not fit is to be sent again"


async def test_a_server_that_decides_the_context_itself(chat: OpenChat) -> None:
    fake = plain("tiny", max_model_len=512)
    words = {"type": "exceed_context_size_error", "message": "too long", "n_prompt_tokens": 900, "n_ctx": 512}
    fake.paths["POST /v1/chat/completions"] = says({"error": words}, "400 Bad Request")
    async with serving(fake) as server, chat(VLLM_ENDPOINT=server.url, VENOM_ACTIVE_RUNTIME="vllm") as shown:
        await shown.ask("much")
        await shown.until_text("cancel: nothing is sent")
        assert "The conversation takes 900 tokens." in shown.squeezed
        assert "tiny has a context of 512 tokens." in shown.squeezed
        assert "Its server decides alone how large the context is" in shown.squeezed
        assert "tokens of context " not in shown.squeezed, "no context is offered that cannot be had"


async def test_the_meter(chat: OpenChat) -> None:
    fake = plain("tiny", max_model_len=512)
    usage = {"prompt_tokens": 400, "completion_tokens": 30}
    end = piece(finish_reason="stop", usage=usage) + DONE
    fake.paths["POST /v1/chat/completions"] = sends(head() + piece("Hi") + end)
    async with serving(fake) as server, chat(VLLM_ENDPOINT=server.url, VENOM_ACTIVE_RUNTIME="vllm") as shown:
        await shown.ask("hello")
        await shown.answered()
        await shown.until_text("430 of 512 context")
        fake.paths["POST /v1/chat/completions"] = sends(answer("Hi"))
        await shown.press("ctrl+n")
        await shown.until(lambda: "430 of" not in shown.text)
