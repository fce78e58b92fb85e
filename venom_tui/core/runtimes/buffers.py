"""What llama.cpp says of its memory while it loads a model: the lines on its buffers, added up."""

from __future__ import annotations

import re

_LINE = re.compile(r"(\S+) +(?:model|KV|compute|output|RS) +buffer size *= *([\d.]+) MiB")
_MIB = 1024**2
_MOST_MIB = 1e9


class Buffers:
    """Takes the lines of one load. Two caches of a model with a sliding window are two, and both count."""

    def __init__(self) -> None:
        self.gpu_bytes = 0
        self.ram_bytes = 0

    def take(self, line: str) -> None:
        """Take a line of the log; most are about something else."""
        found = _LINE.search(line)
        if found is None:
            return
        try:
            mib = float(found[2])
        except ValueError:
            return
        if not mib < _MOST_MIB:
            return
        size = round(mib * _MIB)
        # CPU, CPU_Mapped, CPU_REPACK and what a GPU reads from the host (CUDA_Host) lie in RAM.
        if found[1].startswith(("CPU", "BLAS")) or found[1].endswith("_Host"):
            self.ram_bytes += size
        else:
            self.gpu_bytes += size

    @property
    def total_bytes(self) -> int | None:
        """All buffers together; None while nothing was said."""
        return self.gpu_bytes + self.ram_bytes or None
