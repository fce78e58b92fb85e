"""Takes memory on each GPU, and compares what venom-tui and nvidia-smi say of it."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from scripts.gpu_checking.cuda import Cuda
from scripts.gpu_checking.report import Look, Report
from scripts.gpu_checking.smi import MIB, Smi, number_of

_TRIES = 5
"""Times that an allocation is made where others take and free memory meanwhile, before it counts as different."""
_PAUSE_S = 0.2
_GRAIN = 8 * MIB
"""What an allocation may take beyond its size: memory is given in pages of 2 MiB, with tables beside."""


def compare_allocations(report: Report, look: Look, smi: Smi, sizes: Sequence[int]) -> None:
    """Take memory on every GPU that CUDA shows, and compare what both say of it each time."""
    try:
        cuda = Cuda()
        devices = cuda.devices()
    except OSError as error:
        report.say(f"\nNo memory can be taken: {error}.")
        report.different.append("allocations")
        return
    for uuid, number in devices.items():
        gpu = look().get(uuid)
        if gpu is None or gpu.memory_free_bytes is None or gpu.memory_kind != "dedicated":
            report.say(f"\nAllocations on {uuid}: it tells no memory of its own, so they cannot be compared.")
            continue
        report.begin(f"Allocations on GPU {gpu.index}, in MiB")
        cuda.open(number)
        try:
            for size in sizes:
                if size * MIB * 2 > gpu.memory_free_bytes:
                    report.say(f"  {size} MiB: left out, {gpu.memory_free_bytes // MIB} MiB are free")
                    continue
                _one_allocation(report, cuda, look, smi, (uuid, size))
        except OSError as error:
            report.say(f"  {error}")
            report.different.append(f"allocations on GPU {gpu.index}")


Reading = tuple[int, int, int | None, int | None]
"""Used memory by ours and by nvidia-smi, then that of this process by both."""


def _one_allocation(report: Report, cuda: Cuda, look: Look, smi: Smi, what: tuple[str, int]) -> None:
    uuid, size = what

    def read() -> Reading:
        gpu = look()[uuid]
        used = number_of(smi.gpus()[uuid]["memory.used"])
        mine = next((one.memory_bytes for one in gpu.processes if one.pid == os.getpid()), None)
        return gpu.memory_used_bytes or 0, int((used or 0) * MIB), mine, smi.process_bytes(uuid, os.getpid())

    for attempt in range(_TRIES):  # others take and free memory meanwhile
        before = read()
        address = cuda.take(size * MIB)
        with_it = read()
        cuda.give_back(address)
        after = read()
        grown = [one - other for one, other in zip(with_it[:2], before[:2], strict=True)]
        left = [one - other for one, other in zip(after[:2], before[:2], strict=True)]
        taken = all(size * MIB - MIB <= one <= size * MIB + _GRAIN for one in grown)
        if (taken and all(abs(one) <= _GRAIN for one in left)) or attempt == _TRIES - 1:
            break
        time.sleep(_PAUSE_S)
    report.compare(f"{size} taken", *(f"+{one / MIB:g}" for one in grown), alike=taken)
    report.compare(f"{size} given back", *(f"{one / MIB:+g}" for one in left), alike=max(map(abs, left)) <= _GRAIN)
    mine, theirs = with_it[2:]
    name = f"this process with {size}"
    if mine is None or theirs is None:
        # In a container the driver tells pids of the host, or none: there is nothing to compare then.
        said = "neither tells it here" if mine is None and theirs is None else ""
        report.compare(name, "?", "?" if theirs is None else theirs // MIB, alike=bool(said), why=said)
    else:
        report.compare(name, f"{mine / MIB:g}", theirs // MIB, alike=abs(mine - theirs) <= MIB)
