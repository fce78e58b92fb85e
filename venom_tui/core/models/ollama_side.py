"""What an Ollama is asked about its models, beside loading them and talking to them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

from venom_tui.core.clients.ollama import OllamaClient
from venom_tui.core.clients.ollama_command import OllamaCommand
from venom_tui.core.clients.ollama_show import read_show
from venom_tui.core.errors import ModelNotFound, RuntimeFailure, RuntimeRefused
from venom_tui.core.models.facts import Facts
from venom_tui.core.models.ollama_folder import OllamaFolder, read_folder, root_of
from venom_tui.core.runtimes.controller import LlmServerController
from venom_tui.core.runtimes.ollama import OllamaRuntime
from venom_tui.core.types.details import Manifest
from venom_tui.core.types.model import ModelInfo

_AT_ONCE = 3
_MOST_ASKED = 500


class OllamaSide:
    """Asks the Ollamas among the runtimes."""

    def __init__(self, runtimes: LlmServerController, facts: Facts) -> None:
        self._runtimes = runtimes
        self._facts = facts
        self._roots: dict[str, Path] = {}
        """Id of a runtime -> the folder of its models, once it was found on this machine."""

    def client(self, runtime_id: str) -> OllamaClient | None:
        """Return the way to a runtime that is an Ollama, None for others."""
        runtime = self._runtimes.find(runtime_id)
        return runtime.client if isinstance(runtime, OllamaRuntime) else None

    def ids(self) -> list[str]:
        """Return the runtimes that are Ollamas."""
        return [one for one in self._runtimes.states() if self.client(one) is not None]

    async def show(self, model: ModelInfo) -> Manifest:
        """Ask what a model is, and keep it.

        Raises:
            RuntimeFailure: its server cannot be asked, or refuses.
        """
        client = self._client(model.runtime)
        answer = await client.show(model.name)
        manifest = await asyncio.to_thread(read_show, answer)
        await self._facts.keep_manifest(model, manifest)
        return manifest

    async def learn(self, models: Sequence[ModelInfo]) -> bool:
        """Ask about models of which too little is known; return whether something was learned.

        Failures are passed over: what is not learned stays unknown.
        """
        unknown = [
            model
            for model in models
            if self.client(model.runtime) is not None
            and model.loaded is not None  # its server answers
            and not model.remote_host
            and self._facts.manifest(model) is None
        ][:_MOST_ASKED]
        gate = asyncio.Semaphore(_AT_ONCE)

        async def ask(model: ModelInfo) -> bool:
            async with gate:
                try:
                    await self.show(model)
                except RuntimeFailure:
                    return False
            return True

        return any(await asyncio.gather(*(ask(model) for model in unknown)))

    async def folder(self, runtime_id: str, models: Sequence[ModelInfo]) -> OllamaFolder | None:
        """Return what lies in the folder of a runtime's models; None where it is elsewhere, or not readable.

        A folder counts as the runtime's when it has one of its models, to the byte of the manifest.
        """
        own = [model for model in models if model.runtime == runtime_id and model.digest]
        root = self._roots.get(runtime_id) or await self._find_root(own)
        if root is None:
            return None
        folder = await asyncio.to_thread(read_folder, root)
        for model in own:
            found = folder.get(model.name)
            if found is not None and found.digest == model.digest:
                self._roots[runtime_id] = root
                return folder
        self._roots.pop(runtime_id, None)
        return None

    async def _find_root(self, models: Sequence[ModelInfo]) -> Path | None:
        for model in models[:5]:
            manifest = self._facts.manifest(model)
            if manifest is None and model.loaded is not None:
                try:
                    manifest = await self.show(model)
                except RuntimeFailure:
                    continue
            if manifest is not None and manifest.weights_path:
                root = await asyncio.to_thread(root_of, manifest.weights_path)
                if root is not None:
                    return root
        return None

    async def manifest_with_layers(self, model: ModelInfo, manifest: Manifest, models: Sequence[ModelInfo]) -> Manifest:
        """Return a manifest with the layers, where the folder can be read."""
        folder = await self.folder(model.runtime, models)
        found = None if folder is None else folder.get(model.name)
        if folder is None or found is None:
            return manifest
        return replace(manifest, layers=folder.layers_of(found), source=manifest.source or found.name.full)

    async def delete(self, runtime_id: str, name: str) -> None:
        """Remove a model.

        Raises:
            RuntimeFailure: the server, or the command where that is asked instead, failed; with its own words.
        """
        client = self._client(runtime_id)
        await _or_by_command(client, lambda: client.delete(name), lambda command: command.delete(name))

    async def copy(self, runtime_id: str, source: str, destination: str) -> None:
        """Give a model another name.

        Raises:
            RuntimeFailure: the server, or the command where that is asked instead, failed; with its own words.
        """
        client = self._client(runtime_id)
        await _or_by_command(
            client, lambda: client.copy(source, destination), lambda command: command.copy(source, destination)
        )

    def _client(self, runtime_id: str) -> OllamaClient:
        client = self.client(runtime_id)
        if client is None:
            raise RuntimeRefused(f"Runtime {runtime_id} is no Ollama.")
        return client


async def _or_by_command(
    client: OllamaClient, ask: Callable[[], Awaitable[None]], run: Callable[[OllamaCommand], Awaitable[None]]
) -> None:
    """Ask the server; where it does not let that be done over HTTP and the `ollama` command is here, run that."""
    try:
        await ask()
    except RuntimeRefused as refusal:
        command = OllamaCommand(client.base_url)
        if isinstance(refusal.__cause__, ModelNotFound) or command.path is None:
            raise
        try:
            await run(command)
        except RuntimeFailure:
            raise refusal from None
