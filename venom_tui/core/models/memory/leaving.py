"""Waits until the memory of a model that left is really back, and tells how much of it is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from venom_tui.core.owner import start_time
from venom_tui.core.resources.processes import ProcessNames, process_memory
from venom_tui.core.types.device import GuardSnapshot, LoadedModel
from venom_tui.core.types.memory import Freed

if TYPE_CHECKING:
    from venom_tui.core.models.fit.service import Guard

_ASK_EVERY_S = 0.05
_ENOUGH = 0.75
"""Share of the GPU memory whose return is waited for: drivers keep a little, and tell it late."""


@dataclass(frozen=True, slots=True)
class Before:
    """A model while it is still there."""

    held: LoadedModel
    births: Mapping[int, int]
    """Its processes -> when each began: a pid is given again."""
    memory: Mapping[int, int]
    """Its processes -> what each holds of the RAM."""
    gpu_free: Mapping[int, int]
    """GPUs -> what was free."""

    @property
    def ram_bytes(self) -> int | None:
        """What it holds of the RAM, as measured."""
        return sum(self.memory.values()) if self.memory else None

    @property
    def vram_bytes(self) -> int:
        """What it holds on GPUs, as measured, else as reported."""
        return self.held.vram_bytes or 0

    @property
    def expected_bytes(self) -> int | None:
        """What should come back."""
        if self.ram_bytes is not None:
            return self.ram_bytes + self.vram_bytes
        return self.held.reported_bytes


async def look(held: LoadedModel, snapshot: GuardSnapshot | None) -> Before:
    """Measure a model that is about to leave."""
    pids = held.pids or (() if held.pid is None else (held.pid,))
    births, memory = await asyncio.to_thread(_measure, pids)
    return Before(held, births, memory, _gpu_free(snapshot))


def _measure(pids: Sequence[int]) -> tuple[dict[int, int], dict[int, int]]:
    births = {pid: born for pid in pids if (born := start_time(pid)) is not None}
    return births, {pid: size for pid in births if (size := process_memory(pid)) is not None}


def _gpu_free(snapshot: GuardSnapshot | None) -> dict[int, int]:
    gpus = () if snapshot is None else snapshot.gpus
    return {gpu.index: gpu.memory_free_bytes for gpu in gpus if gpu.memory_free_bytes is not None}


async def came_back(before: Before, guard: Guard, within_s: float) -> Freed:
    """Wait until what a model held is back, at most so long, and tell how much of it is and who holds the rest."""
    held, begun = before.held, time.monotonic()
    if not before.births and not before.vram_bytes:
        reason = (
            held.unavailable.get("measured_bytes") or held.unavailable.get("pid") or "its process is not known here"
        )
        return Freed(held.name, held.runtime, before.expected_bytes, None, reason=reason)
    deadline = begun + within_s
    while True:
        left = await asyncio.to_thread(_left, before)
        vram, snapshot = await _vram_back(before, guard)
        if (not left and vram >= _ENOUGH * before.vram_bytes) or time.monotonic() >= deadline:
            break
        await asyncio.sleep(_ASK_EVERY_S)
    ram = None if before.ram_bytes is None else max(0, before.ram_bytes - sum(left.values()))
    freed = (ram or 0) + min(vram, before.vram_bytes) if ram is not None or before.vram_bytes else None
    short = vram < _ENOUGH * before.vram_bytes
    still = await asyncio.to_thread(_holders, left)
    if short and snapshot is not None:
        still += _on_gpus(before, snapshot)
    return Freed(held.name, held.runtime, before.expected_bytes, freed, tuple(still), time.monotonic() - begun)


def _left(before: Before) -> dict[int, int]:
    """Return what processes of a model that still live hold."""
    alive = [pid for pid, born in before.births.items() if start_time(pid) == born]
    return {pid: process_memory(pid) or 0 for pid in alive}


async def _vram_back(before: Before, guard: Guard) -> tuple[int, GuardSnapshot | None]:
    if not before.vram_bytes:
        return 0, None
    snapshot = await guard.snapshot()
    where = {one.index for one in before.held.gpus} or set(before.gpu_free)
    now = _gpu_free(snapshot)
    back = sum(
        max(0, now[index] - before.gpu_free[index]) for index in where if index in now and index in before.gpu_free
    )
    return back, snapshot


def _holders(left: Mapping[int, int]) -> list[str]:
    names, found = ProcessNames(), []
    for pid, size in left.items():
        user, command = names.of(pid)
        found.append(f"process {pid} ({(command or '?')[:60]}, {user or '?'}) still holds {size / 1024**3:.2f} GiB")
    return found


def _on_gpus(before: Before, snapshot: GuardSnapshot) -> list[str]:
    where = {one.index for one in before.held.gpus} or set(before.gpu_free)
    found = []
    for gpu in snapshot.gpus:
        if gpu.index in where:
            holders = sorted(gpu.processes, key=lambda one: -(one.memory_bytes or 0))[:3]
            names = ", ".join(
                f"{one.pid or '?'} {(one.command or '?')[:40]} {(one.memory_bytes or 0) / 1024**3:.2f} GiB"
                for one in holders
            )
            found.append(f"GPU {gpu.index} is held by {names or 'nobody that can be seen'}")
    return found
