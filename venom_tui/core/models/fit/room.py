"""What a model could have of this machine: free memory of GPUs and RAM, and which loaded models may leave for it."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from venom_tui.core.resources.estimate.verdict import Held, Room
from venom_tui.core.resources.limits import NO_RESERVE, Reserve
from venom_tui.core.types.device import Gpu, GuardSnapshot, LoadedModel
from venom_tui.core.types.fit import GpuFit

_LEAVE = frozenset({"embedded", "ollama", "llamacpp"})
"""Kinds of runtimes whose models can be unloaded. vLLM holds its model as long as it runs."""
_FOR_EVER = datetime.max.replace(tzinfo=UTC)


def gpus_of(snapshot: GuardSnapshot, reserve: Reserve = NO_RESERVE) -> tuple[GpuFit, ...]:
    """Return what the GPUs have free, less what is kept free; a split one (MIG) as its part with the most."""
    return tuple(_gpu(gpu, reserve.of_gpu(gpu.index)) for gpu in snapshot.gpus)


def _gpu(gpu: Gpu, keep_free_bytes: int) -> GpuFit:
    total, free, uuid, name, usable = gpu.memory_total_bytes, gpu.memory_free_bytes, gpu.uuid, gpu.name, gpu.usable
    reason = "" if usable is not False else gpu.unavailable.get("usable", "it may not be used")
    parts = [part for part in gpu.mig_devices if part.usable is not False and part.memory_free_bytes is not None]
    if gpu.mig_mode and not parts and not reason:
        reason = "MIG is on, and none of its parts can be used"
    elif gpu.mig_mode and parts:
        part = max(parts, key=lambda one: one.memory_free_bytes or 0)
        total, free, uuid, name = part.memory_total_bytes, part.memory_free_bytes, part.uuid, part.name
    if gpu.stale_since is not None:
        reason = reason or "its driver does not answer"
    elif free is None and not reason:
        reason = gpu.unavailable.get("memory_free_bytes") or "its free memory is not known"
    if free is not None:
        free = max(0, free - keep_free_bytes)
    return GpuFit(gpu.index, uuid, name, total, free, usable, reason)


def room_of(
    snapshot: GuardSnapshot,
    itself: tuple[str, str] | None,
    *,
    place: str,
    reserve: Reserve = NO_RESERVE,
    leaving: Sequence[LoadedModel] | None = None,
) -> tuple[Room, LoadedModel | None]:
    """Return what is free for a model, and the model as it is loaded now, where it is.

    Args:
        snapshot: the machine.
        itself: runtime and name of the model; what it holds counts as free for it.
        place: where it would go: who holds nothing there need not leave.
        reserve: what is kept free for other programs, and which models stay.
        leaving: the models that may leave, in that order; None: those that nobody keeps, the next to expire first.
    """
    loaded = next((one for one in snapshot.loaded if (one.runtime, one.name) == itself), None)
    if leaving is None:
        others = [one for one in snapshot.loaded if one is not loaded and may_leave(one) and not reserve.keeps(one)]
        leaving = sorted(others, key=lambda one: one.expires_at or _FOR_EVER)
    held = [_held(one, snapshot.gpus) for one in leaving]
    held = [one for one in held if (one.gpu_bytes if place == "gpu" else one.ram_bytes)]
    ram = snapshot.host.ram_available_bytes
    room = Room(gpus_of(snapshot, reserve), None if ram is None else max(0, ram - reserve.ram_bytes), tuple(held))
    return (room if loaded is None else room.without((_held(loaded, snapshot.gpus),))), loaded


def may_leave(model: LoadedModel) -> bool:
    """Return whether a loaded model can be unloaded for another: a pinned one stays, and what others hold."""
    return model.kind in _LEAVE and not model.pinned and not model.elsewhere and not model.dead


def _held(model: LoadedModel, gpus: Sequence[Gpu]) -> Held:
    on_gpus = {one.index: one.memory_bytes for one in model.gpus if one.memory_bytes}
    reported = model.reported_vram_bytes or (model.vram_bytes if not model.vram_measured else None)
    if not on_gpus and reported and len(gpus) == 1:
        on_gpus = {gpus[0].index: reported}  # there is but one place where it can be
    ram = model.measured_bytes
    if ram is None and model.reported_bytes is not None:
        ram = max(0, model.reported_bytes - (model.reported_vram_bytes or 0))
    return Held(model.name, on_gpus, ram or 0, model.runtime)


def place_of(kind: str, snapshot: GuardSnapshot) -> str:
    """Return where a kind of runtime lays a model: `gpu` where there is one that it can use, else `cpu`."""
    if kind == "embedded" and not embedded_uses_gpus():
        return "cpu"
    usable = [gpu for gpu in snapshot.gpus if gpu.usable is not False and gpu.memory_total_bytes]
    return "gpu" if usable else "cpu"


@cache
def embedded_uses_gpus() -> bool:
    """Return whether the embedded llama.cpp was built for GPUs, by the libraries that came with it."""
    try:
        spec = importlib.util.find_spec("xllamacpp")
    except (ImportError, ValueError):
        return False
    for location in (spec.submodule_search_locations or ()) if spec is not None else ():
        package = Path(location)
        folders = (package, package.with_name("xllamacpp.libs"), package / "lib")
        names = [file.name.lower() for folder in folders if folder.is_dir() for file in folder.iterdir()]
        if any(word in name for name in names for word in ("cuda", "cudart", "cublas", "hip", "rocm", "vulkan")):
            return True
    return False
