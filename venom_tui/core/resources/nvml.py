"""NVIDIA GPUs through NVML. A value that the driver does not give stays None with its reason; it is never zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.types.device import Gpu, GpuProcess

_NOT_AVAILABLE = 2**64 - 1
"""What NVML writes where a process's memory cannot be told."""

_REASONS = {
    "NVMLError_LibraryNotFound": "no NVIDIA driver is installed",
    "NVMLError_DriverNotLoaded": "the NVIDIA driver is not loaded",
    "NVMLError_LibRmVersionMismatch": "driver and library have different versions; a reboot mends that",
    "NVMLError_NoPermission": "this user may not read it",
    "NVMLError_NotSupported": "this GPU does not tell it",
    "NVMLError_FunctionNotFound": "this driver is too old to tell it",
    "NVMLError_GpuIsLost": "the GPU is lost: it fell off the bus",
    "NVMLError_ResetRequired": "the GPU needs a reset",
    "NVMLError_Timeout": "the driver did not answer in time",
    "NVMLError_Unknown": "the driver failed without a reason",
}


def reason_of(error: Exception) -> str:
    """Return why a value is not there, in plain words."""
    return _REASONS.get(type(error).__name__) or sanitize_line(str(error), 120) or type(error).__name__


class NvmlSampler:
    """Reads all GPUs (synchronous; belongs to one thread). Opens the driver when first used, and again when it was lost."""

    def __init__(self) -> None:
        self._nvml: Any = None
        self._open = False
        self._users: dict[int, str | None] = {}

    def sample(self, *, processes: bool) -> tuple[tuple[Gpu, ...], dict[str, str]]:
        """Return the GPUs, and `gpus` -> reason when there are none."""
        try:
            self._ensure()
            count = int(self._nvml.nvmlDeviceGetCount())
        except self._errors() as error:
            self.close()
            return (), {"gpus": reason_of(error)}
        if count == 0:
            return (), {"gpus": "the driver sees no GPU"}
        return tuple(self._gpu(index, processes) for index in range(count)), {}

    def close(self) -> None:
        """Close the driver."""
        if self._open:
            self._open = False
            try:
                self._nvml.nvmlShutdown()
            except self._errors():
                pass

    def _ensure(self) -> None:
        if self._nvml is None:
            import pynvml

            self._nvml = pynvml
        if not self._open:
            self._nvml.nvmlInit()
            self._open = True

    def _errors(self) -> tuple[type[Exception], ...]:
        return (OSError, UnicodeDecodeError) if self._nvml is None else (self._nvml.NVMLError, OSError, UnicodeDecodeError)

    def _gpu(self, index: int, processes: bool) -> Gpu:
        nvml = self._nvml
        why: dict[str, str] = {}

        def ask(fields: str, question: Callable[[], Any]) -> Any:
            try:
                return question()
            except self._errors() as error:
                why.update(dict.fromkeys(fields.split(), reason_of(error)))
                return None

        handle = ask("name uuid", lambda: nvml.nvmlDeviceGetHandleByIndex(index))
        if handle is None:
            reason = why["name"]
            return Gpu(index, unavailable=dict.fromkeys(_FIELDS, reason))
        memory = ask("memory_total_bytes memory_used_bytes memory_free_bytes", lambda: self._memory(handle))
        rates = ask(
            "utilization_percent memory_utilization_percent", lambda: nvml.nvmlDeviceGetUtilizationRates(handle)
        )
        power = ask("power_w", lambda: nvml.nvmlDeviceGetPowerUsage(handle))
        limit = ask("power_limit_w", lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle))
        mig = ask("mig_mode", lambda: nvml.nvmlDeviceGetMigMode(handle)[0])
        total = used = free = reserved = None
        if memory is not None:
            total, used, free, reserved = _sane_memory(memory, why)
        return Gpu(
            index=index,
            uuid=_text(ask("uuid", lambda: nvml.nvmlDeviceGetUUID(handle))),
            name=_text(ask("name", lambda: nvml.nvmlDeviceGetName(handle))),
            memory_total_bytes=total,
            memory_used_bytes=used,
            memory_free_bytes=free,
            memory_reserved_bytes=reserved,
            utilization_percent=_percent(None if rates is None else rates.gpu, "utilization_percent", why),
            memory_utilization_percent=_percent(
                None if rates is None else rates.memory, "memory_utilization_percent", why
            ),
            temperature_c=_range(
                ask("temperature_c", lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)),
                "temperature_c",
                150,
                why,
            ),
            power_w=None if power is None else round(power / 1000, 1),
            power_limit_w=None if limit is None else round(limit / 1000, 1),
            mig_mode=None if mig is None else bool(mig),
            processes=self._processes(handle, ask) if processes else (),
            unavailable=why,
        )

    def _memory(self, handle: Any) -> Any:
        nvml = self._nvml
        try:
            # Version 2 tells what the driver reserves for itself apart from what is used.
            return nvml.nvmlDeviceGetMemoryInfo(handle, version=nvml.nvmlMemory_v2)
        except (self._nvml.NVMLError_FunctionNotFound, self._nvml.NVMLError_NotSupported):
            return nvml.nvmlDeviceGetMemoryInfo(handle)

    def _processes(self, handle: Any, ask: Callable[[str, Callable[[], Any]], Any]) -> tuple[GpuProcess, ...]:
        found: dict[int, Any] = {}
        for question in (
            self._nvml.nvmlDeviceGetComputeRunningProcesses,
            self._nvml.nvmlDeviceGetGraphicsRunningProcesses,
        ):
            for process in ask("processes", lambda question=question: question(handle)) or ():
                found.setdefault(process.pid, process)
        return tuple(self._process(process) for process in found.values())

    def _process(self, process: Any) -> GpuProcess:
        memory = process.usedGpuMemory
        user, command = _who(process.pid)
        return GpuProcess(
            pid=process.pid or None,
            user=user,
            command=command,
            memory_bytes=None if memory is None or memory == _NOT_AVAILABLE else int(memory),
        )


_FIELDS = (
    "name", "uuid", "memory_total_bytes", "memory_used_bytes", "memory_free_bytes", "utilization_percent",
    "memory_utilization_percent", "temperature_c", "power_w", "power_limit_w", "mig_mode", "processes",
)  # fmt: skip


def _who(pid: int) -> tuple[str | None, str | None]:
    """Return user and command of a process; None for one of another container, whose pid means nothing here."""
    import psutil

    try:
        process = psutil.Process(pid)
        with process.oneshot():
            return sanitize_line(process.username(), 32), sanitize_line(" ".join(process.cmdline()) or process.name(), 300)
    except psutil.Error:
        return None, None


def _sane_memory(memory: Any, why: dict[str, str]) -> tuple[int | None, int | None, int | None, int | None]:
    total, used, free = int(memory.total), int(memory.used), int(memory.free)
    if total <= 0 or used > total or free > total:
        reason = f"the driver said something absurd: {used} used and {free} free of {total} bytes"
        why.update(dict.fromkeys(("memory_total_bytes", "memory_used_bytes", "memory_free_bytes"), reason))
        return None, None, None, None
    reserved = getattr(memory, "reserved", None)
    return total, used, free, None if reserved is None else int(reserved)


def _percent(value: int | None, field: str, why: dict[str, str]) -> int | None:
    return _range(value, field, 100, why)


def _range(value: int | None, field: str, most: int, why: dict[str, str]) -> int | None:
    if value is None:
        return None
    if not 0 <= value <= most:
        why[field] = f"the driver said something absurd: {value}"
        return None
    return int(value)


def _text(value: object) -> str | None:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return sanitize_line(value, 120) if isinstance(value, str) else None
