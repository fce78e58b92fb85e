"""The check for a machine with a GPU, over a driver, a CUDA library and an nvidia-smi that stand for the real ones."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pynvml
import pytest

from tests.nvml import FakeDriver, gpu
from tests.tools import requires_tool

pytestmark = requires_tool("gcc")
SCRIPT = Path(__file__).resolve().parents[2] / "scripts/gpu_check.py"
Check = Callable[..., subprocess.CompletedProcess[str]]


def check(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it as on a bare machine: Python without any package but pynvml."""
    command = [sys.executable, "-S", str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environ)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> tuple[FakeDriver, dict[str, str]]:
    folder = tmp_path_factory.mktemp("gpu")
    (folder / "alone").mkdir()
    (folder / "alone/pynvml.py").symlink_to(pynvml.__file__)
    driver = FakeDriver(folder / "driver")
    return driver, driver.with_tools(sys.executable) | {"PYTHONPATH": str(folder / "alone")}


@pytest.fixture
def run(machine: tuple[FakeDriver, dict[str, str]]) -> Check:
    driver, environ = machine

    def checked(*gpus: str, sizes: str = "64 512", **more: str) -> subprocess.CompletedProcess[str]:
        # CUDA tells whole UUIDs.
        driver.says(line.replace("GPU-00000000", "GPU-00000000-0000-0000-0000-000000000000") for line in gpus)
        return check(environ | more, "--sizes", *sizes.split())

    return checked


def rows(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_all_is_alike(run: Check) -> None:
    done = run("driver|575.57.08|12090", gpu(0, degrees="!"), gpu(1, milliwatts="-", used=7), sizes="64 512 90000")
    found = rows(done.stdout)
    assert (done.returncode, done.stderr, found[-1]) == (0, "", "All is alike.")
    assert found[0].startswith("GPU check, 20")
    assert found[1] == "NVIDIA H100 80GB HBM3, NVIDIA H100 80GB HBM3; driver 575.57.08, CUDA 12.9 at most"
    for row in (
        "memory_used_bytes 20000 20000 ok",
        "memory_reserved_bytes 300 300 ok",
        "temperature_c ? [Insufficient Permissions] ok this user may not read it",
        "power_w ? [N/A] ok this GPU does not tell it",
        "clock_core_max_mhz 1980 1980 ok",
        "mig_mode Disabled Disabled ok",
        "64 taken +64 +64 ok",
        "512 taken +512 +512 ok",
        "512 given back +0 +0 ok",
        "this process with 512 512 512 ok",
        "90000 MiB: left out, 61259 MiB are free",
    ):
        assert row in found, row


@pytest.mark.parametrize(
    ("environ", "different"),
    [
        ({"FAKE_SMI": "temperature.gpu=64"}, ["temperature_c 61 64 DIFFERS"]),
        ({"FAKE_SMI": "clocks.max.sm=[N/A]"}, ["clock_core_max_mhz 1980 [N/A] DIFFERS"]),
        ({"FAKE_SMI": "used_memory=7"}, ["this process with 64 64 7 DIFFERS"]),
        ({"FAKE_CUDA_LEAK": "1"}, ["64 given back +64 +64 DIFFERS"]),
    ],
)
def test_what_differs_is_named(run: Check, environ: dict[str, str], different: list[str]) -> None:
    done = run(gpu(0), sizes="64", **environ)
    found = rows(done.stdout)
    assert [row for row in found if "DIFFERS" in row] == different
    assert (done.returncode, found[-1].startswith("Different: ")) == (1, True)


def test_an_older_nvidia_smi_and_one_in_a_container(run: Check) -> None:
    done = run(gpu(0, processes="!"), sizes="64", FAKE_SMI_LACKS="memory.reserved mig.mode.current")
    found = rows(done.stdout)
    assert done.returncode == 0, done.stdout
    assert not any(row.startswith(("memory_reserved_bytes", "mig_mode")) for row in found)
    assert "this process with 64 ? ? ok neither tells it here" in found


def test_memory_that_is_the_hosts_is_no_difference(run: Check) -> None:
    done = run(gpu(0, name="NVIDIA GB10", total="-", used=0), sizes="64")
    assert done.returncode == 0, done.stdout
    assert "it tells no memory of its own" in done.stdout
    figure = next(row for row in rows(done.stdout) if row.startswith("memory_total_bytes"))
    assert figure.endswith("[N/A] ok the GPU shares the host's RAM")


def test_without_a_gpu_it_says_so(machine: tuple[FakeDriver, dict[str, str]], tmp_path: Path) -> None:
    driver, environ = machine
    done = check(environ | {"LD_LIBRARY_PATH": str(tmp_path)})
    assert (done.returncode, done.stderr) == (0, "")
    assert "There is no NVIDIA GPU to check here: no NVIDIA driver is installed." in done.stdout
    driver.says(["fails 9"])
    assert "the NVIDIA driver is not loaded" in check(environ).stdout


def test_with_nothing_to_compare_with(machine: tuple[FakeDriver, dict[str, str]], tmp_path: Path) -> None:
    driver, environ = machine
    driver.says([gpu(0)])
    done = check(environ | {"PATH": str(tmp_path)})
    assert (done.returncode, "there is no nvidia-smi here" in done.stdout) == (1, True)
    done = check({"PYTHONPATH": str(tmp_path), "PATH": os.environ["PATH"]})
    assert (done.returncode, "pynvml is missing" in done.stdout) == (1, True)
