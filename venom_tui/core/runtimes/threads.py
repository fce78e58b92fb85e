"""How many CPU threads llama.cpp may use so that the machine stays usable."""

from __future__ import annotations

import math
import os

from venom_tui.core.resources.cgroup import cpu_quota


def usable_cpus() -> float:
    """Return the CPUs that this process may use: its affinity, less where a cgroup quota is smaller."""
    cpus = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    quota = cpu_quota()
    return cpus if quota is None else min(cpus, quota)


def default_threads(cpus: float) -> int:
    """Return one less than half of the CPUs, at least 1.

    llama.cpp's threads spin while they wait for each other: as many threads as CPUs make every other load, this
    program's own screen included, slow both down by more than ten times.
    """
    return max(1, math.floor(cpus / 2) - 1) if cpus > 3 else 1
