"""Thoughts and calls of real models through the core: apart in the stream, in the store and on the screen.

A small model thinks and calls where examples stand before the question, or where a grammar makes it. Those, and the
functions that it may call, are put into the request on its way out: this mode offers none itself.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.core.support import LIMIT_S, answers, open_core, settings_for, turn
from tests.real.servers.llama_server import LlamaFactory
from tests.real.servers.ollama import OllamaFactory
from tests.real.test_calls_and_thoughts import CALL, DATA, WEATHER
from tests.real.test_ollama_wire import recorded_request
from tests.ui.shown import open_app
from venom_tui.core.clients.ollama import OllamaClient
from venom_tui.core.clients.openai_compatible import OpenAICompatibleClient
from venom_tui.core.core import Core
from venom_tui.core.types.request import ChatRequest, GenerationParameters
from venom_tui.core.types.session import MessageState
from venom_tui.core.types.turn import TurnDelta, TurnEnded, TurnThinking, TurnToolCall
from venom_tui.ui.screens.chat.screen import ChatScreen

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

THINKS = GenerationParameters(temperature=0.0, max_tokens=80, think="on")
CALLS = GenerationParameters(temperature=0.0, max_tokens=60)
Change = Callable[[ChatRequest, dict[str, object]], tuple[ChatRequest, dict[str, object]]]


def changed_on_its_way(patch: pytest.MonkeyPatch, client: type[Any], change: Change) -> list[ChatRequest]:
    """Change what goes to a server; return a list into which the requests come as the core made them."""
    asked: list[ChatRequest] = []
    chat = client.chat

    def changed(self: object, request: ChatRequest, extra: dict[str, object] | None = None, **more: object) -> object:
        asked.append(request)
        other, parameters = change(request, dict(extra or {}))
        return chat(self, other, parameters, **more)

    patch.setattr(client, "chat", changed)
    return asked


def with_examples(name: str) -> Change:
    """Put the messages and functions of a recorded request into one for Ollama, before what was asked since."""
    recorded = recorded_request(name, "")

    def change(request: ChatRequest, extra: dict[str, object]) -> tuple[ChatRequest, dict[str, object]]:
        return replace(request, messages=recorded.messages, tools=recorded.tools), extra

    return change


def made_to_call(request: ChatRequest, extra: dict[str, object]) -> tuple[ChatRequest, dict[str, object]]:
    """Offer a function, and let the server enforce a call of it."""
    return replace(request, tools=(WEATHER,)), extra | CALL


def as_it_is(request: ChatRequest, extra: dict[str, object]) -> tuple[ChatRequest, dict[str, object]]:
    """Change nothing."""
    return request, extra


@pytest.fixture(params=["ollama", "llama-server"])
def kind(request: pytest.FixtureRequest) -> str:
    """Who answers."""
    name: str = request.param
    return name


@asynccontextmanager
async def core_over(folder: Path, url: str, kind: str) -> AsyncIterator[Core]:
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config" / "config.toml").write_text(f'[runtimes.box]\nurl = "{url}"\nkind = "{kind}"\n')
    async with open_core(folder) as core:
        assert await core.runtimes.settled(LIMIT_S)
        yield core


async def asked(core: Core, session: str, text: str, model: str, parameters: GenerationParameters) -> list[Any]:
    """Return all events of a turn, which must end well."""
    sent = await core.chat.send(session, text, model=model, runtime="box", parameters=parameters)
    events = await turn(core, sent)
    last = events[-1]
    assert isinstance(last, TurnEnded)
    assert (last.message.state, last.error) == (MessageState.COMPLETE, "")
    return events


async def on_the_screen(folder: Path, session: str, *texts: str) -> str:
    """Open the session in the application, wait for texts, and return the screen."""
    async with open_app(settings_for(folder), "chat", 100, 60) as shown:
        screen = shown.app.section_screen("chat")
        assert isinstance(screen, ChatScreen)
        screen.open_session(session)
        for text in texts:
            await shown.until_text(text)
        return shown.squeezed


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def test_thoughts_come_apart_and_stay_apart(
    request: pytest.FixtureRequest,
    kind: str,
    stack: AsyncExitStack,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if kind == "ollama":
        ollama: OllamaFactory = request.getfixturevalue("ollama")  # a test needs the one that it is about
        url, model = (await stack.enter_async_context(ollama())).url, "thinking:135m"
        requests = changed_on_its_way(monkeypatch, OllamaClient, with_examples("chat-thinking"))
    else:
        arguments = ("--jinja", "--chat-template-file", str(DATA / "thinking.jinja"), "--reasoning", "on")
        llama_server: LlamaFactory = request.getfixturevalue("llama_server")
        server = llama_server(arguments=(*arguments, "--reasoning-format", "deepseek"))
        url, model = (await stack.enter_async_context(server)).url, "smollm2"
        requests = changed_on_its_way(monkeypatch, OpenAICompatibleClient, as_it_is)
    async with core_over(tmp_path, url, "ollama" if kind == "ollama" else "llamacpp") as core:
        session = (await core.sessions.create()).id
        events = await asked(core, session, "What is 12 + 30?", model, THINKS)
        thoughts = "".join(event.text for event in events if isinstance(event, TurnThinking))
        words = "".join(event.text for event in events if isinstance(event, TurnDelta))
        (answer,) = await answers(core, session)
        assert len(thoughts.split()) > 2
        assert (answer.thinking.strip(), answer.content.strip()) == (thoughts.strip(), words.strip())
        assert thoughts.strip() not in answer.content and "think>" not in answer.thinking + answer.content
        assert answer.timings.thinking_ms is not None
        if kind == "ollama":  # the other one ends in its thoughts
            assert "The answer is" in answer.content
        await asked(core, session, "And 1 + 1?", model, THINKS)
        given = [message.content for message in requests[-1].messages]
        assert not any(thoughts.strip() in content for content in given), "they do not go back as words"
    text = await on_the_screen(tmp_path, session, "▸ thought for")
    assert " ".join(thoughts.split()) not in text, "they are folded"


async def test_calls_are_shown_as_what_they_are(
    request: pytest.FixtureRequest,
    kind: str,
    stack: AsyncExitStack,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if kind == "ollama":
        ollama: OllamaFactory = request.getfixturevalue("ollama")
        url, model, city = (await stack.enter_async_context(ollama())).url, "tools:135m", "Bern"
        changed_on_its_way(monkeypatch, OllamaClient, with_examples("chat-tool-call"))
    else:
        llama_server: LlamaFactory = request.getfixturevalue("llama_server")
        server = llama_server(arguments=("--jinja", "--chat-template-file", str(DATA / "tools.jinja")))
        url, model, city = (await stack.enter_async_context(server)).url, "smollm2", "Paris"
        changed_on_its_way(monkeypatch, OpenAICompatibleClient, made_to_call)
    async with core_over(tmp_path, url, "ollama" if kind == "ollama" else "llamacpp") as core:
        session = (await core.sessions.create()).id
        events = await asked(core, session, f"Weather in {city}?", model, CALLS)
        (called,) = [event for event in events if isinstance(event, TurnToolCall)]
        (answer,) = await answers(core, session)
        (call,) = answer.tool_calls
        assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": city})
        assert called.call == call
        assert "get_weather" not in answer.content and "tool_call" not in answer.content
    text = await on_the_screen(tmp_path, session, "get_weather is called for, not run", f'"city": "{city}"')
    assert "tool_call" not in text
