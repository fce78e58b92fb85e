"""Copies of models: another name for the same bytes, and nothing is ever replaced."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest

from tests.core.models.catalog import Setting, catalog, fill_cache, gguf
from tests.hub import Repository
from tests.ollama import FakeOllama
from venom_tui.core.errors import NotRemovable, ReadOnly, UsageError, VenomError
from venom_tui.core.models import copying
from venom_tui.core.models.copying import copy_files
from venom_tui.core.types.request import GenerationParameters


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    models = tmp_path / "data" / "models"
    models.mkdir(parents=True)
    (models / "tiny.gguf").write_bytes(gguf(tmp_path, 300_000))
    (models / "big-00001-of-00002.gguf").write_bytes(gguf(tmp_path, 200_000))
    (models / "big-00002-of-00002.gguf").write_bytes(b"z" * 100_000)
    return tmp_path


@pytest.fixture
def _no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without hard links."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)


async def test_a_copy_of_a_file_is_another_name_for_its_bytes(folder: Path) -> None:
    async with catalog(folder) as at:
        await at.core.models.set_parameters("tiny", None, {"seed": "7"})
        copied = await at.core.registry.copy("tiny", "sub/My Tiny (2)")
        assert (copied.name, copied.runtime) == ("sub/My Tiny (2)", "embedded")
        assert os.path.samefile(at.models / "sub" / "My Tiny (2).gguf", at.models / "tiny.gguf")
        assert await at.core.models.parameters(copied.name, "embedded") == GenerationParameters(seed=7)
        (operation, *_) = await at.core.operations.list(1)
        assert (operation.kind, operation.target) == ("copy", "tiny → sub/My Tiny (2)")


@pytest.mark.usefixtures("_no_links")
async def test_where_there_are_no_links_the_bytes_are_copied(folder: Path) -> None:
    async with catalog(folder) as at:
        copied = await at.core.registry.copy("big", "huge")
        assert copied.size_bytes == (await at.core.models.find("big")).size_bytes and not copied.error
        first, second = at.models / "huge-00001-of-00002.gguf", at.models / "huge-00002-of-00002.gguf"
        assert first.read_bytes() == (at.models / "big-00001-of-00002.gguf").read_bytes()
        assert second.stat().st_nlink == 1 and not list(at.models.glob(".*"))
        (operation, *_) = await at.core.operations.list(1)
        await asyncio.sleep(0)
        assert operation.bytes_total == 300_000


async def test_a_gguf_of_the_hugging_face_cache_is_copied_into_the_folder(folder: Path) -> None:
    fill_cache(folder / "hf" / "hub", Repository("org/T", {"t-Q8_0.gguf": gguf(folder, 9000, general__file_type=7)}))
    async with catalog(folder) as at:
        copied = await at.core.registry.copy("org/T:Q8_0", "mine")
        assert copied.provider == "local" and (at.models / "mine.gguf").is_file()
        assert not (at.models / "mine.gguf").is_symlink()


@pytest.mark.parametrize(
    "name", ["", "..", "../x", "/abs", "-x", "a\n", "a/../b", ".hidden", "a/.b", "x" * 300, "a\x1b[1m", "💥", "a|b"]
)
async def test_illegal_names(folder: Path, name: str) -> None:
    async with catalog(folder) as at:
        before = sorted(at.models.rglob("*"))
        with pytest.raises(UsageError):
            await at.core.registry.copy("tiny", name)
        assert sorted(at.models.rglob("*")) == before


async def test_nothing_is_replaced(folder: Path) -> None:
    fake = FakeOllama(models={"a:1b": {}, "b:latest": {}})
    async with catalog(folder, Setting(fake)) as at:
        for name, taken in (("tiny", "BIG"), ("tiny", "tiny"), ("a:1b", "b"), ("a:1b", "B:latest")):
            with pytest.raises(UsageError, match="There is a model"):
                await at.core.registry.copy(name, taken)
        (at.models / "hidden.gguf").mkdir()
        with pytest.raises(UsageError, match="There is a file"):
            await at.core.registry.copy("tiny", "hidden")
        assert at.asked() == [], "Ollama itself replaces without a word"


async def test_ollama_copies_itself(folder: Path) -> None:
    async with catalog(folder, Setting(FakeOllama(models={"a:1b": {}}))) as at:
        copied = await at.core.registry.copy("a:1b", "mine/A.2")
        assert (copied.name, copied.runtime) == ("mine/A.2:latest", "ollama")
        (asked,) = [one.json for one in at.ollama.asked if one.target == "POST /api/copy"]
        assert asked == {"source": "a:1b", "destination": "mine/A.2:latest"}
        with pytest.raises(UsageError, match="no name for Ollama"):
            await at.core.registry.copy("a:1b", "Org.Name/x")


async def test_what_cannot_be_copied(folder: Path) -> None:
    fill_cache(folder / "hf" / "hub", Repository("org/W", {"a.safetensors": b"x" * 100}))
    (folder / "data" / "models" / "broken.gguf").write_bytes(b"no")
    async with catalog(folder) as at:
        with pytest.raises(NotRemovable, match="cannot be copied"):
            await at.core.registry.copy("org/W", "x")
        with pytest.raises(UsageError, match="cannot be copied: it ends in the middle"):
            await at.core.registry.copy("broken", "x")
    async with catalog(folder, VENOM_READ_ONLY="1") as at:
        with pytest.raises(ReadOnly):
            await at.core.registry.copy("tiny", "x")


def told(_done: int, _total: int) -> None:
    """Hear nothing."""


@pytest.mark.usefixtures("_no_links")
def test_a_full_disk_leaves_nothing_half(folder: Path, small_disk: Path) -> None:
    source = folder / "large.gguf"
    source.write_bytes(bytes(3_000_000))
    with pytest.raises(VenomError, match=r"There is no room for the copy: it takes 3,000,000 bytes"):
        copy_files(source, small_disk, "x", told, lambda: False)
    assert list(small_disk.iterdir()) == []


@pytest.mark.usefixtures("_no_links")
def test_a_copy_that_is_given_up_leaves_nothing(folder: Path) -> None:
    target = folder / "there"
    target.mkdir()
    with pytest.raises(VenomError):
        copy_files(folder / "data/models/tiny.gguf", target, "x", told, lambda: True)
    assert list(target.iterdir()) == []


@pytest.mark.usefixtures("_no_links")
def test_what_comes_meanwhile_is_not_replaced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = folder / "there"
    target.mkdir()

    def comes(done: int, _total: int) -> None:
        (target / "x.gguf").write_bytes(b"theirs")

    monkeypatch.setattr(copying, "_PIECE", 100_000)
    with pytest.raises(VenomError, match="could not be written"):
        copy_files(folder / "data/models/tiny.gguf", target, "x", comes, lambda: False)
    assert [path.read_bytes() for path in target.iterdir()] == [b"theirs"]


def test_a_linked_folder_leads_nowhere(folder: Path) -> None:
    (folder / "outside").mkdir()
    (folder / "data/models/way").symlink_to(folder / "outside")
    with pytest.raises(UsageError, match="lies outside"):
        copy_files(folder / "data/models/tiny.gguf", folder / "data/models", "way/x", told, lambda: False)
    assert list((folder / "outside").iterdir()) == []


@pytest.mark.usefixtures("_no_links")
def test_what_a_killed_copy_left_is_replaced(folder: Path) -> None:
    source, target = folder / "data/models/tiny.gguf", folder / "there"
    target.mkdir()
    (target / ".x.gguf.copying").write_bytes(b"half")
    copy_files(source, target, "x", told, lambda: False)
    assert [path.name for path in target.iterdir()] == ["x.gguf"]
    assert (target / "x.gguf").read_bytes() == source.read_bytes()


def test_what_a_killed_copy_left_may_be_another_name_of_a_whole_one(folder: Path) -> None:
    there = folder / "there"
    there.mkdir()
    (there / "whole.gguf").write_bytes(b"whole")
    os.link(there / "whole.gguf", there / ".x.gguf.copying")
    with copying._begun(there / ".x.gguf.copying") as writer:
        writer.write(b"new")
    assert (there / "whole.gguf").read_bytes() == b"whole"


@pytest.mark.usefixtures("_no_links")
def test_what_is_being_copied_now_is_left_alone(folder: Path) -> None:
    source, target = folder / "data/models/tiny.gguf", folder / "there"
    target.mkdir()
    with copying._begun(target / ".x.gguf.copying") as writer:
        with pytest.raises(UsageError, match="is being written just now"):
            copy_files(source, target, "x", told, lambda: False)
        writer.write(b"theirs")
    assert (target / ".x.gguf.copying").read_bytes() == b"theirs"
