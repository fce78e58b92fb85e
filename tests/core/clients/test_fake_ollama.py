"""The stand-in for Ollama is held to what a real one said, and to the official client."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import ollama
import pytest

from tests.ollama import RECORDED, FakeOllama, recorded_lines, recorded_text, replays
from tests.servers import Server, serving
from venom_tui.core.clients.addresses import base_url

MODELS: dict[str, dict[str, Any]] = {
    "smollm2:135m": {},
    "smol-tools:135m": {"capabilities": ["completion", "tools"]},
    "smol-think:135m": {"capabilities": ["completion", "thinking"]},
}


@pytest.fixture
def fake() -> FakeOllama:
    return FakeOllama(models=dict(MODELS))


@pytest.fixture
async def server(fake: FakeOllama) -> AsyncIterator[Server]:
    async with serving(fake) as running:
        yield running


@pytest.fixture
def client(server: Server) -> ollama.AsyncClient:
    return ollama.AsyncClient(host=server.url, trust_env=False)


def shape(value: object) -> object:
    """Return what a JSON value is made of, without what it says."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return type(value).__name__


@pytest.mark.parametrize(
    "name",
    [
        *("version", "tags", "ps-empty", "ps-loaded-cpu", "show", "show-missing", "load-generate", "unload"),
        *("unload-not-loaded", "unload-missing-model", "chat-stream", "chat-thinking", "chat-tool-call"),
        *("chat-missing-model", "chat-think-unsupported", "chat-tools-unsupported", "not-found-path"),
    ],
)
async def test_it_says_what_the_real_one_said(fake: FakeOllama, server: Server, name: str) -> None:
    told = RECORDED[name]
    if name.startswith("ps-loaded"):
        fake.hold("smollm2:135m")
    if name.startswith("chat-"):
        fake.chat = name
    method, _, path = told["request"].partition(" ")
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as http:
        said = await http.request(method, path, json=told.get("body"))
    assert said.status_code == told["status"]
    assert said.headers["content-type"] == told["type"]
    if "json" in told["type"]:
        lines = [shape(json.loads(line)) for line in said.text.splitlines()]
        told_lines = [shape(line) for line in recorded_lines(name)]
        if name == "show":  # shortened
            told_lines[0] |= {"modelfile": "str"}  # type: ignore[operator]
        assert lines == told_lines
    if told["status"] != 200:
        assert said.text == told["lines"][0]


async def test_the_official_client_reads_it(fake: FakeOllama, client: ollama.AsyncClient) -> None:
    assert {model.model for model in (await client.list()).models} == set(MODELS)
    assert (await client.ps()).models == []
    shown = await client.show("smollm2:135m")
    assert shown.capabilities == ["completion"]
    assert (await client.generate("smollm2:135m", keep_alive=-1)).done_reason == "load"
    (held,) = (await client.ps()).models
    assert (held.name, held.context_length) == ("smollm2:135m", 4096)
    assert held.expires_at is not None and held.expires_at.year == 2319
    assert (await client.generate("smollm2:135m", keep_alive=0)).done_reason == "unload"
    assert (await client.ps()).models == []
    answer = [part async for part in await client.chat("smollm2:135m", [{"role": "user", "content": "x"}], stream=True)]
    assert "".join(part.message.content or "" for part in answer) == recorded_text("chat-stream")
    assert answer[-1].done and answer[-1].eval_count == 12
    assert fake.loads == [("smollm2:135m", 4096), ("smollm2:135m", 4096)]


async def test_the_official_client_reads_thoughts_and_calls(fake: FakeOllama, client: ollama.AsyncClient) -> None:
    fake.chat = "chat-thinking"
    answer = [part async for part in await client.chat("smol-think:135m", [], think=True, stream=True)]
    assert "".join(part.message.thinking or "" for part in answer)
    fake.chat = "chat-tool-call"
    called = [part async for part in await client.chat("smol-tools:135m", [], stream=True)]
    calls = [call.function for part in called for call in part.message.tool_calls or ()]
    assert [(call.name, call.arguments) for call in calls] == [("get_weather", {"city": "Bern"})]


async def test_the_official_client_hears_its_errors(fake: FakeOllama, client: ollama.AsyncClient) -> None:
    for wrong, status, words in (
        (client.show("nosuch:7b"), 404, "model 'nosuch:7b' not found"),
        (client.chat("nosuch:7b", []), 404, "model 'nosuch:7b' not found"),
        (client.chat("smollm2:135m", [], think=True), 400, '"smollm2:135m" does not support thinking'),
    ):
        with pytest.raises(ollama.ResponseError) as caught:
            await wrong
        assert (caught.value.status_code, caught.value.error) == (status, words)
    fake.chat = "chat-runner-killed"
    with pytest.raises(ollama.ResponseError, match="unexpected EOF"):
        async for _ in await client.chat("smollm2:135m", [], stream=True):
            pass
    fake.instead["GET /api/tags"] = replays("host-forbidden")
    with pytest.raises(ollama.ResponseError) as caught:
        await client.list()
    assert caught.value.status_code == 403


async def test_it_loads_as_the_real_one_does(fake: FakeOllama, client: ollama.AsyncClient) -> None:
    """Seen on a real 0.33: what is not named is the automatic context, and a load loses a pin."""
    await client.generate("smollm2:135m", options={"num_ctx": 512}, keep_alive=-1)
    await client.chat("smollm2:135m", [], options={"num_ctx": 512})
    assert fake.loads == [("smollm2:135m", 512)]
    assert fake.loaded["smollm2:135m"]["expires_at"].startswith("2319")
    await client.chat("smollm2:135m", [])
    assert fake.loads == [("smollm2:135m", 512), ("smollm2:135m", 4096)]
    assert not fake.loaded["smollm2:135m"]["expires_at"].startswith("2319")


@pytest.mark.parametrize(
    "text",
    [
        *("gpu", "gpu:8000", "http://gpu", "https://gpu", "https://gpu:8443", "http://gpu:8000/", "10.0.0.1"),
        *("gpu/ollama/", "https://gpu/ollama", "[::1]", "[::1]:8000", "http://[fd00::1]", "https://[fd00::1]:8443/x/"),
    ],
)
def test_addresses_are_read_as_the_official_client_reads_them(text: str) -> None:
    there = ollama.AsyncClient(host=text, trust_env=False)._client.base_url
    here = httpx.URL(base_url(text, default_port=11434))
    assert (here.scheme, here.host, here.port, here.path.rstrip("/")) == (
        *(there.scheme, there.host, there.port, there.path.rstrip("/")),
    )
