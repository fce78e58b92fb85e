"""AMD GPUs through the files of their kernel driver: no library, no rights, and what a card does not tell stays None.

/sys/class/drm/card0/device/            mem_info_vram_total, mem_info_vram_used, gpu_busy_percent, …
/sys/class/drm/card0/device/hwmon/…/    temp1_input, power1_average, power1_cap
/sys/class/kfd/kfd/proc/PID/vram_ID     memory of a process that computes, by the GPU's number there
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from venom_tui.core.resources.processes import ProcessNames
from venom_tui.core.resources.visible import mark_usable, may_open
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.types.device import Gpu, GpuProcess

_AMD = "0x1002"
_CARD = re.compile(r"card(\d+)\Z")
_LEVEL = re.compile(r"^\s*\d+:\s*(\d+)\s*M[Hh]z\s*(\*?)", re.MULTILINE)
_SPEED = re.compile(r"([\d.]+)\s*GT/s")
_GENERATIONS = {2.5: 1, 5.0: 2, 8.0: 3, 16.0: 4, 32.0: 5, 64.0: 6}
"""Billions of transfers a second on a lane -> generation of PCIe."""
_OLD = "this card or its driver does not tell it"
_MOST_DEGREES = 200
_MOST_WATTS = 10_000
_SMALL_BYTES = 1024**3
"""A GPU with less memory of its own that may use much more of the host's is a part of the processor."""


class AmdSampler:
    """Reads all AMD GPUs (synchronous; belongs to one thread)."""

    def __init__(self, root: Path = Path("/sys"), names: ProcessNames | None = None) -> None:
        self._drm = root / "class/drm"
        self._kfd = root / "class/kfd/kfd"
        self._names = names or ProcessNames()

    def sample(self, first_index: int, *, processes: bool) -> tuple[Gpu, ...]:
        """Return the GPUs, numbered from `first_index` on; none where there is no such driver."""
        cards = self._cards()
        gpus = [_Card(folder).gpu(first_index + number) for number, folder in enumerate(cards)]
        if processes and gpus:
            held = self._held()
            gpus = [self._with_processes(gpu, folder, held) for gpu, folder in zip(gpus, cards, strict=True)]
            self._names.forget_others(p.pid for gpu in gpus for p in gpu.processes if p.pid is not None)
        return mark_usable(gpus)

    def _cards(self) -> list[Path]:
        try:
            found = [(int(match[1]), entry) for entry in self._drm.iterdir() if (match := _CARD.fullmatch(entry.name))]
        except OSError:
            return []
        folders = [entry / "device" for _, entry in sorted(found)]
        return [
            folder
            for folder in folders
            if _read(folder / "vendor").lower() == _AMD and (folder / "mem_info_vram_total").exists()
        ]

    def _with_processes(self, gpu: Gpu, folder: Path, held: dict[str, dict[int, int]] | None) -> Gpu:
        if held is None:
            return replace(
                gpu, unavailable={**gpu.unavailable, "processes": "the kernel's list of processes is closed"}
            )
        number = self._number_of(folder)
        if number is None:
            reason = "which processes compute on it is not told"
            return replace(gpu, unavailable={**gpu.unavailable, "processes": reason})
        found = []
        for pid, size in sorted(held.get(number, {}).items()):
            user, command = self._names.of(pid)
            found.append(GpuProcess(pid, user, command, size))
        return replace(gpu, processes=tuple(found))

    def _held(self) -> dict[str, dict[int, int]] | None:
        """Return number of a GPU -> pid -> bytes; None where that is not told."""
        found: dict[str, dict[int, int]] = {}
        try:
            entries = sorted((self._kfd / "proc").iterdir())
        except OSError:
            return None
        for entry in entries:
            if not entry.name.isdigit():
                continue
            try:
                files = sorted(entry.glob("vram_*"))
            except OSError:
                continue
            for file in files:
                size = _number(file)
                if size:
                    found.setdefault(file.name.removeprefix("vram_"), {})[int(entry.name)] = size
        return found

    def _number_of(self, folder: Path) -> str | None:
        """Return the number that the kernel's compute driver has for a card."""
        bus = _bus_of(folder)
        try:
            nodes = sorted((self._kfd / "topology/nodes").iterdir())
        except OSError:
            return None
        for node in nodes:
            told = dict(line.split(" ", 1) for line in _read(node / "properties").splitlines() if " " in line)
            location, domain = told.get("location_id", "0"), told.get("domain", "0")
            if not (location.isdigit() and domain.isdigit()) or location == "0":
                continue
            place = int(location)
            name = f"{int(domain):04x}:{place >> 8 & 0xFF:02x}:{place >> 3 & 0x1F:02x}.{place & 7}"
            if name == bus:
                return _read(node / "gpu_id") or None
        return None


class _Card:
    """One look at one card."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._why: dict[str, str] = {}

    def gpu(self, index: int) -> Gpu:
        """Return what its files say."""
        total, used = self._value("memory_total_bytes", "mem_info_vram_total"), None
        if total is not None:
            used = self._value("memory_used_bytes", "mem_info_vram_used")
        kind = "dedicated"
        shared = _number(self._folder / "mem_info_gtt_total")
        if total is not None and total < _SMALL_BYTES and shared is not None and shared > total:
            # Its own memory is a small piece of the host's; it may use much more of that.
            kind, total = "unified", total + shared
            more = self._value("memory_used_bytes", "mem_info_gtt_used")
            used = None if used is None or more is None else used + more
        if used is not None and total is not None and used > total:
            reason = f"the driver said something absurd: {used} used of {total} bytes"
            self._why.update(dict.fromkeys(("memory_used_bytes", "memory_total_bytes"), reason))
            total = used = None
        if used is None or total is None:
            reason = self._why.get("memory_used_bytes") or self._why.get("memory_total_bytes") or _OLD
            self._why["memory_free_bytes"] = reason
        self._why["memory_reserved_bytes"] = "AMD's driver does not tell it"
        self._why["mig_mode"] = "AMD's cards have no MIG"
        sensors = next(iter(sorted((self._folder / "hwmon").glob("hwmon*"))), self._folder / "hwmon/none")
        core, core_most = self._clocks("clock_core", "pp_dpm_sclk")
        memory, memory_most = self._clocks("clock_memory", "pp_dpm_mclk")
        usable = self._usable()
        return Gpu(
            index=index,
            uuid=self._identity(),
            name=self._name(),
            memory_total_bytes=total,
            memory_used_bytes=used,
            memory_free_bytes=None if used is None or total is None else total - used,
            memory_kind=kind,
            utilization_percent=self._value("utilization_percent", "gpu_busy_percent", most=100),
            memory_utilization_percent=self._value("memory_utilization_percent", "mem_busy_percent", most=100),
            temperature_c=self._thousandth("temperature_c", sensors / "temp1_input", _MOST_DEGREES),
            power_w=self._watts("power_w", sensors, ("power1_average", "power1_input")),
            power_limit_w=self._watts("power_limit_w", sensors, ("power1_cap",)),
            unavailable=self._why,
            vendor="amd",
            usable=usable,
            clock_core_mhz=core,
            clock_core_max_mhz=core_most,
            clock_memory_mhz=memory,
            clock_memory_max_mhz=memory_most,
            pcie_generation=self._generation("pcie_generation", "current_link_speed"),
            pcie_generation_max=self._generation("pcie_generation_max", "max_link_speed"),
            pcie_width=self._value("pcie_width", "current_link_width", most=64),
            pcie_width_max=self._value("pcie_width_max", "max_link_width", most=64),
        )

    def _identity(self) -> str | None:
        unique = _read(self._folder / "unique_id")
        if re.fullmatch(r"[0-9a-fA-F]{6,32}", unique) and int(unique, 16):
            return f"GPU-{unique.lower()}"
        bus = _bus_of(self._folder)
        return f"PCI-{bus}" if bus else None

    def _name(self) -> str:
        name = sanitize_line(_read(self._folder / "product_name"), 120)
        if name:
            return name if "amd" in name.lower() else f"AMD {name}"
        device = sanitize_line(_read(self._folder / "device"), 12)
        return f"AMD GPU {device}".strip()

    def _usable(self) -> bool | None:
        """Return False where the card's device file may not be opened."""
        render = next(iter(sorted((self._folder / "drm").glob("renderD*"))), None)
        if render is not None and may_open(Path("/dev/dri") / render.name) is False:
            self._why["usable"] = f"this user may not open /dev/dri/{render.name}"
            return False
        return None

    def _value(self, figure: str, name: str, *, most: int = 2**50) -> int | None:
        return self._checked(figure, self._folder / name, most)

    def _checked(self, figure: str, path: Path, most: int) -> int | None:
        try:
            value = int(path.read_text(encoding="ascii").strip())
        except OSError as error:
            self._why[figure] = _reason(error)
        except ValueError:
            self._why[figure] = "the driver wrote no number"
        else:
            if 0 <= value <= most:
                return value
            self._why[figure] = f"the driver said something absurd: {value}"
        return None

    def _thousandth(self, figure: str, path: Path, most: int) -> int | None:
        value = self._checked(figure, path, most * 1000)
        return None if value is None else round(value / 1000)

    def _watts(self, figure: str, sensors: Path, names: Sequence[str]) -> float | None:
        name = next((name for name in names if (sensors / name).exists()), names[0])
        value = self._checked(figure, sensors / name, _MOST_WATTS * 1_000_000)
        return None if value is None else round(value / 1_000_000, 1)

    def _clocks(self, figure: str, name: str) -> tuple[int | None, int | None]:
        """Return the clock now and the highest one, in MHz."""
        levels = [(int(value), bool(star)) for value, star in _LEVEL.findall(_read(self._folder / name))]
        if not levels:
            self._why.update(dict.fromkeys((f"{figure}_mhz", f"{figure}_max_mhz"), _OLD))
            return None, None
        now = next((value for value, star in levels if star), None)
        if now is None:
            self._why[f"{figure}_mhz"] = "the driver has no value at the moment"
        return now, max(value for value, _ in levels)

    def _generation(self, figure: str, name: str) -> int | None:
        found = _SPEED.search(_read(self._folder / name))
        generation = _GENERATIONS.get(float(found[1])) if found and found[1].count(".") < 2 else None
        if generation is None:
            self._why[figure] = _OLD
        return generation


def _bus_of(folder: Path) -> str:
    """Return a card's address on the bus, `0000:03:00.0`."""
    name = os.path.basename(os.path.realpath(folder))
    return name if re.fullmatch(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]", name) else ""


def _reason(error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return _OLD
    if error.errno in (errno.EACCES, errno.EPERM):
        return "this user may not read it"
    if error.errno in (errno.EBUSY, errno.EAGAIN):
        return "the driver has no value at the moment"
    return sanitize_line(error.strerror or str(error), 120)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    text = _read(path)
    return int(text) if text.isdigit() and len(text) < 18 else None
