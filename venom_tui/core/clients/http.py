"""The pooled HTTP client: time limits, proxies only for addresses outside, failures turned into sentences."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

# httpx would import these with its first client and its first request: on the event loop, which they would stop.
import anyio._backends._asyncio  # noqa: F401
import httpcore  # noqa: F401
import httpx

from venom_tui.core.errors import (
    BadAnswer,
    ContextOverflow,
    CutStream,
    ModelNotFound,
    RuntimeBusy,
    RuntimeFailure,
    RuntimeRefused,
    RuntimeTimeout,
    RuntimeUnavailable,
)
from venom_tui.core.sanitize import sanitize_line

CONNECT_TIMEOUT_S = 5.0
FIRST_BYTE_TIMEOUT_S = 600.0
"""A long prompt is read for minutes before its first token; a load behind a request takes as long."""
LARGEST_ANSWER = 16 * 1024 * 1024
"""Bytes of a whole answer, or of one line of a stream."""


class HttpPool:
    """One client for this machine and private networks, and one that honours the proxy settings for everything else.

    Both are made when first used: building a TLS context takes some 30 ms.
    """

    def __init__(self) -> None:
        self._direct: httpx.AsyncClient | None = None
        self._outside: httpx.AsyncClient | None = None

    def client_for(self, url: str) -> httpx.AsyncClient:
        """Return the client for an address. Redirects are never followed: a key must not travel to another host."""
        if is_local(url):
            if self._direct is None:
                # Plain HTTP to this machine needs no certificates; verify=False skips reading them.
                self._direct = _client(trust_env=False, verify=not url.startswith("http://"))
            return self._direct
        if self._outside is None:
            self._outside = _client(trust_env=True, verify=True)
        return self._outside

    async def close(self) -> None:
        """Close all connections."""
        for client in (self._direct, self._outside):
            if client is not None:
                await client.aclose()
        self._direct = self._outside = None


def _client(*, trust_env: bool, verify: bool) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        trust_env=trust_env,
        verify=verify,
        follow_redirects=False,
        timeout=httpx.Timeout(FIRST_BYTE_TIMEOUT_S, connect=CONNECT_TIMEOUT_S, pool=CONNECT_TIMEOUT_S),
        limits=httpx.Limits(max_connections=64, max_keepalive_connections=16, keepalive_expiry=60),
    )


def is_local(url: str) -> bool:
    """Return whether an address is this machine or a private network, which no proxy stands before."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_private or address.is_link_local or address.is_unspecified


@asynccontextmanager
async def translated(who: str, address: str) -> AsyncIterator[None]:
    """Turn failures of httpx inside the block into RuntimeFailures that name `who` and its `address`."""
    try:
        yield
    except httpx.ConnectTimeout as error:
        raise RuntimeTimeout(f"{who} at {address} did not accept a connection in {CONNECT_TIMEOUT_S:g} s.") from error
    except httpx.TimeoutException as error:
        raise RuntimeTimeout(f"{who} at {address} did not answer in time.") from error
    except httpx.ConnectError as error:
        words = sanitize_line(str(error))
        raise RuntimeUnavailable(
            f"{who} cannot be reached at {address}.", hint="Check that it runs.", server_message=words
        ) from error
    except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError, httpx.CloseError) as error:
        raise CutStream(
            f"{who} closed the connection in the middle of its answer.", server_message=sanitize_line(str(error))
        ) from error
    except httpx.DecodingError as error:
        raise BadAnswer(f"{who} sent an answer that cannot be decoded.", server_message=str(error)) from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise RuntimeUnavailable(f"{address} is no address of a server.", server_message=str(error)) from error
    except httpx.HTTPError as error:
        raise RuntimeFailure(f"{who} failed: {sanitize_line(str(error))}.") from error


async def read_json(response: httpx.Response, who: str) -> Any:
    """Return the JSON of a whole answer of a streamed response.

    Raises:
        RuntimeFailure: the status is no success.
        BadAnswer: it is too large or no JSON.
    """
    body = await read_body(response, who)
    if not response.is_success:
        raise status_error(response, body, who)
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise BadAnswer(
            f"{who} answered with something that is not JSON.", server_message=sanitize_line(_text(body), 200)
        ) from None


async def read_body(response: httpx.Response, who: str) -> bytes:
    """Return the body, up to LARGEST_ANSWER bytes.

    Raises:
        BadAnswer: it is larger.
    """
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > LARGEST_ANSWER:
            raise BadAnswer(f"{who} sent an answer of more than {LARGEST_ANSWER // 2**20} MiB.")
        parts.append(part)
    return b"".join(parts)


def status_error(response: httpx.Response, body: bytes, who: str) -> RuntimeFailure:
    """Return the failure that a status says, with the server's own words."""
    status = response.status_code
    words, details = server_words(body)
    if details.get("type") == "exceed_context_size_error" or _is_overflow(words):
        return overflow(words, details)
    if status in (401, 403):
        what = "a key that it accepts" if status == 401 else "access"
        return RuntimeRefused(f"{who} refused the request ({status}): it wants {what}.", server_message=words)
    if status == 404:
        if "model" in words.lower():
            return _not_found(who, words)
        return RuntimeRefused(f"{who} does not know this path (404).", server_message=words)
    if status in (429, 503):
        after = _retry_after(response.headers.get("retry-after", ""))
        hint = f"It asks to wait {after:g} s." if after is not None else "Try again in a moment."
        return RuntimeBusy(f"{who} is busy ({status}).", hint=hint, server_message=words, retry_after_s=after)
    if 300 <= status < 400:
        where = sanitize_line(response.headers.get("location", ""), 200)
        return RuntimeRefused(
            f"{who} redirects to {where or 'another address'}.", hint="Configure that address if it is right."
        )
    if status >= 500:
        return RuntimeFailure(f"{who} failed ({status}).", server_message=words)
    return RuntimeRefused(f"{who} refused the request ({status}).", server_message=words)


def _not_found(who: str, words: str) -> RuntimeFailure:
    failure = RuntimeRefused(f"{who} does not have this model (404).", server_message=words)
    failure.__cause__ = ModelNotFound(words)
    return failure


def overflow(words: str, details: dict[str, Any]) -> ContextOverflow:
    """Return the failure of a prompt that is longer than the loaded context, with the numbers where they are given."""
    prompt, context = details.get("n_prompt_tokens"), details.get("n_ctx")
    numbers = ""
    if isinstance(prompt, int) and isinstance(context, int):
        numbers = f": it has {prompt:,} tokens, the context {context:,}"
    return ContextOverflow(
        f"The conversation is longer than the model's context{numbers}.",
        hint="Begin a new session, or load the model with a larger context (VENOM_CONTEXT).",
        server_message=words,
        prompt_tokens=prompt if isinstance(prompt, int) else None,
        context_length=context if isinstance(context, int) else None,
    )


def _is_overflow(words: str) -> bool:
    lowered = words.lower()
    return "maximum context length" in lowered or "exceeds the available context size" in lowered


def server_words(body: bytes) -> tuple[str, dict[str, Any]]:
    """Return the server's message and the details beside it, whatever shape the error has.

    `{"error": "…"}`, `{"error": {"message": …}}`, `{"message": …}`, JSON inside such a string, HTML and plain text.
    """
    text = _text(body)
    details: dict[str, Any] = {}
    for _ in range(3):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            break
        if isinstance(value, dict) and isinstance(value.get("error"), dict | str):
            value = value["error"]
        if isinstance(value, dict):
            details = value
            value = value.get("message") or value.get("detail") or value.get("error") or ""
        if not isinstance(value, str):
            text = "" if value is None else json.dumps(value)[:400]
            break
        text = value
    if text.lstrip()[:1] == "<":
        text = "an HTML page"
    return sanitize_line(text), details


def _text(body: bytes) -> str:
    return body[:65_536].decode("utf-8", "replace")


def _retry_after(value: str) -> float | None:
    try:
        return max(0.0, float(value))
    except ValueError:
        return None


async def cancel_safe_close(response: httpx.Response) -> None:
    """Close a response also while the task is being cancelled, so that the server sees at once that nobody reads."""
    await asyncio.shield(response.aclose())
