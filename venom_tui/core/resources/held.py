"""Joins what runtimes report of their loaded models with what was measured of their processes. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from venom_tui.core.resources.owners import Found, options_of
from venom_tui.core.types.device import Gpu, GpuProcess, LoadedModel, MigDevice, ModelOnGpu


def measured(
    model: LoadedModel, found: Found | None, memory: Mapping[int, int | None], gpus: Sequence[Gpu]
) -> LoadedModel:
    """Return a model with its processes, and what these hold of RAM and of each GPU."""
    pids = _pids(model, found)
    if not pids:
        reason = found.reason or found.dead if found is not None else ""
        unavailable = {**model.unavailable, **(dict.fromkeys(("pid", "measured_bytes"), reason) if reason else {})}
        return replace(
            model,
            unavailable=unavailable,
            dead=found.dead if found is not None else "",
            gpu_share=_reported_share(model),
        )
    resident = [size for pid in pids if (size := memory.get(pid)) is not None]
    on_gpus = tuple(one for gpu in gpus if (one := _on(gpu, pids)) is not None)
    held = [one.memory_bytes for one in on_gpus if one.memory_bytes is not None]
    ram = sum(resident) if resident else None
    vram = sum(held) if held else None
    unavailable = model.unavailable
    if ram is None:
        unavailable = {**unavailable, "measured_bytes": "this user may not read the memory of its process"}
    kv_type, parallel = options_of(found) if found is not None else (None, None)
    return replace(
        model,
        pid=model.pid if model.pid is not None else pids[0],
        pids=pids,
        gpus=on_gpus,
        measured_bytes=ram,
        vram_bytes=vram if vram is not None else model.vram_bytes,
        vram_measured=vram is not None,
        gpu_share=_share(vram, model),
        kv_type=kv_type or model.kv_type,
        parallel=parallel or model.parallel,
        unavailable=unavailable,
    )


def with_models(gpus: Sequence[Gpu], loaded: Sequence[LoadedModel]) -> tuple[Gpu, ...]:
    """Return the GPUs with the model that each process holds, where it holds one."""
    owners = {pid: model for model in loaded for pid in (model.pids or (() if model.pid is None else (model.pid,)))}
    return tuple(_named(gpu, owners) for gpu in gpus) if owners else tuple(gpus)


def _pids(model: LoadedModel, found: Found | None) -> tuple[int, ...]:
    if found is not None and found.pids:
        return found.pids
    return () if model.pid is None else (model.pid,)


def _on(gpu: Gpu, pids: Sequence[int]) -> ModelOnGpu | None:
    """Return what some processes hold on a GPU; None for nothing."""
    processes = [p for p in (*gpu.processes, *(p for part in gpu.mig_devices for p in part.processes)) if p.pid in pids]
    if not processes:
        return None
    sizes = {process.pid: process.memory_bytes for process in processes if process.memory_bytes is not None}
    return ModelOnGpu(gpu.index, gpu.uuid, sum(sizes.values()) if sizes else None)


def _reported_share(model: LoadedModel) -> float | None:
    if not model.reported_bytes or model.reported_vram_bytes is None:
        return None
    share = model.reported_vram_bytes / model.reported_bytes
    return round(share, 3) if share <= 1 else None  # more on GPUs than there is in all is nonsense


def _share(vram: int | None, model: LoadedModel) -> float | None:
    """Return which part lies on GPUs: as its runtime reports it, else by what was measured."""
    reported = _reported_share(model)
    if reported is not None:
        return reported
    if vram is None:
        return None
    return round(min(1.0, vram / model.reported_bytes), 3) if model.reported_bytes else 1.0


def _named(gpu: Gpu, owners: Mapping[int, LoadedModel]) -> Gpu:
    processes = _processes(gpu.processes, owners)
    parts = tuple(_part(part, owners) for part in gpu.mig_devices)
    if processes is gpu.processes and parts == gpu.mig_devices:
        return gpu
    return replace(gpu, processes=processes, mig_devices=parts)


def _part(part: MigDevice, owners: Mapping[int, LoadedModel]) -> MigDevice:
    processes = _processes(part.processes, owners)
    return part if processes is part.processes else replace(part, processes=processes)


def _processes(processes: tuple[GpuProcess, ...], owners: Mapping[int, LoadedModel]) -> tuple[GpuProcess, ...]:
    if not any(process.pid in owners for process in processes):
        return processes
    return tuple(
        process
        if process.pid is None or (owner := owners.get(process.pid)) is None
        else replace(process, runtime=owner.runtime, model=owner.name)
        for process in processes
    )
