"""Whether the source of a model has another version now: digest against digest, asked when the user wants to know."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from venom_tui.core.clients.http import HttpPool
from venom_tui.core.clients.ollama_library import OllamaRegistryClient, RegistryManifest
from venom_tui.core.clients.proxies import is_local
from venom_tui.core.errors import RuntimeRefused, UsageError
from venom_tui.core.models.hub_cache import WEIGHTS, entries_of, sha256_of
from venom_tui.core.models.names import OLLAMA_HOST, ollama_name
from venom_tui.core.models.outside import Outside
from venom_tui.core.settings import Settings
from venom_tui.core.types.details import Update
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.offer import HubFile

_WEIGHTS = "application/vnd.ollama.image.model"


class Updates:
    """Asks registries and the hub."""

    def __init__(self, settings: Settings, pool: HttpPool, outside: Outside) -> None:
        self._settings = settings
        self._pool = pool
        self._outside = outside

    async def ask(self, model: ModelInfo, *, of_ollama: bool) -> Update:
        """Return whether there is an update.

        Raises:
            Offline: nothing outside may be asked.
            VenomError: its source cannot be asked, or says something that is not understood.
        """
        if model.remote_host:
            return _known("none", "it runs elsewhere, in the version that is there")
        if of_ollama:
            return await self._of_ollama(model)
        if model.provider == "huggingface":
            return await self._of_hub(model)
        return _known("unknown", "where this file came from is not known")

    async def _of_ollama(self, model: ModelInfo) -> Update:
        try:
            name = ollama_name(model.name)
        except UsageError:
            return _known("unknown", "its name is none that a registry knows")
        self._outside.check_online("The registry")
        if name.host.lower() == OLLAMA_HOST:
            url = self._settings.text("VENOM_OLLAMA_REGISTRY").rstrip("/")
        else:
            url = f"http{'' if is_local(f'http://{name.host}') else 's'}://{name.host}"
        registry = OllamaRegistryClient(self._pool, url)
        try:
            manifest = await registry.manifest(f"{name.namespace}/{name.model}", name.tag)
        except RuntimeRefused as refusal:
            if "(404)" in refusal.message:
                return _known("unknown", "its registry does not have it: it was made or renamed here, or withdrawn")
            raise
        return compare(model, manifest)

    async def _of_hub(self, model: ModelInfo) -> Update:
        found = await self._outside.repository(model.name.partition(":")[0])
        if found.stale:
            return Update("unknown", f"Hugging Face cannot be asked now: {found.error}", found.asked_at)
        if model.digest == f"git:{found.commit}":
            return _known("none", "this is the newest revision")
        if (model.digest or "").startswith("git:") and model.path:
            here = await asyncio.to_thread(weights_in, Path(model.path))
            if here and same_weights(here, found.files):
                return _known("none", f"only other files changed; {found.commit[:12]} has the same weights")
        name = Path(model.path or "").name
        for file in found.files:
            if model.weights_digest and file.sha256 and model.weights_digest == f"sha256:{file.sha256}":
                return _known("none", "the newest revision has the same file")
        if any(file.path.rpartition("/")[2] == name for file in found.files) or model.digest is not None:
            return _known("available", f"the newest revision is {found.commit[:12]}")
        return _known("unknown", "the newest revision has no file of that name")


def weights_in(snapshot: Path) -> list[HubFile]:
    """Return the files of weights that lie in a snapshot of the cache (synchronous)."""
    found = []
    for entry in entries_of(snapshot):
        if entry.name.lower().endswith(WEIGHTS):
            try:
                size = entry.path.stat().st_size
            except OSError:
                size = None
            found.append(HubFile(entry.name, size, sha256_of(entry)))
    return found


def same_weights(here: Sequence[HubFile], there: Sequence[HubFile]) -> bool:
    """Return whether a repository still has the weights that are here, and no more of their kind beside them."""
    listed = {file.path: file for file in there}
    if not all(file.path in listed and _is_same(file, listed[file.path]) for file in here):
        return False
    kinds = {_kind(file) for file in here}
    return len([file for file in there if _kind(file) in kinds]) == len(here)


def _is_same(one: HubFile, other: HubFile) -> bool:
    if one.sha256 and other.sha256:
        return one.sha256 == other.sha256
    return one.size_bytes is not None and one.size_bytes == other.size_bytes


def _kind(file: HubFile) -> tuple[str, str]:
    folder, _, name = file.path.rpartition("/")
    return folder, name.rpartition(".")[2].lower()


def compare(model: ModelInfo, manifest: RegistryManifest) -> Update:
    """Return what a registry's manifest means for a model of Ollama."""
    if model.digest is None:
        return _known("unknown", "the server does not tell its digest")
    if model.digest in manifest.digests:
        return _known("none", "the registry has the same")
    weights = next((digest for media, digest, _ in manifest.layers if media == _WEIGHTS), None)
    if weights is not None and weights == model.weights_digest:
        return _known("available", "template, parameters or licence changed; the weights are the same")
    size = next((size for media, _, size in manifest.layers if media == _WEIGHTS), None)
    return _known("available", "other weights" + (f" of {size:,} bytes" if size else ""))


def _known(state: str, detail: str) -> Update:
    return Update(state, detail, datetime.now(UTC))
