"""What goes to a real Ollama, seen by a proxy before it: nobody's model is loaded again or let go by a turn of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.core.support import COUNTING, first_words, open_core
from tests.ollama import RECORDED
from tests.real.place import SHORT, Place, at, end_of
from tests.real.servers.ollama import OllamaFactory, OllamaServer
from tests.real.servers.ollama_store import unloadable
from tests.servers import Server, forwards, serving
from venom_tui.core.clients.http import HttpPool
from venom_tui.core.clients.ollama import OllamaClient
from venom_tui.core.errors import LoadFailed
from venom_tui.core.types.content import ToolCall
from venom_tui.core.types.request import ChatMessage, ChatRequest, GenerationParameters
from venom_tui.core.types.session import MessageState
from venom_tui.core.types.turn import TurnEnded

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

NAME = "plain:135m"


@asynccontextmanager
async def watched(folder: Path, server: OllamaServer, name: str = NAME) -> AsyncIterator[tuple[Place, Server]]:
    """Open a core that knows an Ollama through a proxy which keeps what it is sent."""
    async with (
        serving(forwards(lambda: server.url)) as seen,
        at(folder, "ollama", seen.url, name, 4096) as place,
    ):
        yield place, seen


def bodies(seen: Server) -> list[dict[str, Any]]:
    """Return the bodies of all requests that name a model."""
    return [asked.json for asked in seen.asked if asked.target in ("POST /api/chat", "POST /api/generate")]


async def loaded(server: OllamaServer) -> dict[str, tuple[int, str]]:
    """Return name -> context and the year until which it is kept."""
    async with server.client() as http:
        rows = (await http.get("/api/ps")).json()["models"]
    return {row["name"]: (row["context_length"], row["expires_at"][:4]) for row in rows}


async def others(server: OllamaServer, model: str, **body: object) -> None:
    """Do as another client of the server."""
    async with server.client() as http:
        (await http.post("/api/generate", json={"model": model, "stream": False, **body})).raise_for_status()


async def complete(place: Place, session_id: str, text: str, parameters: GenerationParameters = SHORT) -> TurnEnded:
    turn = end_of(await place.send(session_id, text, parameters))
    assert turn.message.state is MessageState.COMPLETE, turn.error
    return turn


async def test_turns_name_no_context_and_no_keep_alive(ollama: OllamaFactory, tmp_path: Path) -> None:
    async with ollama() as server, watched(tmp_path, server) as (place, seen):
        session = await place.core.sessions.create()
        await complete(place, session.id, "Name a city.")
        runners = server.runner_pids()
        assert len(runners) == 1
        for text in ("And another.", "One more."):
            await complete(place, session.id, text)
        request = await place.core.chat.send(session.id, COUNTING, model=NAME, runtime="box")
        await first_words(place.core, request)
        await place.core.chat.stop(request)
        await complete(place, (await place.core.sessions.create()).id, "In a new session.")
        assert server.runner_pids() == runners, "it was loaded once"
        sent = bodies(seen)
        assert [body.get("options", {}).get("num_ctx") for body in sent] == [None] * 6
        assert not [body for body in sent if "keep_alive" in body]
        assert all(body["truncate"] is False for body in sent if "messages" in body)


async def test_keep_alive_is_sent_where_it_is_set(ollama: OllamaFactory, tmp_path: Path) -> None:
    async with ollama() as server, serving(forwards(lambda: server.url)) as seen:
        async with open_core(tmp_path, OLLAMA_HOST=seen.url, LLM_KEEP_ALIVE="-1") as core:
            await core.runtimes.settled(5)
            place = Place(core, "ollama", NAME, 4096)
            session = await core.sessions.create()
            for text in ("Name a city.", "And another."):
                await complete(place, session.id, text)
                assert await loaded(server) == {NAME: (4096, "2319")}
        assert [body.get("keep_alive") for body in bodies(seen)] == [-1, -1, -1]


async def test_a_chosen_context_is_the_same_in_every_request(ollama: OllamaFactory, tmp_path: Path) -> None:
    chosen = GenerationParameters(max_tokens=5, temperature=0, context_length=1024)
    async with ollama() as server, watched(tmp_path, server) as (place, seen):
        session = await place.core.sessions.create()
        await complete(place, session.id, "Name a city.", chosen)
        runners = server.runner_pids()
        for text in ("And another.", "One more."):
            await complete(place, session.id, text, chosen)
        assert {body["options"]["num_ctx"] for body in bodies(seen)} == {1024}
        assert server.runner_pids() == runners
        assert (await loaded(server))[NAME][0] == 1024


@pytest.mark.parametrize("options", [{"num_ctx": 512}, {}], ids=["of its own", "automatic"])
async def test_a_pinned_model_of_somebody_else_stays_as_it_is(
    ollama: OllamaFactory, tmp_path: Path, options: dict[str, object]
) -> None:
    async with ollama() as server, watched(tmp_path, server) as (place, seen):
        await others(server, NAME, options=options, keep_alive=-1)
        runners, before = server.runner_pids(), await loaded(server)
        session = await place.core.sessions.create()
        for text in ("Name a city.", "And another."):
            await complete(place, session.id, text)
            assert await loaded(server) == before == {NAME: (options.get("num_ctx", 4096), "2319")}
        await place.core.models.activate(NAME, "box")
        assert server.runner_pids() == runners
        assert not [body for body in bodies(seen) if "keep_alive" in body]
        assert not [operation for operation in await place.core.operations.list() if operation.kind == "load"]


async def test_models_that_share_their_weights(ollama: OllamaFactory, tmp_path: Path) -> None:
    """The server lists one row for both, under the name that loaded it."""
    async with ollama() as server, watched(tmp_path, server, "twin:135m") as (place, _):
        await others(server, NAME)
        runners = server.runner_pids()
        session = await place.core.sessions.create()
        for text in ("Name a city.", "And another."):
            await complete(place, session.id, text)
        active = await place.core.models.activate("twin:135m", "box")
        assert active.name == "twin:135m"
        assert set(await loaded(server)) == {NAME}
        assert server.runner_pids() == runners


async def test_a_runner_that_dies(ollama: OllamaFactory, tmp_path: Path) -> None:
    async with ollama() as server, watched(tmp_path, server) as (place, _):
        session = await place.core.sessions.create()
        request = await place.core.chat.send(
            session.id, COUNTING, model=NAME, runtime="box", parameters=GenerationParameters(max_tokens=400)
        )
        begun = await first_words(place.core, request)
        server.kill_runners()
        ended = end_of([event async for event in place.core.chat.follow(request)])
        assert ended.message.state is MessageState.FAILED
        assert ended.message.content.startswith(begun)
        assert "broke its answer off" in ended.error
        assert "unexpected EOF" in ended.server_message
        await complete(place, session.id, "Go on.")
        server.kill_runners()
        await complete(place, session.id, "It is loaded again without a word.")


async def test_models_that_cannot_be_loaded(ollama: OllamaFactory, tmp_path: Path, demonstration_model: Path) -> None:
    async with ollama() as server, watched(tmp_path, server) as (place, _):
        await place.core.models.activate(NAME, "box")
        server.add(unloadable(demonstration_model))
        for name, words in (("cut:latest", "exceeds file size"), ("unloadable:latest", "llamx")):
            with pytest.raises(LoadFailed, match=f"could not load {name}") as caught:
                await place.core.models.activate(name, "box")
            assert words in caught.value.server_message, caught.value.server_message
            active = await place.core.models.active()
            assert active is not None and active.name == NAME
        await complete(place, (await place.core.sessions.create()).id, "Name a city.")


def recorded_request(name: str, model: str) -> ChatRequest:
    """Return a recorded request as one of ours."""
    body = RECORDED[name]["body"]
    messages = tuple(
        ChatMessage(
            message["role"],
            message["content"],
            thinking=message.get("thinking", ""),
            tool_calls=tuple(
                ToolCall(call["function"]["name"], str(call["function"]["arguments"]).replace("'", '"'))
                for call in message.get("tool_calls", ())
            ),
            tool_name=message.get("tool_name", ""),
        )
        for message in body["messages"]
    )
    think = "on" if body.get("think") else None
    return ChatRequest(model, messages, GenerationParameters(think=think), tools=tuple(body.get("tools", ())))


async def test_it_thinks_and_calls_as_was_recorded(ollama: OllamaFactory) -> None:
    pool = HttpPool()
    options = {"temperature": 0, "num_predict": 60}
    try:
        async with ollama() as server:
            client = OllamaClient(pool, server.url, who="Ollama")
            request = recorded_request("chat-thinking", "thinking:135m")
            thought = [chunk async for chunk in client.chat(request, options)]
            assert "".join(chunk.thinking for chunk in thought).startswith("I add the numbers")
            assert "The answer is" in "".join(chunk.content for chunk in thought)
            request = recorded_request("chat-tool-call", "tools:135m")
            called = [call async for chunk in client.chat(request, options) for call in chunk.tool_calls]
            assert [(call.name, call.arguments) for call in called] == [("get_weather", '{"city": "Bern"}')]
    finally:
        await pool.close()


async def test_an_answer_that_repeats_itself_is_given_up_without_a_last_line(ollama: OllamaFactory) -> None:
    pool = HttpPool()
    nines: dict[str, object] = {"type": "string", "pattern": "^9{90}$"}
    request = ChatRequest(NAME, (ChatMessage("user", "Hello"),), schema=nines)
    try:
        async with ollama() as server:
            client = OllamaClient(pool, server.url, who="Ollama")
            chunks = [chunk async for chunk in client.chat(request, {"temperature": 0, "num_predict": 120})]
    finally:
        await pool.close()
    assert chunks[-1].finish_reason == "repetition"
    assert 20 < "".join(chunk.content for chunk in chunks).count("9") < 90
