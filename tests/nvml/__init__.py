"""A driver library for machines without a GPU, loaded by the real pynvml: see driver.c for what it can say."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.tools import need

_SOURCE = Path(__file__).with_name("driver.c")


class FakeDriver:
    """The library in a folder of its own, and the file from which it reads what it says.

    A process loads it with `environ`; that must be set when the process begins.
    """

    def __init__(self, folder: Path, *flags: str) -> None:
        need("gcc")
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "gpus"
        self.library = folder / "libnvidia-ml.so.1"
        # Without a soname: one that is loaded into the process of the tests is not found there by that name.
        subprocess.run(
            ["gcc", "-std=gnu11", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", *flags, "-o", self.library, _SOURCE],
            check=True,
        )
        self.environ = {"LD_LIBRARY_PATH": str(folder), "FAKE_NVML": str(self._file)}

    def with_tools(self, python: str) -> dict[str, str]:
        """Lay a CUDA library and an nvidia-smi beside it; return the environment in which they are found."""
        folder = self.library.parent
        cuda: list[str | Path] = [
            "gcc",
            "-std=gnu11",
            "-shared",
            "-fPIC",
            "-O1",
            "-Wall",
            "-Werror",
            "-o",
            folder / "libcuda.so.1",
        ]
        subprocess.run([*cuda, _SOURCE.with_name("cuda.c")], check=True)
        smi = folder / "nvidia-smi"
        smi.write_text(f'#!/bin/sh\nexec {python} {_SOURCE.with_name("smi.py")} "$@"\n', encoding="utf-8")
        smi.chmod(0o755)
        return self.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}

    def says(self, gpus: Iterable[str]) -> None:
        """Let the driver say this from now on: a line for each GPU, all of them at once."""
        written = self._file.with_suffix(".new")
        written.write_text("".join(f"{gpu}\n" for gpu in gpus), encoding="utf-8")
        os.replace(written, self._file)


def gpu(
    index: int = 0,
    *,
    name: str = "NVIDIA H100 80GB HBM3",
    total: int | str = 81559,
    used: int | str = 20000,
    core: int | str = 73,
    bus: int | str = 40,
    degrees: int | str = 61,
    milliwatts: int | str = 350_000,
    limit: int | str = 700_000,
    mig: int | str = 0,
    processes: str = "",
    **more: int | str,
) -> str:
    """Return the line of a GPU; `more` are the keys that driver.c knows."""
    rest = ";".join(f"{key}={value}" for key, value in more.items())
    fields = (name, f"GPU-{index:08}", total, used, core, bus, degrees, milliwatts, limit, mig, processes, rest)
    return "|".join(str(field) for field in fields)


def part(
    uuid: str,
    *,
    name: str = "NVIDIA H100 80GB HBM3 MIG 1g.10gb",
    total: int | str = 9856,
    used: int | str = 12,
    instance: int = 1,
    compute: int = 0,
    processes: str = "",
) -> str:
    """Return the line of a part (MIG) of the GPU before it."""
    return "|".join(str(field) for field in ("part", uuid, name, total, used, instance, compute, processes))
