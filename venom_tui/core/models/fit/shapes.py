"""What models are made of, as far as that decides their memory: from their files, or from what their runtime tells."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from venom_tui.core.errors import VenomError
from venom_tui.core.models.files import parts_of
from venom_tui.core.models.headers import Headers
from venom_tui.core.models.hub_cache import PREFIX
from venom_tui.core.resources.estimate.from_config import BadHeader, header_length, read_tensors, shape_from_config
from venom_tui.core.resources.estimate.from_gguf import shape_from_values
from venom_tui.core.resources.estimate.shape import ModelShape
from venom_tui.core.resources.estimate.weights import together
from venom_tui.core.runtimes.controller import LlmServerController
from venom_tui.core.types.model import ModelInfo

_LARGEST_CONFIG = 1024 * 1024
_MOST_SHAPES = 5000

Identity = tuple[str, str, str | None, int | None, str | None]
Shape = ModelShape | str
"""A shape, or why there is none."""


class Shapes:
    """Finds the shapes of models, each once for as long as the model is the same."""

    def __init__(self, runtimes: LlmServerController, hub_cache: Path, headers: Headers) -> None:
        self._runtimes = runtimes
        self._hub_cache = hub_cache
        self._headers = headers
        self._known: dict[Identity, Shape] = {}

    def known(self, model: ModelInfo) -> Shape | None:
        """Return the shape of a model that was looked at; None where it was not."""
        return self._known.get(_identity(model))

    def forget_failures(self, runtime: str) -> bool:
        """Let models of a runtime be asked for again that it did not tell of; return whether there are any."""
        failed = [key for key, shape in self._known.items() if key[0] == runtime and isinstance(shape, str)]
        for key in failed:
            del self._known[key]
        return bool(failed)

    async def of(self, model: ModelInfo) -> Shape:
        """Return the shape of a model, or why it is not known. What failed is tried again the next time."""
        known = self._known.get(_identity(model))
        if isinstance(known, ModelShape):
            return known
        try:
            shape = await self._find(model)
        except VenomError as failure:
            shape = failure.message
        if len(self._known) >= _MOST_SHAPES:
            self._known.clear()
        self._known[_identity(model)] = shape
        return shape

    async def _find(self, model: ModelInfo) -> Shape:
        if model.error:
            return f"the model cannot be used: {model.error}"
        if model.remote_host:
            return f"it runs at {model.remote_host} and takes nothing here"
        key = model.runtime, model.name
        held = [one for one in self._runtimes.loaded() if (one.runtime, one.name) == key and one.kind != "ollama"]
        places = [place for place in (model.path, *(one.weights for one in held)) if place]
        path, why = await asyncio.to_thread(self._file_of, places) if places else (None, "")
        if path is not None:
            return await asyncio.to_thread(self._of_path, path)
        runtime = self._runtimes.find(model.runtime)
        if runtime is None:
            return why or "its runtime is not known here"
        return await runtime.shape(model) or why or "its runtime does not tell what it is made of"

    # ------------------------------------------------------------------ in a thread

    def _file_of(self, places: Sequence[str]) -> tuple[Path | None, str]:
        """Return the file or folder of a model's weights; None where none is here, and why it cannot be read."""
        why = ""
        for place in places:
            path = Path(place)
            if path.is_absolute():
                try:
                    path.stat()
                except (FileNotFoundError, NotADirectoryError, ValueError):
                    pass
                except OSError as error:
                    why = why or _unreadable(error)  # mostly in the home of another user
                else:
                    return path, ""
            if place.count("/") == 1:
                snapshot = self._snapshot_of(place)
                if snapshot is not None:
                    return snapshot, ""
        return None, why

    def _snapshot_of(self, repository: str) -> Path | None:
        """Return the newest snapshot of a repository in the Hugging Face cache."""
        folder = self._hub_cache / f"{PREFIX}{repository.replace('/', '--')}" / "snapshots"
        try:
            found = sorted(folder.iterdir(), key=lambda one: one.stat().st_mtime)
        except OSError:
            return None
        return found[-1] if found else None

    def _of_path(self, path: Path) -> Shape:
        try:
            return self._of_folder(path) if path.is_dir() else self._of_file(path)
        except OSError as error:
            return _unreadable(error)

    def _of_file(self, path: Path) -> Shape:
        values, weights = None, []
        for part in parts_of(path):
            seen = self._headers.look(part)
            if seen.header is None:
                return seen.error
            values = values or seen.header.values
            if seen.header.weights is not None:
                weights.append(seen.header.weights)
        shape = shape_from_values(values or {}, together(weights), "header of the file")
        return shape or "its header does not tell enough"

    def _of_folder(self, folder: Path) -> Shape:
        config = read_config(folder / "config.json")
        if config is None:
            return "it has no config.json that can be read"
        total = embedding = 0
        for file in sorted(folder.glob("*.safetensors")):
            with file.open("rb") as opened:
                try:
                    beginning = opened.read(8)
                    header = beginning + opened.read(header_length(beginning) - 8)
                    tensors = read_tensors(header)
                except BadHeader as error:
                    return f"{file.name} is broken: {error}"
            total, embedding = total + tensors.total_bytes, embedding + tensors.embedding_bytes
        source = "config.json and headers of the weights"
        if not total:
            total = sum(file.stat().st_size for kind in ("*.bin", "*.pt", "*.pth") for file in folder.glob(kind))
            source = "config.json and the size of the weights"
        shape = shape_from_config(config, total, source, embedding_bytes=embedding)
        return shape or "its config.json does not tell enough"


def read_config(path: Path) -> dict[str, object] | None:
    """Return the content of a `config.json` (synchronous); None where it is none."""
    try:
        if path.stat().st_size > _LARGEST_CONFIG:
            return None
        config = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return config if isinstance(config, dict) else None


def _unreadable(error: OSError) -> str:
    return f"its files cannot be read: {error.strerror}"


def _identity(model: ModelInfo) -> Identity:
    return model.runtime, model.name, model.digest, model.size_bytes, model.path
