"""What is known of models beside what their runtimes list: manifests, digests of files, last uses."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from venom_tui.core.errors import StoreError
from venom_tui.core.store.catalog import CatalogStore, FileDigest, KeptManifest
from venom_tui.core.types.details import Layer, Manifest
from venom_tui.core.types.model import ModelInfo

_PIECE = 4 * 1024 * 1024
Key = tuple[str, str]
"""Runtime and name."""


class Facts:
    """Keeps them, and adds them to models."""

    def __init__(self, store: CatalogStore) -> None:
        self._store = store
        self._manifests: dict[Key, KeptManifest] = {}
        self._digests: dict[str, FileDigest] = {}
        self._stamps: dict[str, tuple[int, int]] = {}
        """Path -> size and time of files whose digest is known, as they are now."""
        self._uses: dict[Key, datetime] = {}
        self._loaded = asyncio.Lock()
        self._is_loaded = False

    async def load(self) -> None:
        """Read what is kept, the uses anew each time; what cannot be read is not known."""
        try:
            async with self._loaded:
                if not self._is_loaded:
                    self._manifests = {(one.runtime, one.model): one for one in await self._store.manifests()}
                    self._digests = await self._store.digests()
                    self._stamps = await asyncio.to_thread(stamps, self._digests)
                    self._is_loaded = True
            self._uses = await self._store.uses()
        except StoreError:
            return

    def complete(self, models: Iterable[ModelInfo]) -> list[ModelInfo]:
        """Return models with what else is known of them."""
        return [self._completed(model) for model in models]

    def _completed(self, model: ModelInfo) -> ModelInfo:
        changes: dict[str, Any] = {}
        if (used := self._uses.get((model.runtime, model.name))) is not None:
            changes["last_used"] = used
        kept = self._manifests.get((model.runtime, model.name))
        if kept is not None and kept.digest == _file_of(model) and kept.value.get("capabilities"):
            changes["capabilities"] = tuple(kept.value["capabilities"])
        if kept is not None and kept.digest == (model.digest or ""):
            said = kept.value
            if model.capabilities is None and said.get("capabilities") is not None:
                changes["capabilities"] = tuple(said["capabilities"])
            if model.context_length is None and said.get("context_length"):
                changes["context_length"] = said["context_length"]
            if model.weights_digest is None and said.get("weights_digest"):
                changes["weights_digest"] = said["weights_digest"]
        elif model.path is not None and model.weights_digest is None and (digest := self.digest_of(model.path)):
            changes["weights_digest"] = digest
        return replace(model, **changes) if changes else model

    # ------------------------------------------------------------------ manifests

    def manifest(self, model: ModelInfo) -> Manifest | None:
        """Return what was said last of this version of a model."""
        kept = self._manifests.get((model.runtime, model.name))
        if kept is None or kept.digest != (model.digest or ""):
            return None
        return manifest_of(kept.value, kept.asked_at)

    async def keep_manifest(self, model: ModelInfo, manifest: Manifest) -> None:
        """Keep what was said of a model."""
        await self._keep((model.runtime, model.name), model.digest or "", data_of(manifest), manifest.asked_at)

    async def learn_capabilities(self, models: Iterable[ModelInfo], said: Mapping[Key, tuple[str, ...]]) -> None:
        """Keep what the processes that hold files have said that these can do; a base model is not asked that."""
        for model in models if said else ():
            key = model.runtime, model.name
            capabilities, kept = said.get(key), self._manifests.get(key)
            if capabilities is None or not model.has_chat_template:
                continue
            data, version = {"capabilities": list(capabilities)}, _file_of(model)
            if kept is None or (kept.digest, kept.value) != (version, data):
                await self._keep(key, version, data, None)

    async def _keep(self, key: Key, version: str, data: dict[str, Any], asked_at: datetime | None) -> None:
        try:
            self._manifests[key] = await self._store.save_manifest(*key, version, data)
        except StoreError:
            self._manifests[key] = KeptManifest(data, asked_at or datetime.now().astimezone(), *key, version)

    async def forget(self, model: ModelInfo) -> None:
        """Forget a model that was removed."""
        self._manifests.pop((model.runtime, model.name), None)
        await self._store.forget_model(model.runtime, model.name)
        if model.path is not None and self._digests.pop(model.path, None) is not None:
            await self._store.forget_digests([model.path])

    # ------------------------------------------------------------------ digests of files

    def digest_of(self, path: str) -> str | None:
        """Return the digest of a file that is as it was when that was worked out."""
        known = self._digests.get(path)
        stamp = self._stamps.get(path)
        return known.digest if known is not None and stamp == (known.size_bytes, known.modified_ns) else None

    async def look_at_files(self, paths: Iterable[str]) -> None:
        """See again whether files whose digest is known are still as they were."""
        known = [path for path in paths if path in self._digests]
        if known:
            self._stamps |= await asyncio.to_thread(stamps, known)

    async def work_out_digest(self, path: str, told: Callable[[int], None]) -> str:
        """Read a whole file, and keep its digest; `told` hears how many bytes were read, in any thread.

        Raises:
            OSError: it cannot be read.
            asyncio.CancelledError: nobody wants it any more; the reading ends.
        """
        given_up = False

        def read() -> FileDigest:
            digest, done = hashlib.sha256(), 0
            with Path(path).open("rb") as file:
                stat = os.fstat(file.fileno())  # as it was before: what is written meanwhile makes it another file
                while not given_up and (piece := file.read(_PIECE)):
                    digest.update(piece)
                    done += len(piece)
                    told(done)
            return FileDigest(path, stat.st_size, stat.st_mtime_ns, f"sha256:{digest.hexdigest()}")

        try:
            found = await asyncio.to_thread(read)
        finally:
            given_up = True
        self._digests[path] = found
        self._stamps[path] = (found.size_bytes, found.modified_ns)
        await self._store.save_digest(found)
        return found.digest


def _file_of(model: ModelInfo) -> str:
    """Return which file of a model something was said of, in place of the digest that such a file may not have."""
    return f"file {model.size_bytes} {model.digest or model.path}"


def stamps(paths: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Return path -> size and time of the files that are there (synchronous)."""
    found = {}
    for path in paths:
        try:
            stat = Path(path).stat()
        except OSError:
            continue
        found[path] = (stat.st_size, stat.st_mtime_ns)
    return found


def same_weights(model: ModelInfo, models: Sequence[ModelInfo]) -> tuple[Key, ...]:
    """Return the other models that are known to have the same weights."""
    if model.weights_digest is None:
        return ()
    return tuple(
        (other.runtime, other.name)
        for other in models
        if other.weights_digest == model.weights_digest and (other.runtime, other.name) != (model.runtime, model.name)
    )


def data_of(manifest: Manifest) -> dict[str, Any]:
    """Return a manifest as plain data; layers are not kept, since others share them."""
    data = asdict(replace(manifest, layers=None))
    del data["asked_at"]
    return data


def manifest_of(data: dict[str, Any], asked_at: datetime) -> Manifest:
    """Return a manifest from plain data, also that of another version of this program."""
    known = {one.name for one in fields(Manifest)}
    values = {name: value for name, value in data.items() if name in known}
    for name in ("parameters", "facts"):
        values[name] = tuple((str(key), str(value)) for key, value in values.get(name) or ())
    if values.get("capabilities") is not None:
        values["capabilities"] = tuple(values["capabilities"])
    values["layers"] = None if values.get("layers") is None else tuple(Layer(**row) for row in values["layers"])
    return Manifest(**{**values, "asked_at": asked_at})
