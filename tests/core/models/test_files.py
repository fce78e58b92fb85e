"""The GGUF files of a folder, as models."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.core.hostile import FORBIDDEN, MARKUP, SEQUENCES
from tests.gguf_files import CHAT, Writer, write_gguf
from venom_tui.core.models import files as module
from venom_tui.core.models import headers
from venom_tui.core.models.files import DEMONSTRATION_NAME, ModelFiles, demonstration_file
from venom_tui.core.models.gguf import GgufHeader, read_header
from venom_tui.core.models.names import check_name
from venom_tui.core.types.model import ModelInfo


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models folder that is not there yet; the demonstration model is hidden."""
    monkeypatch.setattr(module, "demonstration_file", lambda: None)
    return tmp_path / "models"


def scan(folder: Path) -> dict[str, ModelInfo]:
    return {model.name: model for model in ModelFiles(folder).scan()}


def test_no_folder_no_models(folder: Path) -> None:
    assert scan(folder) == {}
    folder.write_text("a file")
    assert scan(folder) == {}


def test_what_a_file_tells(folder: Path) -> None:
    path = write_gguf(folder / "tiny.gguf")
    assert scan(folder)["tiny"] == ModelInfo(
        name="tiny",
        runtime="embedded",
        provider="local",
        size_bytes=path.stat().st_size,
        parameter_size="0K",
        quantization="Q4_K_M",
        context_length=2048,
        capabilities=("completion",),
        architecture="llama",
        path=str(path),
        has_chat_template=True,
    )


def test_a_base_model_is_known_by_its_missing_template(folder: Path) -> None:
    write_gguf(folder / "base.gguf", tokenizer__chat_template=None)
    found = scan(folder)["base"]
    assert (found.has_chat_template, found.capabilities) == (False, None)


def test_the_newest_file_comes_first(folder: Path) -> None:
    for number, name in enumerate(("b", "c", "a")):
        os.utime(write_gguf(folder / f"{name}.gguf"), (number, number))
    assert [model.name for model in ModelFiles(folder).scan()] == ["a", "c", "b"]


def test_what_is_no_model_of_its_own_is_passed_over(folder: Path) -> None:
    write_gguf(folder / "mmproj.gguf", general__architecture="clip")
    write_gguf(folder / "lora.gguf", general__type="adapter")
    write_gguf(folder / "model.gguf.part")
    write_gguf(folder / ".hidden.gguf")
    write_gguf(folder / ".cache" / "model.gguf")
    (folder / "folder.gguf").mkdir()
    (folder / "dangling.gguf").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "fifo.gguf")
    (folder / "README.md").write_text("models")
    assert scan(folder) == {}


def test_broken_files_are_there_with_the_reason(folder: Path) -> None:
    folder.mkdir()
    (folder / "empty.gguf").write_bytes(b"")
    (folder / "page.gguf").write_bytes(b"<html>not found</html>")
    (folder / "cut.gguf").write_bytes(Writer().header(CHAT)[:100])
    assert {name: model.error for name, model in scan(folder).items()} == {
        "empty": "it ends in the middle of its header",
        "page": "it is no GGUF file",
        "cut": "it ends in the middle of its header",
    }


def test_a_file_that_may_not_be_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_gguf(folder / "secret.gguf")

    def refuse(_path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(headers, "read_header", refuse)  # root may read everything
    found = scan(folder)["secret"]
    assert found.error == "it cannot be read: Permission denied"
    assert found.size_bytes


def test_a_model_in_parts_is_one(folder: Path) -> None:
    for number in (1, 2, 3):
        write_gguf(folder / f"big-{number:05d}-of-00003.gguf", split__count=3, split__no=number - 1)
    whole = sum(path.stat().st_size for path in folder.iterdir())
    found = scan(folder)["big"]
    assert (found.size_bytes, found.error) == (whole, "")
    assert found.path == str(folder / "big-00001-of-00003.gguf")
    (folder / "big-00002-of-00003.gguf").unlink()
    assert list(scan(folder)) == ["big"]
    assert scan(folder)["big"].error == "part 2 of 3 is missing"


def test_many_missing_parts_are_not_all_looked_for(folder: Path) -> None:
    write_gguf(folder / "huge-00001-of-99999.gguf")
    assert scan(folder)["huge"].error == "part 2 of 99999 is missing"


def test_links_in_a_circle_end(folder: Path) -> None:
    write_gguf(folder / "a" / "model.gguf")
    (folder / "a" / "loop").symlink_to(folder)
    (folder / "b").symlink_to(folder / "a")
    (folder / "self").symlink_to(folder / "self")
    assert len(scan(folder)) == 1


def test_a_linked_file_is_a_model_of_its_own_name(folder: Path) -> None:
    path = write_gguf(folder.parent / "elsewhere" / "model.gguf")
    folder.mkdir()
    (folder / "mine.gguf").symlink_to(path)
    assert scan(folder)["mine"].size_bytes == path.stat().st_size


def test_folders_go_into_the_name_down_to_a_depth(folder: Path) -> None:
    write_gguf(folder / "org" / "repo" / "model.gguf")
    write_gguf(folder / "1" / "2" / "3" / "4" / "5" / "6" / "deep.gguf")
    write_gguf(folder / "1" / "2" / "3" / "4" / "5" / "6" / "7" / "too deep.gguf")
    assert set(scan(folder)) == {"org/repo/model", "1/2/3/4/5/6/deep"}


def test_names_are_legal_and_each_is_there_once(folder: Path) -> None:
    for name in ("a?b", "a*b", "a_b", "💥", "🔥", DEMONSTRATION_NAME, "x" * 250):
        write_gguf(folder / f"{name}.gguf")
    write_gguf(folder / f"{'y' * 200}/{'z' * 100}.gguf")
    write_gguf(folder / f"{'y' * 200}/{'z' * 100}?.gguf")
    found = scan(folder)
    assert len(found) == 9
    assert {"a_b", "a_b (2)", "a_b (3)", "model", "model (2)", f"{DEMONSTRATION_NAME} (2)"} <= set(found)
    for name in found:
        assert check_name(name) == name


def test_hostile_file_names(folder: Path) -> None:
    folder.mkdir()
    for number, text in enumerate((*SEQUENCES, *MARKUP)):
        name = text.replace("/", "").replace("\0", "")
        (folder / f"{number}{name}.gguf").write_bytes(Writer().header(CHAT | {"general.name": text}))
    (folder / os.fsdecode(b"bytes\xff\xfe.gguf")).write_bytes(Writer().header(CHAT))
    found = scan(folder)
    assert len(found) == len(SEQUENCES) + len(MARKUP) + 1
    assert not any(FORBIDDEN.search(model.name + model.error + str(model.architecture)) for model in found.values())
    for model in found.values():
        assert model.path is not None
        assert Path(model.path).is_file(), "the path is what opens the file"
        assert json.loads(json.dumps(model.path)) == model.path


def test_a_header_is_read_once_and_again_when_the_file_changed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_gguf(folder / "model.gguf")
    reads: list[Path] = []

    def counted(path: Path) -> GgufHeader:
        reads.append(path)
        return read_header(path)

    monkeypatch.setattr(headers, "read_header", counted)
    files = ModelFiles(folder)
    first = files.scan()
    assert files.scan() == first
    assert reads == [path]
    write_gguf(path, llama__context_length=4096)
    os.utime(path, (1, 1))
    assert files.scan()[0].context_length == 4096
    assert len(reads) == 2


def test_the_demonstration_model_comes_last(tmp_path: Path, demonstration_model: Path) -> None:
    write_gguf(tmp_path / "models" / "old.gguf")
    os.utime(tmp_path / "models" / "old.gguf", (1, 1))
    *_, last = ModelFiles(tmp_path / "models").scan()
    assert last.name == DEMONSTRATION_NAME
    assert last.demonstration
    assert last.provider == "demonstration"
    assert last.digest is not None
    assert (last.path, demonstration_file()) == (str(demonstration_model), demonstration_model)


def test_without_the_package_there_is_no_demonstration_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DEMONSTRATION_PACKAGE", "no_such_package_at_all")
    assert demonstration_file() is None
    monkeypatch.setattr(module, "_DEMONSTRATION_PACKAGE", "no_such.package")
    assert demonstration_file() is None
