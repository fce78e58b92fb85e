"""What a token of context costs: known numbers of known models, and nothing claimed of others."""

from __future__ import annotations

import pytest

from venom_tui.core.resources.kv_cache import kv_bytes_per_token


def header(architecture: str, **values: object) -> dict[str, object]:
    names = {name.replace("__", "."): value for name, value in values.items()}
    return {"general.architecture": architecture, **{f"{architecture}.{name}": value for name, value in names.items()}}


LLAMA_8B = {"block_count": 32, "embedding_length": 4096, "attention__head_count": 32, "attention__head_count_kv": 8}
LLAMA_70B = {"block_count": 80, "embedding_length": 8192, "attention__head_count": 64, "attention__head_count_kv": 8}
QWEN3_14B = {
    "block_count": 40,
    "embedding_length": 5120,
    "attention__head_count": 40,
    "attention__head_count_kv": 8,
    "attention__key_length": 128,
    "attention__value_length": 128,
}


@pytest.mark.parametrize(
    ("architecture", "values", "kib"),
    [
        ("llama", LLAMA_8B, 128),
        ("llama", LLAMA_70B, 320),
        ("qwen3", QWEN3_14B, 160),
        ("llama", {"block_count": 32, "embedding_length": 4096, "attention__head_count": 32}, 512),
        ("gemma", {**LLAMA_8B, "attention__key_length": 256, "attention__value_length": 256}, 256),
    ],
)
def test_known_models(architecture: str, values: dict[str, object], kib: int) -> None:
    assert kv_bytes_per_token(header(architecture, **values)) == kib * 1024


@pytest.mark.parametrize(
    ("architecture", "values"),
    [
        ("gemma3", LLAMA_8B),
        ("deepseek2", LLAMA_8B),
        ("mamba", {}),
        ("llama", {**LLAMA_8B, "attention__sliding_window": 4096}),
        ("llama", {**LLAMA_8B, "attention__kv_lora_rank": 512}),
        ("llama", {**LLAMA_8B, "attention__head_count_kv": None}),
        ("llama", {**LLAMA_8B, "attention__head_count_kv": [8, 4]}),
        ("llama", {**LLAMA_8B, "block_count": 0}),
        ("llama", {**LLAMA_8B, "block_count": True}),
        ("llama", {**LLAMA_8B, "block_count": 10**9}),
        ("llama", {**LLAMA_8B, "embedding_length": "4096"}),
        ("llama", {}),
    ],
)
def test_what_is_not_known(architecture: str, values: dict[str, object]) -> None:
    assert kv_bytes_per_token(header(architecture, **values)) is None


def test_no_header() -> None:
    assert kv_bytes_per_token({}) is None
