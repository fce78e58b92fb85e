"""An Ollama that says of itself and of its chats what a test wants."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.core.support import open_core
from tests.servers import Exchange, head, serving
from venom_tui.core.core import Core

NAME = "seer:1b"


def chunk(text: str = "", **fields: object) -> dict[str, object]:
    """Return one line of a streamed chat; `thinking` and `tool_calls` go to the message, other fields beside it."""
    message = {"role": "assistant", "content": text}
    message |= {name: fields.pop(name) for name in ("thinking", "tool_calls") if name in fields}  # type: ignore[misc]
    return {"model": NAME, "message": message, "done": False, **fields}


def done(**fields: object) -> dict[str, object]:
    """Return the last line of a streamed chat."""
    return {**chunk(), "done": True, "done_reason": "stop", **fields}


@dataclass
class Ollama:
    """Its one model, and the answers to its chats in their order; the last one stands for all further ones."""

    capabilities: tuple[str, ...] | None = ("completion",)
    context: int = 512
    trained: int = 8192
    loaded: bool = True
    answers: list[list[dict[str, object]] | tuple[int, str]] = field(
        default_factory=lambda: [[chunk("yes"), done(prompt_eval_count=9, eval_count=1)]]
    )
    chats: list[dict[str, Any]] = field(default_factory=list)
    """The bodies of the chats so far."""
    asked: list[str] = field(default_factory=list)
    """The targets of all requests so far."""

    async def __call__(self, exchange: Exchange) -> None:
        """Answer a request."""
        self.asked.append(exchange.target)
        match exchange.target.partition(" ")[2].partition("?")[0]:
            case "/api/version":
                await self._json(exchange, {"version": "0.5.0"})
            case "/api/tags":
                await self._json(exchange, {"models": [self._row(self.trained)]})
            case "/api/ps":
                await self._json(exchange, {"models": [self._row(self.context)] if self.loaded else []})
            case "/api/generate":
                self.loaded = True
                self.context = exchange.json.get("options", {}).get("num_ctx", self.context)
                await self._json(exchange, {"model": NAME, "done": True, "done_reason": "load"})
            case "/api/show":
                await self._json(exchange, {"model_info": MODEL_INFO, "capabilities": list(self.capabilities or ())})
            case "/api/chat":
                await self._chat(exchange)
            case _:
                await self._json(exchange, {"error": "not found"}, "404 Not Found")

    def _row(self, context: int) -> dict[str, object]:
        row: dict[str, object] = {"name": NAME, "digest": "d" * 64, "size": 10**9, "context_length": context}
        row["details"] = {"context_length": self.trained, "family": "llama"}
        return row if self.capabilities is None else {**row, "capabilities": list(self.capabilities)}

    async def _chat(self, exchange: Exchange) -> None:
        self.chats.append(exchange.json)
        answer = self.answers[min(len(self.chats), len(self.answers)) - 1]
        if isinstance(answer, tuple):
            await self._json(exchange, {"error": answer[1]}, f"{answer[0]} No")
            return
        lines = b"".join(json.dumps(line).encode() + b"\n" for line in answer)
        await exchange.write(head(kind="application/x-ndjson") + lines)

    async def _json(self, exchange: Exchange, value: object, status: str = "200 OK") -> None:
        await exchange.write(head(status, "application/json") + json.dumps(value).encode())


MODEL_INFO = {
    "general.architecture": "llama",
    "llama.block_count": 32,
    "llama.embedding_length": 4096,
    "llama.attention.head_count": 32,
    "llama.attention.head_count_kv": 8,
    "llama.context_length": 8192,
}
"""As `/api/show` has it of an 8B llama: 128 KiB of cache for each token."""


@asynccontextmanager
async def ollama_core(folder: Path, ollama: Ollama, **values: object) -> AsyncIterator[Core]:
    """Open a core whose only runtime besides the embedded one is a scripted Ollama; its model is the active one."""
    async with serving(ollama) as server, open_core(folder, OLLAMA_HOST=server.url, **values) as core:
        await core.runtimes.settled()
        await core.models.choose(NAME, "ollama")
        yield core
