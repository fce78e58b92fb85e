"""NVIDIA GPUs through NVML. A value that the driver does not give stays None with its reason; it is never zero."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from venom_tui.core.resources.host import host_memory
from venom_tui.core.resources.processes import ProcessNames
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.types.device import Gpu, GpuProcess

Gpus = tuple[tuple[Gpu, ...], dict[str, str]]
"""The GPUs, and `gpus` -> reason where there are none."""

REOPEN_S = 5.0
"""Seconds between two attempts to reach a lost GPU by opening the driver anew."""

_REASONS = {
    "NVMLError_LibraryNotFound": "no NVIDIA driver is installed",
    "NVMLError_DriverNotLoaded": "the NVIDIA driver is not loaded",
    "NVMLError_LibRmVersionMismatch": "driver and library have different versions; a reboot mends that",
    "NVMLError_NoPermission": "this user may not read it",
    "NVMLError_NotSupported": "this GPU does not tell it",
    "NVMLError_FunctionNotFound": "this driver is too old to tell it",
    "NVMLLibraryMismatchError": "this driver is too old to tell it",
    "NVMLError_GpuIsLost": "the GPU is lost: it fell off the bus",
    "NVMLError_GpuNotFound": "the GPU is not found any more",
    "NVMLError_ResetRequired": "the GPU needs a reset",
    "NVMLError_Timeout": "the driver did not answer in time",
    "NVMLError_InsufficientSize": "the driver's list grew while it was read",
    "NVMLError_NoData": "the driver has no value at the moment",
    "NVMLError_OperatingSystem": "the operating system refused the driver's request",
    "NVMLError_Unknown": "the driver failed without a reason",
}

_LOST = frozenset(
    {"NVMLError_GpuIsLost", "NVMLError_GpuNotFound", "NVMLError_ResetRequired", "NVMLError_Uninitialized"}
)
"""Failures after which opening the driver anew may help."""

_NOT_AVAILABLE = 2**64 - 1
"""What NVML writes where a process's memory cannot be told."""

_MOST_WATTS = 10_000
_MOST_DEGREES = 150
_FACTS = frozenset({"index", "memory_kind", "unavailable", "stale_since"})
_FIGURES = tuple(field.name for field in fields(Gpu) if field.name not in _FACTS)


def reason_of(error: Exception) -> str:
    """Return why a value is not there, in plain words."""
    return _REASONS.get(type(error).__name__) or sanitize_line(str(error), 120) or type(error).__name__


@dataclass(slots=True)
class _Device:
    """What is known of a GPU for good."""

    handle: Any
    uuid: str | None
    name: str | None


class NvmlSampler:
    """Reads all GPUs (synchronous; belongs to one thread).

    Opens the driver when first used, and anew when a GPU was lost.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._nvml: Any = None
        self._open = False
        self._opened_at = 0.0
        self._lost = False
        self._devices: dict[int, _Device] = {}
        self._seen: dict[str, tuple[int, str | None]] = {}
        """UUID -> (index, name) of every GPU that was ever there."""
        self._names = ProcessNames()

    def sample(self, *, processes: bool) -> Gpus:
        """Return the GPUs, and `gpus` -> reason when there are none."""
        if self._lost and self._clock() - self._opened_at >= REOPEN_S:
            self.close()
        try:
            self._ensure()
            count = int(self._nvml.nvmlDeviceGetCount())
        except self._errors() as error:
            self.close()
            return (), {"gpus": reason_of(error)}
        if count == 0 and not self._seen:
            return (), {"gpus": "the driver sees no GPU"}
        self._lost = False
        gpus = [_Reading(self, index).gpu(processes) for index in range(count)]
        if processes:
            self._names.forget_others(p.pid for gpu in gpus for p in gpu.processes if p.pid is not None)
        return (*gpus, *self._gone(gpus)), {}

    def close(self) -> None:
        """Close the driver."""
        self._devices.clear()
        if self._open:
            self._open = False
            try:
                self._nvml.nvmlShutdown()
            except self._errors():
                pass  # it is gone already

    def device(self, index: int) -> _Device:
        """Return the handle of a GPU with what does not change."""
        device = self._devices.get(index)
        if device is None:
            handle = self._nvml.nvmlDeviceGetHandleByIndex(index)
            device = self._devices[index] = _Device(handle, None, None)
        return device

    def failed(self, error: Exception) -> None:
        """Note a failure of a GPU; some call for opening the driver anew."""
        if type(error).__name__ in _LOST:
            self._lost = True

    def remember(self, index: int, device: _Device) -> None:
        """Note who stands at an index."""
        if device.uuid is not None:
            self._seen[device.uuid] = index, device.name

    def last_known(self, index: int) -> tuple[str | None, str | None]:
        """Return uuid and name of the GPU that stood at an index last."""
        return next(((uuid, name) for uuid, (at, name) in self._seen.items() if at == index), (None, None))

    @property
    def names(self) -> ProcessNames:
        """Users and commands."""
        return self._names

    @property
    def nvml(self) -> Any:
        """The library."""
        return self._nvml

    def _gone(self, gpus: list[Gpu]) -> list[Gpu]:
        """Return the GPUs that the driver no longer lists."""
        here = {gpu.uuid for gpu in gpus}
        missing = [(index, uuid, name) for uuid, (index, name) in self._seen.items() if uuid not in here]
        if missing:
            self._lost = True
        reason = "the driver no longer lists this GPU"
        figures = [name for name in _FIGURES if name not in ("uuid", "name")]
        return [Gpu(index, uuid, name, unavailable=dict.fromkeys(figures, reason)) for index, uuid, name in missing]

    def _ensure(self) -> None:
        if self._nvml is None:
            import pynvml

            self._nvml = pynvml
        if not self._open:
            self._nvml.nvmlInit()
            self._open = True
            self._opened_at = self._clock()

    def _errors(self) -> tuple[type[Exception], ...]:
        if self._nvml is None:
            return (ImportError, OSError)
        return (self._nvml.NVMLError, self._nvml.NVMLLibraryMismatchError, OSError, UnicodeDecodeError)

    errors = property(_errors)


class _Reading:
    """One look at one GPU."""

    def __init__(self, sampler: NvmlSampler, index: int) -> None:
        self._sampler = sampler
        self._nvml = sampler.nvml
        self._index = index
        self._why: dict[str, str] = {}

    def gpu(self, processes: bool) -> Gpu:
        """Return what the driver says of it."""
        try:
            device = self._sampler.device(self._index)
        except self._sampler.errors as error:
            self._sampler.failed(error)
            uuid, name = self._sampler.last_known(self._index)
            figures = [f for f in _FIGURES if not (f == "uuid" and uuid) and not (f == "name" and name)]
            return Gpu(self._index, uuid, name, unavailable=dict.fromkeys(figures, reason_of(error)))
        nvml, handle, ask = self._nvml, device.handle, self._ask
        if device.uuid is None:
            device.uuid = _text(ask("uuid", nvml.nvmlDeviceGetUUID, handle))
        if device.name is None:
            device.name = _text(ask("name", nvml.nvmlDeviceGetName, handle))
        self._sampler.remember(self._index, device)
        rates = ask("utilization_percent memory_utilization_percent", nvml.nvmlDeviceGetUtilizationRates, handle)
        degrees = ask("temperature_c", nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU)
        power = ask("power_w", nvml.nvmlDeviceGetPowerUsage, handle)
        limit = ask("power_limit_w", nvml.nvmlDeviceGetEnforcedPowerLimit, handle)
        mig = ask("mig_mode", nvml.nvmlDeviceGetMigMode, handle)
        gpu = Gpu(
            index=self._index,
            uuid=device.uuid,
            name=device.name,
            utilization_percent=self._checked("utilization_percent", None if rates is None else rates.gpu, 100),
            memory_utilization_percent=self._checked(
                "memory_utilization_percent", None if rates is None else rates.memory, 100
            ),
            temperature_c=self._checked("temperature_c", degrees, _MOST_DEGREES),
            power_w=self._watts("power_w", power),
            power_limit_w=self._watts("power_limit_w", limit),
            mig_mode=None if mig is None else bool(mig[0]),
            unavailable=self._why,
        )
        gpu = self._with_memory(gpu, handle)
        return replace(gpu, processes=self._processes(handle, gpu.memory_total_bytes)) if processes else gpu

    def _ask(self, figures: str, question: Callable[..., Any], *arguments: Any) -> Any:
        """Return the driver's answer, or None with the reason noted for each of the figures."""
        try:
            return question(*arguments)
        except self._sampler.errors as error:
            self._sampler.failed(error)
            self._why.update(dict.fromkeys(figures.split(), reason_of(error)))
            return None

    def _with_memory(self, gpu: Gpu, handle: Any) -> Gpu:
        nvml = self._nvml
        memory = None
        try:
            try:
                # Version 2 tells what the driver reserves for itself apart from what is used.
                memory = nvml.nvmlDeviceGetMemoryInfo(handle, version=nvml.nvmlMemory_v2)
            except (
                nvml.NVMLError_FunctionNotFound,
                nvml.NVMLError_NotSupported,
                nvml.NVMLError_ArgumentVersionMismatch,
            ):
                memory = nvml.nvmlDeviceGetMemoryInfo(handle)
        except nvml.NVMLError_NotSupported:
            pass
        except self._sampler.errors as error:
            self._sampler.failed(error)
            self._why.update(dict.fromkeys(_MEMORY, reason_of(error)))
            return gpu
        if memory is None or memory.total == 0:
            return self._unified(gpu)
        total, used, free = int(memory.total), int(memory.used), int(memory.free)
        reserved = getattr(memory, "reserved", None)
        if used > total or free > total or (reserved is not None and reserved > total):
            reason = f"the driver said something absurd: {used} used and {free} free of {total} bytes"
            self._why.update(dict.fromkeys(_MEMORY, reason))
            return gpu
        if reserved is None:
            self._why["memory_reserved_bytes"] = "this driver is too old to tell it"
        return replace(
            gpu,
            memory_total_bytes=total,
            memory_used_bytes=used,
            memory_free_bytes=free,
            memory_reserved_bytes=None if reserved is None else int(reserved),
        )

    def _unified(self, gpu: Gpu) -> Gpu:
        """Return the GPU with the host's memory, which it shares: the driver gives no figures of its own."""
        memory = host_memory()
        self._why["memory_reserved_bytes"] = "the GPU shares the host's RAM"
        return replace(
            gpu,
            memory_kind="unified",
            memory_total_bytes=memory.total_bytes,
            memory_used_bytes=memory.total_bytes - memory.available_bytes,
            memory_free_bytes=memory.available_bytes,
        )

    def _processes(self, handle: Any, total: int | None) -> tuple[GpuProcess, ...]:
        nvml = self._nvml
        found: dict[int, Any] = {}
        failures: list[Exception] = []
        for question in (nvml.nvmlDeviceGetComputeRunningProcesses, nvml.nvmlDeviceGetGraphicsRunningProcesses):
            try:
                for process in self._listed(question, handle):
                    found.setdefault(process.pid, process)
            except self._sampler.errors as error:
                self._sampler.failed(error)
                failures.append(error)
        # Some GPUs know no graphics; what the other list says holds all the same.
        told = [error for error in failures if type(error).__name__ != "NVMLError_NotSupported"]
        if told or len(failures) == 2:
            self._why["processes"] = reason_of((told or failures)[0])
        return tuple(self._process(process, total) for process in found.values())

    def _listed(self, question: Callable[[Any], Any], handle: Any) -> Any:
        # The list may grow between the question for its length and that for itself.
        for _ in range(3):
            try:
                return question(handle)
            except self._nvml.NVMLError_InsufficientSize:
                continue
        return question(handle)

    def _process(self, process: Any, total: int | None) -> GpuProcess:
        memory = process.usedGpuMemory
        if memory is not None and (memory == _NOT_AVAILABLE or (total is not None and memory > total)):
            memory = None
        user, command = self._sampler.names.of(process.pid) if process.pid else (None, None)
        return GpuProcess(
            pid=process.pid or None,
            user=user,
            command=command,
            memory_bytes=None if memory is None else int(memory),
        )

    def _checked(self, figure: str, value: int | None, most: int) -> int | None:
        if value is None or 0 <= value <= most:
            return value
        self._why[figure] = f"the driver said something absurd: {value}"
        return None

    def _watts(self, figure: str, milliwatts: int | None) -> float | None:
        checked = self._checked(figure, milliwatts, _MOST_WATTS * 1000)
        return None if checked is None else round(checked / 1000, 1)


_MEMORY = ("memory_total_bytes", "memory_used_bytes", "memory_free_bytes", "memory_reserved_bytes")


def _text(value: object) -> str | None:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return sanitize_line(value, 120) if isinstance(value, str) else None
