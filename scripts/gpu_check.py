"""Compare what venom-tui says of NVIDIA GPUs with what nvidia-smi says: each figure, and each of some allocations.

    python3 scripts/gpu_check.py [--sizes MIB …]

Needs Python 3.11, pynvml (nvidia-ml-py) and nothing else: no network, no other package, no set-up. It takes real memory
through libcuda.so.1 and gives it back. Exit status: 0 all is alike, or there is no GPU here, which it says; 1 something
differs, or there is nothing to compare with. Its output is meant to be kept.
"""

from __future__ import annotations

import argparse
import sys
import types
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

_SIZES = (64, 512, 2048)
"""MiB of the allocations, as far as twice that is free."""


def main(arguments: Sequence[str]) -> int:
    """Compare everything; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=_SIZES, metavar="MIB", help="the allocations")
    sizes = parser.parse_args(arguments).sizes
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    _without_psutil()
    from scripts.gpu_checking.allocations import compare_allocations
    from scripts.gpu_checking.figures import NAMES, compare_figures
    from scripts.gpu_checking.report import Report
    from scripts.gpu_checking.smi import Smi
    from venom_tui.core.resources.nvml import NvmlSampler
    from venom_tui.core.types.device import Gpu

    sampler, report = NvmlSampler(), Report()
    gpus, missing = sampler.sample(processes=True)
    report.say(f"GPU check, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, Python {sys.version.split()[0]}")
    if not gpus:
        if not _has("pynvml"):
            report.say("pynvml is missing: pip install nvidia-ml-py, or lay its pynvml.py beside this file.")
            return 1
        report.say(f"There is no NVIDIA GPU to check here: {missing.get('gpus', 'none was found')}.")
        return 0
    names = ", ".join(gpu.name or "?" for gpu in gpus)
    report.say(f"{names}; driver {sampler.driver.version or '?'}, CUDA {sampler.driver.cuda or '?'} at most")

    def look() -> dict[str, Gpu]:
        return {gpu.uuid: gpu for gpu in sampler.sample(processes=True)[0] if gpu.uuid}

    try:
        smi = Smi(NAMES)
        compare_figures(report, look, smi)
        compare_allocations(report, look, smi, sizes)
    except OSError as error:
        report.say(f"\nThere is nothing to compare with: {error}.")
        return 1
    report.say(f"\nDifferent: {'; '.join(report.different)}." if report.different else "\nAll is alike.")
    return 1 if report.different else 0


def _has(name: str) -> bool:
    try:
        __import__(name)
    except ImportError:
        return False
    return True


def _without_psutil() -> None:
    """Let it run without psutil: users and commands of processes are not compared, and RAM is read here."""
    if _has("psutil"):
        return
    stand_in = types.ModuleType("psutil")

    class Error(Exception):
        """Nothing is known of a process."""

    def process(_pid: int) -> None:
        raise Error

    def virtual_memory() -> types.SimpleNamespace:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        told = {line.partition(":")[0]: int(line.split()[1]) * 1024 for line in lines}
        return types.SimpleNamespace(total=told["MemTotal"], available=told["MemAvailable"])

    vars(stand_in).update(Error=Error, Process=process, virtual_memory=virtual_memory)
    sys.modules["psutil"] = stand_in


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
