"""The files of a hub over HTTP: where each really lies, and its bytes from here to there.

A hub redirects what is large to another host. The token goes to the hub alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

import httpx

from venom_tui import __version__
from venom_tui.core.clients.http import HttpPool, cancel_safe_close, read_body, server_words, translated
from venom_tui.core.errors import BadAnswer, RuntimeBusy, RuntimeFailure, RuntimeRefused, VenomError
from venom_tui.core.sanitize import sanitize_line

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_SILENCE_S = 30.0
"""Without a byte for so long a connection counts as dead."""
_HEAD_S = 30.0


@dataclass(frozen=True, slots=True)
class Located:
    """Where a file lies."""

    url: str
    etag: str
    """The name of its blob: sha256 of what is in LFS, git's own digest of others."""
    size: int
    own: bool
    """Whether that is the hub itself, which then wants its token."""


class HubFiles:
    """The files of one hub.

    Args:
        pool: connections.
        endpoint: address of the hub.
        token: what opens gated and private repositories, "" for none.
        who: how the hub is called in sentences.
    """

    def __init__(self, pool: HttpPool, endpoint: str, token: str, *, who: str) -> None:
        self.endpoint = endpoint.rstrip("/")
        self.who = who
        self._pool = pool
        self._token = token

    def _headers(self, url: str) -> dict[str, str]:
        headers = {"accept-encoding": "identity", "user-agent": f"venom-tui/{__version__}"}
        if self._token and _origin(url) == _origin(self.endpoint):
            headers["authorization"] = f"Bearer {self._token}"
        return headers

    async def locate(self, repository: str, commit: str, path: str) -> Located:
        """Ask where a file lies.

        Raises:
            RuntimeFailure: what the hub did or said.
        """
        url = f"{self.endpoint}/{quote(repository)}/resolve/{quote(commit, safe='')}/{quote(path)}"
        for _ in range(_MOST_REDIRECTS):
            async with self._answer("HEAD", url, {}, _HEAD_S) as response:
                if response.status_code in _REDIRECTS:
                    there = self._redirected(response, url)
                    if not response.headers.get("x-linked-etag"):
                        url = there  # the repository has another name now, or this is a mirror
                        continue
                    return self._located(response, there)
                await self._check(response)
                return self._located(response, url)
        raise BadAnswer(f"{self.who} redirects again and again.")

    def _located(self, response: httpx.Response, url: str) -> Located:
        headers = response.headers
        etag = headers.get("x-linked-etag") or headers.get("etag") or ""
        size = headers.get("x-linked-size") or headers.get("content-length") or ""
        if not size.isascii() or not size.isdigit():
            raise BadAnswer(f"{self.who} does not say how long a file is.")
        own = _origin(url) == _origin(self.endpoint)
        return Located(url, etag.removeprefix("W/").strip('"'), int(size), own)

    @asynccontextmanager
    async def open(self, located: Located, begin: int, end: int) -> AsyncIterator[httpx.Response]:
        """Hand over the bytes of a file from `begin` to before `end`; status 200 is the whole file instead.

        Raises:
            RuntimeFailure: what the host did or said, also while the bytes are read inside the block.
        """
        url = located.url
        headers = {} if (begin, end) == (0, located.size) else {"range": f"bytes={begin}-{end - 1}"}
        for _ in range(_MOST_REDIRECTS):
            async with self._answer("GET", url, headers, _SILENCE_S) as response:
                if response.status_code in _REDIRECTS:
                    url = self._redirected(response, url)
                    continue
                await self._check(response)
                self._check_range(response, begin, end, located.size)
                yield response
                return
        raise BadAnswer(f"{self.who} redirects again and again.")

    @asynccontextmanager
    async def _answer(
        self, method: str, url: str, headers: Mapping[str, str], silence_s: float
    ) -> AsyncIterator[httpx.Response]:
        client = self._pool.client_for(url)
        async with translated(self.who, _origin(url)):
            timeout = httpx.Timeout(silence_s, connect=10.0)
            request = client.build_request(method, url, headers={**self._headers(url), **headers}, timeout=timeout)
            response = await client.send(request, stream=True)
            try:
                yield response
            finally:
                await cancel_safe_close(response)

    def _redirected(self, response: httpx.Response, url: str) -> str:
        there: str = urljoin(url, response.headers.get("location", ""))
        parts = urlsplit(there)
        down = url.startswith("https:") and parts.scheme != "https"
        if parts.scheme not in ("http", "https") or not parts.hostname or down or parts.username is not None:
            raise BadAnswer(f"{self.who} redirects to something that is not taken.")
        return there

    async def _check(self, response: httpx.Response) -> None:
        if response.status_code in (200, 206):
            return
        body = b"" if response.request.method == "HEAD" else await read_body(response, self.who)
        raise refusal(self.who, response.status_code, response.headers, body)

    def _check_range(self, response: httpx.Response, begin: int, end: int, size: int) -> None:
        headers = response.headers
        if response.status_code == 206:
            if headers.get("content-range", "") != f"bytes {begin}-{end - 1}/{size}":
                raise BadAnswer(f"{self.who} sent another part of the file than was asked for.")
        elif headers.get("content-length", str(size)) != str(size):
            raise BadAnswer(
                f"{self.who} sent something else instead of the file.",
                server_message=sanitize_line(headers.get("content-type", ""), 80),
            )


def refusal(who: str, status: int, headers: Mapping[str, str], body: bytes) -> VenomError:
    """Return what a hub refused, with what to do about it."""
    words = sanitize_line(headers.get("x-error-message", ""), 300) or server_words(body)[0]
    code = headers.get("x-error-code", "")
    if code == "GatedRepo" or (status == 403 and "gated" in words.lower()):
        return RuntimeRefused(
            f"{who} gives this repository only to those who accepted its conditions ({status}).",
            hint="Accept them on its page, and set HF_TOKEN to a token of your account.",
            server_message=words,
            status=status,
        )
    if status in (401, 403):
        return RuntimeRefused(
            f"{who} wants a token that it accepts ({status}).",
            hint="Check the name, and set HF_TOKEN to a token of your account.",
            server_message=words,
            status=status,
        )
    if status == 404:
        return RuntimeRefused(
            f"{who} does not have this file (404).", hint="Pull again: the repository has changed.",
            server_message=words, status=status,
        )  # fmt: skip
    if status in (429, 503):
        after = headers.get("retry-after") or headers.get("ratelimit", "").partition(";t=")[2]
        seconds = float(after) if after.isascii() and after.isdigit() and len(after) < 9 else None
        return RuntimeBusy(
            f"{who} is busy ({status}).",
            hint="Wait some minutes, then retry: it goes on from what is there.",
            server_message=words,
            retry_after_s=seconds,
        )
    return RuntimeFailure(f"{who} failed ({status}).", hint="Retry later.", server_message=words)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}".lower()
