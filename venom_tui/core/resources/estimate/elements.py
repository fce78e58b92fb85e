"""How many bytes elements take: the blocks of ggml's types, and the types that a KV cache may have."""

from __future__ import annotations

BLOCKS: dict[str, tuple[int, int]] = {
    "F32": (1, 4), "F16": (1, 2), "BF16": (1, 2), "F64": (1, 8), "I8": (1, 1), "I16": (1, 2), "I32": (1, 4),
    "I64": (1, 8), "Q4_0": (32, 18), "Q4_1": (32, 20), "Q5_0": (32, 22), "Q5_1": (32, 24), "Q8_0": (32, 34),
    "Q8_1": (32, 36), "Q2_K": (256, 84), "Q3_K": (256, 110), "Q4_K": (256, 144), "Q5_K": (256, 176),
    "Q6_K": (256, 210), "Q8_K": (256, 292), "IQ2_XXS": (256, 66), "IQ2_XS": (256, 74), "IQ3_XXS": (256, 98),
    "IQ1_S": (256, 50), "IQ4_NL": (32, 18), "IQ3_S": (256, 110), "IQ2_S": (256, 82), "IQ4_XS": (256, 136),
    "IQ1_M": (256, 56), "TQ1_0": (256, 54), "TQ2_0": (256, 66), "MXFP4": (32, 17), "NVFP4": (64, 36),
}  # fmt: skip
"""Type of a tensor -> elements of a block, bytes of it."""

NUMBERS: dict[int, str] = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K",
    12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S",
    20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64",
    29: "IQ1_M", 30: "BF16", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4", 40: "NVFP4",
}  # fmt: skip
"""ggml's number of a type -> its name."""

REPACKED = frozenset({"Q4_0", "Q4_K", "IQ4_NL"})
"""Types that llama.cpp lays out anew on x86 CPUs with AVX2 and on ARM."""

KV_TYPES = ("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl")
"""What llama.cpp's cache may be made of, the largest first."""

_ALIASES = {"fp8": "q8", "auto": "f16", "fp16": "f16", "bfloat16": "bf16", "float16": "f16", "fp8_e4m3": "q8",
            "fp8_e5m2": "q8", "q8": "q8"}  # fmt: skip


def tensor_bytes(kind: str, elements: int) -> int | None:
    """Return the bytes of a tensor; None for a type that is not known."""
    block = BLOCKS.get(kind)
    if block is None:
        return None
    return -(-elements // block[0]) * block[1]


def cache_row_bytes(kv_type: str, elements: int) -> int:
    """Return the bytes of so many neighbouring elements of a cache.

    Raises:
        KeyError: there is no such type.
    """
    name = _ALIASES.get(kv_type, kv_type)
    if name == "q8":  # eight bits without scales: vLLM's fp8
        return elements
    elements_of, size = BLOCKS[name.upper()]
    return -(-elements // elements_of) * size


def known_kv_types(kind: str) -> tuple[str, ...]:
    """Return the cache types that a kind of runtime takes."""
    return ("auto", "fp8") if kind == "vllm" else KV_TYPES
