"""The machine: Python, settings, CPUs, memory, GPUs, and processes that should not be there any more."""

from __future__ import annotations

import platform
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from venom_tui.core.doctor.check import Check, fail, ok, warn
from venom_tui.core.errors import VenomError
from venom_tui.core.resources.host import HostSampler
from venom_tui.core.resources.nvml import NvmlSampler
from venom_tui.core.runtimes.leftovers import Worker, workers
from venom_tui.core.runtimes.threads import default_threads, usable_cpus
from venom_tui.core.settings import Settings, read_env_file, unknown_names
from venom_tui.core.types.device import Gpu

_OLDEST = (3, 11)
_NVML_WAIT_S = 5.0
_LITTLE_BYTES = 1024**3

Gpus = tuple[tuple[Gpu, ...], dict[str, str]]


def python(found: tuple[int, ...] = sys.version_info[:3]) -> Iterator[Check]:
    """Look at the version of Python."""
    text = f"{'.'.join(map(str, found))} ({platform.python_implementation()})"
    if found[:2] < _OLDEST:
        yield fail("python", text, "venom-tui needs 3.11 or newer.")
    else:
        yield ok("python", text)


def settings(settings: Settings, environ: Mapping[str, str], problem: VenomError | None) -> Iterator[Check]:
    """Look at what is set, and for names that look like settings and are none."""
    if problem is not None:
        yield fail("settings", problem.message, problem.hint or "Correct it.")
        return
    places = sorted({item.source for item in settings.all()} - {"default"})
    yield ok("settings", f"set in: {', '.join(places)}" if places else "all as they come")
    try:
        names = unknown_names([*environ, *read_env_file(settings.config_dir / ".env")])
    except VenomError as failure:
        yield fail("settings", failure.message, failure.hint)
        return
    if names:
        yield warn(
            "settings", f"{', '.join(names)} means nothing to this version", "docs/configuration.md has them all."
        )


def hardware(settings: Settings) -> Iterator[Check]:
    """Look at CPUs, memory and GPUs."""
    cpus, wanted = usable_cpus(), settings.int("VENOM_THREADS")
    text = f"{cpus:g} usable, llama.cpp takes {wanted or default_threads(cpus)}"
    if wanted > cpus:
        yield warn("cpu", text, "VENOM_THREADS above the number of CPUs makes everything slower; 0 chooses.")
    else:
        yield ok("cpu", text)
    yield _memory()
    yield from gpus(_ask_driver(), nvidia_present=_nvidia_present())


def _memory() -> Check:
    host = HostSampler(()).sample()
    total, available = host.ram_total_bytes, host.ram_available_bytes
    if total is None or available is None:
        return ok("memory", "not known")
    text = f"{available / 1024**3:.1f} of {total / 1024**3:.1f} GiB available"
    if available < _LITTLE_BYTES:
        return warn("memory", text, "Only small models fit; end what else uses it.")
    return ok("memory", text)


def _ask_driver() -> Gpus:
    """Ask NVML in a thread: a driver that hangs must not hang this."""
    answer: list[Gpus] = []

    def ask() -> None:
        sampler = NvmlSampler()
        answer.append(sampler.sample(processes=False))
        sampler.close()

    thread = threading.Thread(target=ask, name="nvml", daemon=True)
    thread.start()
    thread.join(_NVML_WAIT_S)
    return answer[0] if answer else ((), {"gpus": f"the driver did not answer within {_NVML_WAIT_S:g} s"})


def _nvidia_present(devices: Path = Path("/sys/bus/pci/devices")) -> bool:
    """Return whether an NVIDIA display or 3D controller is on the bus."""
    for device in devices.glob("*"):
        try:
            vendor = (device / "vendor").read_text(encoding="ascii").strip()
            kind = (device / "class").read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if vendor == "0x10de" and kind.startswith("0x03"):
            return True
    return False


def gpus(found: Gpus, *, nvidia_present: bool) -> Iterator[Check]:
    """Judge what the driver said."""
    devices, unavailable = found
    for gpu in devices:
        total = "?" if gpu.memory_total_bytes is None else f"{gpu.memory_total_bytes / 1024**3:.1f} GiB"
        missing = sorted(gpu.unavailable)
        text = f"{gpu.name or 'unknown'}, {total}" + (f"; it does not tell {', '.join(missing)}" if missing else "")
        yield ok(f"gpu {gpu.index}", text)
    if devices:
        return
    reason = unavailable.get("gpus", "none was found")
    if nvidia_present:
        yield warn(
            "gpu", f"an NVIDIA GPU is here, but: {reason}", "Install or mend the driver; until then the CPU answers."
        )
    else:
        yield ok("gpu", f"none ({reason}); the CPU answers")


def processes(found: Iterable[Worker] | None = None) -> Iterator[Check]:
    """Look for embedded llama.cpps whose venom-tui is gone."""
    seen = workers() if found is None else list(found)
    orphans = [worker for worker in seen if worker.orphan]
    for worker in orphans:
        yield warn(
            "processes",
            f"the embedded llama.cpp {worker.pid} goes on though its venom-tui is gone",
            f"If it is still there in a minute: kill {worker.pid}",
        )
    if not orphans:
        held = len(seen)
        yield ok("processes", f"{held} embedded llama.cpp held by a running venom-tui" if held else "nothing left over")
