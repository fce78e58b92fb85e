"""The two wires on which models answer, so that one test holds for both clients."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from tests.servers import DONE, event, head, piece
from venom_tui.core.clients.http import HttpPool
from venom_tui.core.clients.ollama import OllamaClient
from venom_tui.core.clients.openai_compatible import OpenAICompatibleClient
from venom_tui.core.clients.server import ServerClient
from venom_tui.core.types.request import ChatChunk, ChatMessage, ChatRequest

REQUEST = ChatRequest("tiny", (ChatMessage("system", "Be brief."), ChatMessage("user", "Hello?")))


@dataclass(frozen=True)
class Wire:
    """One wire: how its client is made, and the bytes of an answer on it."""

    name: str
    path: str
    """Where a chat goes to."""
    kind: str
    """Content type of a stream."""
    make: Callable[[HttpPool, str, str | None], ServerClient]
    piece: Callable[[str], bytes]
    """Returns a piece of an answer."""
    end: bytes
    """The last piece; what comes before its last byte is no whole answer, but for the end of a line."""
    line: Callable[[object], bytes]
    """Returns a JSON value as a piece of a stream."""
    long: tuple[bytes, bytes]
    """What stands before and after the text of a piece."""

    def head(self) -> bytes:
        """Return the head of an answer that streams."""
        return head(kind=self.kind)

    def answer(self, *texts: str) -> bytes:
        """Return a whole answer."""
        return self.head() + b"".join(map(self.piece, texts)) + self.end

    def chat(self, pool: HttpPool, url: str, api_key: str | None = None) -> AsyncGenerator[ChatChunk, None]:
        """Ask a server."""
        client = self.make(pool, url, api_key)
        if isinstance(client, OllamaClient):
            return client.chat(REQUEST, {})
        assert isinstance(client, OpenAICompatibleClient)
        return client.chat(REQUEST)


def _openai(pool: HttpPool, url: str, api_key: str | None) -> ServerClient:
    return OpenAICompatibleClient(pool, url, who="The server", api_key=api_key)


def _ollama(pool: HttpPool, url: str, api_key: str | None) -> ServerClient:
    return OllamaClient(pool, url, who="The server", api_key=api_key)


def _line(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


def _message(text: str) -> bytes:
    return _line({"model": "tiny", "message": {"role": "assistant", "content": text}, "done": False})


OPENAI = Wire(
    name="openai",
    path="/v1/chat/completions",
    kind="text/event-stream",
    make=_openai,
    piece=piece,
    end=piece(finish_reason="stop") + DONE,
    line=event,
    long=(b'data: {"choices": [{"delta": {"content": "', b'"}, "finish_reason": "stop"}]}\n\n' + DONE),
)
OLLAMA = Wire(
    name="ollama",
    path="/api/chat",
    kind="application/x-ndjson",
    make=_ollama,
    piece=_message,
    end=_line({"model": "tiny", "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}),
    line=_line,
    long=(b'{"message": {"content": "', b'"}, "done": true}\n'),
)
WIRES = (OPENAI, OLLAMA)
