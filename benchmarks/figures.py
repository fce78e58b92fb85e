"""Prints figures with what is aimed at, and remembers whether all was reached."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path


class Figures:
    """The figures of one benchmark; `status` is 1 when one of them missed its target."""

    def __init__(self, title: str) -> None:
        print(f"{title}\n{machine()}\n", flush=True)
        self._missed: list[str] = []

    def part(self, title: str) -> None:
        """Begin a group of figures."""
        print(f"\n{title}", flush=True)

    def tell(self, name: str, text: str) -> None:
        """Print a figure that has no target."""
        print(f"  {name:<44} {text}", flush=True)

    def most(self, name: str, value: float, limit: float, unit: str = "", *, note: str = "") -> None:
        """Print a figure that is to be at most `limit`."""
        self._check(name, value, f"at most {_number(limit)}", unit, value <= limit, note)

    def least(self, name: str, value: float, limit: float, unit: str = "", *, note: str = "") -> None:
        """Print a figure that is to be at least `limit`."""
        self._check(name, value, f"at least {_number(limit)}", unit, value >= limit, note)

    def holds(self, name: str, held: bool, text: str) -> None:
        """Print whether something is as it should be."""
        self._say(name, f"{text:<22}", held)

    def _check(self, name: str, value: float, target: str, unit: str, held: bool, note: str) -> None:
        self._say(name, f"{_number(value):>9} {unit:<6} {target:<15} {note}", held)

    def _say(self, name: str, text: str, held: bool) -> None:
        print(f"  {name:<44} {'ok    ' if held else 'MISSED'} {text}".rstrip(), flush=True)
        if not held:
            self._missed.append(name)

    @property
    def status(self) -> int:
        """The exit status; what was missed is named once more."""
        load = os.getloadavg()[0]
        print(
            f"\nload at the end {load:.1f}. " + (f"Missed: {'; '.join(self._missed)}." if self._missed else "All met.")
        )
        return 1 if self._missed else 0


def machine() -> str:
    """Return what the figures were measured on."""
    model = "unknown CPU"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    cores = len(os.sched_getaffinity(0))
    return f"{model}, {cores} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"


def _number(value: float) -> str:
    if value == int(value) and abs(value) < 1e9:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which a share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
