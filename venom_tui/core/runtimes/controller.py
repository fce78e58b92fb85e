"""The runtimes: which there are, how they are, and the loading and unloading of what they hold."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

from venom_tui.core.clients.http import HttpPool
from venom_tui.core.clients.openai_compatible import OpenAICompatibleClient
from venom_tui.core.errors import LoadFailed, RuntimeFailure, RuntimeUnavailable, VenomError
from venom_tui.core.events import EventBus, ModelsChanged, RuntimeChanged
from venom_tui.core.operations.runner import OperationRunner, Progress
from venom_tui.core.runtimes.embedded import EmbeddedRuntime, Holding
from venom_tui.core.settings import Settings
from venom_tui.core.types.device import LoadedModel
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.runtime import RuntimeStatus

Status = Callable[[str], None]


class LlmServerController:
    """Knows the runtimes. Until other runtimes are configured there is one: the embedded llama.cpp."""

    def __init__(self, settings: Settings, pool: HttpPool, operations: OperationRunner, events: EventBus) -> None:
        self._settings = settings
        self._pool = pool
        self._operations = operations
        self._events = events
        self._embedded = EmbeddedRuntime(settings, self._embedded_changed)
        self._loading: dict[str, asyncio.Lock] = {}

    async def statuses(self) -> list[RuntimeStatus]:
        """Return the state of every runtime."""
        return [self._embedded_status()]

    def _embedded_status(self) -> RuntimeStatus:
        return self._embedded.status(_package_version("xllamacpp"))

    def loaded(self) -> tuple[LoadedModel, ...]:
        """Return the models that the runtimes hold for us now."""
        return self._embedded.loaded()

    async def endpoint(self, model: ModelInfo, *, status: Status, cause: str = "user") -> OpenAICompatibleClient:
        """Return a client of the server that holds `model`; load it when none does, which takes seconds to minutes.

        Loads are recorded as operations, and so is what had to leave for them.

        Raises:
            LoadFailed: llama.cpp could not load it, with its own words.
            RuntimeUnavailable: the model's runtime is not known.
        """
        if model.runtime != "embedded" or model.path is None:
            raise RuntimeUnavailable(f"Runtime {model.runtime!r} is not known here.", hint="Pick another model.")
        held = self._embedded.held(model.name)
        if held is None:
            # One load of a model at a time; who comes second finds it held.
            async with self._loading.setdefault(model.name, asyncio.Lock()):
                held = self._embedded.held(model.name)
                if held is None:
                    held = await self._load(model, status, cause)
        self._embedded.used(held)
        return OpenAICompatibleClient(
            self._pool, held.child.url, who="The embedded llama.cpp", api_key=held.child.api_key
        )

    async def _load(self, model: ModelInfo, status: Status, cause: str) -> Holding:
        if model.error:
            raise LoadFailed(f"{model.name} cannot be loaded: {model.error}.", hint="Replace the file.")

        async def load(progress: Progress) -> Holding:
            text = f"loading {model.name}"
            progress.update(message=text, bytes_total=model.size_bytes)
            status(text)
            held = await self._embedded.load(model)
            progress.update(message=f"loaded, context {held.context_length:,}", bytes_done=model.size_bytes)
            return held

        held = await self._operations.run("load", model.name, load, runtime="embedded", cause=cause)
        for other in self._embedded.surplus(held):
            await self._unload(other, f"evicted for {model.name}: VENOM_EMBEDDED_MODELS allows {self._limit()}")
        return held

    def _limit(self) -> int:
        return self._settings.int("VENOM_EMBEDDED_MODELS")

    async def verify(self, model: ModelInfo) -> None:
        """Ask the server itself whether it holds `model` and can read a text with it.

        Raises:
            LoadFailed: it does not.
        """
        client = await self.endpoint(model, status=lambda _text: None)
        try:
            answer = await client.post("/tokenize", {"content": "hello"})
            tokens = answer.get("tokens") if isinstance(answer, dict) else None
            if not tokens:
                raise LoadFailed(f"{model.name} was loaded but cannot read a text.", hint="Pick another model.")
        except RuntimeFailure as failure:
            if isinstance(failure, LoadFailed):
                raise
            words = failure.server_message or failure.message
            raise LoadFailed(f"{model.name} was loaded but does not answer.", server_message=words) from failure

    async def unload(self, model: ModelInfo, *, cause: str = "user") -> None:
        """Take a model out of memory and wait until its process is gone; one that is not held is left as it is."""
        held = self._embedded.held(model.name)
        if held is not None:
            await self._unload(held, cause)

    async def _unload(self, held: Holding, cause: str) -> None:
        async def unload(progress: Progress) -> None:
            progress.update(message=f"unloading {held.name}")
            await self._embedded.unload(held)

        await self._operations.run("unload", held.name, unload, runtime="embedded", cause=cause)

    async def explain(self, model: str, failure: VenomError) -> VenomError:
        """Return a failure of a stream as it should be told: a server that died is named, with the end of its log."""
        return await self._embedded.explain(model, failure)

    def log(self, model: str) -> list[str]:
        """Return the last lines of the log of a model's server."""
        held = self._embedded.held(model)
        return [] if held is None else held.child.log

    def _embedded_changed(self) -> None:
        self._events.emit(RuntimeChanged(self._embedded_status()))
        self._events.emit(ModelsChanged())

    async def close(self) -> None:
        """End the embedded runtime."""
        await self._embedded.close()


def _package_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
