"""The estimate of one model: its parts where they would lie, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass, replace

from venom_tui.core.resources.estimate.cache import (
    Cells,
    llamacpp_cache_bytes,
    llamacpp_cells,
    vllm_cache_bytes,
)
from venom_tui.core.resources.estimate.compute import compute_bytes, mask_bytes
from venom_tui.core.resources.estimate.shape import ModelShape
from venom_tui.core.types.fit import Parts

MIB = 1024**2

_DEFAULT_BATCH = 512
_OVERHEAD = {"gpu": (250 * MIB, 400 * MIB, 700 * MIB), "cpu": (20 * MIB, 40 * MIB, 200 * MIB)}
"""Least, likely and most of what a process takes besides its buffers: on a GPU the context and its libraries."""
_VLLM_OVERHEAD = (600 * MIB, 1000 * MIB, 1600 * MIB)
_COMPUTE = (0.4, 1.4)
"""By how much the buffers of the calculation may be smaller and larger than estimated: what no prompt has needed yet is
not there."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a model takes, placed wholly on a GPU or wholly in RAM."""

    place: str
    """`gpu` or `cpu`."""
    context_length: int
    batch: int
    parts: Parts
    """The likely ones, of one GPU where there are several."""
    low_bytes: int
    high_bytes: int
    host_bytes: int
    """What lies in RAM besides, where the place is a GPU."""
    buffers_bytes: int
    """What the runtime itself is likely to report: all buffers wherever they are, without the overhead."""

    correction_bytes: int = 0
    """What earlier loads of this kind of model showed to be missing, or too much."""

    @property
    def likely_bytes(self) -> int:
        """All likely parts together, corrected."""
        return self.parts.total_bytes + self.correction_bytes

    def corrected(self, by_bytes: int) -> Estimate:
        """Return it with what earlier loads showed; weights and cache are counted exactly and stay."""
        by = max(by_bytes, -(self.parts.compute_bytes + self.parts.overhead_bytes))
        likely = self.parts.total_bytes + by
        low, high = min(self.low_bytes, likely), max(self.high_bytes, likely)
        return replace(self, correction_bytes=by, low_bytes=low, high_bytes=high)


def estimate(
    shape: ModelShape, kind: str, *, context: int, kv_type: str = "f16", parallel: int = 1, place: str = "cpu"
) -> Estimate:
    """Return what a model would take.

    Args:
        shape: what it is.
        kind: of its runtime: `embedded`, `ollama`, `llamacpp`, `vllm`, …
        context: tokens of each sequence.
        kv_type: type of the cache.
        parallel: sequences at once.
        place: `gpu` or `cpu`.

    Raises:
        KeyError: there is no such type of cache.
    """
    if kind == "vllm":
        return _vllm(shape, context, kv_type, parallel, place)
    batch = batch_of(kind, context * parallel)
    cells = llamacpp_cells(shape.window, context, parallel, batch, shared=kind != "ollama")
    kv = llamacpp_cache_bytes(shape, cells, kv_type, parallel)
    compute = compute_bytes(shape, cells, batch, parallel)
    weights, host = _weights(shape, place)
    least, likely, most = _OVERHEAD[place]
    if place == "gpu":
        host += mask_bytes(shape, cells, batch) + batch * shape.embedding * 4
    low_compute, high_compute = (round(compute * share) for share in _COMPUTE)
    return Estimate(
        place=place,
        context_length=context,
        batch=batch,
        parts=Parts(weights, kv, compute, likely),
        low_bytes=weights + _low_cache(shape, cells, kv, kv_type, parallel) + low_compute + least,
        high_bytes=round(weights * 1.01) + kv + high_compute + most + (shape.repacked_bytes if place == "cpu" else 0),
        host_bytes=host,
        buffers_bytes=weights + host * (place == "gpu") + kv + compute + shape.repacked_bytes * (place == "cpu"),
    )


def batch_of(kind: str, tokens: int) -> int:
    """Return how many tokens a kind of runtime calculates at once for a context of so many tokens in all."""
    if kind == "ollama":
        # Its own choice where nothing else is said: larger batches for longer contexts.
        return 2048 if tokens > 32_768 else 1024 if tokens > 4096 else _DEFAULT_BATCH
    return _DEFAULT_BATCH


def _weights(shape: ModelShape, place: str) -> tuple[int, int]:
    """Return what of the weights lies in the place, and what in RAM besides."""
    if place == "cpu":
        return shape.weights_bytes + shape.extra_bytes, 0
    there = shape.weights_bytes if shape.tied else shape.weights_bytes - shape.embedding_bytes
    return there + shape.extra_bytes, shape.embedding_bytes


def _low_cache(shape: ModelShape, cells: Cells, kv: int, kv_type: str, parallel: int) -> int:
    """Return what the cache takes at least: with half a batch beside the windows."""
    if not shape.window:
        return kv
    smaller = replace(cells, windowed=min(cells.windowed, max(256, shape.window * parallel)))
    return llamacpp_cache_bytes(shape, smaller, kv_type, parallel)


def _vllm(shape: ModelShape, context: int, kv_type: str, parallel: int, place: str) -> Estimate:
    weights = shape.weights_bytes + shape.extra_bytes
    kv = vllm_cache_bytes(shape, context, kv_type, parallel, windows=False)
    # It calculates with up to 8,192 tokens at once while it profiles itself, in 16 bits.
    batch = min(8192, max(2048, context))
    widest = max(shape.feed_forward, shape.experts_used * shape.expert_feed_forward)
    compute = 2 * batch * (2 * shape.embedding + 2 * widest) + 256 * shape.vocabulary * 4
    least, likely, most = _VLLM_OVERHEAD if place == "gpu" else _OVERHEAD["cpu"]
    return Estimate(
        place=place,
        context_length=context,
        batch=batch,
        parts=Parts(weights, kv, compute, likely),
        low_bytes=weights
        + vllm_cache_bytes(shape, context, kv_type, parallel, windows=True)
        + round(compute * 0.5)
        + least,
        high_bytes=round(weights * 1.02) + kv + compute * 2 + most,
        host_bytes=0,
        buffers_bytes=weights + kv + compute,
    )
