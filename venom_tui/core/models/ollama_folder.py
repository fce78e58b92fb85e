"""A folder of models as Ollama keeps it, where it can be read on this machine: manifests that name blobs.

    manifests/HOST/NAMESPACE/MODEL/TAG    JSON: which layers the model has
    blobs/sha256-DIGEST                   the layers; models share those that they have in common
    blobs/sha256-DIGEST-partial…          what a pull has fetched so far, sparse

Nothing here writes. Everything is synchronous; call it in a thread.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from venom_tui.core.errors import UsageError
from venom_tui.core.models.inside import allocated
from venom_tui.core.models.names import OllamaName, ollama_name
from venom_tui.core.types.details import Layer

_DIGEST = re.compile(r"sha256[:-]([0-9a-f]{64})\Z")
_LARGEST_MANIFEST = 4 * 1024 * 1024
_MOST_MANIFESTS = 20_000
_KINDS = {
    "model": "weights", "projector": "projector", "adapter": "adapter", "template": "template", "system": "system",
    "prompt": "system", "params": "params", "license": "licence", "messages": "messages", "json": "config",
    "tensor": "weights", "draft": "draft",
}  # fmt: skip
"""Ending of a media type -> kind of a layer."""
WORTH_NAMING = 1024 * 1024
"""Bytes from which on a shared layer is worth a word; texts of licences are shared by many."""


@dataclass(frozen=True, slots=True)
class FolderModel:
    """A model as its manifest has it."""

    name: OllamaName
    digest: str
    """sha256 of the manifest, which is what Ollama calls the model's digest."""
    layers: tuple[Layer, ...]


@dataclass(frozen=True, slots=True)
class OllamaFolder:
    """What lies in such a folder."""

    root: Path
    models: dict[str, FolderModel] = field(default_factory=dict)
    """Key of the name -> model."""
    unreadable: tuple[str, ...] = ()
    """Manifests that could not be read: what they name is not known."""

    def get(self, name: str) -> FolderModel | None:
        """Return a model by any form of its name."""
        try:
            return self.models.get(ollama_name(name).key)
        except UsageError:
            return None

    def blob(self, digest: str) -> Path | None:
        """Return where a blob lies, None for what is no digest."""
        found = _DIGEST.match(digest)
        return self.root / "blobs" / f"sha256-{found[1]}" if found else None

    def taken(self, digest: str) -> int:
        """Return what a blob takes on the disk; 0 when it is not there, or is a link to what lies elsewhere."""
        path = self.blob(digest)
        try:
            return 0 if path is None else allocated(path.lstat())
        except OSError:
            return 0

    def holders(self, digest: str) -> list[FolderModel]:
        """Return the models that have a layer."""
        return [model for model in self.models.values() if any(layer.digest == digest for layer in model.layers)]

    def layers_of(self, model: FolderModel) -> tuple[Layer, ...]:
        """Return a model's layers with the names of the others that have them too."""
        return tuple(
            Layer(
                layer.kind,
                layer.digest,
                layer.size_bytes,
                tuple(other.name.short for other in self.holders(layer.digest or "") if other.name != model.name),
                str(self.blob(layer.digest or "") or ""),
            )
            for layer in model.layers
        )

    def freed_by(self, models: Iterable[FolderModel]) -> int:
        """Return what the disk gets back when these are removed: layers that no other manifest names, each once."""
        leaving = {model.name.key for model in models}
        kept = {layer.digest for key, model in self.models.items() if key not in leaving for layer in model.layers}
        gone = {layer.digest for key in leaving if key in self.models for layer in self.models[key].layers} - kept
        return sum(self.taken(digest) for digest in gone if digest)

    def named(self) -> set[str]:
        """Return the digests of all layers that some manifest names."""
        return {layer.digest for model in self.models.values() for layer in model.layers if layer.digest}


def root_of(weights_path: str) -> Path | None:
    """Return the folder in which a server keeps its models, from where it keeps the weights of one.

    None where there is no such folder here that can be read: the server is on another machine, or in a container.
    """
    blob = Path(weights_path)
    if not blob.is_absolute() or blob.parent.name != "blobs" or not _DIGEST.match(blob.name):
        return None
    root = blob.parent.parent
    readable = all(os.access(root / part, os.R_OK | os.X_OK) for part in ("manifests", "blobs"))
    return root if readable and os.path.lexists(blob) else None


def read_folder(root: Path) -> OllamaFolder:
    """Read all manifests of a folder."""
    models: dict[str, FolderModel] = {}
    unreadable = []
    for path in _manifest_files(root / "manifests"):
        host, namespace, name, tag = path.relative_to(root / "manifests").parts
        try:
            data = path.read_bytes()[:_LARGEST_MANIFEST]
            model = FolderModel(
                OllamaName(host, namespace, name, tag), f"sha256:{hashlib.sha256(data).hexdigest()}", read_layers(data)
            )
        except (OSError, ValueError):
            unreadable.append(str(path))
            continue
        models[model.name.key] = model
    return OllamaFolder(root, models, tuple(unreadable))


def read_layers(data: bytes) -> tuple[Layer, ...]:
    """Return the layers of a manifest, the configuration last.

    Raises:
        ValueError: it is none.
    """
    try:
        manifest: Any = json.loads(data)
        rows = [*manifest["layers"], manifest["config"]]
        return tuple(_layer(row) for row in rows if row.get("digest"))
    except (TypeError, LookupError, AttributeError, RecursionError):
        raise ValueError("no manifest") from None


def _layer(row: dict[str, Any]) -> Layer:
    if not _DIGEST.match(row["digest"]):
        raise ValueError("no digest")
    size = row.get("size")
    kind = str(row.get("mediaType", "")).rpartition(".")[2]
    return Layer(_KINDS.get(kind, "config"), row["digest"], size if isinstance(size, int) and size >= 0 else None)


def _manifest_files(folder: Path) -> Iterator[Path]:
    """Yield the files four folders deep, as Ollama itself looks for them; linked folders are gone into as it does."""
    found = [folder]
    for depth in range(4):
        below: list[Path] = []
        for here in found:
            try:
                entries = sorted(os.scandir(here), key=lambda entry: entry.name)
            except OSError:
                continue
            below += [Path(entry.path) for entry in entries if entry.is_dir() == (depth < 3)]
        found = below[:_MOST_MANIFESTS]
    yield from found
