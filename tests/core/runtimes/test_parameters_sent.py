"""Generation parameters as they arrive at each kind of server, and what is said of those that cannot."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.core.support import LIMIT_S, open_core, turn
from tests.ollama import FakeOllama
from tests.openai import FakeServer, llamacpp, plain, vllm
from tests.servers import Server, serving
from venom_tui.core.core import Core
from venom_tui.core.types.request import GenerationParameters
from venom_tui.core.types.session import MessageState
from venom_tui.core.types.turn import TurnEnded, TurnNotice

Fake = FakeOllama | FakeServer
ALL = GenerationParameters(
    temperature=0.5,
    top_p=0.9,
    top_k=40,
    min_p=0.05,
    repeat_penalty=1.1,
    max_tokens=100,
    seed=7,
    stop=("END",),
    context_length=2048,
)
COMMON = {"temperature": 0.5, "top_p": 0.9, "seed": 7, "stop": ["END"]}
MAKE: dict[str, Callable[[], Fake]] = {
    "ollama": FakeOllama,
    "vllm": vllm,
    "llamacpp": llamacpp,
    "openai": lambda: plain("a"),
}


@asynccontextmanager
async def runtime(folder: Path, kind: str, fake: Fake) -> AsyncIterator[tuple[Core, Server]]:
    """Open a core with one server of a kind, whose id is `box`."""
    (folder / "config").mkdir()
    async with serving(fake) as server:
        table = f'[runtimes.box]\nurl = "{server.url}"\nkind = "{kind}"\n'
        (folder / "config" / "config.toml").write_text(table)
        async with open_core(folder) as core:
            assert await core.runtimes.settled(LIMIT_S)
            yield core, server


async def sent(core: Core, server: Server, parameters: GenerationParameters) -> tuple[dict[str, Any], list[str]]:
    """Return the body of a turn as it came to the server, and the notices of that turn."""
    session = await core.sessions.create()
    (model,) = [model.name for model in await core.models.list() if model.runtime == "box"]
    request = await core.chat.send(session.id, "x", model=model, runtime="box", parameters=parameters)
    events = await turn(core, request)
    assert isinstance(events[-1], TurnEnded)
    assert events[-1].message.state is MessageState.COMPLETE, events[-1].error
    (body,) = [asked.json for asked in server.asked if asked.target.endswith(("/api/chat", "/chat/completions"))]
    return body, [event.text for event in events if isinstance(event, TurnNotice)]


@pytest.mark.parametrize(
    ("kind", "fields", "notices"),
    [
        (
            "vllm",
            {**COMMON, "top_k": 40, "min_p": 0.05, "repetition_penalty": 1.1, "max_tokens": 100},
            ["box does not know context_length: left out."],
        ),
        (
            "llamacpp",
            {**COMMON, "top_k": 40, "min_p": 0.05, "repeat_penalty": 1.1, "max_tokens": 100},
            ["box does not know context_length: left out."],
        ),
        (
            "openai",
            {**COMMON, "max_tokens": 100},
            ["box does not know top_k, min_p, repeat_penalty, context_length: left out."],
        ),
    ],
)
async def test_the_names_of_openais_wire(
    tmp_path: Path, kind: str, fields: dict[str, object], notices: list[str]
) -> None:
    async with runtime(tmp_path, kind, MAKE[kind]()) as (core, server):
        body, said = await sent(core, server, ALL)
    fixed = {"model", "messages", "stream", "stream_options"}
    assert {name: value for name, value in body.items() if name not in fixed} == fields
    assert said == notices


async def test_the_options_of_ollama(tmp_path: Path) -> None:
    async with runtime(tmp_path, "ollama", FakeOllama()) as (core, server):
        body, said = await sent(core, server, ALL)
    assert body["options"] == {
        **COMMON,
        "top_k": 40,
        "min_p": 0.05,
        "repeat_penalty": 1.1,
        "num_predict": 100,
        "num_ctx": 2048,
    }
    assert set(body) == {"model", "messages", "stream", "truncate", "options"}
    assert said == []


@pytest.mark.parametrize("kind", MAKE)
async def test_what_is_not_chosen_is_left_to_the_server(tmp_path: Path, kind: str) -> None:
    async with runtime(tmp_path, kind, MAKE[kind]()) as (core, server):
        body, said = await sent(core, server, GenerationParameters())
    assert set(body) <= {"model", "messages", "stream", "stream_options", "truncate"}
    assert said == []


TEMPLATE = "chat_template_kwargs"


@pytest.mark.parametrize(
    ("kind", "think", "fields", "dropped"),
    [
        ("vllm", "on", {TEMPLATE: {"enable_thinking": True}}, False),
        ("vllm", "off", {TEMPLATE: {"enable_thinking": False}}, False),
        ("vllm", "low", {TEMPLATE: {"enable_thinking": True, "reasoning_effort": "low"}}, False),
        ("llamacpp", "on", {TEMPLATE: {"enable_thinking": True}}, False),
        ("llamacpp", "off", {TEMPLATE: {"enable_thinking": False}}, False),
        ("llamacpp", "high", {TEMPLATE: {"enable_thinking": True, "reasoning_effort": "high"}}, False),
        ("openai", "medium", {"reasoning_effort": "medium"}, False),
        ("openai", "off", {"reasoning_effort": "none"}, False),
        ("openai", "on", {}, True),
    ],
)
async def test_how_servers_are_told_to_think(
    tmp_path: Path, kind: str, think: str, fields: dict[str, object], dropped: bool
) -> None:
    async with runtime(tmp_path, kind, MAKE[kind]()) as (core, server):
        body, said = await sent(core, server, GenerationParameters(think=think))
    assert {name: body[name] for name in (TEMPLATE, "reasoning_effort") if name in body} == fields
    assert said == (["box does not know think: left out."] if dropped else [])
    assert "think" not in body


@pytest.mark.parametrize(
    ("capabilities", "think", "value", "notices"),
    [
        (["completion", "thinking"], "on", True, []),
        (["completion", "thinking"], "high", "high", []),
        (["completion"], "on", None, ["smollm2:135m cannot think before it answers."]),
        (["completion"], "off", False, []),
    ],
)
async def test_how_ollama_is_told_to_think(
    tmp_path: Path, capabilities: list[str], think: str, value: object, notices: list[str]
) -> None:
    """A model that cannot is not told to: a real one refuses the whole request then (400)."""
    fake = FakeOllama({"smollm2:135m": {"capabilities": capabilities}})
    async with runtime(tmp_path, "ollama", fake) as (core, server):
        body, said = await sent(core, server, GenerationParameters(think=think))
    assert body.get("think") == value
    assert said == notices
