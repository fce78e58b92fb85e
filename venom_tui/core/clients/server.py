"""What the clients of all servers share: whole JSON answers, streams, and failures as sentences."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from venom_tui.core.clients import http
from venom_tui.core.clients.http import HttpPool, cancel_safe_close, read_body, read_json, status_error, translated
from venom_tui.core.errors import VenomError

_JSON = {"content-type": "application/json"}


class ServerClient:
    """Talks to one server. Its methods raise RuntimeFailures with the server's own words.

    The key goes to this server only: redirects are not followed.
    """

    def __init__(self, pool: HttpPool, base_url: str, *, who: str, api_key: str | None = None) -> None:
        """`base_url` has no `/v1` at its end; `who` names the server in sentences."""
        self.base_url = base_url.rstrip("/")
        self.who = who
        self._pool = pool
        self._key = api_key or ""
        self._headers = {"authorization": f"Bearer {api_key}"} if api_key else {}

    async def get(self, path: str, *, timeout_s: float = 5.0, query: Mapping[str, str] | None = None) -> Any:
        """Return the JSON of a GET."""
        return await self.call("GET", path, timeout_s=timeout_s, query=query)

    async def post(self, path: str, body: Mapping[str, object], *, timeout_s: float = 30.0) -> Any:
        """Return the JSON of a POST."""
        return await self.call("POST", path, body, timeout_s=timeout_s)

    async def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        timeout_s: float | None,
        query: Mapping[str, str] | None = None,
    ) -> Any:
        """Return the JSON of a whole answer; None for an empty one.

        Raises:
            RuntimeFailure: what the server did or said.
        """
        async with self._answer(method, path, body, timeout_s, query) as response:
            return await read_json(response, self.who)

    async def text(self, path: str, *, timeout_s: float = 5.0, query: Mapping[str, str] | None = None) -> str:
        """Return the text of a GET: metrics, a health page."""
        async with self._answer("GET", path, None, timeout_s, query) as response:
            body = await read_body(response, self.who)
            if not response.is_success:
                raise status_error(response, body, self.who)
            return body.decode("utf-8", "replace")

    @asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        """Turn failures inside the block into sentences; the key is in none of them, even if the server repeats it."""
        try:
            async with translated(self.who, self.base_url):
                yield
        except VenomError as failure:
            if self._key:
                failure.message = failure.message.replace(self._key, "…")
                failure.server_message = failure.server_message.replace(self._key, "…")
                failure.args = (failure.message,)
            raise

    @asynccontextmanager
    async def _answer(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None,
        timeout_s: float | None,
        query: Mapping[str, str] | None,
    ) -> AsyncIterator[httpx.Response]:
        client = self._pool.client_for(self.base_url)
        async with (
            self._translated(),
            asyncio.timeout(timeout_s),  # of the whole answer; httpx's own counts from one byte to the next
        ):
            request = client.build_request(
                method,
                self.base_url + path,
                headers=self._headers if body is None else {**self._headers, **_JSON},
                content=None if body is None else json.dumps(body),
                params=query,
                timeout=httpx.Timeout(timeout_s, connect=min(timeout_s or math.inf, http.CONNECT_TIMEOUT_S)),
            )
            response = await _send(client, request)
            try:
                yield response
            finally:
                await cancel_safe_close(response)

    async def give(self, path: str, pieces: AsyncIterator[bytes], length: int) -> None:
        """Post a file of so many bytes, however long that takes.

        Raises:
            RuntimeFailure: what the server did or said.
        """
        client = self._pool.client_for(self.base_url)
        headers = {**self._headers, "content-type": "application/octet-stream", "content-length": str(length)}
        async with self._translated():
            timeout = httpx.Timeout(http.FIRST_BYTE_TIMEOUT_S, connect=http.CONNECT_TIMEOUT_S)
            request = client.build_request(
                "POST", self.base_url + path, headers=headers, content=pieces, timeout=timeout
            )
            response = await client.send(request, stream=True)
            try:
                said = await read_body(response, self.who)
                if not response.is_success:
                    raise status_error(response, said, self.who)
            finally:
                await cancel_safe_close(response)

    @asynccontextmanager
    async def streamed(
        self, path: str, body: Mapping[str, object], *, accept: str = "*/*"
    ) -> AsyncIterator[httpx.Response]:
        """Post `body` and hand over the successful answer to be read as it comes; leaving the block closes it.

        Raises:
            RuntimeFailure: the status is no success, or the stream fails inside the block.
        """
        client = self._pool.client_for(self.base_url)
        async with self._translated():
            headers = {**self._headers, **_JSON, "accept": accept}
            request = client.build_request(
                "POST",
                self.base_url + path,
                headers=headers,
                content=json.dumps(body),
                timeout=httpx.Timeout(
                    http.FIRST_BYTE_TIMEOUT_S, connect=http.CONNECT_TIMEOUT_S, pool=http.CONNECT_TIMEOUT_S
                ),
            )
            response = await _send(client, request)
            try:
                if not response.is_success:
                    raise status_error(response, await read_body(response, self.who), self.who)
                yield response
            finally:
                await cancel_safe_close(response)


async def _send(client: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
    """Send a request; on another connection where the one at hand turns out to be closed already.

    A server may close a connection that it said it keeps: llama-server's router does after some answers. The request
    then met nobody, which is no failure.
    """
    while True:
        fresh = False

        async def trace(name: str, _facts: object) -> None:
            nonlocal fresh
            fresh = fresh or name.startswith("connection.connect")

        request.extensions["trace"] = trace
        try:
            return await client.send(request, stream=True)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError) as error:
            unheard = not isinstance(error, httpx.RemoteProtocolError) or "without sending" in str(error)
            if fresh or not unheard:
                raise
