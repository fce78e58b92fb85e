"""What is deleted below a folder, and what is left alone whatever leads to it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools import requires_tool
from venom_tui.core.errors import NotRemovable
from venom_tui.core.models import inside
from venom_tui.core.models.inside import Inside, freed_by, mounts_below


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "file").write_bytes(b"x" * 100_000)
    (folder / "a" / "b" / "deep").write_bytes(b"y")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious").write_bytes(b"p" * 5000)
    return folder


@pytest.fixture
def precious(root: Path) -> Path:
    return root.parent / "outside" / "precious"


def test_a_file_is_deleted_and_gives_its_bytes_back(root: Path) -> None:
    found = (root / "a" / "file").stat()
    assert Inside(root).remove(root / "a" / "file") == found.st_blocks * 512 >= 100_000
    assert not (root / "a" / "file").exists()


def test_a_link_is_deleted_and_not_what_it_points_to(root: Path, precious: Path) -> None:
    (root / "link").symlink_to(precious)
    assert Inside(root).remove(root / "link") <= 4096
    assert precious.exists() and not (root / "link").is_symlink()


def test_a_file_with_another_name_gives_nothing_back(root: Path) -> None:
    os.link(root / "a" / "file", root / "twin")
    assert freed_by((root / "twin").stat()) == 0
    assert Inside(root).remove(root / "twin") == 0
    assert Inside(root).remove(root / "a" / "file") >= 100_000


@pytest.mark.parametrize("way", ["../outside/precious", "a/../../outside/precious", "a/../a/file", "."])
def test_no_dots_lead_out(root: Path, precious: Path, way: str) -> None:
    with pytest.raises(NotRemovable, match=r"lies outside|is not deleted"):
        Inside(root).remove(root / way)
    assert precious.exists() and (root / "a" / "file").exists()


def test_no_linked_folder_leads_out(root: Path, precious: Path) -> None:
    (root / "way").symlink_to(precious.parent)
    for remove in (Inside(root).remove, Inside(root).remove_tree):
        with pytest.raises(NotRemovable, match=r"no folder"):
            remove(root / "way" / "precious")
    with pytest.raises(NotRemovable):
        Inside(root).remove_tree(root / "way")
    assert precious.exists()


def test_the_folder_itself_may_be_a_link(root: Path) -> None:
    link = root.parent / "link"
    link.symlink_to(root)
    assert Inside(link).remove(link / "a" / "file")
    assert Inside(link).remove(root / "a" / "b" / "deep") >= 0


def test_a_folder_is_deleted_only_as_a_tree(root: Path) -> None:
    with pytest.raises(NotRemovable, match="it is a folder"):
        Inside(root).remove(root / "a")
    assert Inside(root).remove_if_empty(root / "a") is False
    (root / "a" / "link").symlink_to("/etc")
    assert Inside(root).remove_tree(root / "a") >= 100_000
    assert list(root.iterdir()) == [] and Path("/etc").exists()
    with pytest.raises(NotRemovable):
        Inside(root).remove_tree(root)


def test_what_is_not_there(root: Path) -> None:
    for missing in (root / "none", root / "none" / "none"):
        with pytest.raises(NotRemovable):
            Inside(root).stat(missing)
    with pytest.raises(NotRemovable, match="cannot be read"):
        Inside(root / "none")


def test_what_may_not_be_deleted_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(NotRemovable, match="Permission denied"):
        Inside(root).remove(root / "a" / "file")


def test_mount_points_are_read_as_the_kernel_writes_them(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = root.parent / "mountinfo"
    info.write_text(
        f"36 35 98:0 / {root}/a\\040b/c rw - ext3 /dev/x rw\n37 35 98:0 / {root} rw - x y z\n38 1 1:1 / / rw\n"
    )
    monkeypatch.setattr(inside, "_MOUNTS", info)
    assert mounts_below(root) == {f"{root}/a b/c"}
    monkeypatch.setattr(inside, "_MOUNTS", root / "none")
    assert mounts_below(root) == frozenset()


def test_a_folder_that_is_bound_from_elsewhere_is_not_gone_into(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = root.parent / "mountinfo"
    info.write_text(f"36 35 98:0 / {root}/a/b rw - ext3 /dev/x rw\n")
    monkeypatch.setattr(inside, "_MOUNTS", info)
    with pytest.raises(NotRemovable, match="mounted"):
        Inside(root).remove(root / "a" / "b" / "deep")
    with pytest.raises(NotRemovable, match="mounted"):
        Inside(root).remove_tree(root / "a")
    assert (root / "a" / "file").exists(), "nothing of it was deleted"
    assert (root / "a" / "b" / "deep").exists()


@pytest.fixture
def mounted(root: Path) -> Iterator[Path]:
    """A file system that is mounted below the folder."""
    place = root / "a" / "b"
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(place)], capture_output=True, check=False).returncode:
        pytest.skip("a file system can be mounted by root only")
    (place / "theirs").write_bytes(b"z")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@requires_tool("root")
def test_another_file_system_is_not_gone_into(root: Path, mounted: Path) -> None:
    with pytest.raises(NotRemovable, match="mounted"):
        Inside(root).remove(mounted / "theirs")
    with pytest.raises(NotRemovable, match="mounted"):
        Inside(root).remove_tree(root / "a")
    assert (mounted / "theirs").exists() and (root / "a" / "file").exists()
