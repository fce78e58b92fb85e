"""An Ollama, on this machine or another: it loads and unloads by itself, and other people use it too.

What a turn of ours must not do is to load a model again that somebody else loaded with another context, or to take back
that it is kept for ever. So a loaded model is asked with the context that it has, and `keep_alive` is not sent unless
the user set it.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace

from venom_tui.core.clients.addresses import shown_address
from venom_tui.core.clients.http import HttpPool
from venom_tui.core.clients.ollama import OllamaClient, OllamaModel
from venom_tui.core.clients.ollama_show import read_show
from venom_tui.core.errors import (
    LoadFailed,
    RuntimeBusy,
    RuntimeFailure,
    RuntimeRefused,
    RuntimeTimeout,
    VenomError,
)
from venom_tui.core.resources.estimate.from_show import shape_from_show
from venom_tui.core.resources.estimate.shape import ModelShape
from venom_tui.core.resources.estimate.values import missing_arrays
from venom_tui.core.resources.kv_cache import kv_bytes_per_token
from venom_tui.core.runtimes.runtime import LEAVES_WITHIN_S, Plan, Runtime, Status, silent
from venom_tui.core.types.device import LoadedModel
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.request import ChatChunk, ChatRequest, GenerationParameters
from venom_tui.core.types.runtime import RuntimeState

_USUAL = "5m"
"""How long Ollama keeps a model unless it is told otherwise."""
_FOR_EVER = -1
_ASK_EVERY_S = 0.1
_LOOK_LIMIT_S = 3.0
_WEIGHTS = re.compile(r"^FROM \S*sha256[-:]([0-9a-f]{64})$", re.MULTILINE)


class OllamaRuntime(Runtime):
    """One Ollama.

    Args:
        keep_alive: `LLM_KEEP_ALIVE`, "" when it is not set and so never sent.
    """

    kind = "ollama"

    def __init__(
        self,
        runtime_id: str,
        url: str,
        pool: HttpPool,
        *,
        origin: str,
        keep_alive: str = "",
        api_key: str | None = None,
    ) -> None:
        super().__init__(runtime_id, endpoint=url, origin=origin)
        self.client = OllamaClient(pool, url, who=f"Ollama at {shown_address(url)}", api_key=api_key)
        self._keep_alive = _keep_alive(keep_alive)
        self._pins = keep_alive.startswith("-")
        """Whether that keeps models for ever; anything else would take back that somebody else does."""
        self._loaded: tuple[OllamaModel, ...] = ()
        self._listed: tuple[list[OllamaModel], list[OllamaModel]] | None = None
        """The answers of which the models were made: the client hands the same ones out while they are the same."""
        self._automatic: dict[str, int] = {}
        """Models that we had loaded with the server's own choice of a context -> that context."""
        self._stand_ins: dict[str, str] = {}
        """Models that we had loaded and that are not listed -> the one with the same weights that is."""
        self._answering: Counter[str] = Counter()
        """Models -> answers of them that are on their way to us."""
        self._files: dict[tuple[str, str | None], str | None] = {}
        """Name and digest of models that were loaded -> file of their weights, None where the server does not say."""

    def loaded(self) -> tuple[LoadedModel, ...]:
        """Return what `/api/ps` said last."""
        return tuple(
            LoadedModel(
                name=row.name,
                runtime=self.id,
                # Zero means that the server could not read its runner's log: not reported.
                reported_bytes=row.size_bytes,
                vram_bytes=row.size_vram_bytes if row.size_bytes is not None else None,
                context_length=row.context_length,
                expires_at=None if row.forever else row.expires_at,
                pinned=row.forever,
                kind=self.kind,
                endpoint=self.endpoint,
                weights=self._files.get((row.name, row.digest)),
                reported_vram_bytes=row.size_vram_bytes if row.size_bytes is not None else None,
            )
            for row in self._loaded
        )

    async def look(self) -> None:
        """Ask for version, models and loaded models, side by side."""
        begun = time.perf_counter()
        answers = await asyncio.gather(
            self.client.version(timeout_s=_LOOK_LIMIT_S),
            self.client.tags(timeout_s=_LOOK_LIMIT_S),
            self.client.ps(timeout_s=_LOOK_LIMIT_S),
            return_exceptions=True,
        )
        version, tags, ps = answers
        failure = next((answer for answer in answers if isinstance(answer, BaseException)), None)
        if isinstance(version, BaseException) or isinstance(tags, BaseException) or isinstance(ps, BaseException):
            if not isinstance(failure, VenomError):
                raise failure or AssertionError
            self._loaded = ()
            self._failed(failure)
            return
        await self._learn_files(ps)
        self._loaded = tuple(ps)
        loaded = {row.name: row for row in self._loaded}
        if self._listed is None or self._listed[0] is not tags or self._listed[1] is not ps:
            # Of thousands of models it takes longer than the event loop may be held up.
            self._models = await asyncio.to_thread(_infos, tags, self.id, loaded, self._models)
            self._listed = (tags, ps)
        count = len(self._models)
        held = ", ".join(loaded) or "none"
        self._reachable(
            state=RuntimeState.READY,
            latency_ms=(time.perf_counter() - begun) * 1000,
            version=version,
            models=count,
            loaded=tuple(loaded),
            detail=f"{count} model{'s' * (count != 1)}, {held} loaded",
        )

    async def prepare(self, model: ModelInfo, parameters: GenerationParameters) -> tuple[Plan, bool]:
        """Look which models are loaded, and with what.

        Seen on a real 0.33: a request loads a model again when the context that it names, or the automatic one where it
        names none, is not the one that the model has; and a load loses a pin.
        """
        self._loaded = tuple(await self.client.ps())
        row = self._row(model.name)
        thinks = model.capabilities is None or "thinking" in model.capabilities
        wants_thought = parameters.think not in (None, "off")
        plan = Plan(
            context_length=_chosen(model, parameters),
            sends_context=parameters.context_length is not None,
            keep_alive=None if row is not None and row.forever and not self._pins else self._keep_alive,
            thinks=thinks,
            notes=() if thinks or not wants_thought else (f"{model.name} cannot think before it answers.",),
        )
        if row is None:
            return plan, True
        if plan.sends_context:
            again = row.context_length not in (None, plan.context_length)
            return replace(plan, keep_alive=_FOR_EVER) if again and row.forever else plan, again
        # What we had loaded without a word about the context is asked so again.
        ours = row.context_length == self._automatic.get(_full(model.name))
        sends = row.context_length is not None and not ours
        return replace(plan, context_length=row.context_length, sends_context=sends), False

    def _row(self, name: str) -> OllamaModel | None:
        """Return the row of a loaded model; models that share their weights share one row, under one of their names."""
        names = {_full(name), self._stand_ins.get(_full(name), "")}
        return next((row for row in self._loaded if _full(row.name) in names), None)

    async def load(self, model: ModelInfo, plan: Plan, *, status: Status) -> None:
        """Load a model by an empty request, and verify that it is there."""
        options = {"num_ctx": plan.context_length} if plan.sends_context else None
        try:
            await self.client.load(model.name, keep_alive=plan.keep_alive, options=options)
        except RuntimeTimeout:
            raise
        except RuntimeFailure as failure:
            if isinstance(failure, RuntimeRefused) or type(failure) is RuntimeFailure:
                raise LoadFailed(
                    f"{self.client.who} could not load {model.name}.", server_message=failure.server_message
                ) from failure
            raise
        await self.look()
        if self._row(model.name) is None:
            await self._find_stand_in(model.name)
        row = self._row(model.name)
        if row is not None and row.context_length is not None and not plan.sends_context:
            self._automatic[_full(model.name)] = row.context_length

    async def _find_stand_in(self, name: str) -> None:
        """Find the loaded model that has the same weights."""
        weights = await self._weights(name)
        for row in self._loaded:
            if weights and weights == await self._weights(row.name):
                self._stand_ins[_full(name)] = _full(row.name)

    async def _weights(self, name: str) -> str | None:
        """Return the digest of a model's weights, which only its modelfile tells."""
        modelfile = (await self.client.show(name)).get("modelfile")
        found = _WEIGHTS.search(modelfile) if isinstance(modelfile, str) else None
        return None if found is None else found[1]

    async def unload(self, model: ModelInfo, *, within_s: float = LEAVES_WITHIN_S, status: Status = silent) -> None:
        """Ask the model to leave; it does when it answers nobody any more."""
        row = self._row(model.name)
        await self.client.unload(row.name if row is not None else model.name)
        deadline, told = time.monotonic() + within_s, False
        while True:
            self._loaded = tuple(await self.client.ps())
            if self._row(model.name) is None:
                break
            if time.monotonic() > deadline:
                raise RuntimeBusy(
                    f"{model.name} has not left {self.client.who} after {within_s:g} s: it answers {self._who(model)}.",
                    hint="It leaves by itself when that ends.",
                )
            if not told:
                told = True
                status(f"{model.name} answers {self._who(model)}; it leaves when that has ended")
            await asyncio.sleep(_ASK_EVERY_S)
        await self.look()

    def _who(self, model: ModelInfo) -> str:
        ours = self._answering[_full(model.name)]
        return f"{ours} prompt{'s' * (ours != 1)} of venom-tui" if ours else "somebody else"

    def cannot(self, verb: str) -> str:
        """It can all of that."""
        return ""

    def answering(self, model: str) -> int:
        """Return how many answers of a model this program is waiting for."""
        return self._answering[_full(model)]

    async def keep(self, model: ModelInfo, keep_alive: str | float) -> None:
        """Change how long a loaded model is kept, and nothing else of it: it is told the context that it has."""
        await self._keep(model, _keep_alive(str(keep_alive)))

    async def unpin(self, model: ModelInfo) -> None:
        """Keep a model as long as `LLM_KEEP_ALIVE` says, else as long as Ollama does by itself."""
        usual = self._keep_alive if self._keep_alive is not None and not self._pins else _USUAL
        await self._keep(model, usual)

    async def _keep(self, model: ModelInfo, keep_alive: str | float | None) -> None:
        self._loaded = tuple(await self.client.ps())
        row = self._row(model.name)
        if row is None:
            raise RuntimeRefused(f"{model.name} is not loaded.", hint="Load it first.")
        automatic = row.context_length is None or row.context_length == self._automatic.get(_full(row.name))
        options = None if automatic else {"num_ctx": row.context_length}
        await self.client.load(row.name, keep_alive=keep_alive, options=options)
        await self.look()

    async def chat(
        self, request: ChatRequest, plan: Plan, wire: Mapping[str, object]
    ) -> AsyncGenerator[ChatChunk, None]:
        """Ask, with the context that the model has or was chosen for it."""
        options = {name: value for name, value in wire.items() if name != "num_ctx"}
        if plan.sends_context and plan.context_length is not None:
            options["num_ctx"] = plan.context_length
        if not plan.thinks and request.parameters.think != "off":
            request = replace(request, parameters=replace(request.parameters, think=None))
        chunks = self.client.chat(request, options, keep_alive=plan.keep_alive)
        name = _full(request.model)
        self._answering[name] += 1
        try:
            async for chunk in chunks:
                yield chunk
        finally:
            self._answering[name] -= 1
            await chunks.aclose()

    async def _learn_files(self, rows: list[OllamaModel]) -> None:
        """Ask once for each loaded model where its weights are: by that its process is told from the others."""
        keys = [(row.name, row.digest) for row in rows]
        self._files = {key: path for key, path in self._files.items() if key in keys}
        new = [key for key in keys if key not in self._files]
        asked = (self.client.show(name, timeout_s=_LOOK_LIMIT_S) for name, _ in new)
        for key, answer in zip(new, await asyncio.gather(*asked, return_exceptions=True), strict=True):
            if isinstance(answer, dict):
                self._files[key] = read_show(answer).weights_path or None

    async def shape(self, model: ModelInfo) -> ModelShape | None:
        """Ask what the model is made of; arrays that the server leaves out are asked for by themselves."""
        answer = await self.client.show(model.name)
        info = answer.get("model_info")
        if isinstance(info, dict) and missing_arrays(info):
            whole = await self.client.post("/api/show", {"model": model.name, "verbose": True})
            answer = whole if isinstance(whole, dict) else answer
        return await asyncio.to_thread(shape_from_show, answer, model.size_bytes)

    async def kv_bytes_per_token(self, model: ModelInfo) -> int | None:
        """Ask for the header of the model's file."""
        values = (await self.client.show(model.name)).get("model_info")
        return kv_bytes_per_token(values) if isinstance(values, dict) else None

    async def verify(self, model: ModelInfo) -> None:
        """See that `/api/ps` lists it."""
        self._loaded = tuple(await self.client.ps())
        if self._row(model.name) is None:
            raise LoadFailed(f"{model.name} was loaded, but {self.client.who} does not list it.")

    async def close(self) -> None:
        """Nothing of it is ours."""


def _full(name: str) -> str:
    """Return a name as it is compared: Ollama does not tell case apart, and `:latest` may be left out."""
    name = name.lower()
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _chosen(model: ModelInfo, parameters: GenerationParameters) -> int | None:
    """Return the context that was chosen, no longer than the model was trained for: so it is loaded in any case."""
    chosen, trained = parameters.context_length, model.context_length
    return chosen if chosen is None or trained is None else min(chosen, trained)


def _infos(
    rows: Sequence[OllamaModel], runtime_id: str, loaded: Mapping[str, OllamaModel], before: Sequence[ModelInfo]
) -> tuple[ModelInfo, ...]:
    """Return models; one that is as it was before is the same object, so that others see that at once."""
    known = {model.name: model for model in before}
    made = (_info(row, runtime_id, loaded.get(row.name)) for row in rows)
    return tuple(old if (old := known.get(model.name)) == model else model for model in made)


def _info(row: OllamaModel, runtime_id: str, held: OllamaModel | None) -> ModelInfo:
    return ModelInfo(
        name=row.name,
        runtime=runtime_id,
        provider="ollama",
        size_bytes=None if row.remote_host else row.size_bytes,
        digest=f"sha256:{row.digest}" if row.digest and ":" not in row.digest else row.digest,
        parameter_size=row.parameter_size,
        quantization=row.quantization,
        context_length=row.context_length,
        capabilities=row.capabilities,
        loaded=held is not None,
        # Without a size the server does not know either.
        vram_bytes=held.size_vram_bytes if held is not None and held.size_bytes is not None else None,
        architecture=row.family,
        remote_host=row.remote_host,
    )


def _keep_alive(text: str) -> str | float | None:
    """Return `LLM_KEEP_ALIVE` as the wire wants it: numbers as numbers, since `"300"` is refused there."""
    if not text:
        return None
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        return text
