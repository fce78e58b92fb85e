from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from scripts import lock
from scripts.bootstrap import SetupError
from scripts.bootstrapping import plan
from scripts.bootstrapping.plan import Machine, Package

ROOT = Path(__file__).resolve().parents[2]


def test_the_lock_fits_the_project() -> None:
    assert lock.faults() == []


def test_a_changed_dependency_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for name in ("requirements.lock", "requirements-dev.lock"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "pyproject.toml").write_text(text.replace('"click>=8.2,<9"', '"click>=8.3,<9"'), encoding="utf-8")
    assert text != (tmp_path / "pyproject.toml").read_text(encoding="utf-8")
    monkeypatch.setattr(lock, "ROOT", tmp_path)
    assert any("pyproject.toml" in fault for fault in lock.faults())


def test_every_locked_version_is_in_its_range() -> None:
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    pinned = plan.locked(lock.RUNTIME) | plan.locked(lock.DEV)
    for group in lock.wanted_ranges(project).values():
        for requirement in map(Requirement, group):
            assert requirement.specifier.contains(pinned[plan.normalized(requirement.name)])


def test_every_locked_package_has_hashes_and_a_build_for_each_supported_python() -> None:
    for path in (lock.RUNTIME, lock.DEV):
        for block in path.read_text(encoding="utf-8").split("\n\n"):
            entries = [line for line in block.splitlines() if "==" in line]
            assert len([line for line in block.splitlines() if "--hash=sha256:" in line]) >= len(entries)
        for python in ((3, 11), (3, 12), (3, 13), (3, 14)):
            assert [p.name for p in plan.packages([path], python=python) if not p.download_bytes] == []


def test_sizes_that_are_not_of_this_lock_are_refused(tmp_path: Path) -> None:
    sizes = tmp_path / "sizes.json"
    sizes.write_text(json.dumps({"packages": {}}))
    with pytest.raises(SetupError, match="make lock"):
        plan.packages([lock.RUNTIME], sizes=sizes)


WHEELS = {
    "py3-none-any.whl": 1,
    "cp310-abi3-manylinux2014_x86_64.manylinux_2_17_x86_64.whl": 2,
    "cp312-cp312-manylinux_2_28_x86_64.whl": 3,
    "cp312-cp312-musllinux_1_2_x86_64.whl": 4,
    "cp313-cp313t-manylinux_2_28_x86_64.whl": 5,
    "cp315-abi3-manylinux_2_28_x86_64.whl": 6,
    "cp310-abi3-win_amd64.whl": 7,
    "cp310-abi3-macosx_11_0_universal2.whl": 8,
}


@pytest.mark.parametrize(
    ("machine", "size"),
    [
        (Machine((3, 12), "manylinux", "x86_64"), 3),
        (Machine((3, 11), "manylinux", "x86_64"), 2),
        (Machine((3, 13), "manylinux", "x86_64"), 2),
        (Machine((3, 12), "musllinux", "x86_64"), 4),
        (Machine((3, 12), "manylinux", "aarch64"), 1),
        (Machine((3, 12), "macosx", "arm64"), 8),
    ],
)
def test_the_size_is_of_the_wheel_that_fits_best(machine: Machine, size: int) -> None:
    assert machine.size_of(WHEELS) == size


def test_no_wheel_is_no_size() -> None:
    assert Machine((3, 12), "musllinux", "x86_64").size_of({"cp310-abi3-manylinux2014_x86_64.whl": 2}) is None


def test_what_is_there_in_the_locked_version_is_not_fetched(tmp_path: Path) -> None:
    for info in ("click-8.5.1", "typing_extensions-1.0", "other-1"):
        (tmp_path / f"{info}.dist-info").mkdir()
    wanted = [Package("click", "8.5.1", 1), Package("typing-extensions", "4.16.0", 1), Package("rich", "15.0.0", 1)]
    assert [package.name for package in plan.missing(wanted, tmp_path)] == ["typing-extensions", "rich"]


@pytest.mark.parametrize(
    ("count", "text"), [(9_500, "10 kB"), (731_418, "731 kB"), (33_827_498, "33.8 MB"), (130_163_000, "130 MB")]
)
def test_sizes_are_written_as_people_compare_them(count: int, text: str) -> None:
    assert plan.human(count) == text
