"""Which values of vLLM's `--gpu-memory-utilization` hold a model, and which of them start now.

vLLM takes that part of the whole card when it starts, refuses where less is free, and makes its cache of what weights
and buffers leave of it. So the least is what the model needs, and the most is what is free; other people's memory
counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from venom_tui.core.resources.estimate.estimate import Estimate
from venom_tui.core.types.fit import GpuFit, UtilizationRange

_SIZES = (1, 2, 4, 8, 16)


def utilization(estimate: Estimate, gpus: Sequence[GpuFit], heads: int) -> UtilizationRange:
    """Return the range for as few GPUs as hold the model.

    Args:
        estimate: what the model takes on one GPU.
        gpus: those that may be used.
        heads: attention heads: the model is spread over a number of GPUs that divides them. 0: unknown.
    """
    usable = [g for g in gpus if g.usable is not False and not g.reason and g.free_bytes is not None and g.total_bytes]
    best = UtilizationRange(None, None)
    for size in _SIZES:
        if size > len(usable) or (heads and heads % size):
            continue
        chosen = sorted(usable, key=lambda gpu: -_share(gpu))[:size]
        found = _range(estimate, chosen)
        if found.starts:
            return found
        if best.lowest is None:
            best = found
    return best


def _range(estimate: Estimate, chosen: Sequence[GpuFit]) -> UtilizationRange:
    size, smallest = len(chosen), min(gpu.total_bytes or 0 for gpu in chosen)
    parts = estimate.parts
    need = (parts.weights_bytes + parts.kv_bytes) / size + parts.compute_bytes + parts.overhead_bytes
    need += estimate.correction_bytes
    lowest = math.ceil(100 * need / smallest) / 100
    highest = math.floor(100 * min(_share(gpu) for gpu in chosen)) / 100
    found = UtilizationRange(
        lowest if lowest <= 1.0 else None, min(highest, 1.0), tuple(sorted(gpu.index for gpu in chosen))
    )
    return replace(found, starts=found.lowest is not None and found.lowest <= highest)


def _share(gpu: GpuFit) -> float:
    return (gpu.free_bytes or 0) / (gpu.total_bytes or 1)
