"""Stands for nvidia-smi: says what the driver says, asked through pynvml alone.

FAKE_SMI="temperature.gpu=99" makes it say something else, FAKE_SMI_LACKS="memory.reserved" makes it an older one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import pynvml as nvml

MIB = 1024**2
FIGURES: dict[str, Callable[[Any], object]] = {
    "uuid": nvml.nvmlDeviceGetUUID,
    "name": nvml.nvmlDeviceGetName,
    "driver_version": lambda _: nvml.nvmlSystemGetDriverVersion(),
    "memory.total": lambda h: nvml.nvmlDeviceGetMemoryInfo(h).total // MIB,
    "memory.used": lambda h: nvml.nvmlDeviceGetMemoryInfo(h).used // MIB,
    "memory.free": lambda h: nvml.nvmlDeviceGetMemoryInfo(h).free // MIB,
    "memory.reserved": lambda h: nvml.nvmlDeviceGetMemoryInfo(h, version=nvml.nvmlMemory_v2).reserved // MIB,
    "utilization.gpu": lambda h: nvml.nvmlDeviceGetUtilizationRates(h).gpu,
    "utilization.memory": lambda h: nvml.nvmlDeviceGetUtilizationRates(h).memory,
    "temperature.gpu": lambda h: nvml.nvmlDeviceGetTemperature(h, 0),
    "power.draw": lambda h: f"{nvml.nvmlDeviceGetPowerUsage(h) / 1000:.2f}",
    "enforced.power.limit": lambda h: f"{nvml.nvmlDeviceGetEnforcedPowerLimit(h) / 1000:.2f}",
    "clocks.sm": lambda h: nvml.nvmlDeviceGetClockInfo(h, nvml.NVML_CLOCK_SM),
    "clocks.mem": lambda h: nvml.nvmlDeviceGetClockInfo(h, nvml.NVML_CLOCK_MEM),
    "clocks.max.sm": lambda h: nvml.nvmlDeviceGetMaxClockInfo(h, nvml.NVML_CLOCK_SM),
    "clocks.max.mem": lambda h: nvml.nvmlDeviceGetMaxClockInfo(h, nvml.NVML_CLOCK_MEM),
    "pcie.link.gen.current": nvml.nvmlDeviceGetCurrPcieLinkGeneration,
    "pcie.link.gen.max": nvml.nvmlDeviceGetMaxPcieLinkGeneration,
    "pcie.link.width.current": nvml.nvmlDeviceGetCurrPcieLinkWidth,
    "pcie.link.width.max": nvml.nvmlDeviceGetMaxPcieLinkWidth,
    "mig.mode.current": lambda h: "Enabled" if nvml.nvmlDeviceGetMigMode(h)[0] else "Disabled",
}
SAID = dict(entry.split("=", 1) for entry in os.environ.get("FAKE_SMI", "").split(";") if entry)
LACKS = os.environ.get("FAKE_SMI_LACKS", "").split()


def told(name: str, handle: Any) -> str:
    """Return a figure as nvidia-smi writes it."""
    try:
        return SAID.get(name) or str(FIGURES[name](handle))
    except nvml.NVMLError_NoPermission:
        return "[Insufficient Permissions]"
    except nvml.NVMLError:
        return "[N/A]"


def main(what: str) -> int:
    """Print what is asked for."""
    option, _, names = what.partition("=")
    for name in names.split(","):
        if name in LACKS or (option == "--query-gpu" and name not in FIGURES):
            print(f'Field "{name}" is not a valid field to query.\n')
            return 2
    nvml.nvmlInit()
    for index in range(nvml.nvmlDeviceGetCount()):
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        if option == "--query-gpu":
            print(", ".join(told(name, handle) for name in names.split(",")))
            continue
        for process in nvml.nvmlDeviceGetComputeRunningProcesses(handle):
            memory = SAID.get("used_memory", str((process.usedGpuMemory or 0) // MIB))
            print(f"{nvml.nvmlDeviceGetUUID(handle)}, {process.pid}, {memory}")
    return 0


sys.exit(main(sys.argv[1]))
