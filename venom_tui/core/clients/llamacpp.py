"""What llama.cpp's server tells besides OpenAI's wire: properties, slots, and its router's loading of models."""

from __future__ import annotations

from typing import Any

from venom_tui.core.clients.openai_compatible import OpenAICompatibleClient


class LlamaCppClient(OpenAICompatibleClient):
    """Talks to one llama-server."""

    async def props(self, *, timeout_s: float = 3.0) -> dict[str, Any]:
        """Return its properties: loaded context, slots, template, or `role: router`."""
        answer = await self.get("/props", timeout_s=timeout_s)
        return answer if isinstance(answer, dict) else {}

    async def router_models(self, *, timeout_s: float = 3.0) -> list[dict[str, Any]]:
        """Return the models that a router offers, each with its `status`."""
        answer = await self.get("/models", timeout_s=timeout_s)
        rows = answer.get("data") if isinstance(answer, dict) else None
        return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []

    async def load(self, name: str) -> None:
        """Tell a router to load a model; it says yes at once and loads behind it."""
        await self.post("/models/load", {"model": name})

    async def unload(self, name: str) -> None:
        """Tell a router to unload a model."""
        await self.post("/models/unload", {"model": name})

    async def tokens(self, text: str, *, timeout_s: float = 10.0) -> list[int]:
        """Return a text as tokens."""
        answer = await self.post("/tokenize", {"content": text}, timeout_s=timeout_s)
        tokens = answer.get("tokens") if isinstance(answer, dict) else None
        return tokens if isinstance(tokens, list) else []
