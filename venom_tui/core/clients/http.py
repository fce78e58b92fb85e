"""The pooled HTTP client: time limits, proxies only for addresses outside, failures turned into sentences."""

from __future__ import annotations

import asyncio
import json
import math
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

# httpx would import these with its first client and its first request: on the event loop, which they would stop.
import anyio._backends._asyncio  # noqa: F401
import httpcore
import httpx

from venom_tui.core.clients.proxies import is_local, proxy_for
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

# What it reads at once. With its own 64 KiB a large download costs twice as much of the processor.
httpcore.AsyncHTTP11Connection.READ_NUM_BYTES = 256 * 1024

CONNECT_TIMEOUT_S = 5.0
FIRST_BYTE_TIMEOUT_S = 600.0
"""A long prompt is read for minutes before its first token; a load behind a request takes as long."""
LARGEST_ANSWER = 16 * 1024 * 1024
"""Bytes of a whole answer, or of one line of a stream."""
_LARGE_JSON = 256 * 1024
"""Bytes from which on JSON is read in a thread."""
_LARGEST_ERROR = 65_536
"""Bytes that are read of the page of an error."""
_CUT_WORDS = re.compile("disconnected|closed connection|without sending")
"""What httpx says when a connection ended too early, among other breaches of the protocol."""


class HttpPool:
    """Clients for this machine and private networks, and clients that honour the proxy settings for everything else.

    Each is made when first used: building a TLS context takes some 30 ms.
    """

    def __init__(self) -> None:
        self._clients: dict[tuple[str | None, bool], httpx.AsyncClient] = {}
        self._trusted: ssl.SSLContext | None = None

    def client_for(self, url: str) -> httpx.AsyncClient:
        """Return the client for an address. Redirects are never followed: a key must not travel to another host.

        Raises:
            RuntimeUnavailable: the proxy that stands before it, or the file of trusted certificates, cannot be used.
        """
        # Plain HTTP to this machine needs no certificates.
        proxy, plain = proxy_for(url), url.startswith("http://") and is_local(url)
        client = self._clients.get((proxy, plain))
        if client is None:
            client = self._clients[proxy, plain] = self._client(proxy, plain)
        return client

    def _client(self, proxy: str | None, plain: bool) -> httpx.AsyncClient:
        trusted = False if plain else self._trust()
        return httpx.AsyncClient(
            trust_env=False,  # it reads some forms of NO_PROXY as no address at all
            proxy=None if proxy is None else _proxy(proxy, self._trust()),
            verify=trusted,
            follow_redirects=False,
            timeout=httpx.Timeout(FIRST_BYTE_TIMEOUT_S, connect=CONNECT_TIMEOUT_S, pool=CONNECT_TIMEOUT_S),
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=16, keepalive_expiry=60),
        )

    def _trust(self) -> ssl.SSLContext:
        if self._trusted is None:
            try:
                self._trusted = httpx.create_ssl_context()  # SSL_CERT_FILE, SSL_CERT_DIR, else those of certifi
            except OSError as error:
                raise RuntimeUnavailable(
                    "The trusted certificates cannot be read.",
                    hint="SSL_CERT_FILE must name a file of certificates (PEM), SSL_CERT_DIR a folder of them.",
                    server_message=sanitize_line(str(error)),
                ) from error
        return self._trusted

    async def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()


def _proxy(url: str, trusted: ssl.SSLContext) -> httpx.Proxy:
    """Return a proxy; its address may hold a password, so that no sentence repeats it."""
    scheme = sanitize_line(url.partition("://")[0], 20)
    try:
        if scheme.lower() in ("http", "https"):
            return httpx.Proxy(url, ssl_context=trusted if scheme.lower() == "https" else None)
    except (httpx.InvalidURL, ValueError):
        pass  # told below
    raise RuntimeUnavailable(
        f"The proxy that the environment names cannot be used ({scheme}).",
        hint="HTTP_PROXY, HTTPS_PROXY and ALL_PROXY take http://HOST:PORT; NO_PROXY names what is asked directly.",
    )


@asynccontextmanager
async def translated(who: str, address: str) -> AsyncIterator[None]:
    """Turn failures of httpx inside the block into RuntimeFailures that name `who` and its `address`."""
    _check_address(address)
    try:
        yield
    except httpx.ConnectTimeout as error:
        raise RuntimeTimeout(f"{who} at {address} did not accept a connection in time.") from error
    except (httpx.TimeoutException, TimeoutError) as error:
        raise RuntimeTimeout(f"{who} at {address} did not answer in time.") from error
    except httpx.ConnectError as error:
        raise _unreachable(who, address, sanitize_line(str(error))) from error
    except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError, httpx.CloseError) as error:
        if isinstance(error, httpx.RemoteProtocolError) and not _CUT_WORDS.search(str(error)):
            raise BadAnswer(
                f"{who} at {address} does not speak HTTP.", server_message=sanitize_line(str(error))
            ) from error
        raise CutStream(
            f"{who} closed the connection in the middle of its answer.", server_message=sanitize_line(str(error))
        ) from error
    except httpx.DecodingError as error:
        raise BadAnswer(
            f"{who} sent an answer that cannot be decoded.", server_message=sanitize_line(str(error))
        ) from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise _no_address(address, error) from error
    except httpx.HTTPError as error:
        raise RuntimeFailure(f"{who} failed: {sanitize_line(str(error))}.") from error


_UNRESOLVED = ("Name or service not known", "name resolution", "nodename nor servname", "No address associated")
"""What resolvers say of a name that they do not know, or cannot look up."""


def _unreachable(who: str, address: str, words: str) -> RuntimeUnavailable:
    if "CERTIFICATE_VERIFY_FAILED" in words:
        return RuntimeUnavailable(
            f"{who} at {address} shows a certificate that is not trusted.",
            hint="SSL_CERT_FILE names a file with the certificate of your own authority.",
            server_message=words,
        )
    where = "" if urlsplit(address).netloc in who else f" at {address}"
    unresolved = any(part in words for part in _UNRESOLVED)
    hint = "Check the network, or how its name is resolved (DNS)." if unresolved else "Check that it runs."
    return RuntimeUnavailable(f"{who} cannot be reached{where}.", hint=hint, server_message=words)


def _check_address(address: str) -> None:
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise _no_address(address, error) from None
    if not usable:
        raise _no_address(address, None)


def _no_address(address: str, error: Exception | None) -> RuntimeUnavailable:
    words = "" if error is None else sanitize_line(str(error))
    return RuntimeUnavailable(f"{sanitize_line(address, 120)} is no address of a server.", server_message=words)


async def read_json(response: httpx.Response, who: str, read: Callable[[bytes], Any] = json.loads) -> Any:
    """Return what `read` makes of the JSON of a whole answer of a streamed response.

    Raises:
        RuntimeFailure: the status is no success.
        BadAnswer: it is too large or no JSON.
    """
    body = await read_body(response, who)
    if not response.is_success:
        raise status_error(response, body, who)
    try:
        # A large one would hold the loop up for as long as a screen takes to be drawn.
        return read(body) if len(body) < _LARGE_JSON else await asyncio.to_thread(read, body)
    except (ValueError, RecursionError):
        raise BadAnswer(
            f"{who} answered with something that is not JSON.", server_message=sanitize_line(_text(body), 200)
        ) from None


async def read_body(response: httpx.Response, who: str) -> bytes:
    """Return the body, up to LARGEST_ANSWER bytes; of the page of an error only its beginning.

    Raises:
        BadAnswer: it is larger.
    """
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_bytes():
        size += len(part)
        parts.append(part)
        if size > _LARGEST_ERROR and not response.is_success:
            break
        if size > LARGEST_ANSWER:
            raise BadAnswer(f"{who} sent an answer of more than {LARGEST_ANSWER // 2**20} MiB.")
    return b"".join(parts)


def status_error(response: httpx.Response, body: bytes, who: str) -> RuntimeFailure:
    """Return the failure that a status says, with the server's own words."""
    status = response.status_code
    words, details = server_words(body)
    if (failure := error_of_words(words, details)) is not None:
        return failure
    if status in (429, 503):
        after = _retry_after(response.headers.get("retry-after", ""))
        hint = f"It asks to wait {after:g} s." if after is not None else "Try again in a moment."
        return RuntimeBusy(f"{who} is busy ({status}).", hint=hint, server_message=words, retry_after_s=after)
    if status >= 500:
        return RuntimeFailure(f"{who} failed ({status}).", server_message=words)
    if 300 <= status < 400:
        where = sanitize_line(response.headers.get("location", ""), 200) or "another address"
        hint = "Configure that address if it is right."
        return RuntimeRefused(f"{who} redirects to {where}.", hint=hint, status=status)
    what, hint = _refusal(status, words)
    failure = RuntimeRefused(f"{who} {what}.", hint=hint, server_message=words, status=status)
    if status == 404 and "model" in words.lower():
        failure.__cause__ = ModelNotFound(words)
    return failure


def _refusal(status: int, words: str) -> tuple[str, str]:
    """Return what a server does that answers with a 4xx, and what may help."""
    if status == 401:
        return "refused the request (401): it wants a key that it accepts", ""
    if status == 403:
        # Ollama says nothing else when it is asked by a name that is not of its machine.
        hint = "" if words else "A server on loopback refuses other names: ask it as localhost."
        return "refused the request (403): it wants access", hint
    if status == 404:
        return ("does not have this model (404)" if "model" in words.lower() else "does not know this path (404)"), ""
    return f"refused the request ({status})", ""


_LIMIT = re.compile(r"(?:maximum context length is|available context size \()\s*([\d,]+)")
_PROMPT = re.compile(
    r"request \(([\d,]+) tokens\)|contains (?:at least )?([\d,]+) input tokens|\(([\d,]+) in the messages"
)


def overflow(words: str, details: dict[str, Any]) -> ContextOverflow:
    """Return the failure of a prompt that is longer than the loaded context, with the numbers where they are given."""
    prompt = _whole(details.get("n_prompt_tokens")) or _number(_PROMPT, words)
    context = _whole(details.get("n_ctx")) or _number(_LIMIT, words)
    numbers = ""
    if prompt is not None and context is not None and prompt < context:
        numbers = f" by the answer that was asked for: it has {prompt:,} tokens, the context {context:,}"
    elif prompt is not None and context is not None:
        least = "at least " if "at least" in words else ""
        numbers = f": it has {least}{prompt:,} tokens, the context {context:,}"
    elif context is not None:
        numbers = f" of {context:,} tokens"
    return ContextOverflow(
        f"The conversation is longer than the model's context{numbers}.",
        hint="Take a larger context, leave out the oldest messages, or begin a new session.",
        server_message=words,
        prompt_tokens=prompt,
        context_length=context,
    )


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(pattern: re.Pattern[str], words: str) -> int | None:
    found = pattern.search(words)
    text = next((group for group in found.groups() if group), None) if found is not None else None
    return None if text is None else int(text.replace(",", ""))


def error_of_words(words: str, details: dict[str, Any]) -> RuntimeFailure | None:
    """Return the failure that is told by a server's words alone, whatever the status; None for all others."""
    if details.get("type") == "exceed_context_size_error" or _is_overflow(words):
        return overflow(words, details)
    return None


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
    return body[:_LARGEST_ERROR].decode("utf-8", "replace")


def _retry_after(value: str) -> float | None:
    """Return the seconds that `Retry-After` says, as a number or as a moment."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = round((parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
        except (ValueError, TypeError, OverflowError):  # no date, or one without a time zone
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


async def cancel_safe_close(response: httpx.Response) -> None:
    """Close a response also while the task is being cancelled, so that the server sees at once that nobody reads."""
    await asyncio.shield(response.aclose())
