from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts import real_components
from scripts.components import component
from scripts.components.component import Component, ComponentError
from tests import tools

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the components of this test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for known in real_components.COMPONENTS.values():
        if known.variable:
            monkeypatch.delenv(known.variable, raising=False)
    return component.cache()


def made(fill: Callable[[Path], None], needs: tuple[str, ...] = (), variable: str = "") -> Component:
    """Return a component that is filled by a function."""
    return Component("thing", "1", "2 MB, 1 s", fill, "file", needs, variable)


def test_a_component_is_fetched_once(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    times: list[Path] = []

    def fill(folder: Path) -> None:
        times.append(folder)
        (folder / "file").write_text("whole")

    thing = made(fill)
    assert not thing.present
    assert thing.fetch() == thing.fetch() == cache / "thing-1" / "file"
    assert len(times) == 1
    said = capsys.readouterr().out
    assert "thing (2 MB, 1 s)" in said and str(cache) in said
    assert sorted(path.name for path in cache.iterdir()) == [".thing.lock", "thing-1"]


def test_a_component_that_cannot_be_filled_leaves_nothing(cache: Path) -> None:
    def fill(folder: Path) -> None:
        (folder / "file").write_text("half")
        raise ComponentError("the registry is away")

    with pytest.raises(ComponentError, match="away"):
        made(fill).fetch()
    assert [path.name for path in cache.iterdir()] == [".thing.lock"]


def test_a_folder_without_its_file_is_filled_again(cache: Path) -> None:
    (cache / "thing-1" / "bin").mkdir(parents=True)
    thing = made(lambda folder: (folder / "file").touch())
    assert thing.fetch().exists()
    assert not (cache / "thing-1" / "bin").exists()


def test_runs_that_ask_together_fetch_once(tmp_path: Path) -> None:
    code = (
        "import time; from pathlib import Path\n"
        "from scripts.components.component import Component\n"
        "def fill(folder):\n"
        "    (Path({count!r}) / str(time.monotonic_ns())).touch(); time.sleep(0.4); (folder / 'file').touch()\n"
        "print(Component('thing', '1', '', fill, 'file').fetch().exists())\n"
    )
    count = tmp_path / "count"
    count.mkdir()
    command = [sys.executable, "-c", code.format(count=str(count))]
    runs = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert all(run.communicate(timeout=60)[0].endswith("True\n") for run in runs)
    assert len(list(count.iterdir())) == 1


def test_one_that_is_there_already_is_named_by_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    thing = made(lambda folder: None, needs=("no-such-tool-at-all",), variable="THING_BIN")
    monkeypatch.setenv("THING_BIN", str(tmp_path / "mine"))
    with pytest.raises(ComponentError, match=r"THING_BIN names .*/mine, which is not there"):
        thing.fetch()
    (tmp_path / "mine").touch()
    assert thing.fetch() == tmp_path / "mine"


def test_what_a_component_needs_is_said_in_a_sentence_and_its_tests_are_skipped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    thing = made(lambda folder: None, needs=("sh", "no-such-tool-at-all"))
    monkeypatch.setitem(real_components.COMPONENTS, "thing", thing)
    with pytest.raises(pytest.skip.Exception, match=r"^needs no-such-tool-at-all$"):
        tools.need("thing")
    assert tools.complaint("needs no-such-tool-at-all") is None
    assert real_components.main(["fetch", "thing"]) == 1
    assert capsys.readouterr().err == "thing: needs no-such-tool-at-all; its tests are skipped.\n"


def test_a_component_that_could_be_fetched_is_no_reason_to_skip_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(real_components.COMPONENTS, "thing", made(lambda folder: (folder / "file").touch()))
    with pytest.raises(pytest.skip.Exception, match=r"^needs thing$"):
        tools.need("thing")
    assert tools.complaint("needs thing") is None  # make test-real has failed before that


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert real_components.main(["fetch", "nonsense"]) == 2
    assert "ollama" in capsys.readouterr().err


def test_what_is_needed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert component.has("sh") and component.has("libc") and not component.has("libno-such-library")
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert not component.has(component.X86_64)


def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(ComponentError, match=r"^It failed: bad luck$"):
        component.run(["sh", "-c", "echo bad luck >&2; exit 1"], "It failed")


def test_locks_name_no_address() -> None:
    for path in (ROOT / "scripts" / "components").glob("*.lock"):
        assert "://" not in path.read_text(encoding="utf-8")


def test_a_damaged_file_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(os.urandom(8))
    with pytest.raises(ComponentError, match="file is damaged"):
        component.check_sha256(tmp_path / "file", "0" * 64)
