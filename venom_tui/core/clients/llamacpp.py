"""What llama.cpp's server tells besides OpenAI's wire: properties, slots, and its router's loading of models."""

from __future__ import annotations

from typing import Any

from venom_tui.core.clients.openai_compatible import OpenAICompatibleClient, messages_of
from venom_tui.core.errors import RuntimeRefused
from venom_tui.core.types.request import ChatRequest


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

    async def prompt_tokens(self, request: ChatRequest, *, timeout_s: float = 30.0) -> int | None:
        """Return the tokens of a request's prompt, its template included; None where the server does not say."""
        body: dict[str, object] = {"model": request.model, "messages": messages_of(request)}
        try:
            answer = await self.post("/v1/chat/completions/input_tokens", body, timeout_s=timeout_s)
        except RuntimeRefused:
            return await self._templated_tokens(body, timeout_s)  # a build of before 2026
        count = answer.get("input_tokens") if isinstance(answer, dict) else None
        return count if isinstance(count, int) and count > 0 else None

    async def _templated_tokens(self, body: dict[str, object], timeout_s: float) -> int | None:
        answer = await self.post("/apply-template", body, timeout_s=timeout_s)
        prompt = answer.get("prompt") if isinstance(answer, dict) else None
        if not isinstance(prompt, str):
            return None
        return len(await self.tokens(prompt, model=str(body["model"]), special=True, timeout_s=timeout_s)) or None

    async def tokens(
        self, text: str, *, model: str | None = None, special: bool = False, timeout_s: float = 10.0
    ) -> list[int]:
        """Return a text as tokens; `special` adds those that begin a prompt, `model` tells a router which is meant."""
        body: dict[str, object] = {"content": text, "add_special": special}
        if model is not None:
            body["model"] = model
        answer = await self.post("/tokenize", body, timeout_s=timeout_s)
        tokens = answer.get("tokens") if isinstance(answer, dict) else None
        return tokens if isinstance(tokens, list) else []


_THINKING = ("enable_thinking", "<think>")
"""What stands in templates of models that think."""


def capabilities_of(props: dict[str, Any]) -> tuple[str, ...] | None:
    """Return what a loaded model can do by its properties, in Ollama's words; None where they do not say it."""
    caps, senses, template = props.get("chat_template_caps"), props.get("modalities"), props.get("chat_template")
    if not isinstance(caps, dict):
        return None
    text = template if isinstance(template, str) else ""
    thinks = any(caps.get(name) is True for name in ("supports_reasoning_effort", "supports_preserve_reasoning"))
    found = {
        "tools": caps.get("supports_tools") is True or caps.get("supports_tool_calls") is True,
        "thinking": thinks or any(word in text for word in _THINKING),
        **{sense: isinstance(senses, dict) and senses.get(sense) is True for sense in ("vision", "audio")},
    }
    return ("completion", *(name for name, there in found.items() if there))
