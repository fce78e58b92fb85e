"""GPUs and their processes in full: all that is known of them, and why the rest is not, as lines of a dialog."""

from __future__ import annotations

from venom_tui.core.types.device import Gpu, GpuProcess
from venom_tui.ui.screens.guard.gpus import all_processes, part_words
from venom_tui.ui.screens.guard.view import Fact, View, amount, fact_lines, reasons_of, said
from venom_tui.ui.text import gib, size


def gpu_facts(gpu: Gpu, view: View) -> list[str]:
    """Return all that is known of a GPU and why the rest is not, as lines of a dialog."""
    why = gpu.unavailable

    def fact(name: str, field: str, text: str | None) -> Fact:
        return (name, text) if text is not None else said(name, why, field)

    def text(value: float | None, form: str) -> str | None:
        return None if value is None else form.format(value)

    def memory(value: int | None) -> str | None:
        return None if value is None else f"{gib(value)} GiB"

    facts = [
        fact("name", "name", gpu.name),
        fact("UUID", "uuid", gpu.uuid),
        fact("memory", "memory_total_bytes", memory(gpu.memory_total_bytes)),
        fact("used", "memory_used_bytes", memory(gpu.memory_used_bytes)),
        fact("free", "memory_free_bytes", memory(gpu.memory_free_bytes)),
        fact("reserved", "memory_reserved_bytes", memory(gpu.memory_reserved_bytes)),
        ("kind", "unified: it shares the host's RAM" if gpu.memory_kind == "unified" else gpu.memory_kind),
        fact("core", "utilization_percent", text(gpu.utilization_percent, "{} %")),
        fact("memory bus", "memory_utilization_percent", text(gpu.memory_utilization_percent, "{} %")),
        fact("temperature", "temperature_c", text(gpu.temperature_c, "{} °C")),
        fact("power", "power_w", text(gpu.power_w, "{:.1f} W")),
        fact("limit", "power_limit_w", text(gpu.power_limit_w, "{:.0f} W")),
        fact("MIG", "mig_mode", None if gpu.mig_mode is None else "on" if gpu.mig_mode else "off"),
        fact("clock", "clock_core_mhz", _of(gpu.clock_core_mhz, gpu.clock_core_max_mhz, "MHz")),
        fact("memory clock", "clock_memory_mhz", _of(gpu.clock_memory_mhz, gpu.clock_memory_max_mhz, "MHz")),
        fact("PCIe", "pcie_generation", _bus(gpu)),
        fact("in, out", "pcie_received_bytes_per_s", _traffic(gpu)),
        fact("for us", "usable", None if gpu.usable is None else "yes" if gpu.usable else _why_not(gpu)),
        fact("processes", "processes", None if "processes" in why else str(len(all_processes(gpu)))),
    ]
    lines = fact_lines(facts)
    if gpu.stale_since is not None:
        lines[:0] = [f"The driver does not answer: these figures are {view.age(gpu.stale_since)} old.", ""]
    for part in gpu.mig_devices:
        lines += fact_lines([("part", part_words(part)), ("", part.uuid or "?")])
        lines += fact_lines(("", f"?   {reason}") for reason in reasons_of(part.unavailable))
    snapshot = view.snapshot
    if gpu.vendor == "nvidia" and snapshot.driver_version is not None:
        lines += ["", f"Driver {snapshot.driver_version}, CUDA {snapshot.cuda_version or '?'} at most."]
    return lines


def process_facts(process: GpuProcess) -> list[str]:
    """Return all that is known of a process, as lines of a dialog."""
    elsewhere = "?   the process is of another container or system"
    memory = process.memory_bytes
    facts = [
        ("pid", elsewhere if process.pid is None else str(process.pid)),
        ("user", process.user or "?"),
        ("memory", "?   the driver does not tell it" if memory is None else f"{amount(memory)} GiB"),
        ("runtime", process.runtime or "none that venom-tui knows"),
        ("model", process.model or ("?" if process.runtime else "none that venom-tui knows")),
    ]
    return [*fact_lines(facts), "", process.command or "Its command is not known."]


def _of(value: int | None, most: int | None, unit: str) -> str | None:
    if value is None:
        return None
    return f"{value} {unit}" if most is None else f"{value} of {most} {unit}"


def _bus(gpu: Gpu) -> str | None:
    if gpu.pcie_generation is None:
        return None
    width = "" if gpu.pcie_width is None else f", {gpu.pcie_width} lanes"
    most = "?" if gpu.pcie_generation_max is None else str(gpu.pcie_generation_max)
    lanes = "?" if gpu.pcie_width_max is None else str(gpu.pcie_width_max)
    return f"generation {gpu.pcie_generation}{width}; at most {most}, {lanes} lanes"


def _traffic(gpu: Gpu) -> str | None:
    if gpu.pcie_received_bytes_per_s is None:
        return None
    return f"{size(gpu.pcie_received_bytes_per_s)}/s, {size(gpu.pcie_sent_bytes_per_s)}/s"


def _why_not(gpu: Gpu) -> str:
    return f"no: {gpu.unavailable.get('usable', 'it may not be used')}"
