"""A llama-server that somebody started: with one model, or as a router that loads and unloads many."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from typing import Any

from venom_tui.core.clients.http import HttpPool
from venom_tui.core.clients.metrics import highest_share, read_metrics, total
from venom_tui.core.errors import LoadFailed, RuntimeBusy, RuntimeFailure, RuntimeRefused, RuntimeTimeout, VenomError
from venom_tui.core.runtimes.openai_server import LOOK_LIMIT_S, OpenAIServerRuntime
from venom_tui.core.runtimes.runtime import LEAVES_WITHIN_S, Plan, Status, silent
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.types.device import LoadedModel
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.request import ChatRequest, GenerationParameters
from venom_tui.core.types.runtime import RuntimeLoad, RuntimeState

_LOADED_WITHIN_S = 1800.0
_PLACE_WITHIN_S = 60.0
_ASK_EVERY_S = 0.1


class LlamaCppRuntime(OpenAIServerRuntime):
    """One llama-server."""

    kind = "llamacpp"

    def __init__(self, runtime_id: str, url: str, pool: HttpPool, *, origin: str, api_key: str | None = None) -> None:
        super().__init__(runtime_id, url, pool, origin=origin, api_key=api_key)
        self._router = False
        self._asleep = False
        self._context: int | None = None

    async def _facts(self, rows: list[dict[str, Any]]) -> dict[str, object]:
        props = await self.client.props(timeout_s=LOOK_LIMIT_S)
        self._router = props.get("role") == "router"
        version = props.get("build_info")
        facts: dict[str, object] = {"version": sanitize_line(version, 40) if isinstance(version, str) else None}
        if self._router:
            loaded = [row for row in rows if _state(row) in ("loaded", "sleeping")]
            loading = [row["id"] for row in rows if _state(row) == "loading"]
            self._loaded = tuple(self._held(row, _context(row), _path(row)) for row in loaded)
            names = ", ".join(model.name for model in self._loaded) or "none"
            facts["detail"] = f"router, {len(rows)} models, {names} loaded"
            if loading:
                facts |= {"state": RuntimeState.LOADING, "detail": f"loading {sanitize_line(loading[0], 80)}"}
            return facts
        generation = props.get("default_generation_settings")
        context = generation.get("n_ctx") if isinstance(generation, dict) else None
        self._context = context if isinstance(context, int) and context > 0 else None
        path = props.get("model_path")
        weights = sanitize_line(path, 500) if isinstance(path, str) else None
        self._loaded = tuple(self._held(row, self._context, weights) for row in rows)
        self._asleep = bool(props.get("is_sleeping"))
        asleep = ", asleep" if self._asleep else ""
        facts["detail"] = f"serves {', '.join(model.name for model in self._loaded)}{asleep}"
        return facts

    def _held(self, row: dict[str, Any], context: int | None, weights: str | None) -> LoadedModel:
        return LoadedModel(
            sanitize_line(row["id"], 256),
            self.id,
            # Of its memory it tells the weights alone.
            reported_bytes=_size(row),
            context_length=context,
            kind=self.kind,
            endpoint=self.endpoint,
            weights=weights,
        )

    def _info(self, row: dict[str, Any]) -> ModelInfo:
        meta = row.get("meta")
        meta = meta if isinstance(meta, dict) else {}
        trained, parameters = meta.get("n_ctx_train"), meta.get("n_params")
        return ModelInfo(
            name=sanitize_line(row["id"], 256),
            runtime=self.id,
            provider="llamacpp",
            size_bytes=_size(row),
            parameter_size=_parameters(parameters) if isinstance(parameters, int) else None,
            quantization=sanitize_line(meta["ftype"], 40) if isinstance(meta.get("ftype"), str) else None,
            context_length=trained if isinstance(trained, int) else None,
            loaded=_state(row) in ("loaded", "sleeping") if self._router else True,
        )

    async def measure(self) -> RuntimeLoad:
        """Read its metrics where it was started with them, else look at its slots."""
        if self._router:
            return RuntimeLoad(reason="a router: each of its models has a server of its own")
        if self._asleep:
            return RuntimeLoad(0, 0, reason="it sleeps until the next request")
        try:
            return _load(await self.client.text("/metrics", timeout_s=LOOK_LIMIT_S))
        except RuntimeFailure:
            pass  # without --metrics it refuses
        try:
            slots = await self.client.get("/slots", timeout_s=LOOK_LIMIT_S)
        except VenomError as failure:
            return RuntimeLoad(reason=failure.server_message or failure.message)
        rows = [slot for slot in slots if isinstance(slot, dict)] if isinstance(slots, list) else []
        busy = sum(slot.get("is_processing") is True for slot in rows)
        return RuntimeLoad(running=busy, reason="llama-server tells more where it is started with --metrics")

    async def prepare(self, model: ModelInfo, parameters: GenerationParameters) -> tuple[Plan, bool]:
        """A router has to load what it has not loaded."""
        if not self._router:
            return Plan(self._context), False
        row = await self._row(model.name)
        return Plan(_context(row)), _state(row) not in ("loaded", "sleeping")

    async def _row(self, name: str) -> dict[str, Any]:
        return next((row for row in await self.client.router_models() if row.get("id") == name), {})

    async def load(self, model: ModelInfo, plan: Plan, *, status: Status) -> None:
        """Tell the router to load it, and follow its state."""
        if not self._router:
            return
        await self._ask_to_load(model, status)
        deadline = time.monotonic() + _LOADED_WITHIN_S
        while True:
            row = await self._row(model.name)
            state = _state(row)
            if state in ("loaded", "sleeping"):
                break
            details = row.get("status") if isinstance(row.get("status"), dict) else {}
            if isinstance(details, dict) and (details.get("failed") or state == "unloaded"):
                code = details.get("exit_code")
                words = "" if code is None else f"its process ended with status {code}"
                raise LoadFailed(f"{self.client.who} could not load {model.name}.", server_message=words)
            if time.monotonic() > deadline:
                raise RuntimeTimeout(f"{self.client.who} has not loaded {model.name} in {_LOADED_WITHIN_S:g} s.")
            await asyncio.sleep(_ASK_EVERY_S)
        await self.look()

    async def _ask_to_load(self, model: ModelInfo, status: Status) -> None:
        """Tell the router to load a model; while it has no place for one (b10434: 500 "try again later") say so, wait.

        That lasts as long as the model that has to leave is being loaded, or answers.
        """
        deadline = time.monotonic() + _PLACE_WITHIN_S
        while True:
            try:
                await self.client.load(model.name)
            except RuntimeRefused as failure:
                if "already" not in failure.server_message:  # somebody else has just asked for it
                    raise LoadFailed(
                        f"{self.client.who} did not load {model.name}.", server_message=failure.server_message
                    ) from failure
            except RuntimeFailure as failure:
                if "try again later" not in failure.server_message or time.monotonic() > deadline:
                    raise
                status(f"{self.client.who} holds as many models as it may; one has to leave")
                await asyncio.sleep(_ASK_EVERY_S)
                continue
            return

    def cannot(self, verb: str) -> str:
        """A router loads and unloads; how long it keeps a model nobody can tell it."""
        if not self._router:
            return super().cannot(verb)
        if verb in ("load", "unload"):
            return ""
        return (
            f"{self.client.who} keeps models by its own rule (--models-max and --sleep-idle-seconds) and cannot be "
            f"told to {verb} one."
        )

    async def unload(self, model: ModelInfo, *, within_s: float = LEAVES_WITHIN_S, status: Status = silent) -> None:
        """Tell the router to unload it once it answers nobody: the router itself would cut what is being answered."""
        if not self._router:
            await super().unload(model)
        deadline = time.monotonic() + within_s
        while busy := await self._busy(model.name):
            status(f"{model.name} answers {busy} request{'s' * (busy != 1)}; it leaves when that has ended")
            if time.monotonic() > deadline:
                raise RuntimeBusy(
                    f"{model.name} still answers somebody after {within_s:g} s, and was left where it is.",
                    hint="Stop the answer, or wait for its end.",
                )
            await asyncio.sleep(_ASK_EVERY_S)
        try:
            await self.client.unload(model.name)
        except RuntimeRefused as failure:
            if "not running" not in failure.server_message:
                raise
        deadline = time.monotonic() + max(within_s, LEAVES_WITHIN_S)
        while _state(await self._row(model.name)) not in ("unloaded", ""):
            if time.monotonic() > deadline:
                raise RuntimeTimeout(f"{model.name} has not left {self.client.who} in time.")
            await asyncio.sleep(_ASK_EVERY_S)
        await self.look()

    async def _busy(self, name: str) -> int:
        """Return how many requests a loaded model is answering, 0 also where that cannot be known; wakes none up."""
        if _state(await self._row(name)) != "loaded":
            return 0
        try:
            slots = await self.client.get("/slots", query={"model": name})
        except RuntimeFailure:  # started without slots
            return 0
        rows = [slot for slot in slots if isinstance(slot, dict)] if isinstance(slots, list) else []
        return sum(slot.get("is_processing") is True for slot in rows)

    async def count(self, request: ChatRequest) -> int | None:
        """Ask the server, which counts with the template and the tokens of the model."""
        return await self.client.prompt_tokens(request)

    async def verify(self, model: ModelInfo) -> None:
        """See that it is loaded, and that it can read a text with it."""
        if self._router:
            if _state(await self._row(model.name)) not in ("loaded", "sleeping"):
                raise LoadFailed(f"{self.client.who} does not hold {model.name}.")
            return
        await super().verify(model)
        try:
            await self.client.get("/health")
        except RuntimeFailure as failure:
            raise LoadFailed(
                f"{self.client.who} is not ready.", server_message=failure.server_message or failure.message
            ) from failure


def _load(text: str) -> RuntimeLoad:
    names = (
        "requests_processing", "requests_deferred", "kv_cache_usage_ratio", "prompt_tokens_total",
        "tokens_predicted_total",
    )  # fmt: skip
    found = read_metrics(text, [f"llamacpp:{name}" for name in names])
    running, waiting, share, prompts, generated = (found.get(f"llamacpp:{name}") for name in names)
    return RuntimeLoad(
        total(running), total(waiting), highest_share(share), total(prompts), total(generated),
        reason="" if share else "llama-server does not tell how full its cache is",
    )  # fmt: skip


def _state(row: dict[str, Any]) -> str:
    """Return a router's word for a model's state, "" when there is none."""
    status = row.get("status")
    value = status.get("value") if isinstance(status, dict) else None
    return value if isinstance(value, str) else ""


def _context(row: dict[str, Any]) -> int | None:
    meta = row.get("meta")
    context = meta.get("n_ctx") if isinstance(meta, dict) else None
    return context if isinstance(context, int) and context > 0 else None


def _path(row: dict[str, Any]) -> str | None:
    """Return the file that a router was told to load a model from."""
    status = row.get("status")
    arguments = status.get("args") if isinstance(status, dict) else None
    if not isinstance(arguments, list):
        return None
    for name, value in pairwise(arguments):
        if name in ("--model", "-m") and isinstance(value, str):
            return sanitize_line(value, 500)
    return None


def _size(row: dict[str, Any]) -> int | None:
    meta = row.get("meta")
    size = meta.get("size") if isinstance(meta, dict) else None
    return size if isinstance(size, int) and size > 0 else None


def _parameters(count: int) -> str:
    """Return a number of parameters as the field writes it."""
    return f"{count / 1e9:.1f}B" if count >= 1e9 else f"{count / 1e6:.0f}M"
