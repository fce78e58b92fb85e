"""The chat wire of OpenAI that llama.cpp, vLLM and many others speak: a POST, then server-sent events until `[DONE]`.

What is streamed is not sanitized here: a control sequence may be cut by the borders of the pieces, so that the chat
service does it over the whole stream.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import httpx

from venom_tui.core.clients.http import error_of_words, server_words
from venom_tui.core.clients.server import ServerClient
from venom_tui.core.clients.sse import SseDecoder
from venom_tui.core.clients.tool_calls import ToolCallPieces
from venom_tui.core.errors import BadAnswer, CutStream, RuntimeFailure
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.types.request import ChatChunk, ChatMessage, ChatRequest
from venom_tui.core.types.session import Usage


class OpenAICompatibleClient(ServerClient):
    """Talks to one server. Its methods raise RuntimeFailures with the server's own words."""

    async def model_rows(self, *, timeout_s: float = 5.0) -> list[dict[str, Any]]:
        """Return the rows of `/v1/models`, each with its `id`."""
        answer = await self.get("/v1/models", timeout_s=timeout_s)
        rows = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(rows, list):
            raise BadAnswer(f"{self.who} listed its models in a shape that is not known.")
        return [row for row in rows if isinstance(row, dict) and isinstance(row.get("id"), str)]

    async def chat(
        self, request: ChatRequest, extra: Mapping[str, object] | None = None
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
            "messages": messages_of(request),
            "stream": True,
            "stream_options": {"include_usage": True},
            **(extra or {}),
        }
        if request.schema is not None:
            body["response_format"] = _format(request.schema)
        if request.tools:
            body["tools"] = list(request.tools)
        async with self.streamed("/v1/chat/completions", body, accept="text/event-stream") as response:
            async for chunk in self._chunks(response):
                yield chunk

    async def _chunks(self, response: httpx.Response) -> AsyncGenerator[ChatChunk, None]:
        decoder, calls = SseDecoder(), ToolCallPieces()
        finished = False
        seen = b""
        async for part in response.aiter_bytes():
            if not seen:
                seen = part[:2000]
            for data in decoder.feed(part):
                if data == b"[DONE]":
                    if rest := calls.take():  # some servers give no reason of the end
                        yield ChatChunk(tool_calls=rest)
                    return
                chunk = self._chunk(data, calls)
                finished = finished or bool(chunk.finish_reason)
                yield chunk
        for data in decoder.end():
            if data == b"[DONE]":
                return
            try:
                chunk = self._chunk(data, calls)
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
            shown = sanitize_line(kind, 60) or "something"
            raise BadAnswer(f"{self.who} answered with {shown} instead of a stream.", server_message=words)
        raise CutStream(f"{self.who} ended its answer in the middle.")

    def _chunk(self, data: bytes, calls: ToolCallPieces) -> ChatChunk:
        try:
            event = json.loads(data)
            if event.get("error") is not None:
                raise self._stream_error(data)
            usage = _usage(event)
            choices = event.get("choices") or ()
            if not choices:
                return ChatChunk(usage=usage)
            choice = choices[0]
            delta = choice.get("delta") or {}
            reason = _string(choice.get("finish_reason"))
            calls.add(delta.get("tool_calls") or ())
            return ChatChunk(
                content=_string(delta.get("content")),
                thinking=_string(delta.get("reasoning_content") or delta.get("reasoning")),
                finish_reason=reason,
                usage=usage,
                tool_calls=calls.take() if reason else (),
            )
        except (ValueError, TypeError, AttributeError, KeyError, IndexError, RecursionError):
            raise BadAnswer(
                f"{self.who} sent a piece of an answer that has not the shape of one.",
                server_message=server_words(data)[0],
            ) from None

    def _stream_error(self, data: bytes) -> RuntimeFailure:
        words, details = server_words(data)
        return error_of_words(words, details) or RuntimeFailure(
            f"{self.who} broke its answer off.", server_message=words
        )


def messages_of(request: ChatRequest) -> list[dict[str, object]]:
    """Return the messages of a request as this wire has them; thinking is not passed back on it."""
    return [_message(message) for message in request.messages]


def _message(message: ChatMessage) -> dict[str, object]:
    sent: dict[str, object] = {"role": message.role, "content": message.content}
    if message.images:
        parts: list[dict[str, object]] = [{"type": "text", "text": message.content}] if message.content else []
        for image in message.images:
            url = f"data:{image.media_type};base64,{image.data}"
            parts.append({"type": "image_url", "image_url": {"url": url}})
        sent["content"] = parts
    if message.tool_calls:
        sent["tool_calls"] = [
            {
                "id": call.id or f"call_{number}",
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for number, call in enumerate(message.tool_calls)
        ]
    if message.role == "tool":
        sent["tool_call_id"] = message.tool_call_id or "call_0"
    return sent


def _format(schema: dict[str, object]) -> dict[str, object]:
    if not schema:
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}


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
