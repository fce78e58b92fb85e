"""What a server holds itself, and so gives back when it is stopped."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from venom_tui.core.resources.process_table import ProcessTable
from venom_tui.core.types.device import Gpu, GpuProcess, GuardSnapshot

_OWN = ("Pss_Anon:", "Pss_Shmem:")


def processes_of(pid: int | None) -> frozenset[int]:
    """Return a server's process, what it has started and what is of its session (reads /proc: not for the event loop).

    The engine of a vLLM is a process of its own, and so is each of its workers.
    """
    if pid is None:
        return frozenset()
    table = ProcessTable()
    table.refresh()
    found = {pid, *(entry.pid for entry in table.below(pid))}
    if _session(pid) == pid:  # else the session is that of whoever started it
        found |= {entry.pid for entry in table if _session(entry.pid) == pid}
    return frozenset(found)


def ram_of(pids: Iterable[int]) -> int:
    """Return the RAM that is free again when processes end, as far as it may be known (reads /proc).

    Weights that are only mapped from their file count as available already.
    """
    total = 0
    for pid in pids:
        try:
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
                if line.startswith(_OWN):
                    total += int(line.split()[1]) * 1024
        except (OSError, ValueError, IndexError):
            continue
    return total


def without(snapshot: GuardSnapshot, name: str, pids: Collection[int], ram_bytes: int) -> GuardSnapshot:
    """Return the machine as it will be when a server has ended.

    Args:
        snapshot: the machine as it is.
        name: the server.
        pids: its processes.
        ram_bytes: what it holds of the RAM.
    """
    host = snapshot.host
    available = host.ram_available_bytes
    if available is not None and ram_bytes:
        available += ram_bytes
        if host.ram_total_bytes is not None:
            available = min(available, host.ram_total_bytes)
    return replace(
        snapshot,
        gpus=tuple(_gpu_without(gpu, name, pids) for gpu in snapshot.gpus),
        host=replace(host, ram_available_bytes=available),
    )


def _gpu_without(gpu: Gpu, name: str, pids: Collection[int]) -> Gpu:
    parts = tuple(
        replace(
            part,
            memory_free_bytes=_free(
                part.memory_free_bytes, part.memory_used_bytes, part.memory_total_bytes, part.processes, name, pids
            ),
        )
        for part in gpu.mig_devices
    )
    free = _free(gpu.memory_free_bytes, gpu.memory_used_bytes, gpu.memory_total_bytes, gpu.processes, name, pids)
    return replace(gpu, mig_devices=parts, memory_free_bytes=free)


def _free(
    free: int | None,
    used: int | None,
    total: int | None,
    processes: Sequence[GpuProcess],
    name: str,
    pids: Collection[int],
) -> int | None:
    own = [one for one in processes if one.pid in pids or one.runtime == name]
    if free is None or not own:
        return free
    sizes = [one.memory_bytes for one in own]
    known = [size for size in sizes if size is not None]
    back = sum(known)
    if len(known) < len(sizes) and used is not None:
        # The driver does not tell how much each has: what nobody else is known to hold.
        back = max(back, used - sum(one.memory_bytes or 0 for one in processes if one not in own))
    return free + back if total is None else min(total, free + back)


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None
