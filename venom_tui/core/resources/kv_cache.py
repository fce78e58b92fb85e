"""What each token of context costs in memory, for models whose layers all attend to the whole context."""

from __future__ import annotations

from collections.abc import Mapping

_ELEMENT_BYTES = 2
"""Keys and values are 16-bit numbers unless the server was told otherwise."""

_MOST = 10**6
"""No count of layers or heads, and no width, is as large."""

_PLAIN = frozenset(
    {
        *("llama", "qwen2", "qwen2moe", "qwen3", "qwen3moe", "gemma", "granite", "granitemoe", "smollm3", "olmo2"),
        *("phi2", "starcoder", "starcoder2", "stablelm", "internlm2", "baichuan", "orion", "falcon", "gptneox"),
        *("olmo", "command-r", "glm4", "arcee", "ernie4_5", "seed_oss"),
    }
)
"""Architectures (`general.architecture`) without sliding windows, compressed caches or recurrent layers."""

_OTHERWISE = ("attention.sliding_window", "attention.kv_lora_rank", "attention.key_length_mla")
"""Keys of a header that tell that the cache is none of this kind."""

NEEDED = frozenset(
    {
        *("block_count", "embedding_length", "attention.head_count", "attention.head_count_kv"),
        *("attention.key_length", "attention.value_length", *_OTHERWISE),
    }
)
"""The keys that `kv_bytes_per_token` looks at, without the architecture before them."""


def kv_bytes_per_token(values: Mapping[str, object]) -> int | None:
    """Return the bytes of cache that a token of a conversation takes: 2 · layers · heads · size of a head · 2 bytes.

    Args:
        values: the keys of a GGUF header, as the file or `/api/show` of Ollama has them; None for those that are lists.

    Returns:
        None where it is not known, or another one for each layer.
    """
    architecture = values.get("general.architecture")
    if architecture not in _PLAIN:
        return None
    found = {name: values[f"{architecture}.{name}"] for name in NEEDED if f"{architecture}.{name}" in values}
    if any(name in found for name in _OTHERWISE):
        return None
    layers, heads, width = (
        _count(found.get(name)) for name in ("block_count", "attention.head_count", "embedding_length")
    )
    kv_heads = _count(found.get("attention.head_count_kv", heads))
    head = width // heads if width and heads else None
    key, value = _count(found.get("attention.key_length", head)), _count(found.get("attention.value_length", head))
    if layers is None or kv_heads is None or key is None or value is None:
        return None
    return layers * kv_heads * (key + value) * _ELEMENT_BYTES


def _count(value: object) -> int | None:
    usable = isinstance(value, int) and not isinstance(value, bool) and 0 < value < _MOST
    return value if usable and isinstance(value, int) else None
