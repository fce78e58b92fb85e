"""Ollama's own wire: what a real one was heard to say, and what older ones and proxies say instead."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.core.clients.wires import OLLAMA
from tests.ollama import FakeOllama, recorded_lines, recorded_text, replays, says
from tests.servers import Script, Server, head, sends, serving
from venom_tui.core.clients.http import HttpPool
from venom_tui.core.clients.ollama import OllamaClient, OllamaModel, parse_time
from venom_tui.core.errors import (
    BadAnswer,
    ContextOverflow,
    CutStream,
    RuntimeBusy,
    RuntimeFailure,
    RuntimeRefused,
)
from venom_tui.core.types.content import Image, ToolCall
from venom_tui.core.types.request import ChatChunk, ChatMessage, ChatRequest, GenerationParameters
from venom_tui.core.types.session import Usage

REQUEST = ChatRequest("smollm2:135m", (ChatMessage("user", "Name three colours."),))


@pytest.fixture
def fake() -> FakeOllama:
    return FakeOllama()


@pytest.fixture
async def server(fake: FakeOllama) -> AsyncIterator[Server]:
    async with serving(fake) as running:
        yield running


@pytest.fixture
def client(server: Server, pool: HttpPool) -> OllamaClient:
    return OllamaClient(pool, server.url, who="Ollama")


async def asked(client: OllamaClient, request: ChatRequest = REQUEST) -> list[ChatChunk]:
    return [chunk async for chunk in client.chat(request, {})]


# ---------------------------------------------------------------------- answers


async def test_an_answer(fake: FakeOllama, server: Server, client: OllamaClient) -> None:
    found = await asked(client)
    assert "".join(chunk.content for chunk in found) == recorded_text("chat-stream") == "1. Red\n2. Blue\n3. Green"
    assert [chunk.finish_reason for chunk in found if chunk.finish_reason] == ["stop"]
    (usage,) = [chunk.usage for chunk in found if chunk.usage]
    assert (usage.prompt_tokens, usage.completion_tokens) == (13, 12)
    assert usage.tokens_per_second == pytest.approx(12 / 0.200904)
    assert found[-1].load_ms == pytest.approx(0.765623)
    (exchange,) = server.asked
    assert exchange.target == "POST /api/chat"
    assert exchange.json == {
        "model": "smollm2:135m",
        "messages": [{"role": "user", "content": "Name three colours."}],
        "stream": True,
        "truncate": False,
    }


async def test_thoughts_stand_apart(fake: FakeOllama, client: OllamaClient) -> None:
    fake.chat = "chat-thinking"
    found = await asked(client)
    lines = [line["message"] for line in recorded_lines("chat-thinking")]
    assert "".join(chunk.thinking for chunk in found) == "".join(line.get("thinking", "") for line in lines) != ""
    assert "".join(chunk.content for chunk in found) == recorded_text("chat-thinking") != ""
    last_thought = max(number for number, chunk in enumerate(found) if chunk.thinking)
    assert all(not chunk.content for chunk in found[:last_thought])


async def test_a_call_of_a_function(fake: FakeOllama, client: OllamaClient) -> None:
    fake.chat = "chat-tool-call"
    found = await asked(client)
    assert [call for chunk in found for call in chunk.tool_calls] == [
        ToolCall("get_weather", '{"city": "Bern"}', "call_5krxf1m1")
    ]


async def test_all_that_a_request_may_hold(fake: FakeOllama, server: Server, client: OllamaClient) -> None:
    fake.models["smollm2:135m"] = {"capabilities": ["completion", "thinking", "tools", "vision"]}
    tool: dict[str, object] = {"type": "function", "function": {"name": "get_weather"}}
    messages = (
        ChatMessage("user", "What is this?", images=(Image("image/png", "iVBO"),)),
        ChatMessage("assistant", "", thinking="hm", tool_calls=(ToolCall("get_weather", '{"city": "Bern"}', "c1"),)),
        ChatMessage(
            "assistant", "", tool_calls=(ToolCall("odd", "no JSON"), ToolCall("list", "[1]"), ToolCall("no", ""))
        ),
        ChatMessage("tool", "21 C", tool_name="get_weather", tool_call_id="c1"),
    )
    schema: dict[str, object] = {"type": "object"}
    request = ChatRequest("smollm2:135m", messages, GenerationParameters(think="high"), schema=schema, tools=(tool,))
    assert [chunk async for chunk in client.chat(request, {"temperature": 0.5}, keep_alive="10m")]
    assert server.asked[0].json == {
        "model": "smollm2:135m",
        "messages": [
            {"role": "user", "content": "What is this?", "images": ["iVBO"]},
            {
                "role": "assistant",
                "content": "",
                "thinking": "hm",
                "tool_calls": [{"function": {"name": "get_weather", "arguments": {"city": "Bern"}}}],
            },
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {"function": {"name": "odd", "arguments": {}}},
                    {"function": {"name": "list", "arguments": {}}},
                    {"function": {"name": "no", "arguments": {}}},
                ],
            },
            {"role": "tool", "content": "21 C", "tool_name": "get_weather"},
        ],
        "stream": True,
        "truncate": False,
        "options": {"temperature": 0.5},
        "keep_alive": "10m",
        "format": schema,
        "tools": [tool],
        "think": "high",
    }


@pytest.mark.parametrize(
    ("think", "sent"), [("on", True), ("off", False), ("low", "low"), ("medium", "medium"), ("high", "high")]
)
async def test_how_it_is_told_to_think(
    fake: FakeOllama, server: Server, client: OllamaClient, think: str, sent: object
) -> None:
    fake.models["smollm2:135m"] = {"capabilities": ["completion", "thinking"]}
    await asked(client, replace(REQUEST, parameters=GenerationParameters(think=think)))
    assert server.asked[0].json["think"] is sent or server.asked[0].json["think"] == sent


async def test_any_json(server: Server, client: OllamaClient) -> None:
    await asked(client, replace(REQUEST, schema={}))
    assert server.asked[0].json["format"] == "json"


@pytest.mark.parametrize(
    ("figures", "usage", "load_ms"),
    [
        ({}, Usage(None, None, None), None),
        ({"eval_count": "12", "prompt_eval_count": 1.5, "eval_duration": {}}, Usage(None, None, None), None),
        ({"eval_count": 12, "eval_duration": 0, "load_duration": "x"}, Usage(None, 12, None), None),
        ({"eval_count": -1, "prompt_eval_count": True, "load_duration": True}, Usage(None, None, None), None),
        ({"eval_count": 5, "eval_duration": 10**9, "load_duration": 0}, Usage(None, 5, 5.0), 0.0),
        ({"prompt_eval_count": 0}, Usage(None, None, None), None),
    ],
)
async def test_odd_figures_cost_no_answer(
    fake: FakeOllama, client: OllamaClient, figures: dict[str, object], usage: Usage, load_ms: float | None
) -> None:
    fake.chat = says({"message": {"content": "one"}, "done": True, **figures})
    (chunk,) = await asked(client)
    assert (chunk.content, chunk.usage, chunk.load_ms, chunk.finish_reason) == ("one", usage, load_ms, "stop")


@pytest.mark.parametrize(
    "event",
    [
        *({"message": 5}, {"message": {"content": 5}}, {"message": {"thinking": ["a"]}}, {"message": ["x"]}),
        *({"message": {"tool_calls": 5}}, {"message": {"tool_calls": [{}]}}, {"message": {"tool_calls": [5]}}),
        *({"message": {"tool_calls": [{"function": {"arguments": {}}}]}}, {"done_reason": 5, "done": True}),
    ],
    ids=str,
)
async def test_a_wrong_shape(fake: FakeOllama, client: OllamaClient, event: dict[str, object]) -> None:
    fake.chat = says(event)
    with pytest.raises(BadAnswer, match="has not the shape"):
        await asked(client)


# ---------------------------------------------------------------------- failures


@pytest.mark.parametrize(
    ("name", "kind", "message", "words"),
    [
        ("chat-missing-model", RuntimeRefused, "does not have this model (404)", "model 'nosuch:7b' not found"),
        ("chat-bad-json", RuntimeRefused, "refused the request (400)", "unexpected EOF"),
        ("chat-no-body", RuntimeRefused, "refused the request (400)", "missing request body"),
        ("chat-bad-option", RuntimeFailure, "failed (500)", 'option "temperature" must be of type float32'),
        ("chat-busy-503", RuntimeBusy, "is busy (503)", "server busy, please try again. maximum pending requests"),
        ("chat-think-unsupported", RuntimeRefused, "(400)", '"smollm2:135m" does not support thinking'),
        ("chat-think-bad", RuntimeRefused, "(400)", 'invalid think value: "loud"'),
        ("chat-tools-unsupported", RuntimeRefused, "(400)", "smollm2:135m does not support tools"),
        ("chat-broken-model", RuntimeRefused, "(400)", "does not support chat"),
        ("chat-images-unsupported", RuntimeRefused, "(400)", "Multimodal data provided, but model does not support"),
        ("chat-prompt-over-context-no-truncate", ContextOverflow, "5,010 tokens, the context 512", "request (5010 tok"),
        ("chat-runner-killed", RuntimeFailure, "broke its answer off", "running the model: unexpected EOF"),
        ("chat-cut-by-client", CutStream, "ended its answer in the middle", ""),
        ("host-forbidden", RuntimeRefused, "refused the request (403): it wants access", ""),
        ("not-found-path", RuntimeRefused, "does not know this path (404)", "404 page not found"),
        ("method-not-allowed", RuntimeRefused, "refused the request (405)", "405 method not allowed"),
    ],
)
async def test_what_a_real_one_was_heard_to_refuse(
    fake: FakeOllama, client: OllamaClient, name: str, kind: type[RuntimeFailure], message: str, words: str
) -> None:
    fake.chat = name
    with pytest.raises(RuntimeFailure) as caught:
        await asked(client)
    assert type(caught.value) is kind
    assert message in caught.value.message
    assert (words in caught.value.server_message) if words else not caught.value.server_message


async def test_the_numbers_of_a_prompt_that_is_too_long(fake: FakeOllama, client: OllamaClient) -> None:
    fake.chat = "chat-prompt-over-context-no-truncate"
    with pytest.raises(ContextOverflow) as caught:
        await asked(client)
    assert (caught.value.prompt_tokens, caught.value.context_length) == (5010, 512)


async def test_a_foreign_name_is_told_how_to_ask(fake: FakeOllama, client: OllamaClient) -> None:
    fake.instead["GET /api/tags"] = replays("host-forbidden")
    with pytest.raises(RuntimeRefused) as caught:
        await client.tags()
    assert "localhost" in caught.value.hint


async def test_what_came_before_a_runner_died_came(fake: FakeOllama, client: OllamaClient) -> None:
    fake.chat = "chat-runner-killed"
    found: list[str] = []

    async def collect() -> None:
        async for chunk in client.chat(REQUEST, {}):
            found.append(chunk.content)

    with pytest.raises(RuntimeFailure):
        await collect()
    assert "".join(found) == recorded_text("chat-runner-killed") != ""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("keepalive-bool", "Unsupported type: 'bool'"),
        ("keepalive-str300", 'time: missing unit in duration "300"'),
        ("load-broken-model", "does not support generate"),
        ("unload-missing-model", "not found"),
    ],
)
async def test_loads_that_are_refused(fake: FakeOllama, client: OllamaClient, name: str, words: str) -> None:
    fake.instead["POST /api/generate"] = replays(name)
    with pytest.raises(RuntimeRefused) as caught:
        await client.load("smollm2:135m")
    assert words in caught.value.server_message
    with pytest.raises(RuntimeRefused):
        await client.unload("smollm2:135m")


# ---------------------------------------------------------------------- what it has and holds


async def test_what_is_installed(client: OllamaClient, fake: FakeOllama) -> None:
    (model,) = await client.tags()
    assert model == OllamaModel(
        name="smollm2:135m",
        digest="53f4cd08aa899cd4404a21d670e7434c8c8685a01f67f6b837395862b045d783",
        size_bytes=98_362_761,
        format="gguf",
        family="llama",
        parameter_size="134.52M",
        quantization="Q4_1",
        context_length=8192,
        capabilities=("completion",),
        modified="2026-11-23T16:31:26.070342705Z",
        remote_host=None,
    )
    assert model.modified_at == datetime(2026, 11, 23, 16, 31, 26, 70342, UTC)
    assert await client.version() == "0.33.0-rc2"
    assert "model_info" in await client.show("smollm2:135m")


@pytest.mark.parametrize("empty", [[], None])
async def test_one_that_has_nothing(fake: FakeOllama, client: OllamaClient, empty: object) -> None:
    fake.instead |= {"GET /api/tags": says({"models": empty}), "GET /api/ps": says({"models": empty})}
    assert await client.tags() == []
    assert await client.ps() == []


OLD = {"name": "llama3:8b", "modified_at": "2024-05-06T21:57:45.000000123+02:00", "size": 4_661_224_676}


@pytest.mark.parametrize(
    ("row", "fields"),
    [
        (OLD, {"modified_at": datetime(2024, 5, 6, 19, 57, 45, 0, UTC), "capabilities": None, "context_length": None}),
        ({"model": "only:this"}, {"name": "only:this", "size_bytes": None, "digest": None}),
        ({"name": "a", "details": None, "capabilities": None}, {"family": None, "capabilities": None}),
        ({"name": "a", "details": "x", "capabilities": "completion"}, {"family": None, "capabilities": None}),
        ({"name": "a", "size": "1 GB", "digest": 5, "modified_at": 5}, {"size_bytes": None, "digest": None}),
        ({"name": "a", "size": True}, {"size_bytes": None}),
        ({"name": "a", "size": -1}, {"size_bytes": None}),
        ({"name": "a\x1b[31m\u202e\nb"}, {"name": "a b"}),
        ({"name": "gpt-oss:120b-cloud", "size": 384, "remote_host": "https://ollama.com:443"}, {"size_bytes": 384}),
        ({"name": "a", "capabilities": ["vision", 5, "\x1b[0m"]}, {"capabilities": ("vision", "5", "")}),
    ],
    ids=lambda value: None,
)
async def test_odd_rows(fake: FakeOllama, client: OllamaClient, row: dict[str, Any], fields: dict[str, object]) -> None:
    fake.instead["GET /api/tags"] = says({"models": [row, {}, {"name": ""}, {"name": 5}, 7, None]})
    (model,) = await client.tags()
    assert {name: getattr(model, name) for name in fields} == fields


@pytest.mark.parametrize("answer", [{}, [], 7, "text", {"models": {}}, {"models": 7}, {"model": []}])
async def test_no_list_of_models(fake: FakeOllama, client: OllamaClient, answer: object) -> None:
    fake.instead |= {path: says(answer) for path in ("GET /api/tags", "GET /api/ps")}
    for asking in (client.tags(), client.ps()):
        with pytest.raises(BadAnswer, match="shape that is not known"):
            await asking


@pytest.mark.parametrize(
    "script", [says({"build": "x"}), says([]), says({"version": 7}), sends(head(kind="text/html"))]
)
async def test_no_version(fake: FakeOllama, client: OllamaClient, script: Script) -> None:
    fake.instead["GET /api/version"] = script
    with pytest.raises(BadAnswer):
        await client.version()


async def test_what_is_loaded(fake: FakeOllama, client: OllamaClient) -> None:
    fake.instead["GET /api/ps"] = replays("ps-loaded-cpu")
    pinned, other = await client.ps()
    assert (pinned.name, pinned.size_bytes, pinned.size_vram_bytes) == ("smol-q8:135m", 255_957_400, 0)
    assert (pinned.forever, pinned.context_length) == (True, 4096)
    assert (other.forever, other.expires_at is not None) == (False, True)


async def test_a_size_of_zero_is_not_reported(fake: FakeOllama, client: OllamaClient) -> None:
    fake.instead["GET /api/ps"] = replays("ps-after-chat")
    (row,) = await client.ps()
    assert row.size_bytes is None


async def test_a_long_list(fake: FakeOllama, client: OllamaClient) -> None:
    fake.models = {f"model-{number}:7b": {"padding": "x" * 8000} for number in range(1000)}
    assert len(await client.tags()) == 1000
    fake.models = {"one:7b": {"padding": "x" * 17 * 2**20}}
    with pytest.raises(BadAnswer, match="answer of more than 16 MiB"):
        await client.tags()


NO_MOMENTS: tuple[object, ...] = ("2026-13-01T00:00:00Z", "soon", "", None, 5, {}, "2026-11-23T16:42:02")


@pytest.mark.parametrize(
    ("text", "moment", "forever"),
    [
        ("2026-11-23T16:42:02.647592784Z", datetime(2026, 11, 23, 16, 42, 2, 647592, UTC), False),
        ("2026-11-23T16:53:20.93860273Z", datetime(2026, 11, 23, 16, 53, 20, 938602, UTC), False),
        ("2026-11-23T16:53:20Z", datetime(2026, 11, 23, 16, 53, 20, 0, UTC), False),
        ("2026-11-23T16:53:20.5+01:00", datetime(2026, 11, 23, 15, 53, 20, 500000, UTC), False),
        ("2026-11-23T16:53:20.123456789-11:30", datetime(2026, 11, 24, 4, 23, 20, 123456, UTC), False),
        ("2319-03-05T16:19:19.740798435Z", datetime(2319, 3, 5, 16, 19, 19, 740798, UTC), True),
        ("9999-12-31T23:59:59-01:00", None, True),
        ("292277026596-12-04T15:30:07Z", None, True),
        ("0001-01-01T00:00:00Z", None, False),
        *((odd, None, False) for odd in NO_MOMENTS),
    ],
)
def test_moments_as_go_writes_them(text: object, moment: datetime | None, forever: bool) -> None:
    assert parse_time(text) == (moment, forever)


def test_the_recordings_hold_what_they_are_said_to() -> None:
    assert json.loads(recorded_lines("chat-prompt-over-context-no-truncate")[0]["error"])["error"]["n_ctx"] == 512


async def test_an_answer_that_it_gives_up_since_it_repeats_itself_is_no_cut_one(
    fake: FakeOllama, client: OllamaClient
) -> None:
    # As a real 0.33 ended one (tests/real/test_ollama_wire.py): no last line, the same piece 31 times.
    fake.chat = sends(OLLAMA.head() + OLLAMA.piece("Well") + 31 * OLLAMA.piece(" na"))
    chunks = await asked(client)
    assert ("".join(chunk.content for chunk in chunks), chunks[-1].finish_reason) == ("Well" + 31 * " na", "repetition")
    fake.chat = sends(OLLAMA.head() + 30 * OLLAMA.piece(" na"))
    with pytest.raises(CutStream):
        await asked(client)
