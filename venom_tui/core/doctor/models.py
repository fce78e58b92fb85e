"""What can answer: the embedded llama.cpp, the demonstration model, the GGUF files."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from venom_tui.core.doctor.check import Check, fail, ok, warn
from venom_tui.core.models.files import DEMONSTRATION_SHA256, ModelFiles, demonstration_file
from venom_tui.core.settings import Settings

_NAMED = 3
"""Unusable files that are named one by one."""


def checks(settings: Settings) -> Iterator[Check]:
    """Look at the runtime and the files; nothing is loaded."""
    yield _embedded()
    yield _demonstration()
    yield from _files(settings.models_dir)


def _embedded() -> Check:
    try:
        found = importlib.util.find_spec("xllamacpp")
    except (ImportError, ValueError):
        found = None
    if found is None:
        return fail("embedded llama.cpp", "xllamacpp is not installed", "Install it: pip install xllamacpp")
    try:
        return ok("embedded llama.cpp", f"xllamacpp {version('xllamacpp')} (`doctor --deep` starts it)")
    except PackageNotFoundError:
        return ok("embedded llama.cpp", "xllamacpp, of an unknown version (`doctor --deep` starts it)")


def _demonstration() -> Check:
    path = demonstration_file()
    again = "`make setup` fetches it; any GGUF file in the models folder answers as well."
    if path is None:
        return warn("demonstration model", "is not here", again)
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return warn("demonstration model", f"{path} cannot be read: {error.strerror}", again)
    if digest != DEMONSTRATION_SHA256:
        return warn("demonstration model", f"{path} is another file than the one that was published", again)
    return ok("demonstration model", "is here, and is the file that was published")


def _files(folder: Path) -> Iterator[Check]:
    models = [model for model in ModelFiles(folder).scan() if not model.demonstration]
    broken = [model for model in models if model.error]
    if not models:
        yield ok("model files", f"none yet; GGUF files belong into {folder}")
    else:
        yield ok("model files", f"{len(models) - len(broken)} usable in {folder}")
    for model in broken[:_NAMED]:
        yield warn("model file", f"{model.path}: {model.error}", "Fetch it again, or move it away.")
    if len(broken) > _NAMED:
        yield warn("model files", f"{len(broken) - _NAMED} more cannot be used", "`venom-tui models list` names them.")
