"""A vLLM: one base model, loaded as long as it runs."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from venom_tui.core.clients.metrics import highest_share, read_metrics, total
from venom_tui.core.clients.openai_compatible import messages_of
from venom_tui.core.errors import LoadFailed, RuntimeBusy, RuntimeFailure, RuntimeRefused, VenomError
from venom_tui.core.runtimes.openai_server import LOOK_LIMIT_S, OpenAIServerRuntime
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.types.device import LoadedModel
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.request import ChatRequest
from venom_tui.core.types.runtime import RuntimeLoad

_METRICS = frozenset(
    f"vllm:{name}"
    for name in (
        "num_requests_running",
        "num_requests_waiting",
        "kv_cache_usage_perc",
        "gpu_cache_usage_perc",  # before 0.10
        "prompt_tokens_total",
        "generation_tokens_total",
    )
)


class VllmRuntime(OpenAIServerRuntime):
    """One vLLM; adapters that it has loaded are listed beside its base model."""

    kind = "vllm"

    async def _facts(self, rows: list[dict[str, Any]]) -> dict[str, object]:
        version = await self._where_there(self.client.get("/version", timeout_s=LOOK_LIMIT_S))
        told = version.get("version") if isinstance(version, dict) else None
        await self._check_engine()
        self._loaded = tuple(
            LoadedModel(
                sanitize_line(row["id"], 256),
                self.id,
                context_length=_length(row),
                kind=self.kind,
                endpoint=self.endpoint,
                weights=_root(row),
                unavailable={"reported_bytes": "vLLM takes a share of the card and does not tell what its model takes"},
            )
            for row in rows
        )
        names = ", ".join(model.name for model in self._loaded)
        return {"version": sanitize_line(str(told), 40) if told else None, "detail": f"serves {names}"}

    def cannot(self, verb: str) -> str:
        """It holds one model as long as it runs."""
        return f"{self.client.who} holds its model as long as it runs; stop the runtime to get the memory back."

    async def verify(self, model: ModelInfo) -> None:
        """See that it offers the model, and that its engine works."""
        await super().verify(model)
        try:
            await self._check_engine()
        except RuntimeFailure as failure:
            raise LoadFailed(f"{model.name} cannot answer: {failure.message}.") from failure

    async def _check_engine(self) -> None:
        try:
            await self._where_there(self.client.text("/health", timeout_s=LOOK_LIMIT_S))
        except RuntimeBusy as busy:  # it lists its model still
            raise RuntimeFailure(
                f"the engine of {self.client.who} has ended", server_message=busy.server_message
            ) from busy

    async def _where_there(self, asking: Awaitable[Any]) -> Any:
        """Return an answer, None where a proxy that stands before it does not know the path."""
        try:
            return await asking
        except RuntimeRefused as refused:
            if refused.status == 404:
                return None
            raise

    async def measure(self) -> RuntimeLoad:
        """Read its metrics, which it has always."""
        try:
            text = await self.client.text("/metrics", timeout_s=LOOK_LIMIT_S)
        except VenomError as failure:
            return RuntimeLoad(reason=failure.message)
        found = read_metrics(text, _METRICS)
        return RuntimeLoad(
            running=total(found.get("vllm:num_requests_running")),
            waiting=total(found.get("vllm:num_requests_waiting")),
            kv_share=highest_share(found.get("vllm:kv_cache_usage_perc") or found.get("vllm:gpu_cache_usage_perc")),
            prompt_tokens=total(found.get("vllm:prompt_tokens_total")),
            generated_tokens=total(found.get("vllm:generation_tokens_total")),
            reason="" if found else "its metrics are none that are known",
        )

    def _info(self, row: dict[str, Any]) -> ModelInfo:
        return ModelInfo(
            name=sanitize_line(row["id"], 256),
            runtime=self.id,
            provider="vllm",
            context_length=_length(row),
            loaded=True,
            path=_root(row),
        )

    async def count(self, request: ChatRequest) -> int | None:
        """Ask the server, which counts with the template and the tokens of the model."""
        body = {"model": request.model, "messages": messages_of(request)}
        answer = await self.client.post("/tokenize", body)
        count = answer.get("count") if isinstance(answer, dict) else None
        return count if isinstance(count, int) and count > 0 else None


def _root(row: dict[str, Any]) -> str | None:
    """Return what a model was loaded from: a folder, or the name of a repository."""
    return sanitize_line(row["root"], 500) if isinstance(row.get("root"), str) else None


def _length(row: dict[str, Any]) -> int | None:
    length = row.get("max_model_len")
    return length if isinstance(length, int) and length > 0 else None
