"""Servers that misbehave, on both wires, as the chat shows it: one sentence in its place, what came is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial

import pytest

from tests.core.clients.wires import OLLAMA, WIRES, Wire
from tests.ollama import FakeOllama
from tests.openai import FakeServer, vllm
from tests.servers import Script, hangs, head, sends, serving
from tests.ui.screens.chat.conftest import OpenChat
from tests.ui.screens.chat.support import Chat
from venom_tui.core.types.session import MessageState

Case = tuple[str, Callable[[Wire], bytes], str, str]
"""Name, what the server sends, what comes of the answer, what is said."""


def _refusal(status: str, words: object = "", **headers: str) -> Callable[[Wire], bytes]:
    return lambda wire: head(status, "application/json", **headers) + json.dumps({"error": words}).encode()


CASES: tuple[Case, ...] = (
    ("cut", lambda wire: wire.head() + wire.piece("Some words"), "Some words", "ended its answer in the middle"),
    (
        "error in a stream",
        lambda wire: wire.head() + wire.piece("Half a word") + wire.line({"error": '{"error": "no memory"}'}),
        "Half a word",
        "“no memory”",
    ),
    ("shape", lambda wire: wire.head() + wire.piece("A bit") + wire.line([]), "A bit", "sent a"),
    ("page", lambda wire: head(kind="text/html") + b"<html>[b]no[/b]</html>", "", "“an HTML page”"),
    ("nothing", lambda wire: b"", "", "closed the connection"),
    ("redirect", lambda wire: head("302 Found", location="http://elsewhere/x"), "", "redirects to http://elsewhere/x"),
    ("key", _refusal("401 Unauthorized", "no key"), "", "it wants a key that it accepts. “no key”"),
    ("forbidden", _refusal("403 Forbidden"), "", "it wants access"),
    ("gone", _refusal("404 Not Found", "model gone"), "", "does not have this model"),
    ("later", _refusal("429 Too Many", "slow down", retry_after="7"), "", "It asks to wait 7 s."),
    ("broken", _refusal("500 Oops", '{"error": "[/] \\u001b[31mred"}'), "", "“[/] red”"),
    ("busy", _refusal("503 Unavailable", "queue is full"), "", "“queue is full”"),
)


def on(wire: Wire) -> tuple[FakeOllama | FakeServer, Callable[[Script], None]]:
    """Return a server of a wire, and what makes it answer otherwise."""
    if wire is OLLAMA:
        ollama = FakeOllama({"tiny:1b": {}})
        return ollama, lambda script: setattr(ollama, "chat", script)
    other = vllm("tiny:1b", 4096)

    def put(script: Script) -> None:
        other.paths["POST /v1/chat/completions"] = script

    return other, put


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
async def test_each_is_one_sentence_and_the_chat_goes_on(chat: OpenChat, wire: Wire) -> None:
    fake, answers = on(wire)
    name = "OLLAMA_HOST" if wire is OLLAMA else "VLLM_ENDPOINT"
    async with serving(fake) as server, chat(**{name: server.url}) as shown:
        for number, (case, make, came, said) in enumerate(CASES, 1):
            answers(sends(make(wire)))
            await shown.ask(f"question {number}")
            *_, answer = await shown.answered(number)
            assert (answer.state, answer.content) == (MessageState.FAILED, came), case
            await shown.until(partial(_says, shown, said))
            below = without_breaks(shown.text).rpartition(f"question {number} ")[2]
            assert below.count("✕") == 1 and said in below, (case, below)
            assert came in below, case
            assert "Traceback" not in shown.text and not shown.notices, case
        answers(sends(wire.answer("It works.")))
        await shown.ask("and now")
        *_, answer = await shown.answered(len(CASES) + 1)
        assert answer.content == "It works."
        await shown.until_text("It works.")


def _says(shown: Chat, words: str) -> bool:
    return words in without_breaks(shown.text)


def without_breaks(text: str) -> str:
    """Return what stands beside the list of sessions, as one line."""
    rows = [line[27:] for line in text.split("\n")[3:-1]]
    return re.sub(r"\s+", " ", " ".join(row.lstrip("▌ ") for row in rows))


async def test_a_server_that_hangs_can_be_stopped_and_left(chat: OpenChat) -> None:
    fake, answers = on(OLLAMA)
    async with serving(fake) as server, chat(OLLAMA_HOST=server.url) as shown:
        answers(hangs)
        await shown.ask("hello")
        await shown.until_text("esc stops")
        await shown.type("still typing")
        assert shown.prompt.text == "still typing"
        await shown.press("escape")
        *_, answer = await shown.answered()
        assert answer.state is MessageState.STOPPED
        await shown.until_text("stopped, ^r asks again")
