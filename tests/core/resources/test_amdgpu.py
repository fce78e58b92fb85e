"""AMD GPUs by the files of their driver."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.core.hostile import FORBIDDEN
from venom_tui.core.resources.amdgpu import AmdSampler

GIB = 1024**3

CARD = {
    "vendor": "0x1002",
    "device": "0x74a1",
    "product_name": "Instinct MI300X",
    "unique_id": "a1b2c3d4e5f60718",
    "mem_info_vram_total": str(192 * GIB),
    "mem_info_vram_used": str(48 * GIB),
    "mem_info_gtt_total": str(512 * GIB),
    "gpu_busy_percent": "71",
    "mem_busy_percent": "12",
    "pp_dpm_sclk": "0: 132Mhz\n1: 1650Mhz *\n2: 2100Mhz",
    "pp_dpm_mclk": "0: 900Mhz\n1: 1300Mhz *",
    "current_link_speed": "32.0 GT/s PCIe",
    "max_link_speed": "32.0 GT/s PCIe",
    "current_link_width": "16",
    "max_link_width": "16",
    "hwmon/hwmon3/temp1_input": "64000",
    "hwmon/hwmon3/power1_average": "412500000",
    "hwmon/hwmon3/power1_cap": "750000000",
}


class Machine:
    """A tree of such files."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "class/drm").mkdir(parents=True)

    def card(self, number: int, bus: str, **changes: str | None) -> Path:
        folder = self.root / "devices" / bus
        for name, text in {**CARD, **{key.replace("__", "/"): value for key, value in changes.items()}}.items():
            if text is not None:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(f"{text}\n")
        (self.root / f"class/drm/card{number}").mkdir()
        (self.root / f"class/drm/card{number}/device").symlink_to(folder)
        return folder

    def compute(self, node: int, gpu_id: str, location: int, **held: int) -> None:
        topology = self.root / f"class/kfd/kfd/topology/nodes/{node}"
        topology.mkdir(parents=True)
        (topology / "gpu_id").write_text(f"{gpu_id}\n")
        (topology / "properties").write_text(f"cpu_cores_count 0\nlocation_id {location}\ndomain 0\n")
        for pid, size in held.items():
            process = self.root / "class/kfd/kfd/proc" / pid.removeprefix("p")
            process.mkdir(parents=True, exist_ok=True)
            (process / f"vram_{gpu_id}").write_text(f"{size}\n")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_all_figures(machine: Machine) -> None:
    machine.card(0, "0000:c1:00.0")
    machine.compute(1, "51234", 0xC1 << 8, **{f"p{os.getpid()}": 30 * GIB, "p99999999": 0})
    (found,) = AmdSampler(machine.root).sample(2, processes=True)
    assert (found.index, found.vendor, found.uuid, found.name) == (
        2,
        "amd",
        "GPU-a1b2c3d4e5f60718",
        "AMD Instinct MI300X",
    )
    assert (found.memory_total_bytes, found.memory_used_bytes, found.memory_free_bytes) == (
        192 * GIB,
        48 * GIB,
        144 * GIB,
    )
    assert (found.utilization_percent, found.memory_utilization_percent, found.temperature_c) == (71, 12, 64)
    assert (found.power_w, found.power_limit_w) == (412.5, 750.0)
    assert (found.clock_core_mhz, found.clock_core_max_mhz, found.clock_memory_mhz) == (1650, 2100, 1300)
    assert (found.pcie_generation, found.pcie_width, found.usable, found.memory_kind) == (5, 16, True, "dedicated")
    assert [(p.pid, p.memory_bytes) for p in found.processes] == [(os.getpid(), 30 * GIB)]
    assert found.processes[0].command
    assert set(found.unavailable) == {"memory_reserved_bytes", "mig_mode"}


def test_other_cards_are_not_ours(machine: Machine) -> None:
    machine.card(0, "0000:00:02.0", vendor="0x8086")
    machine.card(1, "0000:01:00.0", mem_info_vram_total=None)
    assert AmdSampler(machine.root).sample(0, processes=True) == ()
    assert AmdSampler(machine.root / "nothing").sample(0, processes=True) == ()


def test_several_cards_in_the_order_of_their_numbers(machine: Machine) -> None:
    for number in (10, 2, 1):
        machine.card(number, f"0000:{number:02x}:00.0", unique_id=f"{number:016x}")
    found = AmdSampler(machine.root).sample(1, processes=False)
    assert [(gpu.index, int((gpu.uuid or "")[4:], 16)) for gpu in found] == [(1, 1), (2, 2), (3, 10)]


@pytest.mark.parametrize(
    ("file", "field"),
    [
        ("gpu_busy_percent", "utilization_percent"),
        ("mem_busy_percent", "memory_utilization_percent"),
        ("hwmon__hwmon3__temp1_input", "temperature_c"),
        ("hwmon__hwmon3__power1_average", "power_w"),
        ("hwmon__hwmon3__power1_cap", "power_limit_w"),
        ("pp_dpm_sclk", "clock_core_mhz"),
        ("current_link_speed", "pcie_generation"),
        ("current_link_width", "pcie_width"),
        ("mem_info_vram_used", "memory_used_bytes"),
    ],
)
@pytest.mark.parametrize("said", [None, "nonsense", "", "99999999999999", "-3"])
def test_what_is_not_told_or_absurd_is_unknown(machine: Machine, file: str, field: str, said: str | None) -> None:
    changed: dict[str, str | None] = {file: said}
    machine.card(0, "0000:c1:00.0", **changed)
    (found,) = AmdSampler(machine.root).sample(0, processes=False)
    if (field, said) == ("memory_used_bytes", "99999999999999"):
        assert found.memory_total_bytes is None
    assert getattr(found, field) is None
    assert found.unavailable[field]
    assert found.clock_memory_mhz == 1300


def test_a_part_of_the_processor_uses_the_hosts_memory(machine: Machine) -> None:
    machine.card(
        0, "0000:c4:00.0", product_name=None, unique_id=None, mem_info_vram_total=str(GIB // 2),
        mem_info_vram_used=str(GIB // 4), mem_info_gtt_total=str(96 * GIB), mem_info_gtt_used=str(10 * GIB),
    )  # fmt: skip
    (found,) = AmdSampler(machine.root).sample(0, processes=False)
    assert found.memory_kind == "unified"
    assert (found.memory_total_bytes, found.memory_used_bytes) == (96 * GIB + GIB // 2, 10 * GIB + GIB // 4)
    assert (found.uuid, found.name) == ("PCI-0000:c4:00.0", "AMD GPU 0x74a1")


def test_processes_that_are_not_told(machine: Machine) -> None:
    machine.card(0, "0000:c1:00.0")
    (found,) = AmdSampler(machine.root).sample(0, processes=True)
    assert (found.processes, found.unavailable["processes"]) == ((), "the kernel's list of processes is closed")
    machine.compute(1, "7", 0xAA << 8, p1=5)
    (found,) = AmdSampler(machine.root).sample(0, processes=True)
    assert found.unavailable["processes"] == "which processes compute on it is not told"


def test_hostile_names(machine: Machine) -> None:
    machine.card(0, "0000:c1:00.0", product_name="MI\x1b]0;x\x07\x1b[31m300\u202e", unique_id="../../etc")
    (found,) = AmdSampler(machine.root).sample(0, processes=False)
    assert not FORBIDDEN.search(str(found))
    assert found.uuid == "PCI-0000:c1:00.0"


def test_rocm_variables_decide(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.card(0, "0000:01:00.0")
    machine.card(1, "0000:02:00.0", unique_id="ff00ff00ff00ff00")
    monkeypatch.setenv("HIP_VISIBLE_DEVICES", "1")
    assert [gpu.usable for gpu in AmdSampler(machine.root).sample(0, processes=False)] == [False, True]
