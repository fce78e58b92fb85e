"""Clocks, bus, parts and traffic of GPUs, and the driver itself, through the real pynvml."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.resources.test_nvml import Clock, use
from tests.nvml import FakeDriver, gpu, part
from tests.tools import requires_tool
from venom_tui.core.resources.nvml import SELDOM_S, NvmlSampler
from venom_tui.core.resources.nvml_details import DriverInfo
from venom_tui.core.resources.nvml_traffic import Traffic
from venom_tui.core.types.device import Gpu

pytestmark = requires_tool("gcc")
MIB = 1024**2


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> FakeDriver:
    return FakeDriver(tmp_path_factory.mktemp("driver"))


@pytest.fixture
def driver(built: FakeDriver, monkeypatch: pytest.MonkeyPatch) -> FakeDriver:
    use(built, monkeypatch)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return built


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sampler(clock: Clock) -> Iterator[NvmlSampler]:
    sampler = NvmlSampler(clock)
    yield sampler
    sampler.close()


def look(sampler: NvmlSampler) -> tuple[Gpu, ...]:
    found, why = sampler.sample(processes=True)
    assert why == {}
    return found


def test_the_driver_itself(driver: FakeDriver, sampler: NvmlSampler) -> None:
    assert sampler.driver == DriverInfo()
    driver.says(["driver|575.57.08|12090", gpu()])
    look(sampler)
    assert sampler.driver == DriverInfo("575.57.08", "12.9")


@pytest.mark.parametrize("said", ["driver|\x1b[31mred|0", "driver||-7", "driver|580|99999999"])
def test_a_driver_that_says_nonsense(driver: FakeDriver, sampler: NvmlSampler, said: str) -> None:
    driver.says([said, gpu()])
    look(sampler)
    assert sampler.driver.cuda is None
    assert "\x1b" not in (sampler.driver.version or "")


KEYS = {
    "sm": "clock_core_mhz", "smmax": "clock_core_max_mhz", "mem": "clock_memory_mhz", "memmax": "clock_memory_max_mhz",
    "gen": "pcie_generation", "genmax": "pcie_generation_max", "width": "pcie_width", "widthmax": "pcie_width_max",
}  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_each_of_clocks_and_bus_may_be_missing_by_itself(
    driver: FakeDriver, sampler: NvmlSampler, clock: Clock, key: str
) -> None:
    field = KEYS[key]
    for code, reason in (("-", "does not tell it"), ("!", "may not read it"), ("4000000000", "absurd")):
        clock.now += SELDOM_S + 1
        driver.says([gpu(0, **{key: code}), gpu(1)])
        first, second = look(sampler)
        assert set(first.unavailable) == {field}
        assert reason in first.unavailable[field]
        assert getattr(first, field) is None
        assert getattr(second, field)
        assert second.unavailable == {}
    clock.now += SELDOM_S + 1
    driver.says([gpu(0), gpu(1)])
    assert getattr(look(sampler)[0], field), "it is asked for again"


def test_clocks_and_links_change(driver: FakeDriver, sampler: NvmlSampler, clock: Clock) -> None:
    for gen, width, sm in ((1, 8, 210), (5, 16, 1980)):
        driver.says([gpu(gen=gen, width=width, sm=sm)])
        (found,) = look(sampler)
        assert (found.pcie_generation, found.pcie_width, found.clock_core_mhz) == (gen, width, sm)
        clock.now += SELDOM_S + 1


def test_what_is_set_by_hand_is_asked_for_seldom(driver: FakeDriver, sampler: NvmlSampler, clock: Clock) -> None:
    driver.says([gpu(limit=400_000, mig=0)])
    assert look(sampler)[0].power_limit_w == 400.0
    driver.says([gpu(limit=300_000, mig=1, core=12)])
    (found,) = look(sampler)
    assert (found.power_limit_w, found.mig_mode, found.utilization_percent) == (400.0, False, 12)
    clock.now += SELDOM_S + 1
    (found,) = look(sampler)
    assert (found.power_limit_w, found.mig_mode) == (300.0, True)
    # A failure is not kept: neither its reason nor the end of it comes late.
    clock.now += SELDOM_S + 1
    driver.says([gpu(limit="!")])
    assert look(sampler)[0].unavailable["power_limit_w"] == "this user may not read it"
    driver.says([gpu(limit=250_000)])
    (found,) = look(sampler)
    assert found.power_limit_w == 250.0 and "power_limit_w" not in found.unavailable


def test_a_device_file_that_may_not_be_opened(
    driver: FakeDriver, sampler: NvmlSampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def refuse(path: Path) -> bool:
        asked.append(path)
        return False

    monkeypatch.setattr("venom_tui.core.resources.nvml.may_open", refuse)
    driver.says([gpu(minor=3)])
    (found,) = look(sampler)
    assert asked == [Path("/dev/nvidia3")]
    assert (found.usable, found.unavailable["usable"]) == (False, "this user may not open /dev/nvidia3")


# ---------------------------------------------------------------------- parts


def test_parts_of_a_gpu(driver: FakeDriver, sampler: NvmlSampler, monkeypatch: pytest.MonkeyPatch) -> None:
    driver.says(
        [
            gpu(0, mig=1, core="-", bus="-"),
            part("MIG-aaaa", used=5000, instance=7, compute=1, processes=f"{os.getpid()}:4800"),
            part("MIG-bbbb", total="!"),
            gpu(1),
        ]
    )
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-aaaa")
    split, whole = look(sampler)
    assert split.mig_mode is True
    assert whole.mig_devices == ()
    first, second = split.mig_devices
    assert (first.index, first.uuid, first.gpu_instance, first.compute_instance) == (0, "MIG-aaaa", 7, 1)
    assert (first.memory_total_bytes, first.memory_used_bytes) == (9856 * MIB, 5000 * MIB)
    assert first.name == "NVIDIA H100 80GB HBM3 MIG 1g.10gb"
    assert [(p.pid, p.memory_bytes) for p in first.processes] == [(os.getpid(), 4800 * MIB)]
    assert (first.usable, second.usable) == (True, False)
    assert (second.memory_total_bytes, second.unavailable["memory_total_bytes"]) == (None, "this user may not read it")
    assert split.unavailable["utilization_percent"] == "this GPU does not tell it"
    assert (split.usable, whole.usable) == (True, False)


# ---------------------------------------------------------------------- what goes over the bus


def test_counted_traffic(driver: FakeDriver, sampler: NvmlSampler) -> None:
    clock = Clock()
    traffic = Traffic(clock)

    def rates(rxbytes: int, txbytes: int) -> tuple[int | None, int | None, str | None]:
        driver.says([gpu(rxbytes=rxbytes, txbytes=txbytes)])
        (found,) = traffic.add(look(sampler), sampler)
        return (
            found.pcie_received_bytes_per_s,
            found.pcie_sent_bytes_per_s,
            found.unavailable.get("pcie_received_bytes_per_s"),
        )

    assert rates(rxbytes=1000, txbytes=5000) == (None, None, "known from one of the next looks on")
    clock.now += 2
    assert rates(rxbytes=3000, txbytes=5000) == (1000, 0, None)
    clock.now += 0.01
    assert rates(rxbytes=9000, txbytes=9000) == (1000, 0, None), "two looks at once tell nothing"
    clock.now += 1
    assert rates(rxbytes=0, txbytes=0)[2] == "the driver's counter began anew"
    clock.now += 1
    assert rates(rxbytes=100, txbytes=200) == (100, 200, None)
    clock.now += 1
    assert rates(rxbytes=2**62, txbytes=200)[2] == "the driver's counter began anew"


def test_measured_traffic_takes_turns(driver: FakeDriver, sampler: NvmlSampler) -> None:
    traffic = Traffic()
    driver.says([gpu(0), gpu(1)])
    assert [g.pcie_received_bytes_per_s for g in traffic.add(look(sampler), sampler)] == [None, None]
    seen = []
    for rx in range(20, 26):
        driver.says([gpu(0, rx=rx), gpu(1, rx=rx)])
        found = traffic.add(look(sampler), sampler)
        seen.append([(g.pcie_received_bytes_per_s or 0) // 1024 == rx for g in found])
    assert seen[0] != seen[1]
    assert all(sum(fresh) == 1 for fresh in seen), "asking for it costs 20 ms, so one is asked with each look"
    driver.says([gpu(0, tx="-"), gpu(1)])
    for _ in range(2):
        first, second = traffic.add(look(sampler), sampler)
    assert first.unavailable["pcie_sent_bytes_per_s"] == "this GPU does not tell it"
    assert (second.pcie_received_bytes_per_s, second.pcie_sent_bytes_per_s) == (1000 * 1024, 2000 * 1024)


def test_traffic_of_a_lost_gpu(driver: FakeDriver, sampler: NvmlSampler) -> None:
    driver.says(["lost"])
    lost = look(sampler)
    assert Traffic().add(lost, sampler) == lost
    driver.says(["fails 9"])
    sampler.sample(processes=False)
    assert Traffic().add(lost, sampler) == lost
