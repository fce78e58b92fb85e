"""Which files of a repository are meant: one quantization of its GGUF files, or its safetensors, none of them twice."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

from venom_tui.core.errors import ModelNotFound, UsageError
from venom_tui.core.models.names import HubName
from venom_tui.core.models.quantization import quantization_of
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.types.offer import HubFile, HubRepository

_PREFERRED = (
    "Q4_K_M", "UD-Q4_K_XL", "Q4_K_S", "IQ4_XS", "Q4_0", "Q4_1", "MXFP4", "MXFP4_MOE", "Q5_K_M", "Q5_K_S", "Q6_K",
    "Q8_0", "Q3_K_M", "Q3_K_L", "Q2_K", "BF16", "F16", "F32",
)  # fmt: skip
"""Which quantization is taken where none is named: good for its size first."""
_PART = re.compile(r"-\d{5}-of-(\d{5})(?=\.[A-Za-z]+\Z)")
_BESIDE = re.compile(r"mmproj|imatrix|(?:^|[-_.])(?:lora|adapter|vocab)(?:[-_.]|$)", re.IGNORECASE)
_OTHER_WEIGHTS = (
    ".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx", ".gguf", ".tflite", ".mlmodel", ".ot", ".npz",
    ".onnx_data", ".pdparams", ".safetensors",
)  # fmt: skip
_NEVER = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".mp4", ".zip", ".tar", ".gz", ".parquet", ".pdf")
_LARGEST_BESIDE = 64 * 1024 * 1024
"""A tokenizer may take some MB; what is larger and no weights is no part of the model."""
_VARIANT = re.compile(r"\.(?:fp16|bf16|fp32|int8)(?=[.-])")
_LATEST = ("", "latest")
_SAFETENSORS = "safetensors"
"""The tag that means them where a repository has GGUF files, too: `org/repo:safetensors`."""


def select(repository: HubRepository, meant: HubName) -> tuple[HubFile, ...]:
    """Return the files that a name means.

    Raises:
        UsageError: the repository has nothing of that quantization; the hint says what it has.
        ModelNotFound: it holds no weights, or not the file that is named.
    """
    files = [file for file in repository.files if file.size_bytes is not None]
    if meant.file:
        return _with_parts(files, meant)
    ggufs = [file for file in files if _is_gguf(file)]
    tag = "" if meant.quantization in _LATEST else meant.quantization
    if tag.lower() == _SAFETENSORS:
        return _safetensors(files, repository)
    if tag:
        return _of_quantization(ggufs, tag, repository)
    if ggufs:
        return _preferred(ggufs)
    return _safetensors(files, repository)


def is_gguf(files: Sequence[HubFile]) -> bool:
    """Return whether these are GGUF files, which the embedded llama.cpp can use at once."""
    return any(file.path.lower().endswith(".gguf") for file in files)


def _is_gguf(file: HubFile) -> bool:
    return file.path.lower().endswith(".gguf") and not _BESIDE.search(PurePosixPath(file.path).name)


def _with_parts(files: Sequence[HubFile], meant: HubName) -> tuple[HubFile, ...]:
    """Return a file that is named, with the others of its set."""
    whole = _PART.sub("", meant.file)
    found = tuple(file for file in files if file.path == meant.file or _PART.sub("", file.path) == whole)
    if not any(file.path == meant.file for file in found):
        raise ModelNotFound(
            f"{meant.repository} has no file {sanitize_line(meant.file, 120)}.",
            hint="`venom-tui models show` lists its files.",
        )
    return found if _PART.search(meant.file) else tuple(file for file in found if file.path == meant.file)


def _of_quantization(ggufs: Sequence[HubFile], tag: str, repository: HubRepository) -> tuple[HubFile, ...]:
    wanted = tag.lower()
    ways: tuple[Callable[[PurePosixPath], bool], ...] = (
        lambda path: (_label(path) or "").lower() == wanted,
        lambda path: wanted in (part.lower() for part in path.parts[:-1]),
        lambda path: _PART.sub("", path.name).lower().removesuffix(".gguf") == wanted,
    )
    for means in ways:
        found = [file for file in ggufs if means(PurePosixPath(file.path))]
        if found:
            return _one_set(found)
    labels = list(dict.fromkeys(label for file in ggufs if (label := _label(PurePosixPath(file.path)))))
    raise UsageError(
        f"{repository.id} has no GGUF file of quantization {sanitize_line(tag, 40)!r}.",
        hint=f"It has: {', '.join([*labels[:20], *_also(repository)])}."
        if labels
        else "It has no GGUF files: leave the tag out.",
    )


def _also(repository: HubRepository) -> list[str]:
    """Return the tag of what a repository has besides GGUF files."""
    return [_SAFETENSORS] if any(file.path.endswith(".safetensors") for file in repository.files) else []


def _label(path: PurePosixPath) -> str | None:
    return quantization_of(path.name) or (quantization_of(path.parts[-2]) if len(path.parts) > 1 else None)


def _preferred(ggufs: Sequence[HubFile]) -> tuple[HubFile, ...]:
    for label in _PREFERRED:
        found = [file for file in ggufs if _label(PurePosixPath(file.path)) == label]
        if found:
            return _one_set(found)
    return _one_set([min(ggufs, key=lambda file: file.size_bytes or 0)], among=ggufs)


def _one_set(found: Sequence[HubFile], among: Sequence[HubFile] | None = None) -> tuple[HubFile, ...]:
    """Return all parts of the first of these: one model, though a repository may have several of a quantization."""
    whole = _PART.sub("", found[0].path)
    return tuple(file for file in among or found if _PART.sub("", file.path) == whole)


def _safetensors(files: Sequence[HubFile], repository: HubRepository) -> tuple[HubFile, ...]:
    tensors = [file for file in files if file.path.endswith(".safetensors")]
    if not tensors:
        tensors = [file for file in files if re.fullmatch(r"pytorch_model(?:-\d{5}-of-\d{5})?\.bin", file.path)]
    if not tensors:
        raise ModelNotFound(
            f"{repository.id} holds neither GGUF files nor safetensors.", hint="Pick another repository."
        )
    weights = _without_doubles(tensors)
    beside = [file for file in files if _is_beside(file)]
    return tuple(sorted([*weights, *beside], key=lambda file: file.path))


def _without_doubles(tensors: Sequence[HubFile]) -> list[HubFile]:
    """Leave out the same weights once more: `original/`, `consolidated…`, other precisions, one file of all parts."""
    top = [file for file in tensors if "/" not in file.path]
    found = top or [file for file in tensors if not file.path.startswith(("original/", "onnx/"))] or list(tensors)
    plain = [file for file in found if not PurePosixPath(file.path).name.startswith("consolidated")]
    found = plain or found
    plain = [file for file in found if not _VARIANT.search(file.path)]
    found = plain or found
    split = [file for file in found if _PART.search(file.path)]
    if split and "/" not in split[0].path:
        stems = {_PART.sub("", file.path) for file in split}
        found = [file for file in found if file in split or file.path not in stems]
    return found


def _is_beside(file: HubFile) -> bool:
    """Return whether a file belongs to a model beside its weights: configuration, tokenizer, templates, licence."""
    name = file.path.lower()
    if name.startswith((".", "original/", "onnx/")) or name.endswith((*_OTHER_WEIGHTS, *_NEVER)):
        return False
    return (file.size_bytes or 0) <= _LARGEST_BESIDE and "/" not in name
