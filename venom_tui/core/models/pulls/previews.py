"""What a pull would fetch: asked of the registry or hub before the first byte, and compared with what is free."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from venom_tui.core.clients.addresses import is_loopback, shown_address
from venom_tui.core.clients.http import HttpPool
from venom_tui.core.clients.ollama import OllamaClient
from venom_tui.core.clients.ollama_library import OllamaRegistryClient, RegistryManifest
from venom_tui.core.clients.proxies import is_local
from venom_tui.core.downloads.hub import present
from venom_tui.core.downloads.hub_fetch import WantedFile
from venom_tui.core.downloads.hub_files import HubFiles
from venom_tui.core.downloads.space import folder_of, free_bytes, human, partial_bytes
from venom_tui.core.errors import ModelNotFound, RuntimeFailure, RuntimeRefused
from venom_tui.core.models.names import OLLAMA_HOST, HubName, OllamaName
from venom_tui.core.models.outside import Outside, check_registry
from venom_tui.core.models.pulls.fetching import others_bytes
from venom_tui.core.models.pulls.room import limit_text
from venom_tui.core.models.pulls.selection import is_gguf, select
from venom_tui.core.models.pulls.unfinished import UnfinishedPulls
from venom_tui.core.resources.limits import Limits
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.settings import Settings
from venom_tui.core.types.limits import LimitKind, Policy
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.offer import HubFile
from venom_tui.core.types.pull import PullFile, PullPreview

_ASKED_FOR_FOLDER = 3
"""Models that are asked about where they lie."""
_KINDS = {"model": "weights", "license": "licence", "json": "configuration", "projector": "projector"}


@dataclass(frozen=True, slots=True)
class Planned:
    """A preview, with what the pull will need."""

    preview: PullPreview
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class OllamaServer:
    """The Ollama that is asked to pull."""

    runtime: str
    client: OllamaClient
    models: Sequence[ModelInfo]
    """What it has."""


class Previews:
    """Makes previews."""

    def __init__(self, settings: Settings, pool: HttpPool, outside: Outside, pulls: UnfinishedPulls) -> None:
        self._settings = settings
        self._pool = pool
        self._outside = outside
        self._pulls = pulls
        self._limits = Limits(settings)

    # ------------------------------------------------------------------ Ollama

    async def of_ollama(self, name: OllamaName, target: str, server: OllamaServer, *, insecure: bool) -> Planned:
        """Return what Ollama would fetch; what cannot be found out is a warning.

        Raises:
            ModelNotFound: its registry does not have it.
            Offline: its registry is outside, and nothing outside may be asked.
        """
        check_registry(self._settings, name.host)
        warnings: list[str] = []
        here = is_loopback(server.client.base_url)
        manifest = await self._manifest(name, insecure, here, warnings)
        folder = await _folder(server) if here else None
        free = None if folder is None else await asyncio.to_thread(free_bytes, folder)
        if free is None:
            warnings.append(f"What is free where {server.client.who} keeps its models is not known.")
        files: tuple[PullFile, ...] = ()
        total = missing = None
        if manifest is not None:
            there = await _present(server.client, [digest for _, digest, _ in manifest.layers])
            files = tuple(PullFile(_kind(media), size, digest in there) for media, digest, size in manifest.layers)
            total = sum(size for _, _, size in manifest.layers)
            absent = {digest: size for _, digest, size in manifest.layers if digest not in there}
            begun = await asyncio.to_thread(partial_bytes, folder, absent) if folder is not None else 0
            missing = max(0, sum(absent.values()) - begun)
        preview = PullPreview(
            name=name.short,
            provider="ollama",
            runtime=server.runtime,
            source=name.host,
            target=target,
            files=files,
            bytes_total=total,
            bytes_missing=missing,
            folder=folder,
            free_bytes=free,
            insecure=insecure,
            warnings=tuple(warnings),
        )
        arguments = {
            "provider": "ollama",
            "runtime": server.runtime,
            "endpoint": server.client.base_url,
            "model": name.short,
            "insecure": insecure,
            "total": total,
            "layers": len(files) or None,
            "digests": None if manifest is None else [[digest, size] for _, digest, size in manifest.layers],
            "folder": folder,
        }
        return Planned(await self._limited(preview, arguments), arguments)

    async def _manifest(
        self, name: OllamaName, insecure: bool, here: bool, warnings: list[str]
    ) -> RegistryManifest | None:
        unknown = "How large it is cannot be told before"
        if is_local(f"http://{name.host}") and not here:
            warnings.append(f"{unknown}: its registry is one of the machine on which Ollama runs.")
            return None
        if name.host.lower() == OLLAMA_HOST:
            url = self._settings.text("VENOM_OLLAMA_REGISTRY").rstrip("/")
        else:
            url = f"http{'' if insecure else 's'}://{name.host}"
        try:
            registry = OllamaRegistryClient(self._pool, url)
            return await registry.manifest(f"{name.namespace}/{name.model}", name.tag)
        except RuntimeRefused as refusal:
            if refusal.status == 404 or "(404)" in refusal.message:
                raise ModelNotFound(
                    f"The registry {sanitize_line(name.host, 80)} has no model {name.short}.",
                    hint="Check name and tag; `venom-tui models search` finds names.",
                    server_message=refusal.server_message,
                ) from refusal
            warnings.append(f"{unknown}: {_words(refusal)}")
        except RuntimeFailure as failure:
            warnings.append(f"{unknown}: {_words(failure)}")
        return None

    async def _limited(self, preview: PullPreview, arguments: dict[str, Any]) -> PullPreview:
        """Return a preview with what others fetch there and what is to be kept free; with warnings of both."""
        fetching = [one for one in await self._pulls.all() if one.fetches]
        others = await asyncio.to_thread(others_bytes, fetching, arguments)
        found = replace(preview, kept_bytes=self._limits.kept_disk, policy=self._limits.policy(LimitKind.DISK))
        if others:
            words = f"Other pulls still fetch {human(others)} there."
            found = replace(found, others_bytes=others, warnings=(*found.warnings, words))
        if found.breaks_limit and found.policy is Policy.WARN and not found.short_bytes:
            found = replace(found, warnings=(*found.warnings, f"{limit_text(found)}."))
        return found

    # ------------------------------------------------------------------ Hugging Face

    async def of_hub(self, meant: HubName, target: str) -> Planned:
        """Return what would be fetched from Hugging Face.

        Raises:
            Offline: nothing outside may be asked.
            RuntimeFailure: what the hub did or said.
            ModelNotFound, UsageError: the repository does not hold what is meant.
        """
        hub = self._outside.hub()
        repository = await hub.repository(meant.repository, meant.revision)
        chosen = select(repository, meant)
        files = [WantedFile(file.path, file.size_bytes or 0, file.sha256 or "") for file in chosen]
        cache = self._settings.hub_cache
        whole, there = await asyncio.to_thread(present, cache, repository.id, files)
        total = sum(file.size for file in files)
        free = await asyncio.to_thread(free_bytes, cache)
        warnings = []
        if repository.gated:
            await self._check_access(repository.id, repository.commit, chosen)
        if not is_gguf(chosen):
            warnings.append("No runtime of this machine loads it by itself: vLLM can be started with it.")
        if free is None:
            warnings.append(f"What is free in {cache} is not known.")
        preview = PullPreview(
            name=str(meant),
            provider="huggingface",
            runtime="embedded" if is_gguf(chosen) else "",
            source=shown_address(hub.endpoint),
            target=target,
            files=tuple(PullFile(one.path, one.size, has) for one, has in zip(files, whole, strict=True)),
            bytes_total=total,
            bytes_missing=max(0, total - there),
            folder=str(cache),
            free_bytes=free,
            warnings=tuple(warnings),
        )
        arguments = {
            "provider": "huggingface",
            "repository": repository.id,
            "commit": repository.commit,
            "revision": meant.revision or "main",
            "files": [[one.path, one.size, one.sha256] for one in files],
            "cache": str(cache),
        }
        return Planned(await self._limited(preview, arguments), arguments)

    async def _check_access(self, repository: str, commit: str, files: Sequence[HubFile]) -> None:
        """Ask for one file of a gated repository: whether we may have it is not told by the listing.

        Raises:
            RuntimeRefused: we may not; the hint says what to do.
        """
        hub = self._outside.hub()
        token = await asyncio.to_thread(hub.token)
        way = HubFiles(self._pool, hub.endpoint, token, who=hub.who)
        await way.locate(repository, commit, max(files, key=lambda file: file.size_bytes or 0).path)


async def _folder(server: OllamaServer) -> str | None:
    """Return where a server keeps its layers, by the `FROM` line of a model; None where that is not on this machine."""
    asked = 0
    for model in server.models:
        if model.remote_host:
            continue
        asked += 1
        if asked > _ASKED_FOR_FOLDER:
            break
        try:
            answer = await server.client.show(model.name)
        except RuntimeFailure:
            continue
        modelfile = answer.get("modelfile")
        folder = await asyncio.to_thread(folder_of, modelfile) if isinstance(modelfile, str) else None
        if folder is not None:
            return folder
    return None


async def _present(client: OllamaClient, digests: Sequence[str]) -> set[str]:
    """Return which layers a server has already; what it does not tell counts as missing."""

    async def ask(digest: str) -> bool:
        try:
            return await client.has_blob(digest)
        except RuntimeFailure:
            return False

    wanted = list(dict.fromkeys(digests))
    answers = await asyncio.gather(*(ask(digest) for digest in wanted))
    return {digest for digest, has in zip(wanted, answers, strict=True) if has}


def _kind(media_type: str) -> str:
    kind = media_type.rpartition(".")[2].rpartition("+")[2] if "+" in media_type else media_type.rpartition(".")[2]
    return _KINDS.get(kind, kind)


def _words(failure: RuntimeFailure) -> str:
    return " ".join(filter(None, (failure.message, failure.server_message)))
