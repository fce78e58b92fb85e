"""What models are made of that are not here: the header of a file at a hub or a registry, by ranges; nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote

from venom_tui.core.clients.beginning import Beginning
from venom_tui.core.clients.http import HttpPool
from venom_tui.core.clients.ollama_library import OllamaRegistryClient
from venom_tui.core.clients.proxies import is_local
from venom_tui.core.errors import ModelNotFound, Offline, RuntimeFailure
from venom_tui.core.models.files import is_later_part
from venom_tui.core.models.gguf import GgufCut, GgufError, read_beginning
from venom_tui.core.models.names import OLLAMA_HOST, hub_name, ollama_name
from venom_tui.core.resources.estimate.from_config import shape_from_config
from venom_tui.core.resources.estimate.from_gguf import shape_from_values
from venom_tui.core.resources.estimate.shape import ModelShape
from venom_tui.core.resources.estimate.weights import Weights, together
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.settings import Settings
from venom_tui.core.types.offer import HubFile, HubRepository

_FIRST = 512 * 1024
_MOST = 64 * 1024 * 1024
"""Bytes of a header; the largest vocabularies make some 20 MB."""
_PREFERRED = ("Q4_K_M", "Q4_K_S", "Q4_0", "MXFP4", "Q5_K_M", "Q8_0")
"""What is meant where a repository has several quantizations and none is named, as Ollama has it."""


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """A model that is not here."""

    name: str
    """With what was decided for it: the tag, or the quantization."""
    provider: str
    kind: str
    """The kind of runtime that it is for."""
    shape: ModelShape
    size_bytes: int


class RemoteShapes:
    """Asks hub and registry. Nothing is asked where venom-tui is offline.

    Args:
        settings: say where they are, and whether they may be asked.
        pool: connections.
        repository: returns what a repository of the hub holds.
    """

    def __init__(
        self, settings: Settings, pool: HttpPool, repository: Callable[[str], Awaitable[HubRepository]]
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._repository = repository
        self._known: dict[tuple[str, str], RemoteModel] = {}

    async def find(self, name: str, provider: str) -> RemoteModel:
        """Return what a model is made of that could be fetched.

        Raises:
            Offline: nothing outside may be asked.
            ModelNotFound: nobody has it, or its form is not known.
            RuntimeFailure: what the hub or the registry did or said.
            UsageError: the name is not legal.
        """
        known = self._known.get((provider, name))
        if known is None:
            if self._settings.flag("VENOM_OFFLINE"):
                raise Offline(
                    f"{sanitize_line(name, 80)} is not here, and nothing outside is asked: venom-tui is offline.",
                    hint="Unset VENOM_OFFLINE to ask.",
                )
            known = await (self._at_hub(name) if provider == "huggingface" else self._at_registry(name))
            self._known[provider, name] = known
        return known

    # ------------------------------------------------------------------ Ollama's registry

    async def _at_registry(self, name: str) -> RemoteModel:
        parsed = ollama_name(name)
        url = self._registry(parsed.host)
        client = OllamaRegistryClient(self._pool, url)
        repository = f"{parsed.namespace}/{parsed.model}"
        manifest = await client.manifest(repository, parsed.tag)
        layers = [(kind.rpartition(".")[2], digest, size) for kind, digest, size in manifest.layers]
        weights = next(((digest, size) for kind, digest, size in layers if kind == "model"), None)
        if weights is None:
            raise ModelNotFound(f"{client.who} has no GGUF weights of {sanitize_line(name, 80)}.")
        extra = sum(size for kind, _, size in layers if kind in ("projector", "draft"))
        address = f"{url}/v2/{repository}/blobs/{quote(weights[0], safe=':')}"
        shape = await self._header([(address, weights[1])], client.who, "", extra)
        total = sum(size for _, _, size in layers)
        return RemoteModel(parsed.short, "ollama", "ollama", shape, total)

    def _registry(self, host: str) -> str:
        if host.lower() == OLLAMA_HOST:
            return self._settings.text("VENOM_OLLAMA_REGISTRY").rstrip("/")
        return f"http{'' if is_local(f'http://{host}') else 's'}://{host}"

    # ------------------------------------------------------------------ Hugging Face

    async def _at_hub(self, name: str) -> RemoteModel:
        parsed = hub_name(name)
        repository = await self._repository(parsed.repository)
        endpoint = self._settings.text("HF_ENDPOINT").rstrip("/")
        token = self._settings.text("HF_TOKEN")
        who = "Hugging Face" if "huggingface.co" in endpoint else "The hub"

        def address(file: HubFile) -> str:
            return f"{endpoint}/{repository.id}/resolve/{repository.commit or 'main'}/{quote(file.path)}"

        ggufs = [file for file in repository.files if file.path.lower().endswith(".gguf")]
        ggufs = [file for file in ggufs if "mmproj" not in file.path.lower()]
        if ggufs:
            chosen, quantization = _choose(ggufs, parsed.file or parsed.quantization, name)
            files = [(address(file), file.size_bytes or 0) for file in chosen]
            shape = await self._header(files, who, token, 0)
            size = sum(file.size_bytes or 0 for file in chosen)
            return RemoteModel(f"{repository.id}:{quantization}", "huggingface", "embedded", shape, size)
        weights = [file for file in repository.files if file.path.endswith((".safetensors", ".bin", ".pt"))]
        if any(file.path.endswith(".safetensors") for file in weights):
            weights = [file for file in weights if file.path.endswith(".safetensors")]
        size = sum(file.size_bytes or 0 for file in weights)
        config = next((file for file in repository.files if file.path == "config.json"), None)
        if not size or config is None:
            raise ModelNotFound(f"{repository.id} holds no weights of a form that is known here.")
        shape = await self._config(address(config), who, token, size)
        return RemoteModel(repository.id, "huggingface", "vllm", shape, size)

    async def _config(self, url: str, who: str, token: str, size: int) -> ModelShape:
        data = await Beginning(self._pool, url, who=who, api_key=token).read(1024 * 1024)
        try:
            config = json.loads(data)
        except (ValueError, RecursionError):
            config = None
        shape = (
            shape_from_config(config, size, "config.json and sizes at the hub") if isinstance(config, dict) else None
        )
        if shape is None:
            raise ModelNotFound("Its config.json does not tell what the model is made of.")
        return shape

    # ------------------------------------------------------------------ headers

    async def _header(self, files: list[tuple[str, int]], who: str, token: str, extra: int) -> ModelShape:
        values: dict[str, object] = {}
        weights: list[Weights] = []
        for url, size in files:
            file, wanted = Beginning(self._pool, url, who=who, api_key=token), _FIRST
            while True:
                data = await file.read(wanted)
                try:
                    header = await asyncio.to_thread(read_beginning, data, file.size or size)
                    break
                except GgufCut as error:
                    if wanted >= _MOST or len(data) < wanted:
                        raise RuntimeFailure(f"The header at {who} is cut.", server_message=str(error)) from error
                    wanted *= 4
                except GgufError as error:
                    raise RuntimeFailure(f"What {who} has is no model that is known: {error}.") from error
            values = values or dict(header.values)
            if header.weights is not None:
                weights.append(header.weights)
        shape = shape_from_values(values, together(weights), f"header of the file at {who}", extra_bytes=extra)
        if shape is None:
            raise ModelNotFound(f"The header at {who} does not tell what the model is made of.")
        return shape


def _choose(files: list[HubFile], wanted: str, name: str) -> tuple[list[HubFile], str]:
    """Return the files of one quantization, and which it is.

    Raises:
        ModelNotFound: there is none of that name.
    """
    there = {file.quantization.upper() for file in files if file.quantization}
    if wanted:
        chosen = [f for f in files if (f.quantization or "").upper() == wanted.upper() or f.path == wanted]
        if not chosen:
            known = ", ".join(sorted(there)) or "none with a name that is known"
            raise ModelNotFound(f"{sanitize_line(name, 80)} is not there.", hint=f"There are: {known}.")
        quantization = wanted
    else:
        quantization = next((one for one in _PREFERRED if one in there), "")
        chosen = [file for file in files if (file.quantization or "").upper() == quantization]
        if not chosen:
            chosen, quantization = files, files[0].quantization or "?"
    first = next((file for file in chosen if not is_later_part(file.path)), chosen[0])
    if "-of-" not in first.path:
        return [first], quantization
    stem = first.path.rpartition("-of-")[0][:-5]
    return [file for file in chosen if file.path.startswith(stem)], quantization
