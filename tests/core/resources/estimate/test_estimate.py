"""The parts of an estimate, what earlier loads change of it, and that nothing in a header breaks it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sparse_models import llama
from venom_tui.core.resources.estimate.correction import correction_bytes, quality
from venom_tui.core.resources.estimate.elements import KV_TYPES, cache_row_bytes, tensor_bytes
from venom_tui.core.resources.estimate.estimate import batch_of, estimate
from venom_tui.core.resources.estimate.from_gguf import shape_from_values
from venom_tui.core.resources.estimate.shape import ModelShape
from venom_tui.core.resources.estimate.weights import Weights, WeightsCounter, together
from venom_tui.core.types.fit import EstimateRecord

MIB, GIB = 1024**2, 1024**3
NOW = datetime(2026, 11, 1, tzinfo=UTC)


def eight_billion(**changes: object) -> ModelShape:
    counter = WeightsCounter()
    for name, shape, kind in llama().tensors:
        counter.add(name, shape, kind)
    found = shape_from_values(llama().header, counter.weights(), "a test")
    assert found is not None
    return replace(found, **changes)  # type: ignore[arg-type]


def test_low_likely_and_high_stand_in_order_for_every_runtime_and_type() -> None:
    for kind in ("embedded", "ollama", "llamacpp", "vllm"):
        for place in ("gpu", "cpu"):
            for kv_type in KV_TYPES if kind != "vllm" else ("auto", "fp8"):
                found = estimate(eight_billion(), kind, context=8192, kv_type=kv_type, parallel=2, place=place)
                parts = found.parts
                assert found.low_bytes < found.likely_bytes < found.high_bytes
                assert found.likely_bytes == parts.total_bytes
                assert min(parts.weights_bytes, parts.kv_bytes, parts.compute_bytes, parts.overhead_bytes) > 0


def test_on_a_gpu_the_table_of_tokens_stays_in_ram() -> None:
    shape = eight_billion()
    there, here = (estimate(shape, "ollama", context=4096, place=place) for place in ("gpu", "cpu"))
    assert here.parts.weights_bytes - there.parts.weights_bytes == shape.embedding_bytes > 0
    assert there.host_bytes > shape.embedding_bytes
    tied = estimate(replace(shape, tied=True), "ollama", context=4096, place="gpu")
    assert tied.parts.weights_bytes == shape.weights_bytes


def test_ollama_takes_larger_batches_for_longer_contexts() -> None:
    assert [batch_of("ollama", tokens) for tokens in (4096, 4097, 32_768, 32_769)] == [512, 1024, 1024, 2048]
    assert batch_of("embedded", 131_072) == 512


def test_types_of_elements() -> None:
    assert [cache_row_bytes(kind, 1024) for kind in ("f32", "f16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0")] == [
        4096, 2048, 1088, 768, 704, 640, 576,
    ]  # fmt: skip
    assert cache_row_bytes("fp8", 1024) == 1024
    assert tensor_bytes("Q4_K", 4096) == 4096 // 256 * 144
    assert tensor_bytes("Q9_X", 4096) is None
    with pytest.raises(KeyError):
        cache_row_bytes("q9", 10)


# ---------------------------------------------------------------------- weights


def test_weights_in_several_files() -> None:
    first, second = WeightsCounter(), WeightsCounter()
    first.add("token_embd.weight", [64, 1000], "F16")
    second.add("blk.0.ffn_up.weight", [64, 128], "Q4_0")
    one, other = first.weights(), second.weights()
    assert one is not None and one.tied and other is not None
    whole = together([one, other])
    assert whole == Weights(128_000 + 4608, 128_000, True, 4608, 1000)
    second.add("output.weight", [64, 1000], "F16")
    again = second.weights()
    assert again is not None
    untied = together([one, again])
    assert untied is not None and not untied.tied
    assert together([]) is None


def test_tensors_of_unknown_types_are_said_to_be_missing() -> None:
    counter = WeightsCounter()
    counter.add("token_embd.weight", [64, 1000], "F16")
    counter.add("new.weight", [64, 64], "")
    counter.add("huge.weight", [2**60, 2**60], "F16")
    weights = counter.weights()
    assert weights is not None and weights.unknown == 2
    found = shape_from_values(llama(layers=2).header, weights, "a test")
    assert found is not None and "2 tensors are of a type that is not known" in found.notes[0]


# ---------------------------------------------------------------------- corrections


def record(plain: int, actual: int, model: str = "a", age: int = 0, **more: object) -> EstimateRecord:
    made = EstimateRecord(
        NOW - timedelta(days=age), "llama", "ollama", model, 8192, "f16", 1, "gpu", plain, plain, actual, "measured"
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


def test_what_was_off_corrects_the_next() -> None:
    records = [record(6 * GIB, 6 * GIB + off * MIB, age=off) for off in (100, 110, 500)]
    assert correction_bytes(records, "llama", "other", "gpu", 6 * GIB) == 110 * MIB, "what stands in the middle"
    assert correction_bytes(records, "llama", "other", "cpu", 6 * GIB) == 0
    assert correction_bytes(records, "gemma3", "other", "gpu", 6 * GIB) == 0
    own = [*records, record(GIB, GIB - 50 * MIB, model="other")]
    assert correction_bytes(own, "llama", "other", "gpu", GIB) == -50 * MIB, "the model's own loads go before"
    # What is far off is no fault of the estimate.
    assert correction_bytes([record(GIB, 9 * GIB)], "llama", "x", "gpu", GIB) == GIB // 4


def test_old_loads_are_forgotten() -> None:
    records = [record(GIB, GIB + 400 * MIB, age=100 + n) for n in range(30)]
    records += [record(GIB, GIB + 10 * MIB, age=n) for n in range(20)]
    assert correction_bytes(records, "llama", "x", "gpu", 4 * GIB) == 10 * MIB


def test_a_correction_never_takes_away_weights_or_cache() -> None:
    found = estimate(eight_billion(), "ollama", context=4096, place="gpu")
    exact = found.parts.weights_bytes + found.parts.kv_bytes
    assert found.corrected(-(10**12)).likely_bytes == exact
    more = found.corrected(300 * MIB)
    assert more.likely_bytes == found.likely_bytes + 300 * MIB
    assert more.low_bytes <= more.likely_bytes <= more.high_bytes


def test_how_good_estimates_have_been() -> None:
    records = [
        record(900 * MIB, 1000 * MIB, likely_bytes=1010 * MIB),
        record(900 * MIB, 1000 * MIB, likely_bytes=950 * MIB),
        record(100, 0),
    ]
    found = quality(records, "llama")
    assert found is not None
    assert (found.count, found.median_percent, found.worst_percent, found.plain_median_percent) == (2, 3.0, 5.0, 10.0)
    assert quality(records, "gemma3") is None


# ---------------------------------------------------------------------- hostile headers

NAMES = (
    "block_count", "embedding_length", "feed_forward_length", "attention.head_count", "attention.head_count_kv",
    "attention.key_length", "attention.value_length", "attention.sliding_window", "attention.sliding_window_pattern",
    "attention.key_length_mla", "attention.value_length_mla", "nextn_predict_layers", "ssm.inner_size",
    "ssm.state_size", "expert_used_count", "attention.shared_kv_layers", "full_attention_interval", "context_length",
)  # fmt: skip
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.one_of(st.none(), st.integers(-5, 2**40), st.booleans()), max_size=40),
    st.dictionaries(st.text(), st.none(), max_size=1),
)


@given(
    architecture=st.sampled_from(["llama", "gemma3", "jamba", "falcon-h1", "qwen3next", "nemotron_h", "rwkv7", "?"]),
    values=st.dictionaries(st.sampled_from(NAMES), ANYTHING),
    layers=st.integers(1, 40),
)
def test_nothing_in_a_header_breaks_it(architecture: str, values: dict[str, object], layers: int) -> None:
    header: dict[str, object] = {f"{architecture}.{name}": value for name, value in llama(layers=2).values.items()}
    header |= {f"{architecture}.block_count": layers}
    header |= {f"{architecture}.{name}": value for name, value in values.items()}
    header["general.architecture"] = architecture
    found = shape_from_values(header, Weights(GIB), "a test")
    if found is not None:
        assert estimate(found, "ollama", context=8192, place="gpu").parts.kv_bytes >= 0
