"""GPUs through the real pynvml, over a library that stands for the driver."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pynvml
import pytest

from tests.core.hostile import FORBIDDEN
from tests.nvml import FakeDriver, gpu
from tests.tools import requires_tool
from venom_tui.core.resources import nvml as module
from venom_tui.core.resources.host import Memory
from venom_tui.core.resources.nvml import REOPEN_S, NvmlSampler
from venom_tui.core.resources.probe import Probe
from venom_tui.core.types.device import Gpu

pytestmark = requires_tool("gcc")

MIB = 1024**2
Sampling = Callable[..., tuple[Gpu, ...]]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def new_driver(tmp_path_factory: pytest.TempPathFactory) -> FakeDriver:
    return FakeDriver(tmp_path_factory.mktemp("new"))


@pytest.fixture(scope="module")
def old_driver(tmp_path_factory: pytest.TempPathFactory) -> FakeDriver:
    return FakeDriver(tmp_path_factory.mktemp("old"), "-DOLD")


def use(driver: FakeDriver, patch: pytest.MonkeyPatch) -> None:
    """Let pynvml find this driver, in this process and for this test only."""
    patch.setenv("FAKE_NVML", driver.environ["FAKE_NVML"])
    patch.setattr(pynvml, "nvmlLib", ctypes.CDLL(str(driver.library)))
    patch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
    driver.says([])


@pytest.fixture
def driver(new_driver: FakeDriver, monkeypatch: pytest.MonkeyPatch) -> FakeDriver:
    use(new_driver, monkeypatch)
    return new_driver


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sampler(clock: Clock) -> Iterator[NvmlSampler]:
    sampler = NvmlSampler(clock)
    yield sampler
    sampler.close()


def gpus(sampler: NvmlSampler) -> tuple[Gpu, ...]:
    found, unavailable = sampler.sample(processes=True)
    assert unavailable == {}
    return found


# ---------------------------------------------------------------------- what there is


def test_all_figures(driver: FakeDriver, sampler: NvmlSampler) -> None:
    driver.says([gpu(0), gpu(1, name="NVIDIA L4", total=23034, used=0, core=0, bus=0, milliwatts=12_345, mig=1)])
    first, second = gpus(sampler)
    assert first == Gpu(
        index=0,
        uuid="GPU-00000000",
        name="NVIDIA H100 80GB HBM3",
        memory_total_bytes=81559 * MIB,
        memory_used_bytes=20000 * MIB,
        memory_free_bytes=(81559 - 20000 - 300) * MIB,
        memory_reserved_bytes=300 * MIB,
        utilization_percent=73,
        memory_utilization_percent=40,
        temperature_c=61,
        power_w=350.0,
        power_limit_w=700.0,
        mig_mode=False,
        usable=True,
        clock_core_mhz=1755,
        clock_core_max_mhz=1980,
        clock_memory_mhz=2619,
        clock_memory_max_mhz=2619,
        pcie_generation=5,
        pcie_generation_max=5,
        pcie_width=16,
        pcie_width_max=16,
    )
    assert (second.index, second.name, second.mig_mode, second.power_w) == (1, "NVIDIA L4", True, 12.3)
    assert (second.memory_used_bytes, second.utilization_percent) == (0, 0), "zero where it is zero"
    driver.says([gpu(0, used=1, core=99)])
    assert [found.utilization_percent for found in gpus(sampler)][:1] == [99], "read anew with each look"


def test_processes(driver: FakeDriver, sampler: NvmlSampler) -> None:
    driver.says(
        [gpu(processes=f"{os.getpid()}:1500,4194305:7"), gpu(1, processes=",".join(f"{n}:1" for n in range(1, 40)))]
    )
    first, second = gpus(sampler)
    ours, gone = first.processes
    assert (ours.pid, ours.memory_bytes) == (os.getpid(), 1500 * MIB)
    assert ours.user
    assert ours.command
    assert "py" in ours.command
    assert (gone.pid, gone.user, gone.command, gone.memory_bytes) == (4194305, None, None, 7 * MIB)
    assert len(second.processes) == 39, "the list is asked for again when it is longer than thought"
    assert [found.processes for found in sampler.sample(processes=False)[0]] == [(), ()]


def test_memory_of_a_process_that_cannot_be_told(driver: FakeDriver, sampler: NvmlSampler) -> None:
    driver.says([gpu(total=1000, used=10, processes="7:17592186044415,8:2000")])
    (found,) = gpus(sampler)
    assert [process.memory_bytes for process in found.processes] == [None, None], "more than there is, is none"


def test_hostile_names(driver: FakeDriver, sampler: NvmlSampler) -> None:
    driver.says([gpu(name="evil\x1b]0;x\x07\x1b[31mcard\u202e")])
    (found,) = gpus(sampler)
    assert found.name == "evilcard"
    assert not FORBIDDEN.search(str(found))


def test_no_gpus(driver: FakeDriver, sampler: NvmlSampler) -> None:
    assert sampler.sample(processes=True) == ((), {"gpus": "the driver sees no GPU"})


# ---------------------------------------------------------------------- what is not told

FIELDS = {
    "core": ("utilization_percent", "memory_utilization_percent"),
    "bus": ("utilization_percent", "memory_utilization_percent"),
    "degrees": ("temperature_c",),
    "milliwatts": ("power_w",),
    "limit": ("power_limit_w",),
    "mig": ("mig_mode",),
    "processes": ("processes",),
}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("-", "this GPU does not tell it"),
        ("!", "this user may not read it"),
        ("!13", "this driver is too old to tell it"),
        ("!10", "the driver did not answer in time"),
        ("!999", "the driver failed without a reason"),
        ("!77", "error 77"),
    ],
)
def test_each_field_may_be_missing_by_itself(
    driver: FakeDriver, sampler: NvmlSampler, field: str, code: str, reason: str
) -> None:
    changed: dict[str, str] = {field: code}
    driver.says([gpu(0, **changed), gpu(1)])
    first, second = gpus(sampler)
    missing = FIELDS[field] if (field, code) != ("processes", "-") else ()
    assert set(first.unavailable) == set(missing)
    for name in missing:
        assert getattr(first, name) in (None, ())
        assert reason in first.unavailable[name]
    assert first.memory_total_bytes
    assert second.unavailable == {}


@pytest.mark.parametrize("field", ["total", "used"])
@pytest.mark.parametrize(("code", "reason"), [("!", "this user may not read it"), ("!10", "did not answer in time")])
def test_memory_may_be_missing(driver: FakeDriver, sampler: NvmlSampler, field: str, code: str, reason: str) -> None:
    changed: dict[str, str] = {field: code}
    driver.says([gpu(**changed)])  # type: ignore[arg-type]
    (found,) = gpus(sampler)
    assert (found.memory_total_bytes, found.memory_used_bytes, found.memory_free_bytes) == (None, None, None)
    assert reason in found.unavailable["memory_total_bytes"]
    assert found.utilization_percent == 73


@pytest.mark.parametrize("total", ["-", "0"])
def test_a_gpu_that_shares_the_hosts_memory(
    driver: FakeDriver, sampler: NvmlSampler, monkeypatch: pytest.MonkeyPatch, total: str
) -> None:
    monkeypatch.setattr(module, "host_memory", lambda: Memory(128 * MIB, 100 * MIB, 128 * MIB))
    driver.says([gpu(total=total, used=0, name="NVIDIA GB10")])
    (found,) = gpus(sampler)
    assert found.memory_kind == "unified"
    assert (found.memory_total_bytes, found.memory_free_bytes, found.memory_used_bytes) == (
        128 * MIB,
        100 * MIB,
        28 * MIB,
    )
    assert found.unavailable == {"memory_reserved_bytes": "the GPU shares the host's RAM"}


@pytest.mark.parametrize(
    ("field", "value", "names"),
    [
        ("core", "101", ("utilization_percent",)),
        ("degrees", "4294967295", ("temperature_c",)),
        ("milliwatts", "4294967295", ("power_w",)),
        ("used", "99999", ("memory_total_bytes", "memory_used_bytes", "memory_free_bytes", "memory_reserved_bytes")),
    ],
)
def test_absurd_figures_are_unknown(
    driver: FakeDriver, sampler: NvmlSampler, field: str, value: str, names: tuple[str, ...]
) -> None:
    changed: dict[str, str] = {field: value}
    driver.says([gpu(**changed)])  # type: ignore[arg-type]
    (found,) = gpus(sampler)
    assert set(found.unavailable) == set(names)
    for name in names:
        assert getattr(found, name) is None
        assert "absurd" in found.unavailable[name]


def test_an_old_driver(old_driver: FakeDriver, monkeypatch: pytest.MonkeyPatch, sampler: NvmlSampler) -> None:
    use(old_driver, monkeypatch)
    old_driver.says([gpu()])
    (found,) = gpus(sampler)
    assert (found.memory_total_bytes, found.memory_reserved_bytes) == (81559 * MIB, None)
    assert found.mig_mode is None
    assert found.unavailable == dict.fromkeys(
        ("mig_mode", "memory_reserved_bytes"), "this driver is too old to tell it"
    )


# ---------------------------------------------------------------------- the driver and its end


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (4, "this user may not read it"),
        (9, "the NVIDIA driver is not loaded"),
        (18, "driver and library have different versions; a reboot mends that"),
        (77, "error 77"),
    ],
)
def test_a_driver_that_fails_as_a_whole(driver: FakeDriver, sampler: NvmlSampler, code: int, reason: str) -> None:
    driver.says([f"fails {code}"])
    assert sampler.sample(processes=True) == ((), {"gpus": reason})
    driver.says([gpu()])
    assert len(gpus(sampler)) == 1, "it is opened anew with the next look"
    driver.says([f"fails {code}"])
    assert sampler.sample(processes=True) == ((), {"gpus": reason})


def test_no_driver_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", missing)
    assert NvmlSampler().sample(processes=True) == ((), {"gpus": "no NVIDIA driver is installed"})


def test_a_lost_gpu_stays_in_the_list(driver: FakeDriver, sampler: NvmlSampler, clock: Clock) -> None:
    driver.says([gpu(0), gpu(1)])
    gpus(sampler)
    driver.says([gpu(0), "lost"])
    healthy, lost = gpus(sampler)
    assert healthy.unavailable == {}
    assert (lost.index, lost.uuid, lost.name) == (1, "GPU-00000001", "NVIDIA H100 80GB HBM3"), "who it was is known"
    assert set(lost.unavailable.values()) == {"the GPU is lost: it fell off the bus"}
    assert lost.memory_total_bytes is None
    clock.now += REOPEN_S
    _, lost = gpus(sampler)
    assert lost.uuid == "GPU-00000001"
    assert "name" not in lost.unavailable
    driver.says([gpu(0), gpu(1)])
    clock.now += REOPEN_S
    assert [found.unavailable for found in gpus(sampler)] == [{}, {}], "it is back"


def test_a_gpu_that_is_no_longer_listed(driver: FakeDriver, sampler: NvmlSampler, clock: Clock) -> None:
    driver.says([gpu(0), gpu(1)])
    gpus(sampler)
    driver.says([gpu(0)])
    _, gone = gpus(sampler)
    assert (gone.index, gone.uuid) == (1, "GPU-00000001")
    assert set(gone.unavailable.values()) == {"the driver no longer lists this GPU"}
    driver.says([])
    assert [found.uuid for found in gpus(sampler)] == ["GPU-00000000", "GPU-00000001"]
    driver.says([gpu(0), gpu(1)])
    clock.now += REOPEN_S
    assert [found.unavailable for found in gpus(sampler)] == [{}, {}]


def test_a_gpu_that_was_never_known_and_is_lost(driver: FakeDriver, sampler: NvmlSampler) -> None:
    driver.says(["lost"])
    (lost,) = gpus(sampler)
    assert (lost.index, lost.uuid, lost.name) == (0, None, None)
    assert "uuid" in lost.unavailable


def test_gpus_that_change_places(driver: FakeDriver, sampler: NvmlSampler, clock: Clock) -> None:
    driver.says([gpu(0, name="A"), gpu(1, name="B")])
    gpus(sampler)
    driver.says(["lost", gpu(1, name="B")])
    gpus(sampler)
    driver.says([gpu(1, name="B")])  # after the driver was opened anew, the one that is left has number 0
    clock.now += REOPEN_S
    first, gone = gpus(sampler)
    assert (first.index, first.uuid, first.name) == (0, "GPU-00000001", "B")
    assert (gone.uuid, gone.name) == ("GPU-00000000", "A")


def test_a_driver_that_hangs_keeps_only_its_own_thread(
    driver: FakeDriver, sampler: NvmlSampler, tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    driver.says([gpu()])
    probe = Probe("nvml", lambda: sampler.sample(processes=True), end=sampler.close)
    probe.start()
    first = probe.ask(10)
    assert first is not None
    driver.says([f"waits {fifo}"])
    assert probe.ask(0.1) is first
    assert probe.silent_s > 0
    driver.says([gpu(core=1)])
    released = threading.Thread(target=lambda: os.close(os.open(fifo, os.O_WRONLY)))
    released.start()
    released.join(10)
    assert not released.is_alive()
    probe.stop()
    for thread in threading.enumerate():
        if thread.name == "nvml":
            thread.join(10)
