"""Compares every figure of every GPU with nvidia-smi's."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scripts.gpu_checking.report import Look, Report
from scripts.gpu_checking.smi import MIB, Smi, number_of

if TYPE_CHECKING:
    from venom_tui.core.types.device import Gpu

_TRIES = 5
"""Looks at a figure that moves meanwhile, before it counts as different."""
_PAUSE_S = 0.2


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure by both names."""

    ours: str
    smi: str
    unit: float = 1.0
    """What one of nvidia-smi's is in ours."""
    slack: float = 0.0
    """How far both may be apart in our unit: what nvidia-smi rounds."""
    share: float = 0.0
    """And as a part of the value, where it moves by itself."""


FIGURES = (
    Figure("memory_total_bytes", "memory.total", MIB, MIB),
    Figure("memory_used_bytes", "memory.used", MIB, MIB),
    Figure("memory_free_bytes", "memory.free", MIB, MIB),
    Figure("memory_reserved_bytes", "memory.reserved", MIB, MIB),
    Figure("utilization_percent", "utilization.gpu", slack=5),
    Figure("memory_utilization_percent", "utilization.memory", slack=5),
    Figure("temperature_c", "temperature.gpu", slack=1),
    Figure("power_w", "power.draw", slack=3, share=0.05),
    Figure("power_limit_w", "enforced.power.limit", slack=0.1),
    Figure("clock_core_mhz", "clocks.sm", slack=15, share=0.03),
    Figure("clock_core_max_mhz", "clocks.max.sm"),
    Figure("clock_memory_mhz", "clocks.mem", slack=15),
    Figure("clock_memory_max_mhz", "clocks.max.mem"),
    Figure("pcie_generation", "pcie.link.gen.current"),
    Figure("pcie_generation_max", "pcie.link.gen.max"),
    Figure("pcie_width", "pcie.link.width.current"),
    Figure("pcie_width_max", "pcie.link.width.max"),
)
TEXTS = (("name", "name"), ("mig_mode", "mig.mode.current"))
NAMES = ("uuid", "driver_version", *(smi for _, smi in TEXTS), *(one.smi for one in FIGURES))


def alike(figure: Figure, before: float | None, theirs: float | None, after: float | None) -> bool:
    """Return whether nvidia-smi's value lies by ours, which was read before and after it."""
    if before is None or after is None or theirs is None:
        return theirs is None and (before is None or after is None)
    value = theirs * figure.unit
    room = figure.slack + figure.share * abs(value)
    return min(before, after) - room <= value <= max(before, after) + room


@dataclass(frozen=True, slots=True)
class _Pair:
    ours: str
    theirs: str
    alike: bool
    why: str


def compare_figures(report: Report, look: Look, smi: Smi) -> None:
    """Compare every figure of every GPU; what moves meanwhile is looked at some times."""
    pairs: dict[tuple[str, str], _Pair] = {}
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_PAUSE_S)
        before, told, after = look(), smi.gpus(), look()
        for uuid in before.keys() & told.keys() & after.keys():
            found = _pairs(before[uuid], told[uuid], after[uuid])
            pairs |= {(uuid, name): pair for name, pair in found if not _is_alike(pairs.get((uuid, name)))}
        if before.keys() == told.keys() and all(map(_is_alike, pairs.values())):
            break
    for uuid in sorted(before.keys() | told.keys()):
        report.begin(f"GPU {before[uuid].index if uuid in before else '?'}, {uuid}")
        if uuid not in before or uuid not in told:
            report.compare("it is listed", uuid in before, uuid in told, alike=False)
        for (of, name), pair in pairs.items():
            if of == uuid:
                report.compare(name, pair.ours, pair.theirs, alike=pair.alike, why=pair.why)


def _is_alike(pair: _Pair | None) -> bool:
    return pair is not None and pair.alike


def _pairs(before: Gpu, told: dict[str, str], after: Gpu) -> list[tuple[str, _Pair]]:
    found = []
    for ours, smi in TEXTS:
        if smi in told:
            mine = _text(getattr(before, ours))
            same = mine == ("?" if told[smi].startswith("[") else told[smi])
            found.append((ours, _Pair(mine, told[smi], same, before.unavailable.get(ours, ""))))
    for figure in FIGURES:
        if figure.smi in told:
            first, last = getattr(before, figure.ours), getattr(after, figure.ours)
            theirs, why = number_of(told[figure.smi]), before.unavailable.get(figure.ours, "")
            same = alike(figure, first, theirs, last)
            if theirs is None and before.memory_kind == "unified" and figure.ours.startswith("memory_"):
                same, why = True, "the GPU shares the host's RAM"
            mine = "?" if first is None else f"{first / figure.unit:.10g}"
            found.append((figure.ours, _Pair(mine, told[figure.smi], same, why)))
    return found


def _text(value: object) -> str:
    if value is None:
        return "?"
    return str(value) if not isinstance(value, bool) else "Enabled" if value else "Disabled"
