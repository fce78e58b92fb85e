"""The cache of keys and values, layer by layer, as llama.cpp and vLLM allocate it."""

from __future__ import annotations

from dataclasses import dataclass

from venom_tui.core.resources.estimate.elements import cache_row_bytes
from venom_tui.core.resources.estimate.shape import LayerShape, ModelShape

_PAD = 256
"""llama.cpp rounds the cells of a cache up to this."""
_BLOCK = 16
"""Tokens of a block of vLLM's cache."""


@dataclass(frozen=True, slots=True)
class Cells:
    """For how many tokens layers keep keys and values, all sequences together."""

    full: int
    windowed: int


def llamacpp_cells(window: int, context: int, parallel: int, batch: int, *, shared: bool) -> Cells:
    """Return the cells of a cache of llama.cpp.

    Args:
        window: the sliding window of the layers that have one; 0 without.
        context: tokens of each sequence.
        parallel: sequences at once.
        batch: tokens that are calculated at once (`--ubatch-size`).
        shared: whether all sequences share one cache (`--kv-unified`).
    """
    if shared:
        full = _padded(context * parallel)
        return Cells(full, min(full, _padded(window * parallel + batch)))
    full = _padded(context)
    return Cells(full * parallel, min(full, _padded(window + batch)) * parallel)


def llamacpp_cache_bytes(shape: ModelShape, cells: Cells, kv_type: str, parallel: int) -> int:
    """Return the bytes of llama.cpp's cache, with the state of recurrent layers."""
    return sum(_layer_bytes(layer, cells, kv_type) for layer in shape.layers) + state_bytes(shape, parallel)


def state_bytes(shape: ModelShape, parallel: int) -> int:
    """Return the bytes of the state of recurrent layers, which llama.cpp keeps in 32 bits for each sequence."""
    return 4 * parallel * sum(layer.state_elements for layer in shape.layers)


def vllm_cache_bytes(shape: ModelShape, context: int, kv_type: str, parallel: int, *, windows: bool) -> int:
    """Return the bytes that vLLM's cache must have for so many whole contexts at once.

    `windows`: whether it gives back what sliding windows have left behind, which it does where it can.
    """
    bits = 8 if kv_type.startswith("fp8") else shape.cache_bits
    total = 0
    for layer in shape.layers:
        tokens = context if not (windows and layer.window) else min(context, layer.window + _BLOCK)
        total += -(-tokens // _BLOCK) * _BLOCK * (layer.key_elements + layer.value_elements) * bits // 8
        total += layer.state_elements * bits // 8
    return total * parallel


def _layer_bytes(layer: LayerShape, cells: Cells, kv_type: str) -> int:
    count = cells.windowed if layer.window else cells.full
    keys = cache_row_bytes(kv_type, layer.key_elements) if layer.key_elements else 0
    values = cache_row_bytes(kv_type, layer.value_elements) if layer.value_elements else 0
    return count * (keys + values)


def _padded(cells: int) -> int:
    return -(-cells // _PAD) * _PAD
