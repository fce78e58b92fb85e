"""What a control group allows, of both versions, and what is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from venom_tui.core.resources.cgroup import MemoryLimit, cpu_quota, memory_limit


class Groups:
    """A file system of control groups."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "cgroup"
        self.own = folder / "own"
        self.own.write_text("")

    def we_are_in(self, *lines: str) -> None:
        self.own.write_text("".join(f"{line}\n" for line in lines))

    def put(self, place: str, **files: object) -> None:
        folder = self.root / place
        folder.mkdir(parents=True, exist_ok=True)
        for name, value in files.items():
            (folder / name.replace("__", ".")).write_text(f"{value}\n")

    @property
    def memory(self) -> MemoryLimit | None:
        return memory_limit(self.root, self.own)

    @property
    def cpus(self) -> float | None:
        return cpu_quota(self.root, self.own)


@pytest.fixture
def groups(tmp_path: Path) -> Groups:
    return Groups(tmp_path)


def test_no_groups_at_all(groups: Groups) -> None:
    groups.own.unlink()
    assert (groups.memory, groups.cpus) == (None, None)


def test_no_limits(groups: Groups) -> None:
    groups.we_are_in("0::/a")
    groups.put("a", memory__max="max", memory__current=5, cpu__max="max 100000")
    assert (groups.memory, groups.cpus) == (None, None)


def test_a_container_of_version_2(groups: Groups) -> None:
    groups.we_are_in("0::/")
    groups.put(
        "", memory__max=1000, memory__current=400, memory__stat="anon 1\ninactive_file 150", cpu__max="150000 100000"
    )
    assert groups.memory == MemoryLimit(1000, 250)
    assert groups.cpus == 1.5


def test_a_unit_of_version_2_and_what_is_around_it(groups: Groups) -> None:
    groups.we_are_in("0::/user.slice/user-0.slice/venom.service")
    groups.put("user.slice", memory__max=500, memory__current=450, cpu__max="400000 100000")
    groups.put("user.slice/user-0.slice", memory__max="max", cpu__max="50000 100000")
    groups.put("user.slice/user-0.slice/venom.service", memory__max=800, memory__current=100, cpu__max="200000 100000")
    groups.put("", memory__current=9999)
    assert groups.memory == MemoryLimit(500, 450), "the tightest counts"
    assert groups.cpus == 0.5


def test_version_1(groups: Groups) -> None:
    groups.we_are_in("4:cpu,cpuacct:/docker/x", "3:memory:/docker/x", "1:name=systemd:/docker/x")
    groups.put(
        "memory/docker/x",
        memory__limit_in_bytes=2000,
        memory__usage_in_bytes=700,
        memory__stat="cache 1\ntotal_inactive_file 200",
    )
    groups.put("memory", memory__limit_in_bytes=9223372036854771712, memory__usage_in_bytes=5)
    groups.put("cpu/docker/x", cpu__cfs_quota_us=200000, cpu__cfs_period_us=100000)
    groups.put("cpu", cpu__cfs_quota_us=-1, cpu__cfs_period_us=100000)
    assert groups.memory == MemoryLimit(2000, 500)
    assert groups.cpus == 2.0


def test_more_cache_than_use_is_no_negative_use(groups: Groups) -> None:
    groups.we_are_in("0::/")
    groups.put("", memory__max=1000, memory__current=100, memory__stat="inactive_file 500")
    assert groups.memory == MemoryLimit(1000, 0)


@pytest.mark.parametrize("text", ["", "nonsense", "0 0", "100000 0", "-1 100000", "1 2 3", "max", "5"])
def test_odd_quotas_are_none(groups: Groups, text: str) -> None:
    groups.we_are_in("0::/")
    groups.put("", cpu__max=text, memory__max=text, memory__current="nonsense")
    assert (groups.memory, groups.cpus) == (None, None)


@pytest.mark.parametrize("line", ["", "nonsense", "0::", "0::/../../..", ":::", "0::/gone/for/good"])
def test_odd_groups(groups: Groups, line: str) -> None:
    groups.we_are_in(line)
    groups.put("", memory__max=1000, memory__current=100)
    assert groups.memory in (None, MemoryLimit(1000, 100))


def test_this_machine_has_an_answer() -> None:
    limit, quota = memory_limit(), cpu_quota()
    assert limit is None or limit.limit_bytes > 0
    assert quota is None or quota > 0
