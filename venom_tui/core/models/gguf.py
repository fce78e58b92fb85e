"""Reads the header of a GGUF file: what the model is, without its weights.

Layout (ggml's docs/gguf.md): magic, version, number of tensors, number of key-value pairs, the pairs, the tensors'
names, shapes, types and offsets. Everything in it is untrusted: counts and lengths are checked before they are used,
and long arrays (the vocabulary) are passed over.
"""

from __future__ import annotations

import io
import math
import os
import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from venom_tui.core.resources import kv_cache
from venom_tui.core.resources.estimate.elements import NUMBERS
from venom_tui.core.resources.estimate.weights import Weights, WeightsCounter
from venom_tui.core.sanitize import sanitize_line

_MAGIC = b"GGUF"
_MAX_PAIRS = 20_000
_MAX_TENSORS = 200_000
_MAX_STRING = 4 * 1024 * 1024
_MAX_TEXTS = 2_000_000
"""Texts of all arrays together; the largest vocabularies and their merges have less than a million."""
_MAX_PARAMETERS = 10**15
_MAX_HEADER = 256 * 1024 * 1024
"""Bytes; the largest vocabularies make headers of some 20 MB."""

_STRING, _ARRAY = 8, 9
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}

_FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS",
    21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4",
}  # fmt: skip
"""`general.file_type` -> its name (llama.h, enum llama_ftype)."""


_NEEDED = frozenset(
    {
        *("general.architecture", "general.type", "general.name", "general.file_type"),
        *("split.count", "split.no", "tokenizer.chat_template"),
    }
)
"""Keys whose values are kept; besides them the numbers of its architecture."""
_OTHERS = ("general.", "tokenizer.", "split.", "quantize.", "imatrix.", "adapter.")
"""What keys begin with that are no architecture's."""
_MOST_NUMBERS = 4096
"""Longest array that is kept: a number for each layer."""
_LONGEST_NAME = 512
"""Bytes of a tensor's name that are read; ggml's own are at most 64."""
_CUT = "it ends in the middle of its header"


class GgufError(ValueError):
    """The file is no GGUF file, or its header is broken; the text says how."""


class GgufCut(GgufError):
    """There is less of the file than its header takes."""


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What the header says. None: it does not say."""

    version: int
    architecture: str | None
    name: str | None
    parameters: int | None
    """Number of parameters: all elements of all tensors."""
    quantization: str | None
    context_length: int | None
    has_chat_template: bool
    kind: str
    """`model`, or `mmproj`, `adapter` and the like: files that cannot chat on their own."""
    split_count: int
    """Number of files that the model was split into."""
    split_number: int
    kv_bytes_per_token: int | None = None
    """Bytes of cache that each token of context takes."""
    values: Mapping[str, object] = field(default_factory=dict, compare=False)
    """The architecture and its numbers, as the header has them."""
    weights: Weights | None = field(default=None, compare=False)
    """What the tensors take that the header lists: those of this file."""

    @property
    def parameter_size(self) -> str | None:
        """The number of parameters as the field writes it: `135M`, `8.0B`."""
        if not self.parameters:
            return None
        if self.parameters >= 1e9:
            return f"{self.parameters / 1e9:.1f}B"
        return f"{self.parameters / 1e6:.0f}M" if self.parameters >= 1e6 else f"{self.parameters / 1e3:.0f}K"


def read_header(path: Path) -> GgufHeader:
    """Read the header of a file (synchronous; call it in a thread).

    Raises:
        GgufError: it is no GGUF file, or it is broken or cut.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return _Reader(file, os.fstat(file.fileno()).st_size).header()


def read_beginning(beginning: bytes, size: int) -> GgufHeader:
    """Read the header from the beginning of a file of `size` bytes: one that lies elsewhere.

    Raises:
        GgufCut: the header is longer than that.
        GgufError: it is no GGUF file, or it is broken.
    """
    return _Reader(io.BytesIO(beginning), size).header()


def read_texts(path: Path, wanted: Collection[str]) -> dict[str, str]:
    """Return texts of the header by their keys: what a person wants to read of a model (synchronous).

    Raises:
        GgufError: it is no GGUF file, or it is broken or cut.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return _Reader(file, os.fstat(file.fileno()).st_size).texts(wanted)


class _Reader:
    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self._order = "<"
        self._used = 0
        self._texts = 0
        self._wide = True

    def header(self) -> GgufHeader:
        version, tensors, pairs = self._begin()
        values: dict[str, object] = {}
        for _ in range(pairs):
            key = self._string()
            kind = self._number("I")
            if _is_needed(key, kind):
                values[key] = self._value(kind)
            else:
                self._pass_over(kind)
        counter = WeightsCounter()
        elements = sum(self._tensor(counter) for _ in range(tensors))
        return _summary(version, values, elements, counter.weights())

    def texts(self, wanted: Collection[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for _ in range(self._begin()[2]):
            key = self._string()
            kind = self._number("I")
            if kind == _STRING and key in wanted:
                found[key] = self._string()
            else:
                self._pass_over(kind)
        return found

    def _begin(self) -> tuple[int, int, int]:
        """Read what stands before the pairs; return version, number of tensors, number of pairs."""
        if self._take(4) != _MAGIC:
            raise GgufError("it is no GGUF file")
        version = self._number("I")
        if version & 0xFFFF == 0:
            # A big-endian file: its version reads as a multiple of 65,536.
            self._order, version = ">", struct.unpack(">I", struct.pack("<I", version))[0]
        if version not in (1, 2, 3):
            raise GgufError(f"its format version is {version}, which is unknown")
        self._wide = version > 1
        return version, self._count(_MAX_TENSORS, "tensors"), self._count(_MAX_PAIRS, "keys")

    def _take(self, size: int) -> bytes:
        self._count_bytes(size)
        data = self._file.read(size)
        if len(data) != size:
            raise GgufCut(_CUT)
        return data

    def _skip(self, size: int) -> None:
        self._count_bytes(size)
        self._file.seek(size, 1)

    def _count_bytes(self, size: int) -> None:
        self._used += size
        if self._used > _MAX_HEADER:
            raise GgufError("its header is larger than any model's")
        if self._used > self._size:
            raise GgufCut(_CUT)

    def _number(self, form: str) -> int:
        return int(struct.unpack(self._order + form, self._take(struct.calcsize("=" + form)))[0])

    def _length(self) -> int:
        return self._number("Q" if self._wide else "I")

    def _count(self, most: int, what: str) -> int:
        count = self._length()
        if count > most:
            raise GgufError(f"it claims to hold {count:,} {what}")
        return count

    def _string(self) -> str:
        length = self._length()
        if length > _MAX_STRING:
            raise GgufError(f"it claims to hold a text of {length:,} bytes")
        return self._take(length).decode("utf-8", "replace")

    def _value(self, kind: int) -> object:
        """Read a value; of arrays those of a few numbers are kept, the others are None."""
        if kind == _STRING:
            return self._string()
        form = _SCALARS.get(kind)
        if form is not None:
            return struct.unpack(self._order + form, self._take(struct.calcsize("=" + form)))[0]
        if kind != _ARRAY:
            self._pass_over(kind)
            return None
        inner, count = self._number("I"), self._length()
        form = _SCALARS.get(inner)
        if form is None or count > _MOST_NUMBERS:
            self._pass_over(inner, count, 1)
            return None
        return struct.unpack(f"{self._order}{count}{form}", self._take(count * struct.calcsize("=" + form)))

    def _pass_over(self, kind: int, count: int = 1, depth: int = 0) -> None:
        """Read past values of one kind."""
        form = _SCALARS.get(kind)
        if form is not None:
            self._skip(count * struct.calcsize("=" + form))
            return
        if kind not in (_STRING, _ARRAY):
            raise GgufError(f"it holds a value of the unknown type {kind}")
        if depth > 3:
            raise GgufError("its arrays are nested too deeply")
        self._texts += count
        if self._texts > _MAX_TEXTS:
            raise GgufError(f"it claims to hold {self._texts:,} texts")
        for _ in range(count):
            if kind == _STRING:
                self._skip(self._length())
            else:
                self._pass_over(self._number("I"), self._length(), depth + 1)

    def _tensor(self, counter: WeightsCounter) -> int:
        """Read one tensor's entry and return its number of elements."""
        length = self._length()
        name = self._take(length).decode("utf-8", "replace") if length <= _LONGEST_NAME else ""
        if length > _LONGEST_NAME:
            self._skip(length)
        dimensions = self._number("I")
        if dimensions > 8:
            raise GgufError(f"it claims to hold a tensor of {dimensions} dimensions")
        shape = [self._length() for _ in range(dimensions)]
        counter.add(name, shape, NUMBERS.get(self._number("I"), ""))
        self._skip(8)
        return math.prod(shape)


def _is_needed(key: str, kind: int) -> bool:
    if key in _NEEDED:
        return True
    return len(key) < 100 and kind != _STRING and not key.startswith(_OTHERS)


def _summary(version: int, values: dict[str, object], elements: int, weights: Weights | None) -> GgufHeader:
    architecture = _text(values.get("general.architecture"))
    kind = _text(values.get("general.type")) or "model"
    if architecture == "clip":
        kind = "mmproj"
    file_type = values.get("general.file_type")
    context = values.get(f"{architecture}.context_length")
    return GgufHeader(
        version=version,
        architecture=architecture,
        name=_text(values.get("general.name")),
        parameters=elements if 0 < elements < _MAX_PARAMETERS else None,
        quantization=_FILE_TYPES.get(file_type & 1023) if isinstance(file_type, int) else None,
        context_length=_int(context, 0) or None,
        has_chat_template=bool(values.get("tokenizer.chat_template")),
        kind=kind,
        split_count=_int(values.get("split.count"), 1),
        split_number=_int(values.get("split.no"), 0),
        kv_bytes_per_token=kv_cache.kv_bytes_per_token(values),
        values={k: v for k, v in values.items() if k == "general.architecture" or not k.startswith(_OTHERS)},
        weights=weights,
    )


def _text(value: object) -> str | None:
    return sanitize_line(value, 120) or None if isinstance(value, str) else None


def _int(value: object, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else default
