"""What NVML tells of a GPU besides the figures that everybody looks at: memory's form, clocks, the bus, its parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from venom_tui.core.resources.nvml_questions import Questions, reason_of, text_of
from venom_tui.core.types.device import MigDevice

MEMORY = ("memory_total_bytes", "memory_used_bytes", "memory_free_bytes", "memory_reserved_bytes")

_MOST_MHZ = 20_000
_MOST_GENERATION = 16
_MOST_LANES = 64
_MOST_PARTS = 64


@dataclass(frozen=True, slots=True)
class DriverInfo:
    """The driver as a whole."""

    version: str | None = None
    cuda: str | None = None
    """The newest CUDA that it can run."""


def driver_of(questions: Questions) -> DriverInfo:
    """Return what the driver is."""
    nvml = questions.nvml
    version = text_of(questions.quietly(nvml.nvmlSystemGetDriverVersion))
    cuda = questions.quietly(nvml.nvmlSystemGetCudaDriverVersion_v2)
    said = isinstance(cuda, int) and 1000 <= cuda < 1_000_000
    return DriverInfo(version, f"{cuda // 1000}.{cuda % 1000 // 10}" if said else None)


def memory_of(questions: Questions, handle: Any) -> Any:
    """Return the driver's figures of memory; None where it has none of its own, the failure where it fails."""
    nvml = questions.nvml
    try:
        try:
            # Version 2 tells what the driver reserves for itself apart from what is used.
            return nvml.nvmlDeviceGetMemoryInfo(handle, version=nvml.nvmlMemory_v2)
        except (
            nvml.NVMLError_FunctionNotFound,
            nvml.NVMLError_NotSupported,
            nvml.NVMLError_ArgumentVersionMismatch,
        ):
            return nvml.nvmlDeviceGetMemoryInfo(handle)
    except nvml.NVMLError_NotSupported:
        return None
    except questions.errors as error:
        return error


Seldom = Callable[[str, Callable[..., Any]], Any]
"""(figure, question) -> what the driver says of it, or said a moment ago."""


def clocks_and_bus(questions: Questions, handle: Any, fixed: dict[str, int | None], seldom: Seldom) -> dict[str, Any]:
    """Return fields of a `Gpu`: its clocks and its place on the bus, with the most that each can be.

    `fixed` keeps what does not change from one look to the next; `seldom` asks for what changes, but not each second.
    """
    nvml, number = questions.nvml, questions.number
    if not fixed:
        fixed["clock_core_max_mhz"] = number(
            "clock_core_max_mhz", _MOST_MHZ, nvml.nvmlDeviceGetMaxClockInfo, handle, nvml.NVML_CLOCK_SM
        )
        fixed["clock_memory_max_mhz"] = number(
            "clock_memory_max_mhz", _MOST_MHZ, nvml.nvmlDeviceGetMaxClockInfo, handle, nvml.NVML_CLOCK_MEM
        )
        fixed["pcie_generation_max"] = number(
            "pcie_generation_max", _MOST_GENERATION, nvml.nvmlDeviceGetMaxPcieLinkGeneration, handle
        )
        fixed["pcie_width_max"] = number("pcie_width_max", _MOST_LANES, nvml.nvmlDeviceGetMaxPcieLinkWidth, handle)
        if None in fixed.values():
            found = dict(fixed)
            fixed.clear()  # asked again with the next look, where the reason is noted again
            return {**found, **_now(questions, handle, seldom)}
    return {**fixed, **_now(questions, handle, seldom)}


def _now(questions: Questions, handle: Any, seldom: Seldom) -> dict[str, Any]:
    nvml, number, checked = questions.nvml, questions.number, questions.checked
    generation = seldom("pcie_generation", nvml.nvmlDeviceGetCurrPcieLinkGeneration)
    width = seldom("pcie_width", nvml.nvmlDeviceGetCurrPcieLinkWidth)
    # It has few steps, and stays at one while the GPU works.
    memory = seldom("clock_memory_mhz", lambda gpu: nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_MEM))
    return {
        "clock_core_mhz": number("clock_core_mhz", _MOST_MHZ, nvml.nvmlDeviceGetClockInfo, handle, nvml.NVML_CLOCK_SM),
        "clock_memory_mhz": checked("clock_memory_mhz", memory, _MOST_MHZ),
        "pcie_generation": checked("pcie_generation", generation, _MOST_GENERATION),
        "pcie_width": checked("pcie_width", width, _MOST_LANES),
    }


def mig_devices(
    of_gpu: Questions, questions: Callable[[], Questions], handle: Any, processes: bool
) -> tuple[MigDevice, ...]:
    """Return the parts of a GPU whose MIG mode is on.

    Args:
        of_gpu: what asked about the GPU; the reason of a list that is not told is noted there.
        questions: makes what asks about one part.
        handle: of the GPU.
        processes: whether processes are asked for.
    """
    nvml = of_gpu.nvml
    most = of_gpu.ask("mig_devices", nvml.nvmlDeviceGetMaxMigDeviceCount, handle)
    found: list[MigDevice] = []
    for place in range(min(most or 0, _MOST_PARTS)):
        try:
            part = nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, place)
        except nvml.NVMLError_NotFound:
            continue  # places need not be taken one after the other
        except of_gpu.errors as error:
            of_gpu.failed(error)
            of_gpu.why["mig_devices"] = reason_of(error)
            continue
        found.append(_part(questions(), part, place, processes))
    return tuple(found)


def _part(questions: Questions, handle: Any, place: int, processes: bool) -> MigDevice:
    nvml, ask = questions.nvml, questions.ask
    uuid = text_of(ask("uuid", nvml.nvmlDeviceGetUUID, handle))
    name = text_of(ask("name", nvml.nvmlDeviceGetName, handle))
    memory = memory_of(questions, handle)
    total = used = free = None
    if isinstance(memory, Exception) or memory is None:
        reason = "this part does not tell it" if memory is None else reason_of(memory)
        questions.why.update(dict.fromkeys(MEMORY[:3], reason))
    elif memory.used > memory.total or memory.free > memory.total:
        reason = f"the driver said something absurd: {memory.used} used of {memory.total} bytes"
        questions.why.update(dict.fromkeys(MEMORY[:3], reason))
    else:
        total, used, free = int(memory.total), int(memory.used), int(memory.free)
    return MigDevice(
        index=place,
        uuid=uuid,
        name=name,
        gpu_instance=ask("gpu_instance", nvml.nvmlDeviceGetGpuInstanceId, handle),
        compute_instance=ask("compute_instance", nvml.nvmlDeviceGetComputeInstanceId, handle),
        memory_total_bytes=total,
        memory_used_bytes=used,
        memory_free_bytes=free,
        processes=questions.processes(handle, total) if processes else (),
        unavailable=questions.why,
    )
