"""The host: inside a container its limits count, and what is not known is None with a reason."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from venom_tui.core.resources import host as module
from venom_tui.core.resources.cgroup import MemoryLimit
from venom_tui.core.resources.disks import read_disk
from venom_tui.core.resources.host import CpuLoad, HostSampler, host_memory

GIB = 1024**3


def test_this_machine(tmp_path: Path) -> None:
    sampler = HostSampler((("data", tmp_path),))
    first, second = sampler.sample(), sampler.sample()
    assert first.cpu_percent is None
    assert first.unavailable["cpu_percent"] == "known from the second look on"
    assert first.ram_total_bytes is not None
    assert first.ram_available_bytes is not None
    assert 0 < first.ram_available_bytes <= first.ram_total_bytes
    assert first.cpu_count is not None
    assert 0 < first.cpu_count <= (os.cpu_count() or 1)
    assert second.cpu_percent is None or 0 <= second.cpu_percent <= 100
    (disk,) = first.disks
    assert (disk.path, disk.label) == (str(tmp_path), "data")
    assert disk.free_bytes is not None
    assert disk.total_bytes is not None
    assert 0 < disk.free_bytes <= disk.total_bytes


@pytest.mark.parametrize(
    ("limit", "total", "available"),
    [
        (None, 64, 40),
        (MemoryLimit(128 * GIB, 0), 64, 40),
        (MemoryLimit(16 * GIB, 4 * GIB), 16, 12),
        (MemoryLimit(48 * GIB, 4 * GIB), 48, 40),
        (MemoryLimit(16 * GIB, 20 * GIB), 16, 0),
    ],
)
def test_a_limit_is_all_there_is(
    monkeypatch: pytest.MonkeyPatch, limit: MemoryLimit | None, total: int, available: int
) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=64 * GIB, available=40 * GIB))
    monkeypatch.setattr(module, "memory_limit", lambda: limit)
    memory = host_memory()
    assert (memory.total_bytes, memory.available_bytes) == (total * GIB, available * GIB)
    notes = HostSampler().sample().notes
    assert any("RAM is limited to" in note for note in notes) == (total < 64)


@pytest.mark.parametrize(
    ("usable", "quota", "count", "notes"),
    [
        (8, None, 8, []),
        (3, None, 3, ["3 of 8 CPUs may be used here"]),
        (8, 2.5, 3, ["CPU time is limited to that of 2.5 CPUs here; the load shown is the machine's"]),
        (8, 0.5, 1, ["CPU time is limited to that of 0.5 CPUs here; the load shown is the machine's"]),
        (2, 4.0, 2, ["2 of 8 CPUs may be used here"]),
    ],
)
def test_cpus(monkeypatch: pytest.MonkeyPatch, usable: int, quota: float | None, count: int, notes: list[str]) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(usable)))
    monkeypatch.setattr(module, "cpu_quota", lambda: quota)
    found = HostSampler().sample()
    assert found.cpu_count == count
    assert [note for note in found.notes if "CPU" in note] == notes


def times(**values: float) -> object:
    fields = dict.fromkeys(psutil.cpu_times()._fields, 0.0)
    return type(psutil.cpu_times())(**{**fields, **values})


def test_the_load_is_that_between_two_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0})
    looks = iter(
        [
            times(user=100.0, idle=100.0),
            times(user=101.0, idle=103.0),  # one of four seconds
            times(user=101.01, idle=103.02),  # too soon for the kernel's clock: as before
            times(user=103.0, idle=103.0),  # idle time that ran backwards
            times(user=103.0, idle=104.0, iowait=1.0),
            times(user=104.0, guest=1.0, idle=104.0, iowait=1.0),  # a guest's time is in `user` too
        ]
    )
    monkeypatch.setattr(psutil, "cpu_times", lambda **_: next(looks))
    load = CpuLoad()
    assert [load.percent() for _ in range(6)] == [None, 25.0, 25.0, 100.0, 0.0, 100.0]


def test_only_the_cpus_that_may_be_used_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {1, 3})
    looks = iter(
        [
            [times(user=0.0, idle=0.0)] * 4,
            [times(user=9.0), times(user=1.0, idle=1.0), times(user=9.0), times(idle=2.0)],
        ]
    )
    monkeypatch.setattr(psutil, "cpu_times", lambda percpu=False: next(looks))
    load = CpuLoad()
    assert (load.percent(), load.percent()) == (None, 25.0)


def test_a_limit_and_swap_that_come_later_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    now, looks = 0.0, []
    limits: list[MemoryLimit | None] = [None]
    swap = SimpleNamespace(total=0, used=0)

    def limit() -> MemoryLimit | None:
        looks.append(now)
        return limits[-1]

    monkeypatch.setattr(module, "memory_limit", limit)
    monkeypatch.setattr(psutil, "swap_memory", lambda: swap)
    sampler = HostSampler(clock=lambda: now)
    whole = sampler.sample().ram_total_bytes
    limits.append(MemoryLimit(2**30, 2**20))
    swap = SimpleNamespace(total=8, used=4)
    now = 4.9
    assert (sampler.sample().ram_total_bytes, sampler.sample().swap_total_bytes) == (whole, 0)
    assert looks == [0.0], "that there is none is not asked with each look"
    now = 5.0
    found = sampler.sample()
    assert (found.ram_total_bytes, found.swap_total_bytes, found.swap_used_bytes) == (2**30, 8, 4)
    # What counts against a limit moves with each look.
    limits.append(MemoryLimit(2**30, 2**29))
    swap = SimpleNamespace(total=8, used=5)
    found = sampler.sample()
    assert (found.ram_available_bytes, found.swap_used_bytes) == (2**29, 5)


def test_what_psutil_cannot_tell_is_unknown_and_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError(13, "Permission denied")

    for name in ("swap_memory", "cpu_times", "virtual_memory"):
        monkeypatch.setattr(psutil, name, broken)
    monkeypatch.setattr(os, "getloadavg", broken)
    found = HostSampler().sample()
    assert (found.ram_total_bytes, found.ram_available_bytes) == (None, None)
    assert (found.swap_total_bytes, found.swap_used_bytes) == (None, None)
    assert (found.cpu_percent, found.load_1m) == (None, None)
    assert {"ram_total_bytes", "ram_available_bytes", "swap_total_bytes", "swap_used_bytes", "cpu_percent"} <= set(
        found.unavailable
    )
    assert "Permission denied" in found.unavailable["load_1m"]


# ---------------------------------------------------------------------- disks


def test_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    why: dict[str, str] = {}
    disk = read_disk("models", tmp_path / "not" / "yet", why)
    assert disk.path == str(tmp_path / "not" / "yet")
    assert disk.total_bytes == read_disk("x", tmp_path, why).total_bytes
    assert why == {}


@pytest.mark.parametrize("name", ["a\x1b[31mb", "a\u202eb"])
def test_a_hostile_folder(tmp_path: Path, name: str) -> None:
    assert read_disk("x", tmp_path / name, {}).path == str(tmp_path / "ab")


def test_a_disk_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stale(_path: object) -> None:
        raise OSError(116, "Stale file handle")

    monkeypatch.setattr(os, "statvfs", stale)
    why: dict[str, str] = {}
    disk = read_disk("models", tmp_path, why)
    assert (disk.total_bytes, disk.free_bytes) == (None, None)
    assert why == {"disks.models": "Stale file handle"}


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    why: dict[str, str] = {}
    disk = read_disk("x", tmp_path / "file" / "models", why)
    assert (disk.total_bytes is None) == bool(why)
