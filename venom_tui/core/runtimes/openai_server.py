"""A server of OpenAI's wire that somebody runs. Runtimes of a known kind derive from it and can do more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from venom_tui.core.clients.addresses import shown_address
from venom_tui.core.clients.http import HttpPool
from venom_tui.core.clients.llamacpp import LlamaCppClient
from venom_tui.core.errors import LoadFailed, RuntimeRefused, RuntimeTimeout, VenomError
from venom_tui.core.runtimes.runtime import LEAVES_WITHIN_S, Plan, Runtime, Status, silent
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.types.device import LoadedModel
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.request import ChatChunk, ChatRequest, GenerationParameters
from venom_tui.core.types.runtime import RuntimeState

LOOK_LIMIT_S = 3.0

NAMES = {"vllm": "vLLM", "llamacpp": "llama.cpp", "openai": "The server"}


class OpenAIServerRuntime(Runtime):
    """One such server; derived ones know more of theirs."""

    kind = "openai"

    def __init__(self, runtime_id: str, url: str, pool: HttpPool, *, origin: str, api_key: str | None = None) -> None:
        super().__init__(runtime_id, endpoint=url, origin=origin)
        who = f"{NAMES[self.kind]} at {shown_address(url)}"
        self.client = LlamaCppClient(pool, url, who=who, api_key=api_key)
        self._loaded: tuple[LoadedModel, ...] = ()

    def loaded(self) -> tuple[LoadedModel, ...]:
        """Return the models that it held when it was asked last."""
        return self._loaded

    async def look(self) -> None:
        """Ask for its models, and for what its kind tells besides."""
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(2 * LOOK_LIMIT_S):
                rows = await self.client.model_rows(timeout_s=LOOK_LIMIT_S)
                facts = await self._facts(rows)
        except TimeoutError:
            self._loaded = ()
            self._failed(RuntimeTimeout(f"{self.client.who} did not answer in time."))
            return
        except VenomError as failure:
            self._loaded = ()
            self._failed(failure)
            return
        self._models = tuple(self._info(row) for row in rows)
        count = len(self._models)
        known: dict[str, object] = {"state": RuntimeState.READY, "detail": f"{count} model{'s' * (count != 1)}"}
        self._reachable(
            latency_ms=(time.perf_counter() - begun) * 1000,
            models=count,
            loaded=tuple(model.name for model in self._loaded),
            **(known | facts),
        )

    async def _facts(self, rows: list[dict[str, Any]]) -> dict[str, object]:
        """Return what else is to stand in the status; derived ones ask for more."""
        return {}

    def _info(self, row: dict[str, Any]) -> ModelInfo:
        return ModelInfo(name=sanitize_line(row["id"], 256), runtime=self.id, provider=self.kind, loaded=None)

    async def prepare(self, model: ModelInfo, parameters: GenerationParameters) -> tuple[Plan, bool]:
        """Nothing has to be done before it is asked."""
        held = next((held for held in self._loaded if held.name == model.name), None)
        return Plan(None if held is None else held.context_length), False

    async def load(self, model: ModelInfo, plan: Plan, *, status: Status) -> None:
        """Such a server has its models, or loads them by itself."""

    def cannot(self, verb: str) -> str:
        """It has its models as long as it runs."""
        return f"{self.client.who} has its models as long as it runs, and cannot be told to {verb} one."

    async def unload(self, model: ModelInfo, *, within_s: float = LEAVES_WITHIN_S, status: Status = silent) -> None:
        """Refuse: it cannot be told to."""
        raise RuntimeRefused(
            f"{self.client.who} cannot be told to unload a model.", hint="Stop the server to get its memory back."
        )

    def chat(self, request: ChatRequest, plan: Plan, wire: Mapping[str, object]) -> AsyncGenerator[ChatChunk, None]:
        """Ask."""
        return self.client.chat(request, wire)

    async def verify(self, model: ModelInfo) -> None:
        """See that it offers the model."""
        rows = await self.client.model_rows()
        if not any(row["id"] == model.name for row in rows):
            raise LoadFailed(f"{self.client.who} does not offer {model.name}.")

    async def close(self) -> None:
        """Nothing of it is ours."""
