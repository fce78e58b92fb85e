"""The chat wire of OpenAI that llama.cpp, vLLM and many others speak: a POST, then server-sent events until `[DONE]`.

What is streamed is not sanitized here: a control sequence may be cut by the borders of the pieces, so that the chat
service does it over the whole stream.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx

from venom_tui.core.clients.http import (
    HttpPool,
    cancel_safe_close,
    overflow,
    read_body,
    read_json,
    server_words,
    status_error,
    translated,
)
from venom_tui.core.clients.sse import SseDecoder
from venom_tui.core.errors import BadAnswer, CutStream, RuntimeFailure
from venom_tui.core.types.request import ChatChunk, ChatRequest
from venom_tui.core.types.session import Usage

_JSON = {"content-type": "application/json", "accept": "text/event-stream"}


class OpenAICompatibleClient:
    """Talks to one server. Its methods raise RuntimeFailures with the server's own words."""

    def __init__(self, pool: HttpPool, base_url: str, *, who: str, api_key: str | None = None) -> None:
        """`base_url` has no `/v1` at its end; `who` names the server in sentences."""
        self.base_url = base_url.rstrip("/")
        self.who = who
        self._pool = pool
        self._headers = {"authorization": f"Bearer {api_key}"} if api_key else {}

    async def get(self, path: str, *, timeout_s: float = 5.0) -> Any:
        """Return the JSON of a GET."""
        return await self._whole("GET", path, None, timeout_s)

    async def post(self, path: str, body: dict[str, object], *, timeout_s: float = 30.0) -> Any:
        """Return the JSON of a POST."""
        return await self._whole("POST", path, body, timeout_s)

    async def _whole(self, method: str, path: str, body: dict[str, object] | None, timeout_s: float) -> Any:
        client = self._pool.client_for(self.base_url)
        async with (
            translated(self.who, self.base_url),
            asyncio.timeout(timeout_s),  # of the whole answer; httpx's own counts from one byte to the next
            client.stream(
                method, self.base_url + path, headers=self._headers, json=body, timeout=timeout_s
            ) as response,
        ):
            return await read_json(response, self.who)

    async def chat(
        self, request: ChatRequest, extra: dict[str, object] | None = None
    ) -> AsyncGenerator[ChatChunk, None]:
        """Yield the pieces of an answer; leaving the generator closes the connection, which stops the server's work.

        `extra` holds the parameters by the names that this server knows.

        Raises:
            CutStream: the stream ended without `[DONE]` or a reason of its end.
            ContextOverflow: the prompt is too long for the loaded context.
            RuntimeFailure: anything else that the server did or said.
        """
        body: dict[str, object] = {
            "model": request.model,
            "messages": [{"role": m.role, "content": m.content} for m in request.messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            **(extra or {}),
        }
        client = self._pool.client_for(self.base_url)
        url = f"{self.base_url}/v1/chat/completions"
        async with translated(self.who, self.base_url):
            sent = client.build_request("POST", url, headers={**self._headers, **_JSON}, content=json.dumps(body))
            response = await client.send(sent, stream=True)
            try:
                if not response.is_success:
                    raise status_error(response, await read_body(response, self.who), self.who)
                async for chunk in self._chunks(response):
                    yield chunk
            finally:
                await cancel_safe_close(response)

    async def _chunks(self, response: httpx.Response) -> AsyncGenerator[ChatChunk, None]:
        decoder = SseDecoder()
        finished = False
        seen = b""
        async for part in response.aiter_bytes():
            if not seen:
                seen = part[:2000]
            for data in decoder.feed(part):
                if data == b"[DONE]":
                    return
                chunk = self._chunk(data)
                finished = finished or bool(chunk.finish_reason)
                yield chunk
        for data in decoder.end():
            if data == b"[DONE]":
                return
            try:
                chunk = self._chunk(data)
            except BadAnswer:
                break  # cut in the middle of a piece
            finished = finished or bool(chunk.finish_reason)
            yield chunk
        if not finished:
            self._explain_end(response, seen)

    def _explain_end(self, response: httpx.Response, seen: bytes) -> None:
        kind = response.headers.get("content-type", "")
        if "event-stream" not in kind:
            words, _ = server_words(seen)
            raise BadAnswer(
                f"{self.who} answered with {kind or 'something'} instead of a stream.", server_message=words
            )
        raise CutStream(f"{self.who} ended its answer in the middle.")

    def _chunk(self, data: bytes) -> ChatChunk:
        try:
            event = json.loads(data)
            if event.get("error") is not None:
                raise self._stream_error(data, event)
            usage = _usage(event)
            choices = event.get("choices") or ()
            if not choices:
                return ChatChunk(usage=usage)
            choice = choices[0]
            delta = choice.get("delta") or {}
            return ChatChunk(
                content=_string(delta.get("content")),
                thinking=_string(delta.get("reasoning_content") or delta.get("reasoning")),
                finish_reason=_string(choice.get("finish_reason")),
                usage=usage,
            )
        except (ValueError, TypeError, AttributeError, KeyError, IndexError, RecursionError):
            raise BadAnswer(
                f"{self.who} sent a piece of an answer that has not the shape of one.",
                server_message=server_words(data)[0],
            ) from None

    def _stream_error(self, data: bytes, event: dict[str, Any]) -> RuntimeFailure:
        words, details = server_words(data)
        if details.get("type") == "exceed_context_size_error":
            return overflow(words, details)
        return RuntimeFailure(f"{self.who} broke its answer off.", server_message=words)


def _string(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError
    return value


def _usage(event: dict[str, Any]) -> Usage | None:
    """Return the token counts; the speed is llama.cpp's own (`timings`) where it is given."""
    usage, timings = _table(event.get("usage")), _table(event.get("timings"))
    if not usage and not timings:
        return None
    prompt, completion = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    if prompt is None and (read := _count(timings.get("prompt_n"))) is not None:
        prompt = read + (_count(timings.get("cache_n")) or 0)
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=_count(timings.get("predicted_n")) if completion is None else completion,
        tokens_per_second=_speed(timings.get("predicted_per_second")),
    )


# Odd figures are passed over: they are no reason to lose an answer.


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _speed(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < 1e9 else None
