"""The one place where a request to a model leaves. Until remote providers are built it only says "local"."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import suppress

from venom_tui.core.errors import LoadFailed, ModelNotFound, RuntimeFailure, RuntimeUnavailable, StoreError, VenomError
from venom_tui.core.models.manager import ModelManager
from venom_tui.core.models.parameters import wire_parameters
from venom_tui.core.runtimes.controller import PROMPT, LlmServerController, Prepared
from venom_tui.core.types.memory import Consent
from venom_tui.core.types.request import ChatChunk, ChatRequest, GenerationParameters, Route

Status = Callable[[str], None]
_NO_CONSENT = Consent()


class ModelRouter:
    """Decides which model a prompt goes to, and sends it there."""

    def __init__(self, models: ModelManager, runtimes: LlmServerController) -> None:
        self._models = models
        self._runtimes = runtimes

    async def decide(self, *, mode: str, model: str | None = None, runtime: str | None = None) -> Route:
        """Return where a prompt goes: the model that was asked for, else one of that runtime, else the active one.

        Sends nothing.

        Raises:
            ModelNotFound: there is no such model, or none at all.
            AmbiguousModel: several runtimes have it.
        """
        if model is not None:
            reason = "asked for"
        elif runtime is not None:
            chosen = await self._models.of_runtime(runtime)
            model, reason = chosen.name, f"runtime asked for; {chosen.reason}"
        else:
            active = await self._models.active()
            if active is None:
                raise ModelNotFound(
                    "No model is here.", hint="Put a GGUF file into the models folder; `venom-tui info` names it."
                )
            if self._runtimes.find(active.runtime) is None:
                raise RuntimeUnavailable(
                    f"The last model used, {active.name}, was of runtime {active.runtime}, which does not answer now.",
                    hint="Start it, or pick another model.",
                )
            model, runtime, reason = active.name, active.runtime, active.reason
        found = await self._models.find(model, runtime)
        return Route(
            kind="chat",
            intent="chat",
            mode=mode,
            source="model" if reason == "asked for" else "rule",
            target="local",
            runtime=found.runtime,
            model=found.name,
            reason=reason,
            demonstration=found.demonstration,
        )

    async def prepare(
        self, route: Route, parameters: GenerationParameters, *, status: Status, consent: Consent = _NO_CONSENT
    ) -> Prepared:
        """Make the route's model ready, loading it where it is not; return the way to it.

        Raises:
            NeedsYes, GuardRefused: loading it would break a limit; `consent` says what was said yes to.
            LoadFailed: it could not be loaded.
            RuntimeFailure: its runtime cannot be reached.
        """
        model = await self._models.find(route.model, route.runtime)
        if model.error:
            raise LoadFailed(
                f"{model.name} cannot be loaded: {model.error}.", hint="Replace the file, or pick another."
            )
        prepared = await self._runtimes.prepare(model, parameters, status=status, cause=PROMPT, consent=consent)
        if route.source == "rule" and not (self._models.wanted()[1] or model.demonstration):
            # From now on it is the last one used: what others load must not change by itself who answers next.
            with suppress(StoreError):  # told by whatever else is written
                await self._models.make_active(model, None)
        return prepared

    def notices(self, prepared: Prepared, parameters: GenerationParameters) -> tuple[str, ...]:
        """Return what the user should know of how the model was loaded and is asked, each a sentence."""
        _, dropped = wire_parameters(parameters, prepared.runtime.kind)
        words = f"{prepared.runtime.id} does not know {', '.join(dropped)}: left out."
        notes = (*prepared.told, *prepared.plan.notes)
        return (*notes, words) if dropped else notes

    async def count(self, prepared: Prepared, request: ChatRequest) -> int | None:
        """Return the tokens of a request's prompt by its server's own count; None where it does not count."""
        try:
            return await prepared.runtime.count(request)
        except RuntimeFailure:
            return None  # The request itself will tell what is wrong.

    async def stream(self, prepared: Prepared, request: ChatRequest) -> AsyncGenerator[ChatChunk, None]:
        """Send a request and yield the pieces of its answer; leaving the generator stops the server's work.

        Raises:
            RuntimeFailure: what the server did or said.
        """
        wire, _ = wire_parameters(request.parameters, prepared.runtime.kind)
        chunks = self._runtimes.chat(prepared, request, wire)
        try:
            async for chunk in chunks:
                yield chunk
        except VenomError as failure:
            told = await self._runtimes.explain(prepared.runtime.id, request.model, failure)
            if told is failure:
                raise
            raise told from failure
        finally:
            await chunks.aclose()
