"""The shape of a model in Hugging Face's form: `config.json`, and the headers or sizes of its safetensors files."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from venom_tui.core.resources.estimate.shape import LayerShape, ModelShape
from venom_tui.core.sanitize import sanitize_line

_MOST_LAYERS = 4096
_MOST = 2**40
_LARGEST_HEADER = 64 * 1024 * 1024
_BITS = {
    "F64": 64, "F32": 32, "F16": 16, "BF16": 16, "F8_E4M3": 8, "F8_E5M2": 8, "I64": 64, "I32": 32, "I16": 16, "I8": 8,
    "U8": 8, "BOOL": 8, "F4": 4,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tensors:
    """What the headers of safetensors files list."""

    total_bytes: int
    embedding_bytes: int = 0


class BadHeader(ValueError):
    """It is no header of safetensors."""


def header_length(beginning: bytes) -> int:
    """Return how many bytes of a safetensors file its header takes, with the length before it.

    Raises:
        BadHeader: it claims to be longer than any model's.
    """
    if len(beginning) < 8:
        raise BadHeader("the file ends in its first bytes")
    length = int(struct.unpack("<Q", beginning[:8])[0])
    if not 2 <= length <= _LARGEST_HEADER:
        raise BadHeader(f"it claims to have a header of {length:,} bytes")
    return 8 + length


def read_tensors(header: bytes) -> Tensors:
    """Return what a whole header (with the length before it) lists.

    Raises:
        BadHeader: it is none.
    """
    try:
        listed = json.loads(header[8:])
    except (ValueError, RecursionError):
        raise BadHeader("its header is no JSON") from None
    if not isinstance(listed, dict):
        raise BadHeader("its header is no list of tensors")
    total = embedding = 0
    for name, tensor in listed.items():
        if name == "__metadata__" or not isinstance(tensor, dict):
            continue
        size = _tensor_bytes(tensor)
        total += size
        if name.endswith(("embed_tokens.weight", "wte.weight", "word_embeddings.weight")):
            embedding += size
    return Tensors(total, embedding)


def shape_from_config(
    config: Mapping[str, object], weights_bytes: int, source: str, *, embedding_bytes: int = 0
) -> ModelShape | None:
    """Return the shape that a `config.json` tells of; None where it tells too little.

    Args:
        config: the file's content.
        weights_bytes: what all tensors take together.
        source: what it was read from, for people.
        embedding_bytes: what the table of tokens takes.
    """
    text = config.get("text_config")
    told = {**config, **text} if isinstance(text, Mapping) else dict(config)
    count = _number(told, "num_hidden_layers", "n_layer", "num_layers")
    heads = _number(told, "num_attention_heads", "n_head")
    wide = _number(told, "hidden_size", "n_embd", "d_model")
    if not 0 < count <= _MOST_LAYERS or not heads or not wide or weights_bytes <= 0:
        return None
    head = _number(told, "head_dim") or wide // heads
    kv_heads = _number(told, "num_key_value_heads", "num_kv_heads") or heads
    if told.get("multi_query") is True:
        kv_heads = 1
    rank = _number(told, "kv_lora_rank")
    keys, values = (rank + _number(told, "qk_rope_head_dim"), 0) if rank else (kv_heads * head, kv_heads * head)
    experts = _number(told, "num_experts_per_tok")
    notes: list[str] = []
    layers = tuple(_layer(keys, values, kind) for kind in _kinds(told, count, notes))
    return ModelShape(
        architecture=sanitize_line(str(told.get("model_type") or "?"), 60),
        layers=layers,
        weights_bytes=weights_bytes,
        embedding_bytes=embedding_bytes,
        tied=bool(told.get("tie_word_embeddings")),
        vocabulary=_number(told, "vocab_size"),
        embedding=wide,
        feed_forward=_number(told, "intermediate_size", "n_inner", "ffn_dim") or 4 * wide,
        expert_feed_forward=_number(told, "moe_intermediate_size", "intermediate_size") if experts else 0,
        experts_used=experts,
        heads=heads,
        context_length=_number(told, "max_position_embeddings", "n_positions", "max_seq_len") or None,
        cache_bits=32 if told.get("torch_dtype", told.get("dtype")) == "float32" else 16,
        source=source,
        notes=tuple(notes),
    )


def _layer(keys: int, values: int, window: int | None) -> LayerShape:
    return LayerShape() if window is None else LayerShape(keys, values, window)


def _kinds(told: Mapping[str, object], count: int, notes: list[str]) -> list[int | None]:
    """Return the window of each layer, 0 for none; None for a layer without attention."""
    window = _number(told, "sliding_window") if told.get("use_sliding_window", True) else 0
    kinds = told.get("layer_types", told.get("layers_block_type"))
    if isinstance(kinds, Sequence) and not isinstance(kinds, str) and len(kinds) == count:
        found: list[int | None] = []
        for kind in kinds:
            word = str(kind)
            attends = "attention" in word and "linear" not in word
            found.append((window if "sliding" in word else 0) if attends else None)
        if None in found:
            notes.append("the state of its recurrent layers is not counted")
        return found
    interval = _number(told, "full_attention_interval")
    if interval:
        notes.append("the state of its recurrent layers is not counted")
        return [0 if (number + 1) % interval == 0 else None for number in range(count)]
    period = _number(told, "sliding_window_pattern")
    if window and period:
        return [window if (number + 1) % period else 0 for number in range(count)]
    return [window] * count


def _tensor_bytes(tensor: Mapping[str, object]) -> int:
    offsets = tensor.get("data_offsets")
    if isinstance(offsets, list) and len(offsets) == 2 and all(isinstance(n, int) for n in offsets):
        return min(_MOST, max(0, int(offsets[1] - offsets[0])))
    shape = tensor.get("shape")
    if isinstance(shape, list) and all(isinstance(n, int) and n >= 0 for n in shape):
        return min(_MOST, int(math.prod(shape)) * _BITS.get(str(tensor.get("dtype")), 16) // 8)
    return 0


def _number(told: Mapping[str, object], *names: str) -> int:
    """Return the first of some whole numbers that is told, 0 for none."""
    for name in names:
        value = told.get(name)
        if isinstance(value, list) and value:  # one for each token (experts): the most
            value = max((n for n in value if isinstance(n, int)), default=0)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < _MOST:
            return value
    return 0
