"""`venom-tui guard` as a process of its own, over the real pynvml and a library that stands for the driver."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.nvml import FakeDriver, gpu, part
from tests.tools import requires_tool

from .conftest import Command

pytestmark = requires_tool("gcc")
MIB = 1024**2
SHAPE = {
    "index", "uuid", "name", "memory_total_bytes", "memory_used_bytes", "memory_free_bytes", "utilization_percent",
    "temperature_c", "power_w", "processes", "unavailable", "memory_kind", "mig_mode",
}  # fmt: skip
"""What outside scripts rely on."""
Guard = Callable[..., Any]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> FakeDriver:
    return FakeDriver(tmp_path_factory.mktemp("driver"))


@pytest.fixture
def guard(venom: Command, built: FakeDriver) -> Guard:
    """Let the driver say something, and return what `guard --json` says then."""

    def run(*gpus: str, **environ: str) -> Any:
        built.says(gpus)
        return venom.json("guard", **built.environ, **environ)

    return run


def test_eight_gpus(guard: Guard) -> None:
    found = guard("driver|575.57.08|12090", *(gpu(index, core=10 * index, used=9000 * index) for index in range(8)))
    assert (found["driver_version"], found["cuda_version"], found["unavailable"]) == ("575.57.08", "12.9", {})
    assert [one["index"] for one in found["gpus"]] == list(range(8))
    for index, one in enumerate(found["gpus"]):
        assert set(one) >= SHAPE
        assert (one["utilization_percent"], one["memory_used_bytes"]) == (10 * index, 9000 * index * MIB)
        assert (one["memory_reserved_bytes"], one["power_w"], one["power_limit_w"]) == (300 * MIB, 350.0, 700.0)
        assert (one["clock_core_mhz"], one["clock_memory_mhz"]) == (1755, 2619)
        assert (one["pcie_generation"], one["pcie_width"], one["usable"], one["mig_mode"]) == (5, 16, True, False)
        # What goes over the bus is known from two looks.
        assert set(one["unavailable"]) <= {"pcie_received_bytes_per_s", "pcie_sent_bytes_per_s"}


def test_every_special_one_beside_the_others(guard: Guard) -> None:
    split, unified, silent, absurd, lost, plain = guard(
        gpu(0, mig=1, core="-", bus="-"),
        part("MIG-aaaa", used=5000, processes=f"{os.getpid()}:4800"),
        part("MIG-bbbb", total="!"),
        gpu(1, name="NVIDIA GB10", total="-", used=0),
        gpu(2, degrees="!", milliwatts="-", limit="!10", processes="!"),
        gpu(3, core=250, degrees=4_000_000_000, used=999_999, sm=4_000_000_000),
        "lost",
        gpu(5, processes=f"{os.getpid()}:1500,4194305:7,0:12"),
    )["gpus"]

    first, second = split["mig_devices"]
    assert (split["mig_mode"], split["utilization_percent"]) == (True, None)
    assert split["unavailable"]["utilization_percent"] == "this GPU does not tell it"
    assert (first["uuid"], first["memory_used_bytes"], first["processes"][0]["pid"]) == (
        "MIG-aaaa",
        5000 * MIB,
        os.getpid(),
    )
    assert (second["memory_total_bytes"], second["unavailable"]["memory_total_bytes"]) == (
        None,
        "this user may not read it",
    )

    assert unified["memory_kind"] == "unified"
    assert unified["memory_total_bytes"] > MIB and unified["memory_free_bytes"] > 0

    assert (silent["temperature_c"], silent["power_w"], silent["power_limit_w"], silent["processes"]) == (
        None,
        None,
        None,
        [],
    )
    assert silent["unavailable"]["temperature_c"] == "this user may not read it"
    assert silent["unavailable"]["power_w"] == "this GPU does not tell it"
    assert silent["unavailable"]["power_limit_w"] == "the driver did not answer in time"
    assert silent["unavailable"]["processes"] == "this user may not read it"
    assert silent["memory_used_bytes"] == 20_000 * MIB

    for field in ("utilization_percent", "temperature_c", "memory_used_bytes", "memory_free_bytes", "clock_core_mhz"):
        assert absurd[field] is None
        assert "absurd" in absurd["unavailable"][field]

    assert (lost["memory_total_bytes"], lost["temperature_c"]) == (None, None)
    assert set(lost["unavailable"].values()) == {"the GPU is lost: it fell off the bus"}

    ours, gone, hidden = plain["processes"]
    assert (ours["pid"], ours["memory_bytes"]) == (os.getpid(), 1500 * MIB)
    assert "python" in ours["command"] and ours["user"]
    assert (gone["pid"], gone["user"], gone["command"], gone["memory_bytes"]) == (4194305, None, None, 7 * MIB)
    assert (hidden["pid"], hidden["user"], hidden["command"], hidden["runtime"]) == (None, None, None, None)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("fails 9", "the NVIDIA driver is not loaded"),
        ("fails 18", "driver and library have different versions; a reboot mends that"),
        ("fails 4", "this user may not read it"),
    ],
)
def test_a_driver_that_fails_as_a_whole(guard: Guard, said: str, reason: str) -> None:
    found = guard(said)
    assert (found["gpus"], found["unavailable"]) == ([], {"gpus": reason})
    assert found["host"]["ram_total_bytes"] > 0


def test_no_driver_at_all(venom: Command, tmp_path: Path) -> None:
    found = venom.json("guard", LD_LIBRARY_PATH=str(tmp_path))
    assert (found["gpus"], found["unavailable"]) == ([], {"gpus": "no NVIDIA driver is installed"})
    done = venom("guard", LD_LIBRARY_PATH=str(tmp_path))
    assert "GPU  none: no NVIDIA driver is installed" in done.stdout


def test_a_driver_that_hangs(venom: Command, built: FakeDriver, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    built.says([f"waits {tmp_path / 'fifo'}"])
    begun = time.monotonic()
    found = venom.json("guard", **built.environ)
    assert time.monotonic() - begun < 20
    assert found["gpus"] == []
    assert found["unavailable"]["gpus"].startswith("the driver has not answered yet")
    assert found["host"]["ram_total_bytes"] > 0


# ---------------------------------------------------------------------- for scripts


def pick(venom: Command, built: FakeDriver, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    built.says([gpu(0, used=70_000), gpu(1, used=100), gpu(2, used=30_000), "lost"])
    return venom("guard", "--pick", *arguments, **built.environ, **environ)


def test_indices_for_a_script(venom: Command, built: FakeDriver) -> None:
    for arguments, printed in (
        (("1",), "1\n"),
        (("2", "--free", "40GiB"), "1,2\n"),
        (("3",), "1,2,0\n"),
        (("1", "--free", "79 GB"), "1\n"),
        (("2", "--uuid"), "GPU-00000001,GPU-00000002\n"),
    ):
        done = pick(venom, built, *arguments)
        assert (done.returncode, done.stdout, done.stderr) == (0, printed, "")
    found = venom.json("guard", "--pick", "2", "--free", "40G", **built.environ)
    assert found == {"indices": [1, 2], "uuids": ["GPU-00000001", "GPU-00000002"]}


def test_too_few_is_exit_1(venom: Command, built: FakeDriver) -> None:
    done = pick(venom, built, "3", "--free", "40GiB")
    assert (done.returncode, done.stdout) == (1, "")
    assert "There are 2 of the 3 GPUs with 40.0 GiB free that are wanted." in done.stderr
    assert "GPU 0: 11.0 GiB free; GPU 3: the GPU is lost" in done.stderr
    only = pick(venom, built, "1", "--free", "40GiB", CUDA_VISIBLE_DEVICES="0")
    assert only.returncode == 1
    assert "GPU 1: CUDA_VISIBLE_DEVICES leaves it out" in only.stderr


@pytest.mark.parametrize(
    "arguments", [("0",), ("x",), ("1", "--free", "lots"), ("1", "--free", "-1"), ("1", "--watch")]
)
def test_wrong_usage_is_exit_2(venom: Command, built: FakeDriver, arguments: tuple[str, ...]) -> None:
    assert pick(venom, built, *arguments).returncode == 2


def test_what_belongs_to_pick(venom: Command) -> None:
    assert venom("guard", "--free", "1G").returncode == 2
    assert venom("guard", "--uuid").returncode == 2


# ---------------------------------------------------------------------- models


def test_models_of_other_venom_tui_are_named(venom: Command, built: FakeDriver) -> None:
    worker = venom.start("chat", "Write one sentence about the sea.")
    try:
        assert worker.stdout is not None
        assert worker.stdout.read(1), "its answer has begun"
        worker.send_signal(signal.SIGSTOP)  # it holds its model for as long as the test looks
        found = venom.json("guard", **built.environ)
        (held,) = found["loaded"]
        assert (held["name"], held["runtime"], held["elsewhere"]) == ("SmolLM2-135M-Instruct.Q4_1", "embedded", True)
        assert held["measured_bytes"] > 50 * MIB and held["pids"] == [held["pid"]]
        assert held["unavailable"]["reported_bytes"] == "another venom-tui holds it"
        built.says([gpu(processes=f"{held['pid']}:600")])
        (process,) = venom.json("guard", **built.environ)["gpus"][0]["processes"]
        assert process["model"] == "SmolLM2-135M-Instruct.Q4_1"
    finally:
        worker.kill()
        worker.communicate()


def test_a_runtime_that_does_not_answer_delays_nothing(venom: Command, built: FakeDriver) -> None:
    built.says([gpu()])
    code = "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as silent:
        assert silent.stdout is not None
        port = int(silent.stdout.readline())
        begun = time.monotonic()
        found = venom.json("guard", OLLAMA_HOST=f"127.0.0.1:{port}", **built.environ)
        assert time.monotonic() - begun < 10
        assert (found["loaded"], len(found["gpus"])) == ([], 1)
        silent.kill()
