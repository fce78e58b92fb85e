"""A core for tests, its turns, and models that a scripted server answers for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import repeat
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.servers import Exchange, Server, forwards, serving
from venom_tui.core.clients.llamacpp import LlamaCppClient
from venom_tui.core.core import Core
from venom_tui.core.errors import VenomError
from venom_tui.core.events import Subscription
from venom_tui.core.runtimes.embedded import EmbeddedRuntime
from venom_tui.core.runtimes.runtime import Plan
from venom_tui.core.settings import Settings
from venom_tui.core.types.request import GenerationParameters
from venom_tui.core.types.session import Message
from venom_tui.core.types.turn import TurnDelta, TurnEnded, TurnEvent

E = TypeVar("E")
LIMIT_S = 60.0
"""After that long something that should have happened will not."""

COUNTING = "List all even numbers from 2 to 500: 2, 4, 6, 8,"
"""The demonstration model goes on with that for long, at temperature 0 always in the same way."""


def settings_for(folder: Path, **values: object) -> Settings:
    """Return settings with folders of their own below `folder`."""
    places = {"VENOM_DATA_DIR": str(folder / "data"), "VENOM_CONFIG_DIR": str(folder / "config")}
    return Settings({"environment": {**places, "VENOM_DISCOVERY": "0", **values}})


@asynccontextmanager
async def open_core(folder: Path, **values: object) -> AsyncIterator[Core]:
    """Open a core whose data lie in `folder`/data."""
    async with Core(settings_for(folder, **values)) as core:
        yield core


def answered_by(core: Core, server: Server, patch: pytest.MonkeyPatch) -> None:
    """Let a scripted server answer for every model; nothing is loaded."""
    embedded = core.runtimes.runtime("embedded")

    async def prepare(*_: object) -> tuple[Plan, bool]:
        return Plan(), False

    async def explain(_model: str, failure: VenomError) -> VenomError:
        return failure

    def client(_model: str) -> LlamaCppClient:
        return LlamaCppClient(core.runtimes._pool, server.url, who="The embedded llama.cpp", api_key="sk-test")

    patch.setattr(embedded, "prepare", prepare)
    patch.setattr(embedded, "explain", explain)
    patch.setattr(embedded, "_client", client)


def _embedded(core: Core) -> EmbeddedRuntime:
    runtime = core.runtimes.runtime("embedded")
    assert isinstance(runtime, EmbeddedRuntime)
    return runtime


async def way_to(core: Core, model: str) -> tuple[str, str]:
    """Return address and key of the server that holds a model, which is loaded where it is not."""
    await core.runtimes.prepare(await core.models.find(model))
    client = _embedded(core)._client(model)
    return client.base_url, client._headers["authorization"].removeprefix("Bearer ")


@asynccontextmanager
async def recording(core: Core, patch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    """Stand between the core and its real servers, and keep what goes to them."""
    embedded, there = _embedded(core), {"url": ""}
    real = embedded._client

    async with serving(forwards(lambda: there["url"])) as server:

        def between(model: str) -> LlamaCppClient:
            client = real(model)
            there["url"] = client.base_url
            key = client._headers["authorization"].removeprefix("Bearer ")
            return LlamaCppClient(core.runtimes._pool, server.url, who=client.who, api_key=key)

        patch.setattr(embedded, "_client", between)
        yield server


def sent(exchange: Exchange) -> list[tuple[str, str]]:
    """Return role and text of the conversation that a server was sent, without the system message."""
    return [(m["role"], m["content"]) for m in exchange.json["messages"] if m["role"] != "system"]


def fill(place: Path) -> Path:
    """Fill the file system of a folder to its last byte; return the file that does."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        file.writelines(repeat(b"x" * 4096))
    return filler


async def turn(core: Core, request_id: str) -> list[TurnEvent]:
    """Return all events of a turn once it has ended."""
    async with asyncio.timeout(LIMIT_S):
        return [event async for event in core.chat.follow(request_id)]


async def ended(core: Core, request_id: str) -> TurnEnded:
    """Return how a turn ended."""
    last = (await turn(core, request_id))[-1]
    assert isinstance(last, TurnEnded)
    return last


async def ask(core: Core, session_id: str, text: str, *, model: str | None = None, **values: Any) -> TurnEnded:
    """Send a prompt, with generation parameters, and return how its turn ended."""
    parameters = GenerationParameters(**values)
    return await ended(core, await core.chat.send(session_id, text, model=model, parameters=parameters))


async def first_words(core: Core, request_id: str) -> str:
    """Wait until an answer has begun; return its first piece."""
    async with asyncio.timeout(LIMIT_S):
        async for event in core.chat.follow(request_id):
            if isinstance(event, TurnDelta):
                return event.text
    raise AssertionError("the turn ended without a word")


async def next_of(events: Subscription, kind: type[E]) -> E:
    """Return the next event of a kind."""
    async with asyncio.timeout(LIMIT_S):
        async for event in events:
            if isinstance(event, kind):
                return event
    raise AssertionError(f"no {kind.__name__} came")


async def contents(core: Core, session_id: str) -> list[tuple[str, str, str]]:
    """Return role, state and text of the messages of a session."""
    return [(m.role.value, m.state.value, m.content) for m in await core.sessions.messages(session_id)]


async def answers(core: Core, session_id: str) -> list[Message]:
    """Return the answers of models in a session."""
    return [m for m in await core.sessions.messages(session_id) if m.role == "assistant"]
