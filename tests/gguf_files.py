"""Writes GGUF files without weights: what a header says is all that is read of them before a load."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY, UINT64 = 4, 5, 6, 7, 8, 9, 10

CHAT: dict[str, object] = {
    "general.architecture": "llama",
    "general.name": "Tiny",
    "general.file_type": 15,
    "llama.context_length": 2048,
    "tokenizer.ggml.tokens": ["<s>", "a", "b"],
    "tokenizer.ggml.scores": [0.0, -1.0, -2.0],
    "tokenizer.chat_template": "{{ messages }}",
}
"""What the header of a small chat model says."""
TENSORS = (("token_embd.weight", (64, 3)), ("output.weight", (64, 3)))


@dataclass
class Writer:
    """Puts a header together, of version 1, 2 or 3 and of either byte order."""

    version: int = 3
    order: str = "<"

    def number(self, form: str, value: float) -> bytes:
        return struct.pack(self.order + form, value)

    def length(self, value: int) -> bytes:
        return self.number("I" if self.version == 1 else "Q", value)

    def string(self, text: str | bytes) -> bytes:
        data = text.encode() if isinstance(text, str) else text
        return self.length(len(data)) + data

    def value(self, value: object) -> bytes:
        """Return a value with its type before it."""
        kind = _kind(value)
        return self.number("I", kind) + self.plain(value, kind)

    def plain(self, value: object, kind: int) -> bytes:
        """Return a value alone."""
        if kind == ARRAY:
            assert isinstance(value, Sequence)
            inner = _kind(value[0]) if value else UINT32
            items = b"".join(self.plain(item, inner) for item in value)
            return self.number("I", inner) + self.length(len(value)) + items
        if kind == STRING:
            assert isinstance(value, str | bytes)
            return self.string(value)
        assert isinstance(value, int | float)
        return self.number({UINT32: "I", INT32: "i", FLOAT32: "f", BOOL: "?", UINT64: "Q"}[kind], value)

    def tensor(self, name: str, shape: Sequence[int]) -> bytes:
        sizes = b"".join(self.length(size) for size in shape)
        return self.string(name) + self.number("I", len(shape)) + sizes + self.number("I", 0) + self.number("Q", 0)

    def beginning(self, pairs: int, tensors: int) -> bytes:
        """Return magic, version and counts."""
        return b"GGUF" + self.number("I", self.version) + self.length(tensors) + self.length(pairs)

    def header(self, values: Mapping[str, object], tensors: Sequence[tuple[str, Sequence[int]]] = TENSORS) -> bytes:
        """Return a whole header."""
        pairs = b"".join(self.string(key) + self.value(value) for key, value in values.items())
        entries = b"".join(self.tensor(name, shape) for name, shape in tensors)
        return self.beginning(len(values), len(tensors)) + pairs + entries


def _kind(value: object) -> int:
    if isinstance(value, bool):
        return BOOL
    if isinstance(value, int):
        return UINT32 if 0 <= value < 2**32 else INT32 if -(2**31) <= value < 0 else UINT64
    if isinstance(value, float):
        return FLOAT32
    return STRING if isinstance(value, str | bytes) else ARRAY


def write_gguf(path: Path, **values: object) -> Path:
    """Write the header of a small chat model, some values changed (dots as `__`; None leaves one out)."""
    changed = CHAT | {name.replace("__", "."): value for name, value in values.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(Writer().header({name: value for name, value in changed.items() if value is not None}))
    return path
