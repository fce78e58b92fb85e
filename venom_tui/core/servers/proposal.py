"""Which share of each GPU a vLLM is to take, where its profile leaves that open: as much as may be taken now. Pure.

vLLM takes that share of the whole card when it starts, and refuses where less is free; without a word it wants nine
tenths, which fails as soon as anybody else holds something. What is not weights becomes its cache, so more is better.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from venom_tui.core.settings.control import Profile
from venom_tui.core.types.fit import GpuFit, UtilizationRange

MOST = 0.9
"""vLLM's own choice: the rest is for what it does not count."""
_LEAST = 0.05


def proposed(
    profile: Profile,
    gpus: Sequence[GpuFit],
    found: UtilizationRange | None = None,
    environment: Mapping[str, str] | None = None,
) -> float | None:
    """Return the share, None where nothing can be proposed: then vLLM decides.

    Args:
        profile: what is to be started.
        gpus: those of this machine with what of them may be taken; none on a machine without.
        found: which shares hold the model, where that is known.
        environment: further variables of the server; CUDA_VISIBLE_DEVICES among them says which GPUs it sees.
    """
    visible = (environment or {}).get("CUDA_VISIBLE_DEVICES")
    used = used_gpus(gpus, visible, profile.tensor_parallel * profile.pipeline_parallel)
    shares = [(gpu.free_bytes or 0) / gpu.total_bytes for gpu in used if gpu.total_bytes]
    if not shares or len(shares) < len(used):
        return None
    share = math.floor(100 * min(*shares, MOST)) / 100
    if found is not None and found.lowest is not None and share < found.lowest and len(found.gpus) == len(used):
        return None  # it does not hold the model: vLLM's own words say more than a cache of nothing
    return share if share >= _LEAST else None


def used_gpus(gpus: Sequence[GpuFit], visible: str | None, count: int | None = None) -> list[GpuFit]:
    """Return the GPUs that a server will take: the first of those that it sees.

    Args:
        gpus: those of this machine.
        visible: its CUDA_VISIBLE_DEVICES; None: it is not set for it.
        count: how many it takes; None: all.
    """
    seen = [gpu for gpu in gpus if gpu.usable is not False and not gpu.reason]
    if visible is not None:
        wanted = [int(part) for part in visible.split(",") if part.strip().isdigit()]
        by_index = {gpu.index: gpu for gpu in gpus if not gpu.reason}
        seen = [by_index[index] for index in wanted if index in by_index]
    return seen[:count]
