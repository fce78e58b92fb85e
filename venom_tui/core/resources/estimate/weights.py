"""Adds up the tensors of a model: what they take, and which of them lie elsewhere or twice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from venom_tui.core.resources.estimate.elements import REPACKED, tensor_bytes

_MOST_ELEMENTS = 10**15
_MOST_BYTES = 10**15


@dataclass(frozen=True, slots=True)
class Weights:
    """The tensors of a model, in bytes as they are stored."""

    total_bytes: int
    embedding_bytes: int = 0
    """The table of tokens."""
    tied: bool = False
    """There is no output layer of its own: the table of tokens is that, too."""
    repacked_bytes: int = 0
    """What llama.cpp lays out anew for a CPU."""
    vocabulary: int = 0
    output: bool = False
    """There is an output layer of its own."""
    unknown: int = 0
    """Number of tensors whose type is not known; they are not counted."""


class WeightsCounter:
    """Takes tensors one by one."""

    def __init__(self) -> None:
        self._total = self._embedding = self._repacked = self._vocabulary = self._unknown = 0
        self._output = False

    def add(self, name: str, shape: Sequence[int], kind: str) -> None:
        """Take one tensor; `shape` is ggml's: the number of columns first."""
        elements = math.prod(shape)
        size = tensor_bytes(kind, elements) if 0 <= elements < _MOST_ELEMENTS else None
        if size is None or self._total + size > _MOST_BYTES:
            self._unknown += 1
            return
        self._total += size
        if name == "token_embd.weight":
            self._embedding, self._vocabulary = size, shape[1] if len(shape) > 1 else 0
        elif name == "output.weight":
            self._output = True
        # Rows go eight at a time; the table of tokens is read in single rows and stays as it is.
        if kind in REPACKED and name != "token_embd.weight" and len(shape) > 1 and shape[1] % 8 == 0:
            self._repacked += size

    def weights(self) -> Weights | None:
        """Return the sum; None where there was nothing."""
        if not self._total:
            return None
        tied = bool(self._embedding) and not self._output
        return Weights(
            self._total, self._embedding, tied, self._repacked, self._vocabulary, self._output, self._unknown
        )


def together(parts: Sequence[Weights]) -> Weights | None:
    """Return the weights of a model that lies in several files; None for none."""
    if not parts:
        return None
    embedding = next((part for part in parts if part.embedding_bytes), None)
    return Weights(
        total_bytes=sum(part.total_bytes for part in parts),
        embedding_bytes=embedding.embedding_bytes if embedding else 0,
        # The output layer may lie in another file than the table of tokens.
        tied=embedding is not None and not any(part.output for part in parts),
        repacked_bytes=sum(part.repacked_bytes for part in parts),
        vocabulary=embedding.vocabulary if embedding else 0,
        output=any(part.output for part in parts),
        unknown=sum(part.unknown for part in parts),
    )
