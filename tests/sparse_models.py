"""GGUF files of any architecture whose weights are holes: llama.cpp loads them and tells what it allocates.

The tokenizer is that of the demonstration model, copied as it is.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.gguf_files import Writer

VOCABULARY = 49_152
"""Tokens of the demonstration model."""
_TYPES = {"F32": (0, 1, 4), "F16": (1, 1, 2), "Q4_0": (2, 32, 18), "Q8_0": (8, 32, 34)}
_FIXED = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_ALIGNMENT = 32

Tensor = tuple[str, Sequence[int], str]


@dataclass(frozen=True)
class SparseModel:
    """What is written: values without the architecture's prefix, and tensors."""

    architecture: str
    values: Mapping[str, object]
    tensors: Sequence[Tensor]

    @property
    def header(self) -> dict[str, object]:
        """The values as a header has them."""
        prefixed = {f"{self.architecture}.{name}": value for name, value in self.values.items()}
        return {"general.architecture": self.architecture, **prefixed}


def write_sparse(path: Path, model: SparseModel, tokenizer: bytes | None = None, pairs: int = 0) -> Path:
    """Write a model whose weights are holes; `tokenizer` holds further `pairs` as they stand in a file."""
    writer, entries, offset = Writer(), b"", 0
    for name, shape, kind in model.tensors:
        number, block, size = _TYPES[kind]
        entries += writer.string(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", n) for n in shape)
        entries += struct.pack("<IQ", number, offset)
        offset += -(-math.prod(shape) // block * size // _ALIGNMENT) * _ALIGNMENT
    values = b"".join(writer.string(key) + writer.value(value) for key, value in model.header.items())
    beginning = writer.beginning(len(model.header) + pairs, len(model.tensors))
    header = beginning + values + (tokenizer or b"") + entries
    header += b"\0" * (-len(header) % _ALIGNMENT)
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + offset)
    return path


def tokenizer_of(path: Path) -> tuple[bytes, int]:
    """Return the tokenizer's pairs of a GGUF file as they stand in it, and how many they are."""
    data = path.read_bytes()[:16_000_000]
    (count,) = struct.unpack_from("<Q", data, 16)
    at, found = 24, []
    for _ in range(count):
        begin = at
        (length,) = struct.unpack_from("<Q", data, at)
        key = data[at + 8 : at + 8 + length]
        (kind,) = struct.unpack_from("<I", data, at + 8 + length)
        at = _past(data, kind, at + 12 + length)
        if key.startswith(b"tokenizer."):
            found.append(data[begin:at])
    return b"".join(found), len(found)


def _past(data: bytes, kind: int, at: int) -> int:
    if kind in _FIXED:
        return at + _FIXED[kind]
    if kind == 8:
        (length,) = struct.unpack_from("<Q", data, at)
        return at + 8 + int(length)
    inner, count = struct.unpack_from("<IQ", data, at)
    at += 12
    if inner in _FIXED:
        return at + int(count) * _FIXED[inner]
    for _ in range(count):
        at = _past(data, inner, at)
    return at


# ---------------------------------------------------------------------- architectures


def _common(layers: int, wide: int, inner: int, heads: int, kv_heads: object, **more: object) -> dict[str, object]:
    return {
        "block_count": layers,
        "context_length": 131_072,
        "embedding_length": wide,
        "feed_forward_length": inner,
        "attention.head_count": heads,
        "attention.head_count_kv": kv_heads,
        "attention.layer_norm_rms_epsilon": 1e-5,
        "rope.freq_base": 10_000.0,
        "vocab_size": VOCABULARY,
        **{name.replace("__", "."): value for name, value in more.items()},
    }


def _ends(wide: int, kind: str, *, tied: bool = False) -> list[Tensor]:
    ends: list[Tensor] = [("token_embd.weight", [wide, VOCABULARY], kind), ("output_norm.weight", [wide], "F32")]
    return ends if tied else [*ends, ("output.weight", [wide, VOCABULARY], kind)]


def _norms(layer: str, wide: int) -> list[Tensor]:
    return [(f"{layer}attn_norm.weight", [wide], "F32"), (f"{layer}ffn_norm.weight", [wide], "F32")]


def _attention(layer: str, wide: int, heads: int, kv_heads: int, head: int, kind: str) -> list[Tensor]:
    return [
        (f"{layer}attn_q.weight", [wide, heads * head], kind),
        (f"{layer}attn_k.weight", [wide, kv_heads * head], kind),
        (f"{layer}attn_v.weight", [wide, kv_heads * head], kind),
        (f"{layer}attn_output.weight", [heads * head, wide], kind),
    ]


def _feed_forward(layer: str, wide: int, inner: int, kind: str) -> list[Tensor]:
    return [
        (f"{layer}ffn_gate.weight", [wide, inner], kind),
        (f"{layer}ffn_up.weight", [wide, inner], kind),
        (f"{layer}ffn_down.weight", [inner, wide], kind),
    ]


def _experts(layer: str, wide: int, inner: int, count: int, kind: str) -> list[Tensor]:
    return [
        (f"{layer}ffn_gate_inp.weight", [wide, count], "F32"),
        (f"{layer}ffn_gate_exps.weight", [wide, inner, count], kind),
        (f"{layer}ffn_up_exps.weight", [wide, inner, count], kind),
        (f"{layer}ffn_down_exps.weight", [inner, wide, count], kind),
    ]


def llama(
    layers: int = 32, wide: int = 4096, inner: int = 14_336, heads: int = 32, kv_heads: int = 8, head: int = 128,
    kind: str = "Q8_0",
) -> SparseModel:  # fmt: skip
    """Return a model of Llama's shape, by default Llama-3.1-8B's."""
    values = _common(layers, wide, inner, heads, kv_heads, attention__key_length=head, attention__value_length=head)
    tensors = _ends(wide, kind)
    for number in range(layers):
        layer = f"blk.{number}."
        tensors += [*_norms(layer, wide), *_attention(layer, wide, heads, kv_heads, head, kind)]
        tensors += _feed_forward(layer, wide, inner, kind)
    return SparseModel("llama", values | {"rope.dimension_count": head}, tensors)


def qwen3moe(layers: int = 3, experts: int = 32) -> SparseModel:
    """Return a mixture of experts."""
    wide, heads, kv_heads, head, kind = 2048, 32, 4, 128, "Q8_0"
    values = _common(
        layers, wide, 6144, heads, kv_heads, attention__key_length=head, attention__value_length=head,
        expert_count=experts, expert_used_count=8, expert_feed_forward_length=768,
    )  # fmt: skip
    tensors = _ends(wide, kind)
    for number in range(layers):
        layer = f"blk.{number}."
        tensors += [*_norms(layer, wide), *_attention(layer, wide, heads, kv_heads, head, kind)]
        tensors += [(f"{layer}attn_{name}_norm.weight", [head], "F32") for name in "qk"]
        tensors += _experts(layer, wide, 768, experts, kind)
    return SparseModel("qwen3moe", values, tensors)


def gpt_oss(layers: int = 4, experts: int = 4) -> SparseModel:
    """Return a model of which every second layer has a sliding window of 128 tokens."""
    wide, heads, kv_heads, head, inner, kind = 2880, 64, 8, 64, 2880, "Q8_0"
    values = _common(
        layers, wide, inner, heads, kv_heads, attention__key_length=head, attention__value_length=head,
        expert_count=experts, expert_used_count=4, expert_feed_forward_length=inner, attention__sliding_window=128,
    )  # fmt: skip
    tensors = _ends(wide, kind)
    for number in range(layers):
        layer = f"blk.{number}."
        tensors += [(f"{layer}{name}.weight", [wide], "F32") for name in ("attn_norm", "post_attention_norm")]
        tensors += [
            *_attention(layer, wide, heads, kv_heads, head, kind),
            (f"{layer}attn_sinks.weight", [heads], "F32"),
        ]
        for name, width in (("q", heads * head), ("k", kv_heads * head), ("v", kv_heads * head), ("output", wide)):
            tensors.append((f"{layer}attn_{name}.bias", [width], "F32"))
        tensors += [*_experts(layer, wide, inner, experts, kind), (f"{layer}ffn_gate_inp.bias", [experts], "F32")]
        for name, width in (("gate", inner), ("up", inner), ("down", wide)):
            tensors.append((f"{layer}ffn_{name}_exps.bias", [width, experts], "F32"))
    return SparseModel("gpt-oss", values, tensors)


def deepseek2(layers: int = 27, experts: int = 8) -> SparseModel:
    """Return a model with multi-head latent attention (DeepSeek-V2-Lite's shape, fewer experts)."""
    wide, inner, heads, rank, rope, plain, value, kind = 2048, 10_944, 16, 512, 64, 128, 128, "Q8_0"
    values = _common(
        layers, wide, inner, heads, 1, attention__key_length=rank + rope, attention__value_length=rank,
        attention__key_length_mla=plain + rope, attention__value_length_mla=value, attention__kv_lora_rank=rank,
        rope__dimension_count=rope, leading_dense_block_count=1, expert_count=experts,
        expert_used_count=min(6, experts), expert_feed_forward_length=1408, expert_shared_count=2,
        expert_weights_scale=1.0,
    )  # fmt: skip
    tensors = _ends(wide, kind)
    for number in range(layers):
        layer = f"blk.{number}."
        tensors += [
            *_norms(layer, wide),
            (f"{layer}attn_q.weight", [wide, heads * (plain + rope)], kind),
            (f"{layer}attn_kv_a_mqa.weight", [wide, rank + rope], kind),
            (f"{layer}attn_kv_a_norm.weight", [rank], "F32"),
            (f"{layer}attn_k_b.weight", [plain, rank, heads], kind),
            (f"{layer}attn_v_b.weight", [rank, value, heads], kind),
            (f"{layer}attn_output.weight", [heads * value, wide], kind),
        ]
        if number == 0:
            tensors += _feed_forward(layer, wide, inner, kind)
            continue
        tensors += _experts(layer, wide, 1408, experts, kind)
        tensors += [(name.replace("ffn_", "ffn_").replace(".weight", "_shexp.weight"), shape, kind)
                    for name, shape, kind in _feed_forward(layer, wide, 2816, kind)]  # fmt: skip
    return SparseModel("deepseek2", values, tensors)


def _mamba2(layer: str, wide: int, inner: int, state: int, ranks: int, kind: str) -> list[Tensor]:
    mixed = inner + 2 * state
    return [
        (f"{layer}ssm_in.weight", [wide, inner + mixed + ranks], kind),
        (f"{layer}ssm_conv1d.weight", [4, mixed], "F32"),
        (f"{layer}ssm_conv1d.bias", [mixed], "F32"),
        (f"{layer}ssm_dt.bias", [ranks], "F32"),
        (f"{layer}ssm_a", [1, ranks], "F32"),
        (f"{layer}ssm_d", [1, ranks], "F32"),
        (f"{layer}ssm_norm.weight", [inner, 1], "F32"),
        (f"{layer}ssm_out.weight", [inner, wide], kind),
    ]


def granite_hybrid(layers: int = 8) -> SparseModel:
    """Return a recurrent model in which every fourth layer has attention."""
    wide, inner, heads, head, kind = 1536, 512, 12, 128, "Q8_0"
    kv_heads = [4 if number % 4 == 3 else 0 for number in range(layers)]
    values = _common(
        layers, wide, inner, heads, kv_heads, ssm__conv_kernel=4, ssm__inner_size=3072, ssm__state_size=128,
        ssm__time_step_rank=48, ssm__group_count=1, embedding_scale=12.0, residual_scale=0.22, logit_scale=6.0,
        attention__scale=0.0078, rope__dimension_count=head,
    )  # fmt: skip
    tensors = _ends(wide, kind, tied=True)
    for number in range(layers):
        layer = f"blk.{number}."
        tensors += [*_norms(layer, wide), *_feed_forward(layer, wide, inner, kind)]
        if kv_heads[number]:
            tensors += _attention(layer, wide, heads, kv_heads[number], head, kind)
        else:
            tensors += _mamba2(layer, wide, 3072, 128, 48, kind)
    return SparseModel("granitehybrid", values, tensors)


def mamba2(layers: int = 4) -> SparseModel:
    """Return a model without attention."""
    wide, kind = 2048, "Q8_0"
    values = _common(
        layers, wide, 0, 0, 0, ssm__conv_kernel=4, ssm__inner_size=4096, ssm__state_size=128, ssm__time_step_rank=64,
        ssm__group_count=1,
    )  # fmt: skip
    tensors = _ends(wide, kind)
    for number in range(layers):
        layer = f"blk.{number}."
        tensors += [(f"{layer}attn_norm.weight", [wide], "F32"), *_mamba2(layer, wide, 4096, 128, 64, kind)]
    return SparseModel("mamba2", values, tensors)


def lfm2(layers: int = 6) -> SparseModel:
    """Return a model of short convolutions in which every third layer has attention."""
    wide, inner, heads, head, kind = 2048, 8192, 32, 64, "Q8_0"
    kv_heads = [8 if number % 3 == 2 else 0 for number in range(layers)]
    values = _common(layers, wide, inner, heads, kv_heads, shortconv__l_cache=3)
    tensors: list[Tensor] = [
        ("token_embd.weight", [wide, VOCABULARY], kind),
        ("token_embd_norm.weight", [wide], "F32"),
    ]
    for number in range(layers):
        layer = f"blk.{number}."
        tensors += [*_norms(layer, wide), *_feed_forward(layer, wide, inner, kind)]
        if kv_heads[number]:
            tensors += _attention(layer, wide, heads, kv_heads[number], head, kind)
            tensors += [(f"{layer}attn_{name}_norm.weight", [head], "F32") for name in "qk"]
        else:
            tensors += [
                (f"{layer}shortconv.conv.weight", [3, wide], "F32"),
                (f"{layer}shortconv.in_proj.weight", [wide, 3 * wide], kind),
                (f"{layer}shortconv.out_proj.weight", [wide, wide], kind),
            ]
    return SparseModel("lfm2", values, tensors)
