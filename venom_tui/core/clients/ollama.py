"""Ollama's own wire: JSON for what is whole, one JSON object a line for what streams.

Facts read in the server's source and seen on a real 0.33: an error after the first line comes at status 200; `error`
may be JSON inside a string; a prompt that is too long is cut without a word unless `truncate` is false; durations are
nanoseconds; what is zero is left out.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import httpx

from venom_tui.core.clients.http import HttpPool, error_of_words, read_body, read_json, server_words, status_error
from venom_tui.core.clients.ndjson import NdjsonDecoder
from venom_tui.core.clients.repeats import Repeats
from venom_tui.core.clients.server import ServerClient
from venom_tui.core.errors import BadAnswer, CutStream, RuntimeFailure
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.types.content import ToolCall
from venom_tui.core.types.request import ChatChunk, ChatMessage, ChatRequest
from venom_tui.core.types.session import Usage

_TIME = re.compile(r"(\d{4,})(-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)\Z")
_NS = 1e-9
LOADED_WITHIN_S = 1800.0
"""A load may wait for another model to leave, and read from a slow disk; the server has its own, shorter limit."""


@dataclass(frozen=True, slots=True)
class OllamaModel:
    """A model as `/api/tags` or `/api/ps` lists it. None: this server does not say."""

    name: str
    digest: str | None
    size_bytes: int | None
    format: str | None
    family: str | None
    parameter_size: str | None
    quantization: str | None
    context_length: int | None
    """In tags the longest that it was trained for, in ps what it is loaded with."""
    capabilities: tuple[str, ...] | None
    modified: str
    """When it was changed last, as the server writes it; "" when it does not say."""
    remote_host: str | None
    """Where it really runs, when it is not on this machine."""
    size_vram_bytes: int | None = None
    expires_at: datetime | None = None
    forever: bool = False
    """It is kept until told otherwise (`keep_alive: -1`)."""

    @property
    def modified_at(self) -> datetime | None:
        """When it was changed last; of thousands it is worked out for those of which it is asked."""
        return parse_time(self.modified)[0]


class OllamaClient(ServerClient):
    """Talks to one Ollama."""

    def __init__(self, pool: HttpPool, base_url: str, *, who: str, api_key: str | None = None) -> None:
        super().__init__(pool, base_url, who=who, api_key=api_key)
        self._listed: dict[str, tuple[bytes, list[OllamaModel]]] = {}
        """Path -> digest of the last answer, and what it listed."""

    async def version(self, *, timeout_s: float = 3.0) -> str:
        """Return its version."""
        answer = await self.get("/api/version", timeout_s=timeout_s)
        version = answer.get("version") if isinstance(answer, dict) else None
        if not isinstance(version, str):
            raise BadAnswer(f"{self.who} answered, but not as an Ollama does.")
        return sanitize_line(version, 40)

    async def tags(self, *, timeout_s: float = 5.0) -> list[OllamaModel]:
        """Return the models that are installed; the same list while the answer is the same."""
        return await self._list("/api/tags", timeout_s)

    async def ps(self, *, timeout_s: float = 5.0) -> list[OllamaModel]:
        """Return the models that are loaded (not one that is just being loaded), as `tags` does."""
        return await self._list("/api/ps", timeout_s)

    async def _list(self, path: str, timeout_s: float) -> list[OllamaModel]:
        def read(body: bytes) -> list[OllamaModel]:
            digest = hashlib.blake2b(body).digest()
            known = self._listed.get(path)
            if known is None or known[0] != digest:
                known = self._listed[path] = (digest, self._models(json.loads(body)))
            return known[1]

        async with self._answer("GET", path, None, timeout_s, None) as response:
            found: list[OllamaModel] = await read_json(response, self.who, read)
            return found

    async def show(self, name: str, *, timeout_s: float = 10.0) -> dict[str, Any]:
        """Return what the server knows of a model: template, parameters, capabilities, the header of its file.

        Raises:
            ModelNotFound: it is not installed.
        """
        answer = await self.post("/api/show", {"model": name}, timeout_s=timeout_s)
        if not isinstance(answer, dict):
            raise BadAnswer(f"{self.who} described {sanitize_line(name, 60)} in a shape that is not known.")
        return answer

    async def has_blob(self, digest: str, *, timeout_s: float = 5.0) -> bool:
        """Return whether the server has a layer."""
        async with self._answer("HEAD", f"/api/blobs/{digest}", None, timeout_s, None) as response:
            return response.status_code == 200

    async def delete(self, name: str, *, timeout_s: float = 60.0) -> None:
        """Remove a model, and with it what no other model holds; one that is loaded stays in memory.

        Raises:
            RuntimeFailure: what the server did or said; that it is not there is a RuntimeRefused of a ModelNotFound.
        """
        # Older servers know it as `name`.
        await self._tell("DELETE", "/api/delete", {"model": name, "name": name}, timeout_s)

    async def copy(self, source: str, destination: str, *, timeout_s: float = 60.0) -> None:
        """Give a model another name; a model that has that name already is replaced without a word.

        Raises:
            RuntimeFailure: what the server did or said.
        """
        await self._tell("POST", "/api/copy", {"source": source, "destination": destination}, timeout_s)

    async def _tell(self, method: str, path: str, body: Mapping[str, object], timeout_s: float) -> None:
        """Ask for something whose answer is empty."""
        async with self._answer(method, path, body, timeout_s, None) as response:
            said = await read_body(response, self.who)
            if not response.is_success:
                raise status_error(response, said, self.who)

    async def load(
        self, name: str, *, keep_alive: str | float | None = None, options: Mapping[str, object] | None = None
    ) -> None:
        """Load a model, or change how long it is kept when it is loaded; returns when that is done (minutes)."""
        body: dict[str, object] = {"model": name, "stream": False}
        if keep_alive is not None:
            body["keep_alive"] = keep_alive
        if options:
            body["options"] = dict(options)
        await self.call("POST", "/api/generate", body, timeout_s=LOADED_WITHIN_S)

    async def unload(self, name: str) -> None:
        """Ask for a model to be unloaded; it leaves when it answers nobody any more (see `ps`)."""
        await self.call("POST", "/api/generate", {"model": name, "stream": False, "keep_alive": 0}, timeout_s=30.0)

    async def chat(
        self, request: ChatRequest, options: Mapping[str, object], *, keep_alive: str | float | None = None
    ) -> AsyncGenerator[ChatChunk, None]:
        """Yield the pieces of an answer; leaving the generator closes the connection, which stops the server's work.

        Raises:
            ContextOverflow: the prompt is longer than the context that the model is loaded with.
            CutStream: the stream ended without its last line.
            RuntimeFailure: anything else that the server did or said.
        """
        body = _chat_body(request, options, keep_alive)
        async with self.streamed("/api/chat", body, accept="application/x-ndjson") as response:
            async for chunk in self._chunks(response):
                yield chunk

    async def _chunks(self, response: httpx.Response) -> AsyncGenerator[ChatChunk, None]:
        repeats = Repeats()
        async for line in self.lines(response):
            chunk, done = self._chunk(line)
            yield repeats.take(chunk)
            if done:
                return
        if repeats.given_up:
            yield ChatChunk(finish_reason="repetition")
            return
        raise CutStream(f"{self.who} ended its answer in the middle.")

    async def lines(self, response: httpx.Response) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the objects of a stream.

        Raises:
            RuntimeFailure: a line says `error`, or is no JSON object.
        """
        decoder = NdjsonDecoder()
        async for part in response.aiter_bytes():
            for line in decoder.feed(part):
                yield self._object(line, response)
        for line in decoder.end():
            try:
                value = self._object(line, response)
            except BadAnswer:
                if line.startswith(b"{") and _is_stream(response):
                    return  # cut in the middle of a line
                raise
            yield value

    def _object(self, line: bytes, response: httpx.Response) -> dict[str, Any]:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            words, _ = server_words(line)
            if _is_stream(response):
                # Ollama's own client takes such a line for the text of an error.
                raise BadAnswer(f"{self.who} sent a line that is no JSON object.", server_message=words)
            kind = sanitize_line(response.headers.get("content-type", ""), 60) or "something"
            raise BadAnswer(f"{self.who} answered with {kind} instead of a stream.", server_message=words)
        if value.get("error") is not None:
            words, details = server_words(line)
            raise error_of_words(words, details) or RuntimeFailure(
                f"{self.who} broke its answer off.", server_message=words
            )
        return value

    def _chunk(self, event: dict[str, Any]) -> tuple[ChatChunk, bool]:
        try:
            message = event.get("message") or {}
            done = bool(event.get("done"))
            return (
                ChatChunk(
                    content=_text(message.get("content")),
                    thinking=_text(message.get("thinking")),
                    tool_calls=tuple(_call(call) for call in message.get("tool_calls") or ()),
                    finish_reason=_text(event.get("done_reason")) or ("stop" if done else ""),
                    usage=_usage(event) if done else None,
                    load_ms=_milliseconds(event.get("load_duration")) if done else None,
                ),
                done,
            )
        except (TypeError, AttributeError, KeyError, ValueError):
            raise BadAnswer(
                f"{self.who} sent a piece of an answer that has not the shape of one.",
                server_message=sanitize_line(json.dumps(event), 300),
            ) from None

    def _models(self, answer: object) -> list[OllamaModel]:
        rows = answer.get("models") if isinstance(answer, dict) else None
        if rows is None and isinstance(answer, dict) and "models" in answer:
            return []  # an old server with no model says null
        if not isinstance(rows, list):
            raise BadAnswer(f"{self.who} listed its models in a shape that is not known.")
        return [model for row in rows if isinstance(row, dict) and (model := _model(row)) is not None]


def _is_stream(response: httpx.Response) -> bool:
    return "ndjson" in response.headers.get("content-type", "")


def _chat_body(
    request: ChatRequest, options: Mapping[str, object], keep_alive: str | float | None
) -> dict[str, object]:
    body: dict[str, object] = {
        "model": request.model,
        "messages": [_message(message) for message in request.messages],
        "stream": True,
        # Without this a prompt that is too long is cut without a word (older servers ignore it).
        "truncate": False,
    }
    if options:
        body["options"] = dict(options)
    if keep_alive is not None:
        body["keep_alive"] = keep_alive
    if request.schema is not None:
        body["format"] = request.schema or "json"
    if request.tools:
        body["tools"] = list(request.tools)
    think = request.parameters.think
    if think is not None:
        body["think"] = {"on": True, "off": False}.get(think, think)
    return body


def _message(message: ChatMessage) -> dict[str, object]:
    sent: dict[str, object] = {"role": message.role, "content": message.content}
    if message.images:
        sent["images"] = [image.data for image in message.images]
    if message.thinking:
        sent["thinking"] = message.thinking
    if message.tool_calls:
        sent["tool_calls"] = [
            {"function": {"name": call.name, "arguments": _arguments(call.arguments)}} for call in message.tool_calls
        ]
    if message.tool_name:
        sent["tool_name"] = message.tool_name
    return sent


def _arguments(text: str) -> object:
    """Return the arguments of a call as the object that this wire wants."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _call(call: dict[str, Any]) -> ToolCall:
    function = call["function"]
    arguments = function.get("arguments")
    text = arguments if isinstance(arguments, str) else json.dumps(arguments or {}, ensure_ascii=False)
    return ToolCall(_text(function["name"]), text, _text(call.get("id")))


def _usage(event: dict[str, Any]) -> Usage:
    count, duration = _count(event.get("eval_count"), zero=True), _count(event.get("eval_duration"))
    speed = count / (duration * _NS) if count and duration else None
    # A prompt that was cached whole has no count: left out means zero, which is no length of a prompt.
    return Usage(_count(event.get("prompt_eval_count")), count, speed)


def _milliseconds(nanoseconds: object) -> float | None:
    duration = _count(nanoseconds, zero=True)
    return None if duration is None else duration / 1e6


def _text(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError
    return value


def _model(row: dict[str, Any]) -> OllamaModel | None:
    name = row.get("name") or row.get("model")
    if not isinstance(name, str) or not name:
        return None
    details = row.get("details")
    details = details if isinstance(details, dict) else {}
    capabilities = row.get("capabilities")
    expires = row.get("expires_at")
    expires_at, forever = (None, False) if expires is None else parse_time(expires)
    return OllamaModel(
        name=sanitize_line(name, 350),
        digest=_word(row.get("digest")),
        size_bytes=_count(row.get("size")),
        format=_common_word(details.get("format")),
        family=_common_word(details.get("family")),
        parameter_size=_common_word(details.get("parameter_size")),
        quantization=_common_word(details.get("quantization_level")),
        context_length=_count(row.get("context_length")) or _count(details.get("context_length")),
        capabilities=None
        if not isinstance(capabilities, list)
        else tuple([_common_line(str(name), 40) for name in capabilities]),
        modified=_word(row.get("modified_at")) or "",
        remote_host=_word(row.get("remote_host")),
        size_vram_bytes=_count(row.get("size_vram"), zero=True),
        expires_at=expires_at,
        forever=forever,
    )


_common_line = lru_cache(maxsize=2048)(sanitize_line)
"""For what thousands of models have in common."""


def _word(value: object) -> str | None:
    return sanitize_line(value, 200) if isinstance(value, str) and value else None


def _common_word(value: object) -> str | None:
    return _common_line(value, 200) if isinstance(value, str) and value else None


def _count(value: object, *, zero: bool = False) -> int | None:
    """Return a size or number, None for odd ones; zero means that the server does not know it, unless it is told."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0 or (value == 0 and not zero):
        return None
    return value


def parse_time(value: object) -> tuple[datetime | None, bool]:
    """Return a moment as Go writes it, and whether it is so far away that it means for ever.

    Go writes up to nine digits of a second (trailing zeros are dropped) and any offset; a model that is kept for ever
    expires some 292 years ahead; the zero time means that there is none.
    """
    found = _TIME.match(value) if isinstance(value, str) else None
    if found is None:
        return None, False
    year = int(found[1])
    if year < 1970 or year > 9000:
        return None, year > 9000
    digits = (found[3] or "0")[:6].ljust(6, "0")
    offset = "+00:00" if found[4] == "Z" else found[4]
    try:
        moment = datetime.fromisoformat(f"{found[1]}{found[2]}.{digits}{offset}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None, False
    return moment, moment.year - datetime.now(UTC).year > 20
