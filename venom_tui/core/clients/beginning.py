"""The first bytes of a file that lies elsewhere, by ranges: its header, never its weights."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import urljoin, urlsplit

import httpx

from venom_tui.core.clients.http import HttpPool, read_body, status_error, translated
from venom_tui.core.errors import BadAnswer

_TIMEOUT_S = 30.0
_REDIRECTS = 6
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)\Z")


class Beginning:
    """Reads a file from its first byte on, as far as is asked for. Keys go to the host of the first address only."""

    def __init__(self, pool: HttpPool, url: str, *, who: str, api_key: str = "") -> None:
        self._pool = pool
        self._url = url
        self._who = who
        self._host = urlsplit(url).netloc
        self._headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self.data = b""
        """What was read so far."""
        self.size: int | None = None
        """Bytes of the whole file, once something of it was read."""

    async def read(self, size: int) -> bytes:
        """Read until there are so many bytes, or the whole file when it is shorter; return all that there are.

        Raises:
            RuntimeFailure: what the server did or said.
        """
        async with translated(self._who, self._url), asyncio.timeout(_TIMEOUT_S):
            while len(self.data) < size and (self.size is None or len(self.data) < self.size):
                before = len(self.data)
                await self._more(size)
                if len(self.data) == before:
                    break
        return self.data

    async def _more(self, size: int) -> None:
        url = self._url
        for _ in range(_REDIRECTS):
            headers = {"range": f"bytes={len(self.data)}-{size - 1}", "accept-encoding": "identity"}
            if urlsplit(url).netloc == self._host:
                headers |= self._headers
            async with self._pool.client_for(url).stream("GET", url, headers=headers) as response:
                if not response.is_redirect:
                    await self._take(response, size)
                    return
                url = self._target(url, response.headers.get("location", ""))
        raise BadAnswer(f"{self._who} redirects without end.")

    def _target(self, url: str, location: str) -> str:
        target = urljoin(url, location)
        scheme = urlsplit(target).scheme
        if scheme not in ("http", "https") or (scheme == "http" and url.startswith("https:")):
            raise BadAnswer(f"{self._who} redirects to an address that is not followed.")
        return target

    async def _take(self, response: httpx.Response, size: int) -> None:
        if response.status_code == 416:  # nothing is behind what we have
            self.size = len(self.data)
            return
        if not response.is_success:
            raise status_error(response, await read_body(response, self._who), self._who)
        skip = 0
        if response.status_code == 206:
            found = _RANGE.match(response.headers.get("content-range", ""))
            if found is None or int(found[1]) != len(self.data):
                raise BadAnswer(f"{self._who} sent another part of the file than was asked for.")
            self.size = int(found[3])
        else:  # it knows no ranges and begins from the start
            length = response.headers.get("content-length", "")
            self.size = int(length) if length.isdigit() else None
            skip = len(self.data)
        await self._append(response, size, skip)

    async def _append(self, response: httpx.Response, size: int, skip: int) -> None:
        parts = [self.data]
        have = len(self.data)
        async for part in response.aiter_raw():
            if skip >= len(part):
                skip -= len(part)
                continue
            parts.append(part[skip:])
            have += len(part) - skip
            skip = 0
            if have >= size:
                break
        self.data = b"".join(parts)[:size]
        if have < size and self.size is None:
            self.size = have
