"""Servers that do what servers should not, against each client: one clear sentence, with the server's own words."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest

from tests.core.clients.wires import Wire
from tests.core.hostile import FORBIDDEN
from tests.servers import Exchange, Script, head, sends, sends_then_hangs, serving
from venom_tui.core.clients import http
from venom_tui.core.clients.http import HttpPool
from venom_tui.core.clients.ollama import OllamaClient
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


async def text(wire: Wire, pool: HttpPool, url: str, *, api_key: str | None = None) -> str:
    return "".join([chunk.content async for chunk in wire.chat(pool, url, api_key)])


async def failure(wire: Wire, pool: HttpPool, *scripts: Script) -> RuntimeFailure:
    """Return how an answer fails that these scripts give: as one harmless sentence."""
    async with serving(*scripts) as server:
        with pytest.raises(RuntimeFailure) as caught:
            await text(wire, pool, server.url)
    told = caught.value
    assert told.message.endswith(".") and "\n" not in told.message
    assert not FORBIDDEN.search(told.message + told.server_message + told.hint)
    return told


# ---------------------------------------------------------------------- answers in odd pieces


async def test_however_it_comes(wire: Wire, pool: HttpPool) -> None:
    texts = ("Hello ", "wörld 👩‍👧", "!")
    whole = wire.answer(*texts)
    ways = (
        [whole],
        [whole[place : place + 1] for place in range(len(whole))],
        [wire.head(), wire.piece(texts[0]) + wire.piece(texts[1]), wire.piece(texts[2]) + wire.end],
        [whole.rstrip(b"\n")],
        [whole.replace(b"\n", b"\r\n").replace(b"\r\r\n", b"\r\n")],
        [head(kind="application/json") + whole.partition(b"\r\n\r\n")[2]],
        [whole + b"what comes after the end is not read\n\n"],
    )
    async with serving(*(sends(*parts) for parts in ways)) as server:
        for _ in ways:
            assert await text(wire, pool, server.url) == "Hello wörld 👩‍👧!"


async def test_a_stream_cut_at_any_byte_is_said_to_be_cut(wire: Wire, pool: HttpPool) -> None:
    whole = wire.answer("one", " two")
    ended = len(whole) - len(wire.end) + wire.end.index(b"}\n") + 1

    async with serving(*(sends(whole[:cut]) for cut in range(len(whole) + 1))) as server:
        for cut in range(len(whole) + 1):
            found = ""
            try:
                async for chunk in wire.chat(pool, server.url):
                    found += chunk.content
            except CutStream:
                assert cut < ended, cut
            else:
                assert cut >= ended, cut
            assert "one two".startswith(found)
            assert found == "one two" or cut < ended


@pytest.mark.parametrize("came", range(4))
async def test_a_reset_is_a_cut_stream(wire: Wire, pool: HttpPool, came: int) -> None:
    parts = (wire.head(), wire.piece("one"), wire.piece(" two")[:9])

    async def script(exchange: Exchange) -> None:
        await exchange.write(b"".join(parts[:came]))
        exchange.reset()

    assert isinstance(await failure(wire, pool, script), CutStream)


async def test_a_length_that_is_not_kept_is_a_cut_stream(wire: Wire, pool: HttpPool) -> None:
    short = head(kind=wire.kind, content_length="9999") + wire.piece("one")
    assert isinstance(await failure(wire, pool, sends(short)), CutStream)


async def test_a_line_of_8_mb_is_taken_and_one_of_32_mb_is_not(wire: Wire, pool: HttpPool) -> None:
    before, after = wire.long

    async def long(exchange: Exchange) -> None:
        size = 8 * 2**20 if len(server.asked) == 1 else 32 * 2**20
        await exchange.write(wire.head() + before)
        for _ in range(size // 2**16):
            await exchange.write(b"x" * 2**16)
        await exchange.write(after)

    async with serving(long) as server:
        assert len(await text(wire, pool, server.url)) == 8 * 2**20
        with pytest.raises(BadAnswer, match="line of more than 16 MiB"):
            await text(wire, pool, server.url)


async def test_a_connection_that_is_not_kept_as_was_said(wire: Wire, pool: HttpPool) -> None:
    """llama-server's router closes some connections after an answer without a word."""

    async def closes(exchange: Exchange) -> None:
        await exchange.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")
        await exchange.reader.readuntil(b"\r\n\r\n")  # the next request comes, and meets nobody

    async def resets(exchange: Exchange) -> None:
        await closes(exchange)
        exchange.reset()

    async with serving(closes, closes, resets, sends(wire.answer("here"))) as server:
        client = wire.make(pool, server.url, None)
        for _ in range(3):
            assert await client.get("/health") == {}
        assert await text(wire, pool, server.url) == "here"


# ---------------------------------------------------------------------- no answer


async def test_nobody_listens(wire: Wire, pool: HttpPool) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(RuntimeUnavailable, match="cannot be reached at http") as caught:
            await text(wire, pool, url)
    assert caught.value.hint


@pytest.mark.parametrize("url", ["http://[::1", "http://", "ftp://127.0.0.1", "nonsense", "http://127.0.0.1:99999"])
async def test_what_is_no_address(wire: Wire, pool: HttpPool, url: str) -> None:
    with pytest.raises(RuntimeUnavailable):
        await text(wire, pool, url)


@pytest.mark.parametrize("came", range(3))
async def test_a_server_that_hangs(wire: Wire, pool: HttpPool, monkeypatch: pytest.MonkeyPatch, came: int) -> None:
    monkeypatch.setattr(http, "FIRST_BYTE_TIMEOUT_S", 0.2)
    parts = (wire.head(), wire.piece("one"))
    assert isinstance(await failure(wire, pool, sends_then_hangs(*parts[:came])), RuntimeTimeout)


async def test_a_load_waits_for_its_answer_and_not_for_a_connection(
    pool: HttpPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A load takes minutes; a machine that is switched off must not."""
    monkeypatch.setattr(http, "CONNECT_TIMEOUT_S", 0.2)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.create_connection(full.getsockname()):
            client = OllamaClient(pool, f"http://127.0.0.1:{full.getsockname()[1]}", who="The server")
            with pytest.raises(RuntimeTimeout, match="did not accept a connection in time"):
                await client.load("tiny")


async def test_a_server_that_drips_is_waited_for_so_long_and_no_longer(wire: Wire, pool: HttpPool) -> None:
    async def drip(exchange: Exchange) -> None:
        await exchange.write(head(kind="application/json"))
        gone = asyncio.create_task(exchange.gone())
        while not gone.done():
            await exchange.write(b" ")
            await asyncio.wait({gone}, timeout=0.05)

    async with serving(drip) as server:
        with pytest.raises(RuntimeTimeout):
            await wire.make(pool, server.url, None).get("/health", timeout_s=0.3)


@pytest.mark.parametrize(
    "data",
    [b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"HTTP/1.1 banana\r\n\r\n", b"<html>\r\n\r\n"],
    ids=["ssh", "tls", "status", "html"],
)
async def test_what_is_no_http(wire: Wire, pool: HttpPool, data: bytes) -> None:
    found = await failure(wire, pool, sends(data))
    assert isinstance(found, BadAnswer)
    assert "does not speak HTTP" in found.message


async def test_what_cannot_be_unpacked(wire: Wire, pool: HttpPool) -> None:
    assert isinstance(await failure(wire, pool, sends(head(content_encoding="gzip") + b"no gzip")), BadAnswer)


@pytest.mark.parametrize("page", [b"<html><title>nginx</title></html>", b"\n<!DOCTYPE html>\n<html>\n</html>\n"])
async def test_a_page_instead_of_a_stream(wire: Wire, pool: HttpPool, page: bytes) -> None:
    found = await failure(wire, pool, sends(head(kind="text/html") + page))
    assert isinstance(found, BadAnswer)
    assert "text/html" in found.message
    assert found.server_message == "an HTML page"


@pytest.mark.parametrize("data", [b"{", b"null", b"[]", b"7", b'"text"', b"{}garbage", b"[" * 100_000, b"\xff\xfe"])
async def test_what_is_no_piece(wire: Wire, pool: HttpPool, data: bytes) -> None:
    bad = wire.line({}).replace(b"{}", data)
    found = await failure(wire, pool, sends(wire.head() + wire.piece("one") + bad + wire.end))
    assert isinstance(found, BadAnswer)


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
        ("", ""),
    ],
)
async def test_an_error_in_the_middle_of_a_stream(wire: Wire, pool: HttpPool, error: object, words: str) -> None:
    found = await failure(wire, pool, sends(wire.head() + wire.piece("one") + wire.line({"error": error})))
    assert type(found) is RuntimeFailure
    assert "broke its answer off" in found.message
    assert found.server_message == words


async def test_an_error_that_is_none(wire: Wire, pool: HttpPool) -> None:
    value = json.loads(wire.piece("one").removeprefix(b"data: ")) | {"error": None}
    async with serving(sends(wire.head() + wire.line(value) + wire.end)) as server:
        assert await text(wire, pool, server.url) == "one"


async def test_an_error_instead_of_a_stream(wire: Wire, pool: HttpPool) -> None:
    body = json.dumps({"error": {"message": "no such thing"}}).encode()
    found = await failure(wire, pool, sends(head(kind="application/json") + body))
    assert found.server_message == "no such thing"


OVERFLOW = {"type": "exceed_context_size_error", "message": "too long", "n_prompt_tokens": 9000, "n_ctx": 4096}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("within", [OVERFLOW, json.dumps({"error": OVERFLOW})], ids=["object", "text"])
async def test_a_prompt_that_is_too_long(wire: Wire, pool: HttpPool, within: object, streamed: bool) -> None:
    told = {"error": within}
    data = wire.head() + wire.line(told) if streamed else head("400 Bad Request") + json.dumps(told).encode()
    found = await failure(wire, pool, sends(data))
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
        ("503 Service Unavailable", {"retry-after": "7"}, "", RuntimeBusy, "busy (503)"),
        ("500 Internal Server Error", {}, "<html>oops</html>", RuntimeFailure, "failed (500)"),
        (
            "500 Internal Server Error",
            {},
            '{"error": "{\\"error\\": \\"no memory\\"}"}',
            RuntimeFailure,
            "failed (500)",
        ),
        ("502 Bad Gateway", {}, "", RuntimeFailure, "failed (502)"),
        ("418 I'm a teapot", {}, "\x1b[31mred\u202e", RuntimeRefused, "refused the request (418)"),
    ],
)
async def test_what_a_status_says(
    wire: Wire,
    pool: HttpPool,
    status: str,
    headers: dict[str, str],
    body: str,
    kind: type[RuntimeFailure],
    says: str,
) -> None:
    found = await failure(wire, pool, sends(head(status, "text/plain", **headers) + body.encode()))
    assert type(found) is kind
    assert says in found.message
    for words in ("Invalid API Key", "model tiny not found", "slow down", "Loading model", "no memory", "red"):
        assert (words in body) <= (words == found.server_message)
    if isinstance(found, RuntimeBusy):
        assert found.retry_after_s == (7.0 if headers else None)
        assert ("7 s" in found.hint) == bool(headers)


@pytest.mark.parametrize(
    ("after", "seconds"),
    [
        *(("soon", None), ("-5", 0.0), ("1.5", 1.5), ("nan", None), ("inf", None), ("", None)),
        *(("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("Wed, 99 Oct 2015 07:28:00 GMT", None)),
    ],
)
async def test_when_to_come_back(wire: Wire, pool: HttpPool, after: str, seconds: float | None) -> None:
    found = await failure(wire, pool, sends(head("429 Too Many Requests", retry_after=after)))
    assert isinstance(found, RuntimeBusy)
    assert found.retry_after_s == seconds


async def test_a_large_page_of_an_error_is_still_that_error(wire: Wire, pool: HttpPool) -> None:
    found = await failure(wire, pool, sends(head("500 Internal Server Error", "text/plain") + b"x" * (20 * 2**20)))
    assert type(found) is RuntimeFailure
    assert "failed (500)" in found.message


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 Other", "307 Temporary", "308 Permanent"])
async def test_a_redirect_is_not_followed(wire: Wire, pool: HttpPool, status: str) -> None:
    """The key goes to its server alone, wherever that points."""
    async with serving(sends(wire.answer("stolen"))) as elsewhere:
        redirect = head(status, location=f"{elsewhere.url}{wire.path}")
        async with serving(sends(redirect)) as server:
            with pytest.raises(RuntimeRefused, match=r"redirects to http://127"):
                await text(wire, pool, server.url, api_key="sk-secret")
            with pytest.raises(RuntimeRefused, match=r"redirects to http://127"):
                await wire.make(pool, server.url, "sk-secret").get("/v1/models")
            assert [asked.headers["authorization"] for asked in server.asked] == ["Bearer sk-secret"] * 2
        assert elsewhere.asked == []


# ---------------------------------------------------------------------- leaving


async def test_leaving_the_answer_closes_the_connection(wire: Wire, pool: HttpPool) -> None:
    left = asyncio.Event()

    async def endless(exchange: Exchange) -> None:
        await exchange.write(wire.head() + wire.piece("one"))
        await exchange.gone()
        left.set()

    async with serving(endless) as server:
        answering = wire.chat(pool, server.url)
        async for chunk in answering:
            assert chunk.content == "one"
            break
        await answering.aclose()
        async with asyncio.timeout(5):
            await left.wait()


@pytest.mark.parametrize("begun", [False, True])
async def test_a_cancelled_answer_closes_the_connection(wire: Wire, pool: HttpPool, begun: bool) -> None:
    asked, left = asyncio.Event(), asyncio.Event()

    async def endless(exchange: Exchange) -> None:
        await exchange.write(wire.head() + wire.piece("one") if begun else b"")
        asked.set()
        await exchange.gone()
        left.set()

    async with serving(endless) as server:
        task = asyncio.create_task(text(wire, pool, server.url))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(5):
            await left.wait()
