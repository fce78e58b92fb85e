"""NVIDIA GPUs through NVML. A value that the driver does not give stays None with its reason; it is never zero."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

from venom_tui.core.resources.host import host_memory
from venom_tui.core.resources.nvml_details import (
    MEMORY,
    DriverInfo,
    clocks_and_bus,
    driver_of,
    memory_of,
    mig_devices,
)
from venom_tui.core.resources.nvml_questions import Questions, reason_of, text_of
from venom_tui.core.resources.processes import ProcessNames
from venom_tui.core.resources.visible import mark_usable, may_open
from venom_tui.core.types.device import Gpu, GpuProcess

Gpus = tuple[tuple[Gpu, ...], dict[str, str]]
"""The GPUs, and `gpus` -> reason where there are none."""

REOPEN_S = 5.0
"""Seconds between two attempts to reach a lost GPU by opening the driver anew."""

SELDOM_S = 5.0
"""Seconds for which holds what the driver said of what an administrator sets, and of the link to the bus."""

_LOST = frozenset(
    {"NVMLError_GpuIsLost", "NVMLError_GpuNotFound", "NVMLError_ResetRequired", "NVMLError_Uninitialized"}
)
"""Failures after which opening the driver anew may help."""

_MOST_WATTS = 10_000
_MOST_DEGREES = 150
_FACTS = frozenset({"index", "memory_kind", "unavailable", "stale_since", "vendor", "mig_devices"})
_FIGURES = tuple(one.name for one in fields(Gpu) if one.name not in _FACTS)


@dataclass(slots=True)
class _Device:
    """What is known of a GPU for good."""

    handle: Any
    uuid: str | None = None
    name: str | None = None
    minor: int | None = None
    """Number of its device file."""
    fixed: dict[str, int | None] = field(default_factory=dict)
    """Figures that do not change."""
    seldom: dict[str, tuple[float, Any]] = field(default_factory=dict)
    """Figures that do not change each second: when they are to be asked again, and what was said."""
    draws_due: float = 0.0
    """When to ask again for processes that draw, where there was none."""


class NvmlSampler:
    """Reads all GPUs (synchronous; belongs to one thread).

    Opens the driver when first used, and anew when a GPU was lost.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._nvml: Any = None
        self._open = False
        self._opened_at = 0.0
        self._lost = False
        self._devices: dict[int, _Device] = {}
        self._seen: dict[str, tuple[int, str | None]] = {}
        """UUID -> (index, name) of every GPU that was ever there."""
        self._names = ProcessNames(SELDOM_S, lambda: self.clock())
        self.driver = DriverInfo()
        """What the driver is, as far as it was ever told."""

    def sample(self, *, processes: bool) -> Gpus:
        """Return the GPUs, and `gpus` -> reason when there are none."""
        if self._lost and self.clock() - self._opened_at >= REOPEN_S:
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
            found = [p.pid for gpu in gpus for p in gpu.processes]
            found += [p.pid for gpu in gpus for part in gpu.mig_devices for p in part.processes]
            self._names.forget_others(pid for pid in found if pid is not None)
        return (*mark_usable(gpus), *self._gone(gpus)), {}

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
            device = self._devices[index] = _Device(handle)
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

    def questions(self) -> Questions:
        """Return what asks the driver about one GPU."""
        return Questions(self._nvml, self._errors(), self.failed, self._names)

    @property
    def is_open(self) -> bool:
        """Whether the driver is open."""
        return self._open

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
            self._opened_at = self.clock()
            self.driver = driver_of(self.questions())

    def _errors(self) -> tuple[type[Exception], ...]:
        if self._nvml is None:
            return (ImportError, OSError)
        return (self._nvml.NVMLError, self._nvml.NVMLLibraryMismatchError, OSError, UnicodeDecodeError)

    errors = property(_errors)


class _Reading:
    """One look at one GPU."""

    def __init__(self, sampler: NvmlSampler, index: int) -> None:
        self._sampler = sampler
        self._index = index
        self._questions = sampler.questions()

    def gpu(self, processes: bool) -> Gpu:
        """Return what the driver says of it."""
        try:
            device = self._sampler.device(self._index)
        except self._sampler.errors as error:
            self._sampler.failed(error)
            uuid, name = self._sampler.last_known(self._index)
            figures = [f for f in _FIGURES if not (f == "uuid" and uuid) and not (f == "name" and name)]
            return Gpu(self._index, uuid, name, unavailable=dict.fromkeys(figures, reason_of(error)))
        questions, handle = self._questions, device.handle
        nvml, ask = questions.nvml, questions.ask
        if device.uuid is None:
            device.uuid = text_of(ask("uuid", nvml.nvmlDeviceGetUUID, handle))
        if device.name is None:
            device.name = text_of(ask("name", nvml.nvmlDeviceGetName, handle))
        self._sampler.remember(self._index, device)
        rates = ask("utilization_percent memory_utilization_percent", nvml.nvmlDeviceGetUtilizationRates, handle)
        power = ask("power_w", nvml.nvmlDeviceGetPowerUsage, handle)
        limit = self._seldom(device, "power_limit_w", nvml.nvmlDeviceGetEnforcedPowerLimit)
        mig = self._seldom(device, "mig_mode", nvml.nvmlDeviceGetMigMode)
        core, bus = (None, None) if rates is None else (rates.gpu, rates.memory)
        told: dict[str, Any] = {
            **clocks_and_bus(questions, handle, device.fixed, partial(self._seldom, device)),
            **self._memory(handle),
        }
        if device.minor is None:
            device.minor = self._seldom(device, "", nvml.nvmlDeviceGetMinorNumber)
        if device.minor is not None and self._may_open(device) is False:
            questions.why["usable"] = f"this user may not open /dev/nvidia{device.minor}"
            told["usable"] = False
        if mig is not None and mig[0]:
            told["mig_devices"] = mig_devices(questions, self._sampler.questions, handle, processes)
        if processes:
            told["processes"] = self._processes(device, told.get("memory_total_bytes"))
        return Gpu(
            index=self._index,
            uuid=device.uuid,
            name=device.name,
            utilization_percent=questions.checked("utilization_percent", core, 100),
            memory_utilization_percent=questions.checked("memory_utilization_percent", bus, 100),
            temperature_c=questions.number(
                "temperature_c", _MOST_DEGREES, nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU
            ),
            power_w=self._watts("power_w", power),
            power_limit_w=self._watts("power_limit_w", limit),
            mig_mode=None if mig is None else bool(mig[0]),
            unavailable=questions.why,
            **told,
        )

    def _may_open(self, device: _Device) -> bool | None:
        now = self._sampler.clock()
        due, known = device.seldom.get("usable", (0.0, None))
        if now < due:
            return bool(known) if known is not None else None
        may = may_open(Path(f"/dev/nvidia{device.minor}"))
        device.seldom["usable"] = now + SELDOM_S, may
        return may

    def _processes(self, device: _Device, total: int | None) -> tuple[GpuProcess, ...]:
        """Return who holds memory; processes that draw are asked for less often where there are none."""
        now = self._sampler.clock()
        asked = now >= device.draws_due
        found = self._questions.processes(device.handle, total, asked)
        if asked and not self._questions.draws:
            device.draws_due = now + SELDOM_S
        return found

    def _seldom(self, device: _Device, figure: str, question: Callable[..., Any]) -> Any:
        """Return the driver's answer of a moment ago, else ask it; where it fails, the reason is noted each time."""
        now = self._sampler.clock()
        due, known = device.seldom.get(figure, (0.0, None))
        if now < due:
            return known
        found = self._questions.ask(figure, question, device.handle) if figure else None
        if not figure:
            found = self._questions.quietly(question, device.handle)
        if found is not None or not figure:
            device.seldom[figure] = now + SELDOM_S, found
        return found

    def _memory(self, handle: Any) -> dict[str, Any]:
        """Return the fields of a `Gpu` that tell of its memory."""
        questions = self._questions
        memory = memory_of(questions, handle)
        if isinstance(memory, Exception):
            questions.failed(memory)
            questions.why.update(dict.fromkeys(MEMORY, reason_of(memory)))
            return {}
        if memory is None or memory.total == 0:
            return self._unified()
        total, used, free = int(memory.total), int(memory.used), int(memory.free)
        reserved = getattr(memory, "reserved", None)
        if used > total or free > total or (reserved is not None and reserved > total):
            reason = f"the driver said something absurd: {used} used and {free} free of {total} bytes"
            questions.why.update(dict.fromkeys(MEMORY, reason))
            return {}
        if reserved is None:
            questions.why["memory_reserved_bytes"] = "this driver is too old to tell it"
        return {
            "memory_total_bytes": total,
            "memory_used_bytes": used,
            "memory_free_bytes": free,
            "memory_reserved_bytes": None if reserved is None else int(reserved),
        }

    def _unified(self) -> dict[str, Any]:
        """Return the host's memory, which the GPU shares: the driver gives no figures of its own."""
        memory = host_memory()
        self._questions.why["memory_reserved_bytes"] = "the GPU shares the host's RAM"
        return {
            "memory_kind": "unified",
            "memory_total_bytes": memory.total_bytes,
            "memory_used_bytes": memory.total_bytes - memory.available_bytes,
            "memory_free_bytes": memory.available_bytes,
        }

    def _watts(self, figure: str, milliwatts: int | None) -> float | None:
        checked = self._questions.checked(figure, milliwatts, _MOST_WATTS * 1000)
        return None if checked is None else round(checked / 1000, 1)
