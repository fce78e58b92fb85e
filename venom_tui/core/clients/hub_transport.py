"""The way of huggingface_hub's requests: our proxies and certificates, and the bounds of the call that they belong to.

Imported when the library is first used.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator, Mapping

import httpx
import httpx2

from venom_tui import __version__
from venom_tui.core.clients.http import LARGEST_ANSWER, server_words
from venom_tui.core.clients.hub_session import BOUNDS, Bounds
from venom_tui.core.clients.proxies import is_local, proxy_for
from venom_tui.core.errors import (
    BadAnswer,
    RuntimeBusy,
    RuntimeFailure,
    RuntimeRefused,
    RuntimeTimeout,
    RuntimeUnavailable,
    VenomError,
)
from venom_tui.core.sanitize import sanitize_line

_LARGEST_ERROR = 65_536
_CONNECT_S = 5.0


class Transport(httpx2.BaseTransport):
    """Picks the way for each request; never closed, since the library throws its clients away at will."""

    def __init__(self) -> None:
        self._ways: dict[tuple[str | None, bool], httpx2.HTTPTransport] = {}
        self._lock = threading.Lock()

    def _way(self, url: str) -> httpx2.HTTPTransport:
        proxy, plain = proxy_for(url), url.startswith("http://") and is_local(url)
        with self._lock:
            way = self._ways.get((proxy, plain))
            if way is None:
                verify: ssl.SSLContext | bool = False if plain else _trusted()
                way = self._ways[proxy, plain] = httpx2.HTTPTransport(verify=verify, proxy=proxy, trust_env=False)
            return way

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; within bounds, refusals and failures are told as ours."""
        request.headers["user-agent"] = f"venom-tui/{__version__}"
        bounds = BOUNDS.get()
        if bounds is None:
            return self._way(str(request.url)).handle_request(request)
        left = bounds.check()
        request.headers["accept-encoding"] = "identity"  # the size that is checked is the size that comes
        connect = min(_CONNECT_S, left)
        request.extensions["timeout"] = {"connect": connect, "read": left, "write": left, "pool": connect}
        try:
            response = self._way(str(request.url)).handle_request(request)
            if response.status_code >= 400:
                raise _refusal(bounds, response)
        except httpx2.HTTPError as error:
            raise (translated(bounds, error) or error) from error
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            stream=_Capped(response, bounds),
            extensions=response.extensions,
        )

    def close(self) -> None:
        """Stay open."""


TRANSPORT = Transport()
"""The one of this process."""


class _Capped(httpx2.SyncByteStream):
    """A body that ends at a size and at a time."""

    def __init__(self, response: httpx2.Response, bounds: Bounds) -> None:
        self._response = response
        self._bounds = bounds

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        try:
            for piece in self._response.stream:  # type: ignore[union-attr]  # that of a synchronous transport
                self._bounds.check()
                size += len(piece)
                if size > LARGEST_ANSWER:
                    raise BadAnswer(f"{self._bounds.who} sent an answer of more than {LARGEST_ANSWER >> 20} MiB.")
                yield piece
        except httpx2.HTTPError as error:
            raise (translated(self._bounds, error) or error) from error

    def close(self) -> None:
        self._response.close()


def _trusted() -> ssl.SSLContext:
    try:
        return httpx.create_ssl_context()  # as for all other connections: SSL_CERT_FILE, SSL_CERT_DIR, certifi
    except OSError as error:
        raise RuntimeUnavailable(
            "The trusted certificates cannot be read.",
            hint="SSL_CERT_FILE must name a file of certificates (PEM), SSL_CERT_DIR a folder of them.",
            server_message=sanitize_line(str(error)),
        ) from error


def translated(bounds: Bounds, error: Exception) -> RuntimeFailure | None:
    """Return a failure of the connection as ours, None for anything else."""
    words = sanitize_line(str(error), 200)
    if isinstance(error, httpx2.TimeoutException):
        return RuntimeTimeout(f"{bounds.who} did not answer in time.", hint="Try again in a moment.")
    if isinstance(error, httpx2.NetworkError | httpx2.ProxyError | httpx2.UnsupportedProtocol):
        return RuntimeUnavailable(
            f"{bounds.who} cannot be reached.",
            hint="Everything on this machine works without it.",
            server_message=words,
        )
    if isinstance(error, httpx2.HTTPError | httpx2.InvalidURL | OSError):
        return BadAnswer(f"{bounds.who} does not speak HTTP as it should.", server_message=words)
    return None


def _refusal(bounds: Bounds, response: httpx2.Response) -> VenomError:
    """Return what the hub refused, with what to do about it."""
    status, headers = response.status_code, response.headers
    words, _ = server_words(_beginning(response, bounds))
    words = sanitize_line(headers.get("x-error-message", ""), 300) or words
    code = headers.get("x-error-code", "")
    if code == "GatedRepo" or (status == 403 and "gated" in words.lower()):
        return RuntimeRefused(
            f"{bounds.who} gives this repository only to those who accepted its conditions ({status}).",
            hint="Accept them on its page, and set HF_TOKEN to a token of your account.",
            server_message=words,
        )
    if status == 401:
        return RuntimeRefused(
            f"{bounds.who} wants a token that it accepts (401); what is private is not told from what is not there.",
            hint="Check the name, and set HF_TOKEN to a token of your account.",
            server_message=words,
        )
    if status == 403:
        return RuntimeRefused(
            f"{bounds.who} does not allow this (403).", hint="Check what the token may do.", server_message=words
        )
    if status == 404:
        return RuntimeRefused(f"{bounds.who} does not have this (404).", hint="Check the name.", server_message=words)
    if status in (429, 503):
        after = _seconds(headers)
        hint = f"It asks to wait {after:g} s." if after is not None else "Try again in a moment."
        return RuntimeBusy(f"{bounds.who} is busy ({status}).", hint=hint, server_message=words, retry_after_s=after)
    return RuntimeFailure(f"{bounds.who} failed ({status}).", hint="Try again later.", server_message=words)


def _beginning(response: httpx2.Response, bounds: Bounds) -> bytes:
    body = b""
    try:
        for piece in response.stream:  # type: ignore[union-attr]  # that of a synchronous transport
            body += piece
            if len(body) > _LARGEST_ERROR:
                break
            bounds.check()
    finally:
        response.close()
    return body[:_LARGEST_ERROR]


def _seconds(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that the hub asks to wait."""
    after = headers.get("retry-after") or headers.get("ratelimit", "").partition(";t=")[2]
    return float(after) if after.isascii() and after.isdigit() and len(after) < 9 else None
