"""Which GPUs this process may use: by CUDA_VISIBLE_DEVICES and its like, and by the rights on their device files.

CUDA reads the variable from left to right and stops at the first entry that names nothing: what stands behind it is
hidden. Entries are numbers, or UUIDs that may be cut short, `GPU-…` and `MIG-…`. Numbers count in CUDA's own order, the
fastest card first, unless CUDA_DEVICE_ORDER says PCI_BUS_ID; among equal cards both are the order of the bus, NVML's.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from venom_tui.core.types.device import Gpu, MigDevice

_NVIDIA = "CUDA_VISIBLE_DEVICES"
_AMD = ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")


def mark_usable(gpus: Sequence[Gpu], environ: Mapping[str, str] | None = None) -> tuple[Gpu, ...]:
    """Return the GPUs with `usable` said of each, and the reason where one is not."""
    environ = os.environ if environ is None else environ
    nvidia = [gpu for gpu in gpus if gpu.vendor == "nvidia"]
    amd = [gpu for gpu in gpus if gpu.vendor == "amd"]
    marked = {id(gpu): told for gpu, told in zip(nvidia, _of_cuda(nvidia, environ), strict=True)}
    marked |= {id(gpu): told for gpu, told in zip(amd, _of_rocm(amd, environ), strict=True)}
    return tuple(marked[id(gpu)] for gpu in gpus)


def _of_cuda(gpus: Sequence[Gpu], environ: Mapping[str, str]) -> list[Gpu]:
    value = environ.get(_NVIDIA)
    if value is None:
        return [_with_parts(gpu, None) if gpu.usable is None else gpu for gpu in gpus]
    entries = _entries(value)
    by_number = any(entry.isdigit() for entry in entries)
    names = {gpu.name for gpu in gpus if gpu.name}
    if by_number and len(names) > 1 and environ.get("CUDA_DEVICE_ORDER", "") != "PCI_BUS_ID":
        why = f"{_NVIDIA} counts the fastest card first here; CUDA_DEVICE_ORDER=PCI_BUS_ID makes its numbers certain"
        return [_told(gpu, None, why) for gpu in gpus]
    visible: set[str | int] = set()
    for entry in entries:
        found = _named(entry, gpus)
        if found is None or found in visible:
            # An entry that names nothing hides what is behind it; one that is said twice hides everything.
            if found is not None:
                visible.clear()
            break
        visible.add(found)
    return [_seen(gpu, visible, f"{_NVIDIA} leaves it out") for gpu in gpus]


def _named(entry: str, gpus: Sequence[Gpu]) -> str | int | None:
    """Return what an entry names: the index of a GPU, or the UUID of a part of one; None for nothing."""
    if entry.isdigit():
        return int(entry) if int(entry) in {gpu.index for gpu in gpus} else None
    if entry.startswith("MIG-"):
        parts = [part for gpu in gpus for part in gpu.mig_devices]
        old = [f"MIG-{g.uuid}/{p.gpu_instance}/{p.compute_instance}" for g in gpus for p in g.mig_devices]
        if entry in old:
            return parts[old.index(entry)].uuid
        found = [part.uuid for part in parts if part.uuid and part.uuid.startswith(entry)]
        return found[0] if len(found) == 1 else None
    matching = [gpu.index for gpu in gpus if gpu.uuid and gpu.uuid.startswith(entry)] if entry else []
    return matching[0] if len(matching) == 1 else None


def _seen(gpu: Gpu, visible: set[str | int], why: str) -> Gpu:
    parts = {part.uuid for part in gpu.mig_devices} & visible
    if gpu.index in visible:
        return _with_parts(gpu, None) if gpu.usable is None else gpu
    if parts:
        return _with_parts(gpu, {str(uuid) for uuid in parts})
    return _told(gpu, False, why)


def _with_parts(gpu: Gpu, uuids: set[str] | None) -> Gpu:
    """Return a GPU that may be used, with those of its parts (None: all) that may be."""
    if not gpu.mig_devices:
        return replace(gpu, usable=True)
    parts = tuple(_part(part, uuids is None or part.uuid in uuids) for part in gpu.mig_devices)
    return replace(gpu, usable=True, mig_devices=parts)


def _part(part: MigDevice, usable: bool) -> MigDevice:
    return replace(part, usable=usable)


def _told(gpu: Gpu, usable: bool | None, why: str) -> Gpu:
    parts = tuple(_part(part, False) for part in gpu.mig_devices) if usable is False else gpu.mig_devices
    if gpu.usable is False:  # its device file may not be opened: that reason stays
        return replace(gpu, mig_devices=parts)
    return replace(gpu, usable=usable, mig_devices=parts, unavailable={**gpu.unavailable, "usable": why})


def _of_rocm(gpus: Sequence[Gpu], environ: Mapping[str, str]) -> list[Gpu]:
    left = list(range(len(gpus)))
    for name in _AMD:
        value = environ.get(name)
        if value is None:
            continue
        chosen: list[int] = []
        for entry in _entries(value):
            if entry.isdigit() and int(entry) < len(left):
                chosen.append(left[int(entry)])
                continue
            found = [number for number in left if entry and (gpus[number].uuid or "").startswith(entry)]
            if len(found) != 1:
                break
            chosen.append(found[0])
        left = chosen
    why = " or ".join(name for name in _AMD if name in environ)
    return [
        _told(gpu, False, f"{why} leaves it out") if number not in left else _allowed(gpu)
        for number, gpu in enumerate(gpus)
    ]


def _allowed(gpu: Gpu) -> Gpu:
    return gpu if gpu.usable is False else replace(gpu, usable=True)


def _entries(value: str) -> list[str]:
    return [entry.strip() for entry in value.split(",")] if value.strip() else []


def may_open(device: Path) -> bool | None:
    """Return whether this user may open a device file; None where there is none."""
    try:
        device.stat()
    except OSError:
        return None
    return os.access(device, os.R_OK | os.W_OK)
