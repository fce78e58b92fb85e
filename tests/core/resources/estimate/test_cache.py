"""The cache of keys and values to the byte, for the architectures that are known."""

from __future__ import annotations

import pytest

from tests.sparse_models import SparseModel, deepseek2, gpt_oss, granite_hybrid, lfm2, llama, mamba2
from venom_tui.core.resources.estimate.cache import llamacpp_cache_bytes, llamacpp_cells, state_bytes, vllm_cache_bytes
from venom_tui.core.resources.estimate.from_gguf import shape_from_values
from venom_tui.core.resources.estimate.shape import ModelShape
from venom_tui.core.resources.estimate.weights import Weights

KIB, MIB, GIB = 1024, 1024**2, 1024**3


def shape(model: SparseModel, **changes: object) -> ModelShape:
    header = {**model.header, **{f"{model.architecture}.{name}": value for name, value in changes.items()}}
    found = shape_from_values(header, Weights(GIB), "a test")
    assert found is not None
    return found


def cache(
    found: ModelShape, context: int, *, kv_type: str = "f16", parallel: int = 1, batch: int = 512, shared: bool = True
) -> int:
    cells = llamacpp_cells(found.window, context, parallel, batch, shared=shared)
    return llamacpp_cache_bytes(found, cells, kv_type, parallel)


@pytest.mark.parametrize(
    ("layers", "kib"), [(32, 128), (80, 320)], ids=["Llama-3.1-8B", "Llama-3.1-70B"]
)  # fmt: skip
def test_grouped_query_attention(layers: int, kib: int) -> None:
    found = shape(llama(layers=layers, wide=4096 if layers == 32 else 8192, heads=32 if layers == 32 else 64))
    for context in (4096, 8192, 32_768, 131_072):
        assert cache(found, context) == context * kib * KIB
    assert cache(found, 8192, kv_type="q8_0") == 8192 * kib * KIB * 34 // 64
    assert cache(found, 8192, kv_type="q4_0") == 8192 * kib * KIB * 18 // 64
    assert cache(found, 2048, parallel=4) == 8192 * kib * KIB
    # llama.cpp has cells for 256 tokens at a time.
    assert cache(found, 4000) == 4096 * kib * KIB


def test_a_sliding_window() -> None:
    values = {"attention.sliding_window": 1024, "attention.head_count_kv": 4}
    model = SparseModel("gemma3", {**llama(layers=34, wide=2560, heads=8, kv_heads=4, head=256).values, **values}, ())
    found = shape(model)
    full, windowed = 34 // 6, 34 - 34 // 6
    per_token = 4 * (256 + 256) * 2
    # min(context, window + batch), as llama.cpp pads it: 1024 + 512 = 1536.
    assert cache(found, 8192) == per_token * (8192 * full + 1536 * windowed)
    assert cache(found, 1024) == per_token * 1024 * 34
    assert cache(found, 2048, parallel=4) == per_token * (8192 * full + (4 * 1024 + 512) * windowed)
    # Ollama gives each sequence a cache of its own.
    assert cache(found, 2048, parallel=4, shared=False) == 4 * per_token * (2048 * full + 1536 * windowed)
    assert cache(found, 8192, batch=2048) == per_token * (8192 * full + 3072 * windowed)
    assert (found.window, found.has_full_attention) == (1024, True)


def test_every_second_layer_of_gpt_oss_has_a_window() -> None:
    found = shape(gpt_oss(layers=24))
    assert cache(found, 8192) == 8 * 128 * 2 * 12 * (8192 + 768)  # 128 + 512 is padded to 768


def test_a_pattern_that_the_file_tells_goes_before_the_architecture() -> None:
    pattern = [True, True, False, False]
    model = SparseModel("gemma3", llama(layers=4, kv_heads=8).values, ())
    told = {"attention.sliding_window": 512, "attention.sliding_window_pattern": pattern}
    assert [layer.window for layer in shape(model, **told).layers] == [512, 512, 0, 0]
    told["attention.sliding_window_pattern"] = 2
    assert [layer.window for layer in shape(model, **told).layers] == [512, 0, 512, 0]
    # A window of an architecture that llama.cpp does not use it for is not counted, and that is said.
    plain = shape(SparseModel("llama", {**llama(layers=4).values, "attention.sliding_window": 4096}, ()))
    assert plain.window == 0
    assert "not used by llama.cpp" in plain.notes[0]


def test_latent_attention_caches_the_compressed_key_alone() -> None:
    found = shape(deepseek2())
    assert cache(found, 8192) == 8192 * 27 * (512 + 64) * 2
    # DeepSeek-V3: 61 layers of the same, 68.6 KiB a token.
    values = {**deepseek2().values, "block_count": 61, "attention.head_count": 128}
    large = shape(SparseModel("deepseek2", values, ()))
    assert cache(large, 4096) == 4096 * 61 * 576 * 2 == 4096 * 70_272


def test_a_model_converted_before_that_caches_keys_and_values_of_all_heads() -> None:
    old = {"attention.key_length": 192, "attention.value_length": 128, "attention.head_count_kv": 16}
    values = {name: value for name, value in deepseek2().values.items() if not name.endswith("_mla")} | old
    assert cache(shape(SparseModel("deepseek2", values, ())), 4096) == 4096 * 27 * 16 * (192 + 128) * 2


def test_a_recurrent_hybrid() -> None:
    found = shape(granite_hybrid())
    state = 4 * 6 * (3 * (3072 + 2 * 128) + 128 * 3072)  # convolution and state of six layers, 32 bits
    assert state_bytes(found, 1) == state
    assert cache(found, 8192) == 8192 * 2 * 4 * (128 + 128) * 2 + state
    assert cache(found, 2048, parallel=4) == 8192 * 2 * 4 * (128 + 128) * 2 + 4 * state
    # The state is 32 bits whatever the cache is.
    assert cache(found, 8192, kv_type="q8_0") == 8192 * 2 * 4 * 256 * 34 // 32 + state


def test_models_without_attention_and_with_short_convolutions() -> None:
    assert cache(shape(mamba2()), 8192) == 4 * 4 * (3 * (4096 + 2 * 128) + 128 * 4096)
    assert cache(shape(mamba2()), 131_072) == cache(shape(mamba2()), 4096)
    assert cache(shape(lfm2()), 4096) == 4096 * 2 * 8 * 128 * 2 + 4 * 4 * 2 * 2048


def test_every_fourth_layer_of_qwen3_next_has_attention() -> None:
    values = {
        **llama(layers=48, wide=2048, heads=16, kv_heads=2, head=256).values,
        "ssm.conv_kernel": 4, "ssm.inner_size": 4096, "ssm.state_size": 128, "ssm.group_count": 16,
        "full_attention_interval": 4,
    }  # fmt: skip
    found = shape(SparseModel("qwen3next", values, ()))
    assert sum(1 for layer in found.layers if layer.key_elements) == 12
    state = 4 * 36 * (3 * (4096 + 2 * 16 * 128) + 128 * 4096)
    assert cache(found, 8192) == 8192 * 12 * 2 * 512 * 2 + state


def test_layers_that_use_the_cache_of_others_have_none() -> None:
    values = {**llama(layers=30, wide=2048, heads=8, kv_heads=2, head=256).values, "attention.sliding_window": 512}
    found = shape(SparseModel("gemma3n", values, ()))
    kept = [layer for layer in found.layers if layer.key_elements]
    assert len(kept) == 20
    shared = shape(SparseModel("gemma4", {**values, "attention.shared_kv_layers": 10}, ()))
    assert [bool(layer.key_elements) for layer in shared.layers] == [True] * 20 + [False] * 10


def test_layers_that_guess_ahead_have_no_cache() -> None:
    assert len(shape(llama(layers=47), nextn_predict_layers=1).layers) == 46


def test_vllm_counts_blocks_of_sixteen_tokens() -> None:
    found = shape(llama())
    assert vllm_cache_bytes(found, 1000, "auto", 1, windows=False) == 1008 * 128 * KIB
    assert vllm_cache_bytes(found, 8192, "fp8", 2, windows=False) == 8192 * 128 * KIB
    windows = shape(gpt_oss(layers=24))
    assert vllm_cache_bytes(windows, 8192, "auto", 1, windows=True) == 8 * 128 * 2 * 12 * (8192 + 144)
