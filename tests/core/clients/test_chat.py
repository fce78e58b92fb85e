"""The chat wire of OpenAI against servers that do what servers should not."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.hostile import FORBIDDEN, hostile
from tests.servers import (
    DONE,
    Exchange,
    Script,
    answer,
    event,
    hangs,
    head,
    piece,
    sends,
    sends_then_hangs,
    serving,
)
from venom_tui.core.clients import http
from venom_tui.core.clients.http import HttpPool
from venom_tui.core.clients.openai_compatible import OpenAICompatibleClient
from venom_tui.core.errors import (
    BadAnswer,
    ContextOverflow,
    CutStream,
    RuntimeBusy,
    RuntimeFailure,
    RuntimeRefused,
    RuntimeTimeout,
    RuntimeUnavailable,
)
from venom_tui.core.types.request import ChatChunk, ChatMessage, ChatRequest
from venom_tui.core.types.session import Usage

REQUEST = ChatRequest("tiny", (ChatMessage("system", "Be brief."), ChatMessage("user", "Hello?")))


@pytest.fixture
async def pool() -> AsyncIterator[HttpPool]:
    pool = HttpPool()
    yield pool
    await pool.close()


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
        [WHOLE],
        [WHOLE[place : place + 1] for place in range(len(WHOLE))],
        [head(), piece("Hello ") + piece("wörld 👩‍👧"), piece("!") + piece(finish_reason="stop") + DONE],
        [WHOLE.replace(b"\n\n", b"\r\n\r\n")],
        [head(), b": ping\n\n", *(piece(part) + b": ping\n\n" for part in ("Hello ", "wörld 👩‍👧", "!")), DONE],
        [WHOLE.removesuffix(DONE)],
        [WHOLE.removesuffix(b"\n\n")],
        [head(kind="application/json") + WHOLE.partition(b"\r\n\r\n")[2]],
        [WHOLE + b"data: what comes after the end is not read\n\n"],
    ],
    ids=["whole", "bytes", "two in one", "CRLF", "comments", "no DONE", "no last line end", "odd type", "more"],
)
async def test_however_it_comes(pool: HttpPool, parts: list[bytes]) -> None:
    assert await text(pool, sends(*parts)) == "Hello wörld 👩‍👧!"


async def test_a_stream_cut_at_any_byte_is_said_to_be_cut(pool: HttpPool) -> None:
    whole = head() + piece("one") + piece(" two") + piece(finish_reason="stop") + DONE
    ended = whole.index(DONE) - 1  # the event with the reason is whole but for its last newline

    async with serving(*(sends(whole[:cut]) for cut in range(len(whole) + 1))) as server:
        client = OpenAICompatibleClient(pool, server.url, who="The server")
        for cut in range(len(whole) + 1):
            found = ""
            try:
                async for chunk in client.chat(REQUEST):
                    found += chunk.content
            except CutStream:
                assert cut < ended, cut
            else:
                assert cut >= ended - 1, cut
            assert "one two".startswith(found)
            assert found == "one two" or cut < ended


@pytest.mark.parametrize("after", [b"", head(), head() + piece("one"), head() + piece("one") + b"data: {"])
async def test_a_reset_is_a_cut_stream(pool: HttpPool, after: bytes) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.write(after)
        exchange.reset()

    assert isinstance(await failure(pool, script), CutStream)


async def test_a_length_that_is_not_kept_is_a_cut_stream(pool: HttpPool) -> None:
    found = await failure(pool, sends(head(content_length="9999") + piece("one")))
    assert isinstance(found, CutStream)


async def test_a_line_of_8_mb_is_taken_and_one_of_32_mb_is_not(pool: HttpPool) -> None:
    async def long(exchange: Exchange) -> None:
        size = 8 * 2**20 if len(server.asked) == 1 else 32 * 2**20
        await exchange.write(head() + b'data: {"choices": [{"delta": {"content": "')
        for _ in range(size // 2**16):
            await exchange.write(b"x" * 2**16)
        await exchange.write(b'"}, "finish_reason": "stop"}]}\n\n' + DONE)

    async with serving(long) as server:
        assert len("".join(chunk.content for chunk in await chunks(pool, server.url))) == 8 * 2**20
        with pytest.raises(BadAnswer, match="line of more than 16 MiB"):
            await chunks(pool, server.url)


# ---------------------------------------------------------------------- no answer


async def test_nobody_listens(pool: HttpPool) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(RuntimeUnavailable, match="cannot be reached at http") as caught:
            await chunks(pool, url)
    assert caught.value.hint


@pytest.mark.parametrize("url", ["http://[::1", "http://", "ftp://127.0.0.1", "nonsense", "http://127.0.0.1:99999"])
async def test_what_is_no_address(pool: HttpPool, url: str) -> None:
    with pytest.raises(RuntimeUnavailable):
        await chunks(pool, url)


@pytest.mark.parametrize("script", [hangs, sends_then_hangs(head()), sends_then_hangs(head() + piece("one"))])
async def test_a_server_that_hangs(pool: HttpPool, monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    monkeypatch.setattr(http, "FIRST_BYTE_TIMEOUT_S", 0.2)
    assert isinstance(await failure(pool, script), RuntimeTimeout)


async def test_a_server_that_drips_is_waited_for_so_long_and_no_longer(pool: HttpPool) -> None:
    async def drip(exchange: Exchange) -> None:
        await exchange.write(head(kind="application/json"))
        gone = asyncio.create_task(exchange.gone())
        while not gone.done():
            await exchange.write(b" ")
            await asyncio.wait({gone}, timeout=0.05)

    async with serving(drip) as server:
        client = OpenAICompatibleClient(pool, server.url, who="The server")
        with pytest.raises(RuntimeTimeout):
            await client.get("/health", timeout_s=0.3)


@pytest.mark.parametrize(
    "data",
    [b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"HTTP/1.1 banana\r\n\r\n", b"<html>\r\n\r\n"],
    ids=["ssh", "tls", "status", "html"],
)
async def test_what_is_no_http(pool: HttpPool, data: bytes) -> None:
    found = await failure(pool, sends(data))
    assert isinstance(found, BadAnswer)
    assert "127.0.0.1" in found.message + found.server_message or found.server_message


async def test_what_cannot_be_unpacked(pool: HttpPool) -> None:
    assert isinstance(await failure(pool, sends(head(content_encoding="gzip") + b"no gzip")), BadAnswer)


async def test_a_page_instead_of_a_stream(pool: HttpPool) -> None:
    found = await failure(pool, sends(head(kind="text/html") + b"<html><title>nginx</title></html>"))
    assert isinstance(found, BadAnswer)
    assert "text/html" in found.message
    assert found.server_message == "an HTML page"


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


# ---------------------------------------------------------------------- errors in words


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("out of memory", "out of memory"),
        ({"message": "out of memory", "code": 500}, "out of memory"),
        ('{"error": {"message": "out of memory"}}', "out of memory"),
        ({"message": '{"error":"out of memory"}'}, "out of memory"),
        ({"message": "out \x1b[31mof\nmemory\u202e"}, "out of memory"),
        ({"detail": [{"msg": "bad"}]}, '[{"msg": "bad"}]'),
        ({"message": None}, ""),
        (17, ""),
    ],
)
async def test_an_error_in_the_middle_of_a_stream(pool: HttpPool, error: object, words: str) -> None:
    found = await failure(pool, sends(head() + piece("one") + event({"error": error})))
    assert type(found) is RuntimeFailure
    assert "broke its answer off" in found.message
    assert found.server_message == words or (not words and isinstance(error, int | dict))


async def test_an_error_at_status_200(pool: HttpPool) -> None:
    body = json.dumps({"error": {"message": "no such thing"}}).encode()
    found = await failure(pool, sends(head(kind="application/json") + body))
    assert isinstance(found, BadAnswer)
    assert found.server_message == "no such thing"


OVERFLOW = {"type": "exceed_context_size_error", "message": "too long", "n_prompt_tokens": 9000, "n_ctx": 4096}


@pytest.mark.parametrize(
    "data", [head("400 Bad Request") + json.dumps({"error": OVERFLOW}).encode(), head() + event({"error": OVERFLOW})]
)
async def test_a_prompt_that_is_too_long(pool: HttpPool, data: bytes) -> None:
    found = await failure(pool, sends(data))
    assert isinstance(found, ContextOverflow)
    assert (found.prompt_tokens, found.context_length) == (9000, 4096)
    assert "9,000 tokens, the context 4,096" in found.message


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind", "says"),
    [
        ("401 Unauthorized", {}, "Invalid API Key", RuntimeRefused, "it wants a key"),
        ("403 Forbidden", {}, "no", RuntimeRefused, "it wants access"),
        ("404 Not Found", {}, "no such path", RuntimeRefused, "does not know this path"),
        ("404 Not Found", {}, '{"error": "model tiny not found"}', RuntimeRefused, "does not have this model"),
        ("400 Bad Request", {}, "bad", RuntimeRefused, "refused the request (400)"),
        ("429 Too Many Requests", {"retry-after": "7"}, "slow down", RuntimeBusy, "busy (429)"),
        ("503 Service Unavailable", {}, '{"error": {"message": "Loading model"}}', RuntimeBusy, "busy (503)"),
        ("500 Internal Server Error", {}, "<html>oops</html>", RuntimeFailure, "failed (500)"),
        ("502 Bad Gateway", {}, "", RuntimeFailure, "failed (502)"),
        ("204 No Content", {}, "", BadAnswer, "instead of a stream"),
        ("418 I'm a teapot", {}, "\x1b[31mred\u202e", RuntimeRefused, "refused the request (418)"),
    ],
)
async def test_what_a_status_says(
    pool: HttpPool, status: str, headers: dict[str, str], body: str, kind: type[RuntimeFailure], says: str
) -> None:
    found = await failure(pool, sends(head(status, "text/plain", **headers) + body.encode()))
    assert type(found) is kind
    assert says in found.message
    assert not FORBIDDEN.search(found.message + found.server_message + found.hint)
    if isinstance(found, RuntimeBusy):
        assert found.retry_after_s == (7.0 if headers else None)
        assert ("7 s" in found.hint) == bool(headers)


@pytest.mark.parametrize(
    ("after", "seconds"), [("soon", None), ("-5", 0.0), ("1.5", 1.5), ("nan", None), ("inf", None)]
)
async def test_when_to_come_back(pool: HttpPool, after: str, seconds: float | None) -> None:
    found = await failure(pool, sends(head("429 Too Many Requests", retry_after=after)))
    assert isinstance(found, RuntimeBusy)
    assert found.retry_after_s == seconds


async def test_a_large_page_of_an_error_is_still_that_error(pool: HttpPool) -> None:
    found = await failure(pool, sends(head("500 Internal Server Error", "text/plain") + b"x" * (20 * 2**20)))
    assert type(found) is RuntimeFailure
    assert "failed (500)" in found.message


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
async def test_a_redirect_is_not_followed(pool: HttpPool, status: str) -> None:
    async with serving(sends(answer("stolen"))) as elsewhere:
        redirect = head(status, location=f"{elsewhere.url}/v1/chat/completions")
        async with serving(sends(redirect)) as server:
            with pytest.raises(RuntimeRefused, match="redirects to http://127"):
                await chunks(pool, server.url, api_key="sk-secret")
        assert elsewhere.asked == []


@given(hostile | st.text(max_size=80), st.sampled_from(["error", "message", "detail", "x"]), st.booleans())
def test_a_servers_words_are_harmless(words: str, name: str, nested: bool) -> None:
    value: object = {"message": words} if nested else words
    for body in (json.dumps({name: value}), json.dumps({"error": json.dumps({name: value})}), words):
        told, _ = http.server_words(body.encode("utf-8", "surrogatepass"))
        assert not FORBIDDEN.search(told)
        assert "\n" not in told
        assert len(told) <= 400


# ---------------------------------------------------------------------- leaving


async def test_leaving_the_answer_closes_the_connection(pool: HttpPool) -> None:
    left = asyncio.Event()

    async def endless(exchange: Exchange) -> None:
        await exchange.write(head() + piece("one"))
        await exchange.gone()
        left.set()

    async with serving(endless) as server:
        answering = OpenAICompatibleClient(pool, server.url, who="The server").chat(REQUEST)
        async for chunk in answering:
            assert chunk.content == "one"
            break
        await answering.aclose()
        async with asyncio.timeout(5):
            await left.wait()


@pytest.mark.parametrize("beginning", [b"", head() + piece("one")])
async def test_a_cancelled_answer_closes_the_connection(pool: HttpPool, beginning: bytes) -> None:
    asked, left = asyncio.Event(), asyncio.Event()

    async def endless(exchange: Exchange) -> None:
        await exchange.write(beginning)
        asked.set()
        await exchange.gone()
        left.set()

    async with serving(endless) as server:
        task = asyncio.create_task(chunks(pool, server.url))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(5):
            await left.wait()
