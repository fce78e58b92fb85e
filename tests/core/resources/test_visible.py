"""Which GPUs this process may use."""

from __future__ import annotations

from pathlib import Path

import pytest

from venom_tui.core.resources.visible import mark_usable, may_open
from venom_tui.core.types.device import Gpu, MigDevice

CARDS = [Gpu(index, uuid=f"GPU-{index}aaa-bbb", name="NVIDIA H100") for index in range(4)]


def usable(value: str | None, gpus: list[Gpu] | None = None, **environ: str) -> list[bool | None]:
    given = environ if value is None else {"CUDA_VISIBLE_DEVICES": value, **environ}
    return [gpu.usable for gpu in mark_usable(CARDS if gpus is None else gpus, given)]


@pytest.mark.parametrize(
    ("value", "indices"),
    [
        (None, [0, 1, 2, 3]),
        ("0,2", [0, 2]),
        (" 3 , 1 ", [1, 3]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("1,9,2", [1]),  # what stands behind an entry that names nothing is hidden
        ("1,-1,2", [1]),
        ("0,0", []),  # twice the same is an error of CUDA
        ("GPU-2aaa-bbb", [2]),
        ("GPU-2", [2]),  # cut short, as long as it is one
        ("GPU-", []),
        ("GPU-1aaa,GPU-3", [1, 3]),
        ("GPU-9", []),
    ],
)
def test_cuda_visible_devices(value: str | None, indices: list[int]) -> None:
    assert usable(value) == [index in indices for index in range(4)]


def test_the_reason_is_told() -> None:
    first, second, *_ = mark_usable(CARDS, {"CUDA_VISIBLE_DEVICES": "1"})
    assert (first.usable, first.unavailable) == (False, {"usable": "CUDA_VISIBLE_DEVICES leaves it out"})
    assert (second.usable, second.unavailable) == (True, {})


def test_numbers_of_unlike_cards_are_not_certain() -> None:
    gpus = [Gpu(0, uuid="GPU-a", name="T4"), Gpu(1, uuid="GPU-b", name="H100")]
    first, _ = mark_usable(gpus, {"CUDA_VISIBLE_DEVICES": "0"})
    assert first.usable is None
    assert "CUDA_DEVICE_ORDER=PCI_BUS_ID" in first.unavailable["usable"]
    assert usable("0", gpus, CUDA_DEVICE_ORDER="PCI_BUS_ID") == [True, False]
    assert usable("GPU-b", gpus) == [False, True], "a UUID is certain"


def test_a_card_whose_file_may_not_be_opened_stays_forbidden() -> None:
    gpus = [
        Gpu(0, name="A", usable=False, unavailable={"usable": "this user may not open /dev/nvidia0"}),
        Gpu(1, name="A"),
    ]
    for value in (None, "0,1", "1"):
        first, second = mark_usable(gpus, {} if value is None else {"CUDA_VISIBLE_DEVICES": value})
        assert (first.usable, first.unavailable["usable"]) == (False, "this user may not open /dev/nvidia0")
        assert second.usable is True


def test_parts_of_a_card() -> None:
    parts = tuple(MigDevice(n, uuid=f"MIG-{n}c0ffee", gpu_instance=n + 1, compute_instance=0) for n in range(3))
    split = Gpu(0, uuid="GPU-0", name="A100", mig_mode=True, mig_devices=parts)
    for value in ("MIG-1c0ffee", "MIG-1", "MIG-GPU-0/2/0"):
        (found,) = mark_usable([split], {"CUDA_VISIBLE_DEVICES": value})
        assert found.usable is True
        assert [part.usable for part in found.mig_devices] == [False, True, False]
    (whole,) = mark_usable([split], {})
    assert [part.usable for part in whole.mig_devices] == [True, True, True]
    (none,) = mark_usable([split], {"CUDA_VISIBLE_DEVICES": "MIG-9"})
    assert (none.usable, [part.usable for part in none.mig_devices]) == (False, [False] * 3)


def test_rocm_counts_for_itself() -> None:
    gpus = [
        Gpu(0, uuid="GPU-n", name="H100"),
        *(Gpu(n, uuid=f"GPU-{n}f", name="MI300", vendor="amd") for n in (1, 2, 3)),
    ]
    assert usable(None, gpus, HIP_VISIBLE_DEVICES="1") == [True, False, True, False]
    assert usable(None, gpus, ROCR_VISIBLE_DEVICES="1,2", HIP_VISIBLE_DEVICES="1") == [True, False, False, True]
    assert usable(None, gpus, ROCR_VISIBLE_DEVICES="GPU-3f") == [True, False, False, True]
    assert usable("", gpus) == [False, True, True, True]


def test_rights_on_a_device_file(tmp_path: Path) -> None:
    device = tmp_path / "nvidia0"
    assert may_open(device) is None
    device.touch()
    assert may_open(device) is True
