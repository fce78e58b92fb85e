"""Limits: what is kept free, who stays, and how what is set stands in a look at the machine."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from venom_tui.core.models.fit.room import room_of
from venom_tui.core.resources.limits import Limits, Reserve
from venom_tui.core.settings import Settings
from venom_tui.core.types.device import Disk, Gpu, GuardSnapshot, HostInfo, LoadedModel
from venom_tui.core.types.limits import LimitKind, Policy

GIB = 1024**3
MODEL = LoadedModel("Llama3.2:latest", "ollama", measured_bytes=2 * GIB, kind="ollama")


def machine(*gpus: Gpu, ram: int | None = 8 * GIB, disk: int | None = 10 * GIB) -> GuardSnapshot:
    host = HostInfo("box", 4, 1.0, 16 * GIB, ram, 0, 0, 0.1, (Disk("/models", "models", 100 * GIB, disk),))
    return GuardSnapshot(datetime(2026, 3, 1, tzinfo=UTC), host, gpus, (MODEL,))


def limits(**values: str) -> Limits:
    return Limits(Settings({"environment": {f"VENOM_{name}": value for name, value in values.items()}}))


def texts(found: Limits, snapshot: GuardSnapshot) -> list[tuple[str, bool]]:
    return [(str(state), state.broken) for state in found.states(snapshot)]


def test_nothing_is_set() -> None:
    assert limits().states(machine(Gpu(0, memory_free_bytes=0))) == ()
    assert limits().reserve() == Reserve()
    assert {limits().policy(kind) for kind in LimitKind} == {Policy.ASK}


def test_how_they_stand() -> None:
    gpus = (
        Gpu(0, memory_free_bytes=GIB, temperature_c=85),
        Gpu(1, memory_free_bytes=5 * GIB, temperature_c=60),
        Gpu(2, memory_free_bytes=0, temperature_c=99, stale_since=datetime(2026, 3, 1, tzinfo=UTC)),
    )
    found = limits(
        KEEP_FREE_VRAM="1.5GiB, 1=6GiB", KEEP_FREE_RAM="4GiB", KEEP_FREE_DISK="20GiB", MAX_TEMPERATURE="85",
        POLICY_RAM="evict", POLICY_DISK="warn",
    )  # fmt: skip
    assert texts(found, machine(*gpus)) == [
        ("GPU 0: 1.0 GiB free, 1.5 GiB are to be kept (ask)", True),
        ("GPU 1: 5.0 GiB free, 6.0 GiB are to be kept (ask)", True),
        ("GPU 2: free memory unknown, 1.5 GiB are to be kept (ask)", False),
        ("RAM: 8.0 GiB free, 4.0 GiB are to be kept (evict)", False),
        ("disk of models: 10.0 GiB free, 20.0 GiB are to be kept (warn)", True),
        ("GPU 0: 85 °C, 85 °C is the limit (ask)", True),
        ("GPU 1: 60 °C, 85 °C is the limit (ask)", False),
        ("GPU 2: temperature unknown, 85 °C is the limit (ask)", False),
    ]


def test_what_is_only_warned_of_counts_as_free() -> None:
    found = limits(KEEP_FREE_VRAM="0=2GiB", KEEP_FREE_RAM="3GiB", POLICY_VRAM="warn", POLICY_RAM="warn")
    assert found.reserve() == Reserve()
    everything = found.reserve(all_of_it=True)
    assert (everything.of_gpu(0), everything.of_gpu(1), everything.ram_bytes) == (2 * GIB, 0, 3 * GIB)


@pytest.mark.parametrize(
    ("setting", "stays"),
    [
        ("llama3.2", True),
        ("other, LLAMA3.2:latest", True),
        ("ollama/llama3.2", True),
        ("box/llama3.2", False),
        ("", False),
    ],
)
def test_who_is_never_evicted(setting: str, stays: bool) -> None:
    reserve = limits(NEVER_EVICT=setting).reserve()
    assert reserve.keeps(MODEL) is stays
    room, _ = room_of(machine(), None, place="cpu", reserve=reserve)
    assert [one.name for one in room.held] == ([] if stays else [MODEL.name])


def test_what_is_kept_is_not_free() -> None:
    gpus = (Gpu(0, memory_free_bytes=4 * GIB), Gpu(1, memory_free_bytes=GIB))
    room, _ = room_of(machine(*gpus), None, place="gpu", reserve=Reserve(2 * GIB, {0: GIB}, 3 * GIB))
    assert [gpu.free_bytes for gpu in room.gpus] == [3 * GIB, 0]
    assert room.ram_bytes == 5 * GIB
    unknown, _ = room_of(machine(ram=None), None, place="cpu", reserve=Reserve(ram_bytes=GIB))
    assert unknown.ram_bytes is None
    chosen, _ = room_of(machine(), None, place="cpu", leaving=())
    assert chosen.held == ()
