"""Keys that arrive all at once, as a slow line or a terminal multiplexer brings them, behind what opens something."""

from __future__ import annotations

from textual.widgets import Input

from tests.ollama import FakeOllama
from tests.openai import FakeServer, plain
from tests.servers import serving
from tests.ui.screens.chat.conftest import OpenChat
from tests.ui.screens.chat.support import Chat
from venom_tui.ui.terminal.keys import KeyDecoder

_VLLM = {"VENOM_ACTIVE_RUNTIME": "vllm"}


def burst(shown: Chat, keys: bytes) -> None:
    """Let the terminal bring keys, and the application read none of them before all are there."""
    for event in KeyDecoder().feed(keys):
        shown.app.post_message(event)


async def test_what_is_typed_behind_a_command_goes_into_what_it_opens(chat: OpenChat) -> None:
    fake = plain("one", "two")
    async with serving(fake) as server, chat(VLLM_ENDPOINT=server.url, **_VLLM) as shown:
        burst(shown, b"/model\rtwo\r")
        await shown.until(lambda: "two @ vllm" in shown.text)
        burst(shown, b"/model\rone\rand then?\r")
        await shown.until(lambda: "one @ vllm" in shown.text)
        (prompt, _) = await shown.answered()
        assert prompt.content == "and then?"
        burst(shown, b"\x1brtwo\r")  # alt+r
        await shown.until_text("● 2 of 2, goes on")
        await shown.answered(2)
        burst(shown, b"/rename\r\x15Another title\r")  # ctrl+u: the title before goes
        await shown.until_text("── Another title")
        for find in (b"/find\r", b":search text\r"):
            burst(shown, find + b"then\r")
            await shown.until(lambda: shown.screen.transcript.has_focus)
            await shown.press("escape")
            assert shown.prompt.has_focus and shown.prompt.text == ""
        assert _asked(fake) == ["and then?"] * 2 and fake.chats[1]["model"] == "two"


async def test_what_is_typed_behind_a_key_that_opens_something(chat: OpenChat) -> None:
    fake = plain("one")
    async with serving(fake) as server, chat(VLLM_ENDPOINT=server.url, **_VLLM) as shown:
        burst(shown, b":colours")
        await shown.until_text("Colours: ")
        await shown.until(lambda: shown.app.screen.query_one(Input).value == "colours")
        assert shown.prompt.text == ""
        await shown.press("escape")
        burst(shown, b"?\x1b[B\x1b[B")
        await shown.until_text("Focus decides")
        burst(shown, b"q")
        await shown.until(lambda: shown.prompt.has_focus and shown.screen.is_current)
        assert shown.prompt.text == ""


async def test_what_is_typed_behind_what_is_asked_for_first(chat: OpenChat) -> None:
    fake = FakeOllama({"tiny:1b": {}})
    async with serving(fake) as server, chat(OLLAMA_HOST=server.url) as shown:
        burst(shown, b"/params\rtemperature")
        await shown.until_text("Parameters of tiny:1b")
        await shown.until(lambda: shown.app.screen.query_one(Input).value == "temperature")
        assert shown.prompt.text == ""


async def test_what_is_typed_behind_a_command_that_opens_nothing_is_the_prompts(chat: OpenChat) -> None:
    fake = plain("one")
    async with serving(fake) as server, chat(VLLM_ENDPOINT=server.url, **_VLLM) as shown:
        burst(shown, b"/rename\r/new\rfirst\r\x1b[200~a paste\x1b[201~ and more")
        await shown.answered()
        await shown.until(lambda: shown.prompt.text == "a paste and more")
        assert _asked(fake) == ["first"]
        assert shown.notices[0] == "There is no session to rename yet."
        await shown.press("ctrl+u")
        burst(shown, b"/nonsense\r\x15hello")
        await shown.until(lambda: shown.prompt.text == "hello")


def _asked(fake: FakeServer) -> list[str]:
    return [chat["messages"][-1]["content"] for chat in fake.chats]
