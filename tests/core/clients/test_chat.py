"""What is of OpenAI's wire alone; see test_misbehaviour for what both clients stand."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.clients.wires import REQUEST
from tests.core.hostile import FORBIDDEN, hostile
from tests.ollama import replays
from tests.servers import DONE, Script, answer, event, head, piece, sends, serving
from venom_tui.core.clients import http
from venom_tui.core.clients.http import HttpPool
from venom_tui.core.clients.openai_compatible import OpenAICompatibleClient
from venom_tui.core.errors import BadAnswer, ContextOverflow, RuntimeFailure, RuntimeRefused
from venom_tui.core.types.content import ToolCall
from venom_tui.core.types.request import ChatChunk
from venom_tui.core.types.session import Usage


async def chunks(pool: HttpPool, url: str, *, api_key: str | None = None) -> list[ChatChunk]:
    client = OpenAICompatibleClient(pool, url, who="The server", api_key=api_key)
    return [chunk async for chunk in client.chat(REQUEST)]


async def text(pool: HttpPool, *scripts: Script) -> str:
    async with serving(*scripts) as server:
        return "".join(chunk.content for chunk in await chunks(pool, server.url))


async def failure(pool: HttpPool, *scripts: Script) -> RuntimeFailure:
    async with serving(*scripts) as server:
        with pytest.raises(RuntimeFailure) as caught:
            await chunks(pool, server.url)
    return caught.value


# ---------------------------------------------------------------------- answers


async def test_an_answer(pool: HttpPool) -> None:
    usage = {"usage": {"prompt_tokens": 11, "completion_tokens": 2}, "timings": {"predicted_per_second": 50.5}}
    reasoning = event({"choices": [{"delta": {"reasoning_content": "hm"}, "finish_reason": None}]})
    last = piece(finish_reason="stop") + event({"choices": [], **usage})
    async with serving(sends(head(), reasoning, piece("Hel"), piece("lo"), last, DONE)) as server:
        found = await chunks(pool, server.url, api_key="sk-secret")
        (asked,) = server.asked
    assert found[0].thinking == "hm"
    assert [chunk.content for chunk in found if chunk.content] == ["Hel", "lo"]
    assert [chunk.finish_reason for chunk in found if chunk.finish_reason] == ["stop"]
    assert [chunk.usage for chunk in found if chunk.usage] == [Usage(11, 2, 50.5)]
    assert asked.target == "POST /v1/chat/completions"
    assert asked.headers["authorization"] == "Bearer sk-secret"
    assert asked.json["model"] == "tiny"
    assert asked.json["stream"] is True
    assert asked.json["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello?"},
    ]


async def test_without_a_key_none_is_sent(pool: HttpPool) -> None:
    async with serving(sends(answer("ok"))) as server:
        await chunks(pool, server.url)
        assert "authorization" not in server.asked[0].headers


WHOLE = answer("Hello ", "wörld 👩‍👧", "!")


@pytest.mark.parametrize(
    "parts",
    [
        [head(), b": ping\n\n", *(piece(part) + b": ping\n\n" for part in ("Hello ", "wörld 👩‍👧", "!")), DONE],
        [WHOLE.removesuffix(DONE)],
    ],
    ids=["comments", "no DONE"],
)
async def test_however_it_comes(pool: HttpPool, parts: list[bytes]) -> None:
    assert await text(pool, sends(*parts)) == "Hello wörld 👩‍👧!"


@pytest.mark.parametrize(
    "data",
    [
        *(b"{", b"null", b"[]", b"7", b'"text"', b"{}garbage", b'{"choices": 5}', b'{"choices": [5]}'),
        *(b'{"choices": ["x"]}', b'{"choices": [{"delta": 5}]}', b'{"choices": [{"delta": {"content": 5}}]}'),
        *(b'{"choices": [{"delta": {"content": ["a"]}}]}', b'{"choices": {"a": 1}}', b"[" * 100_000),
        *(b'{"choices": [{"finish_reason": 7}]}', b"\xff\xfe", b'{"choices": [{"delta": {"content": "a"}}'),
    ],
    ids=lambda data: data[:40].decode("latin-1"),
)
async def test_a_wrong_shape(pool: HttpPool, data: bytes) -> None:
    found = await failure(pool, sends(head() + piece("one") + b"data: " + data + b"\n\n" + DONE))
    assert isinstance(found, BadAnswer)
    assert "has not the shape" in found.message


@pytest.mark.parametrize(
    ("fields", "usage"),
    [
        ({"usage": {"prompt_tokens": "12", "completion_tokens": 3}}, Usage(None, 3, None)),
        ({"usage": {"prompt_tokens": 1.5, "completion_tokens": {}}}, Usage(None, None, None)),
        ({"usage": {"prompt_tokens": True, "completion_tokens": -1}}, Usage(None, None, None)),
        ({"usage": {"prompt_tokens": 1}, "timings": {"predicted_per_second": float("nan")}}, Usage(1, None, None)),
        ({"usage": {"prompt_tokens": 1}, "timings": {"predicted_per_second": float("inf")}}, Usage(1, None, None)),
        ({"timings": {"prompt_n": 5, "cache_n": 7, "predicted_n": 2, "predicted_per_second": 9}}, Usage(12, 2, 9.0)),
        ({"timings": {"prompt_n": "x", "cache_n": None}}, Usage(None, None, None)),
        ({"usage": [1, 2]}, None),
        ({"usage": "many"}, None),
        ({"error": None}, None),
    ],
)
async def test_odd_figures_cost_no_answer(pool: HttpPool, fields: dict[str, object], usage: Usage | None) -> None:
    async with serving(sends(head() + piece("one", **fields) + piece(finish_reason="stop") + DONE)) as server:
        found = await chunks(pool, server.url)
    assert found[0].content == "one"
    assert found[0].usage == usage


async def test_an_error_at_status_200(pool: HttpPool) -> None:
    body = json.dumps({"error": {"message": "no such thing"}}).encode()
    found = await failure(pool, sends(head(kind="application/json") + body))
    assert isinstance(found, BadAnswer)
    assert found.server_message == "no such thing"


@given(hostile | st.text(max_size=80), st.sampled_from(["error", "message", "detail", "x"]), st.booleans())
def test_a_servers_words_are_harmless(words: str, name: str, nested: bool) -> None:
    value: object = {"message": words} if nested else words
    for body in (json.dumps({name: value}), json.dumps({"error": json.dumps({name: value})}), words):
        told, _ = http.server_words(body.encode("utf-8", "surrogatepass"))
        assert not FORBIDDEN.search(told)
        assert "\n" not in told
        assert len(told) <= 400


OLD_VLLM = (
    "This model's maximum context length is 512 tokens. However, you requested 520 tokens (20 in the messages, …)."
)
NEW_VLLM = (
    "This model's maximum context length is 512 tokens. However, your prompt contains at least 513 input tokens, …"
)
CHARACTERS = "This model's maximum context length is 4,096 tokens. However, your prompt contains 25050 characters …"
LLAMA_CPP = "request (5031 tokens) exceeds the available context size (4096 tokens), try increasing it"


@pytest.mark.parametrize(
    ("words", "prompt", "context", "says"),
    [
        (NEW_VLLM, 513, 512, "it has at least 513 tokens, the context 512."),
        (OLD_VLLM, 20, 512, "by the answer that was asked for: it has 20 tokens, the context 512."),
        (CHARACTERS, None, 4096, "the model's context of 4,096 tokens."),
        (LLAMA_CPP, 5031, 4096, "it has 5,031 tokens, the context 4,096."),
        ("This model's maximum context length is exceeded.", None, None, "longer than the model's context."),
    ],
)
async def test_the_numbers_in_words(
    pool: HttpPool, words: str, prompt: int | None, context: int | None, says: str
) -> None:
    found = await failure(pool, sends(head("400 Bad Request") + json.dumps({"error": {"message": words}}).encode()))
    assert isinstance(found, ContextOverflow)
    assert (found.prompt_tokens, found.context_length) == (prompt, context)
    assert found.message.endswith(says)


# ---------------------------------------------------------------------- calls of functions


def calling(*pieces: object, finish_reason: str | None = None) -> bytes:
    """Return one event with pieces of calls."""
    return event({"choices": [{"delta": {"tool_calls": list(pieces)}, "finish_reason": finish_reason}]})


def call(index: int | None, call_id: str | None, name: str | None, arguments: str | None) -> dict[str, object]:
    function = {"name": name, "arguments": arguments}
    fields = {"index": index, "id": call_id, "function": {key: value for key, value in function.items() if value}}
    return {key: value for key, value in fields.items() if value is not None}


TWO = [ToolCall("get_weather", '{"city": "Bern"}', "c1"), ToolCall("get_time", "{}", "c2")]


@pytest.mark.parametrize(
    "events",
    [
        # as vLLM and llama.cpp do it
        [
            calling(call(0, "c1", "get_weather", None)),
            calling(call(0, None, None, '{"city": ')),
            calling(call(0, None, None, '"Bern"}')),
            calling(call(1, "c2", "get_time", "{}")),
            calling(finish_reason="tool_calls"),
        ],
        # whole in one piece, with the reason
        [
            calling(
                call(0, "c1", "get_weather", '{"city": "Bern"}'), call(1, "c2", "get_time", ""), finish_reason="stop"
            )
        ],
        # id and name in every piece
        [
            calling(call(0, "c1", "get_weather", '{"city": ')),
            calling(call(0, "c1", "get_weather", '"Bern"}'), call(1, "c2", "get_time", "{}")),
            calling(finish_reason="tool_calls"),
        ],
        # one index for all, or none
        [
            calling(call(0, "c1", "get_weather", '{"city": "Bern"')),
            calling(call(0, None, None, "}")),
            calling(call(0, "c2", "get_time", "{}")),
            calling(finish_reason="tool_calls"),
        ],
        [
            calling(call(None, "c1", "get_weather", '{"city": "Bern"}'), call(None, "c2", "get_time", "{}")),
            calling(finish_reason="tool_calls"),
        ],
        # no reason of the end
        [calling(call(0, "c1", "get_weather", '{"city": "Bern"}'), call(1, "c2", "get_time", "{}"))],
    ],
)
async def test_calls_are_put_together(pool: HttpPool, events: list[bytes]) -> None:
    async with serving(sends(head(), *events, DONE)) as server:
        found = await chunks(pool, server.url)
    assert [call for chunk in found for call in chunk.tool_calls] == TWO


async def test_what_is_no_call(pool: HttpPool) -> None:
    wrong: list[object] = [
        7,
        "x",
        {"function": 7},
        {"function": {"name": 7}},
        {"index": "x"},
        {"id": []},
        {"index": [1]},
    ]
    for piece_of_call in wrong:
        found = await failure(pool, sends(head() + calling(piece_of_call) + DONE))
        assert isinstance(found, BadAnswer), piece_of_call
    nameless = head() + calling(call(0, "c1", None, "{}"), finish_reason="tool_calls") + DONE
    async with serving(sends(nameless)) as server:
        assert [chunk.tool_calls for chunk in await chunks(pool, server.url)] == [()]


# ---------------------------------------------------------------------- a real Ollama on this wire


async def test_a_recorded_answer(pool: HttpPool) -> None:
    async with serving(replays("v1-chat-stream")) as server:
        found = await chunks(pool, server.url)
    assert "".join(chunk.content for chunk in found)
    assert [chunk.finish_reason for chunk in found if chunk.finish_reason] == ["length"]
    (usage,) = [chunk.usage for chunk in found if chunk.usage]
    assert usage.prompt_tokens and usage.completion_tokens


async def test_a_recorded_call(pool: HttpPool) -> None:
    async with serving(replays("v1-tool-call")) as server:
        found = await chunks(pool, server.url)
    ((made,),) = [chunk.tool_calls for chunk in found if chunk.tool_calls]
    assert (made.name, json.loads(made.arguments)) == ("get_weather", {"city": "Bern"})


async def test_a_recorded_refusal(pool: HttpPool) -> None:
    found = await failure(pool, replays("v1-chat-missing-model"))
    assert isinstance(found, RuntimeRefused)
    assert "does not have this model" in found.message
    assert found.server_message == "model 'nosuch' not found"
