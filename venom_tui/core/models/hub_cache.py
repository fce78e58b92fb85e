"""The Hugging Face cache of this machine, as huggingface_hub lays it out. Reads names, sizes and headers only.

    models--org--name/
        refs/main                   the commit that `main` was when it was fetched
        blobs/<digest>              the files; what is in LFS by its sha256
        snapshots/<commit>/<file>   links to them

A GGUF file in it is a model of the embedded llama.cpp, other weights are a model that no runtime here serves by itself.
Everything here is synchronous; call it in a thread.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from venom_tui.core.models.files import NOT_MODELS, info_of, is_later_part, parts_of, size_of
from venom_tui.core.models.headers import Headers, Seen
from venom_tui.core.models.names import name_of_file
from venom_tui.core.models.quantization import quantization_of
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.types.model import ModelInfo

PREFIX = "models--"
WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".onnx")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_COMMIT = re.compile(r"[0-9a-f]{40}\Z")
_DEEPEST = 6
_MOST_FILES = 20_000
_MOST_REPOSITORIES = 5000
_LARGEST_CONFIG = 1024 * 1024
_DTYPES = {"bfloat16": "BF16", "float16": "F16", "float32": "F32", "float8_e4m3fn": "F8"}


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a snapshot."""

    path: Path
    """The name that it has in the snapshot."""
    name: str
    """The same below the snapshot's folder."""
    blob: Path
    """What it points to, or itself where it is no link; may be missing."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository in the cache."""

    id: str
    folder: Path
    commit: str
    """What is listed of it: the snapshot of `main`, else the newest."""
    entries: tuple[Entry, ...]
    """Files of that snapshot."""
    revisions: tuple[str, ...]
    modified: float


class HubCache:
    """The models of a cache."""

    def __init__(self, folder: Path, headers: Headers | None = None) -> None:
        self.folder = folder
        self._headers = headers or Headers()

    def scan(self) -> list[ModelInfo]:
        """Return the models, by the age of their repositories, newest first."""
        found = []
        for repository in self.repositories():
            found += self.models_of(repository)
        return found

    def repositories(self) -> list[Repository]:
        """Return what the cache holds, newest first."""
        try:
            names = sorted(entry.name for entry in os.scandir(self.folder) if entry.name.startswith(PREFIX))
        except OSError:
            return []
        found = [repository for name in names[:_MOST_REPOSITORIES] if (repository := _repository(self.folder / name))]
        return sorted(found, key=lambda one: one.modified, reverse=True)

    def models_of(self, repository: Repository) -> list[ModelInfo]:
        """Return the models of one repository: one for each GGUF, one for all other weights together."""
        ggufs = [
            entry
            for entry in repository.entries
            if entry.name.lower().endswith(".gguf") and not is_later_part(Path(entry.name).name)
        ]
        labels = [quantization_of(entry.name) for entry in ggufs]
        models = []
        for entry, label in zip(ggufs, labels, strict=True):
            short = label if label and labels.count(label) == 1 else name_of_file(entry.name)
            model = self._gguf(repository, entry, f"{repository.id}:{short}")
            if model is not None:
                models.append(model)
        if any(entry.name.lower().endswith(WEIGHTS) for entry in repository.entries):
            models.append(_other(repository))
        return models

    def _gguf(self, repository: Repository, entry: Entry, name: str) -> ModelInfo | None:
        seen = self._headers.look(entry.path)
        if seen.header is not None and seen.header.kind in NOT_MODELS:
            return None
        size, missing = size_of(entry.path)
        if missing or not entry.blob.exists():
            seen = Seen(seen.stamp, seen.header, missing or "its blob is missing")
        model = info_of(name, entry.path, seen, size, provider="huggingface")
        sha256 = sha256_of(entry)
        digest = f"sha256:{sha256}" if sha256 else None
        whole = digest if len(parts_of(entry.path)) == 1 else None
        return replace(model, digest=digest, weights_digest=whole)


def _repository(folder: Path) -> Repository | None:
    """Return what lies in a repository's folder; None where that is none, also a link."""
    name = folder.name.removeprefix(PREFIX).replace("--", "/")
    try:
        if not stat.S_ISDIR(folder.lstat().st_mode) or not name or sanitize_line(name, 200) != name:
            return None
        snapshots = folder / "snapshots"
        revisions = [entry.name for entry in os.scandir(snapshots) if entry.is_dir(follow_symlinks=False)]
        main = _commit_of(folder / "refs" / "main")
        modified = {one: (snapshots / one).stat().st_mtime for one in revisions}
    except OSError:
        return None
    if not revisions:
        return None
    commit = main if main in modified else max(revisions, key=lambda one: modified[one])
    entries = tuple(sorted(entries_of(snapshots / commit), key=lambda one: one.name))
    return Repository(name, folder, commit, entries, tuple(revisions), modified[commit])


def _commit_of(reference: Path) -> str:
    try:
        text = reference.read_text(encoding="ascii", errors="replace")[:80].strip()
    except OSError:
        return ""
    return text if _COMMIT.match(text) else ""


def old_revisions(folder: Path) -> list[Path]:
    """Return the snapshots of a repository's folder that no reference names and that were replaced.

    Replaced is one whose weights are all there by the same name in a snapshot that stays, the listed one or a named
    one: else they may be wanted still, as another quantization that was fetched before. Nothing where something of
    that cannot be read: what is named is not known then.
    """
    repository = _repository(folder)
    if repository is None:
        return []
    named = {repository.commit}
    pending = [folder / "refs"]
    try:
        while pending:
            for entry in list(os.scandir(pending.pop())):
                if entry.is_dir(follow_symlinks=False):
                    pending.append(Path(entry.path))
                elif commit := _commit_of(Path(entry.path)):
                    named.add(commit)
                else:
                    return []
    except FileNotFoundError:
        pass  # there is none: everything was fetched by its commit
    except OSError:
        return []
    weights = {
        one: {entry.name for entry in entries_of(folder / "snapshots" / one) if _is_weights(entry)}
        for one in repository.revisions
    }
    stays = set().union(*(weights[one] for one in weights if one in named))
    return sorted(folder / "snapshots" / one for one in weights if one not in named and weights[one] <= stays)


def _is_weights(entry: Entry) -> bool:
    return entry.name.lower().endswith((".gguf", *WEIGHTS))


def entries_of(snapshot: Path) -> Iterator[Entry]:
    """Yield the files of a snapshot; linked folders are not gone into."""
    pending, count = [(snapshot, 0)], 0
    while pending:
        here, depth = pending.pop()
        try:
            found = list(os.scandir(here))
        except OSError:
            continue
        for entry in found:
            count += 1
            if count > _MOST_FILES:
                return
            path = Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                if depth < _DEEPEST:
                    pending.append((path, depth + 1))
            else:
                yield Entry(path, path.relative_to(snapshot).as_posix(), target_of(path))


def sha256_of(entry: Entry) -> str | None:
    """Return the digest of a file that is kept in LFS, by which the cache calls its blob; None for other files."""
    return entry.blob.name if _SHA256.match(entry.blob.name) else None


def target_of(path: Path) -> Path:
    """Return where a link points, its first step only: a blob may itself stand for one that repositories share."""
    try:
        return Path(os.path.normpath(path.parent / os.readlink(path)))
    except OSError:
        return path


def _other(repository: Repository) -> ModelInfo:
    """Return the weights of a repository that are no GGUF as one model."""
    sizes: dict[Path, int] = {}
    missing = ""
    for entry in repository.entries:
        if entry.name.lower().endswith(".gguf"):
            continue
        try:
            sizes[entry.blob] = entry.path.stat().st_size
        except OSError:
            missing = f"{sanitize_line(entry.name, 80)} is missing"
    config = _config(repository)
    context = config.get("max_position_embeddings")
    dtype = config.get("torch_dtype", config.get("dtype"))
    quantized = config.get("quantization_config")
    method = quantized.get("quant_method") if isinstance(quantized, dict) else None
    architecture = config.get("model_type")
    return ModelInfo(
        name=repository.id,
        runtime="",
        provider="huggingface",
        size_bytes=sum(sizes.values()),
        digest=f"git:{repository.commit}" if _COMMIT.match(repository.commit) else None,
        quantization=sanitize_line(method, 20).upper() if isinstance(method, str) else _DTYPES.get(str(dtype)),
        context_length=context if isinstance(context, int) and 0 < context < 10**9 else None,
        architecture=sanitize_line(architecture, 40) if isinstance(architecture, str) else None,
        path=str(repository.folder / "snapshots" / repository.commit),
        loaded=False,
        error=missing,
    )


def _config(repository: Repository) -> dict[str, Any]:
    for entry in repository.entries:
        if entry.name == "config.json":
            try:
                with entry.path.open("rb") as file:
                    value = json.loads(file.read(_LARGEST_CONFIG))
            except (OSError, ValueError, RecursionError):
                return {}
            return value if isinstance(value, dict) else {}
    return {}
