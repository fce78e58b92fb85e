"""Removing, copying and cleaning beside pulls of the same: refused or kept, never torn apart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.core.downloads.hubs import MIB, weights
from tests.core.downloads.recorded import replays
from tests.core.models.catalog import Catalog, Setting, catalog, gguf
from tests.core.models.pulls.support import ollama as ollama_that
from tests.core.models.pulls.support import registry
from tests.hub import Repository
from tests.ollama import FakeOllama
from tests.real.servers.ollama_store import OllamaModel, lay
from tests.servers import hangs
from venom_tui.core.errors import ModelInUse
from venom_tui.core.models import disk
from venom_tui.core.models.names import ollama_name
from venom_tui.core.models.ollama_folder import read_folder
from venom_tui.core.types.operation import Operation, OperationState
from venom_tui.core.types.storage import Storage

S = OperationState


@asynccontextmanager
async def half_there(folder: Path, **values: object) -> AsyncIterator[tuple[Catalog, Operation]]:
    """A repository of which one quantization is there, and another one is being fetched."""
    files = {"big-Q4_0.gguf": gguf(folder, 200_000), "big-Q8_0.gguf": weights(6 * MIB)}
    models = folder / "data" / "models"
    models.mkdir(parents=True)
    (models / "keep.gguf").write_bytes(gguf(folder, 100_000))
    async with catalog(folder, Setting(repositories=(Repository("org/big", files),)), **values) as at:
        await at.core.models.choose("keep")
        whole = await at.core.models.pull("org/big:Q4_0")
        assert (await at.core.operations.wait(whole.id)).state is S.SUCCEEDED
        at.hub.faults.rate = MIB
        pull = await at.core.models.pull("org/big:Q8_0")
        async for now in at.core.operations.follow(pull.id):
            if (now.bytes_done or 0) > MIB // 2:
                break
        yield at, pull


async def refused(at: Catalog, words: str) -> None:
    with pytest.raises(ModelInUse, match=words) as raised:
        await at.core.registry.plan_removal([("org/big:Q4_0", None)])
    assert raised.value.message.startswith("org/big:Q4_0 is not removed: org/big:Q8_0 ") and raised.value.hint


def partials(at: Catalog) -> list[Path]:
    return list(at.cache.rglob("*.venom.incomplete"))


async def test_a_removal_takes_nothing_of_what_is_fetched_into_the_same_repository(tmp_path: Path) -> None:
    async with half_there(tmp_path) as (at, pull):
        await refused(at, "is being fetched")
        with pytest.raises(ModelInUse, match="is not copied"):
            await at.core.registry.copy("org/big:Q4_0", "other")
        await at.core.operations.pause(pull.id)
        await refused(at, "a download that is paused")
        assert partials(at)
        at.hub.faults.rate = 0
        await at.core.operations.resume(pull.id)
        assert (await at.core.operations.wait(pull.id)).state is S.SUCCEEDED
        results = await at.core.registry.remove(await at.core.registry.plan_removal([("org/big:Q4_0", None)]))
        assert [one.error for one in results] == [""]
        assert len(list(at.cache.rglob("blobs/*"))) == 1, "the other one stays"


async def test_a_pull_that_begins_after_the_plan_is_seen_too(tmp_path: Path) -> None:
    async with half_there(tmp_path) as (at, pull):
        await at.core.operations.cancel(pull.id)
        plan = await at.core.registry.plan_removal([("org/big:Q4_0", None)])
        await at.core.models.pull("org/big:Q8_0")
        (result,) = await at.core.registry.remove(plan)
        assert "is not removed: org/big:Q8_0" in result.error and "operations cancel" in result.hint
        assert partials(at)


async def test_an_interrupted_pull_keeps_its_files_until_it_is_given_up(tmp_path: Path) -> None:
    async with half_there(tmp_path) as (at, pull):
        pass
    async with catalog(tmp_path) as at:
        assert (await at.core.operations.get(pull.id)).state is S.INTERRUPTED
        await refused(at, "a download that was interrupted")
        await at.core.operations.clear()
        results = await at.core.registry.remove(await at.core.registry.plan_removal([("org/big:Q4_0", None)]))
        assert [one.error for one in results] == [""] and not partials(at)


async def test_a_model_of_ollama_that_is_being_pulled_is_neither_removed_nor_copied(tmp_path: Path) -> None:
    fake = FakeOllama(models={"big:latest": {}, "other:latest": {}})
    fake.instead["POST /api/pull"] = hangs
    async with catalog(tmp_path, Setting(fake)) as at:
        registry(at.hub)
        await at.core.models.choose("other:latest")
        await at.core.models.pull("big")
        with pytest.raises(ModelInUse, match=r"big:latest is not removed: big is being fetched|waits to be fetched"):
            await at.core.registry.plan_removal([("big:latest", None)])
        with pytest.raises(ModelInUse, match="big:latest is not copied"):
            await at.core.registry.copy("big:latest", "big2")
        registry(at.hub, "library/new")
        await at.core.models.pull("new")
        with pytest.raises(ModelInUse, match="other:latest is not copied: new waits"):
            await at.core.registry.copy("other:latest", "registry.ollama.ai/library/new")
        copied = await at.core.registry.copy("other:latest", "third")
        assert copied.name == "third:latest", "others of that server are not held up"
        assert not [one for one in at.asked() if "delete" in one]


@pytest.fixture
def _old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left alone for being new."""
    monkeypatch.setattr(disk, "GRACE_S", -1.0)


async def of_hub(at: Catalog) -> Storage:
    return next(one for one in await at.core.registry.storage() if one.id == "hub")


@pytest.mark.usefixtures("_old")
async def test_cleaning_leaves_what_a_pull_can_go_on_from(tmp_path: Path) -> None:
    async with half_there(tmp_path) as (at, pull):
        for change, words in ((at.core.operations.pause, "paused"), (at.core.operations.cancel, "cancelled")):
            await change(pull.id)
            held = await of_hub(at)
            (orphan,) = held.orphans
            assert orphan.kind == "incomplete download" and not orphan.cleanable and held.cleanable_bytes == 0
            assert "org/big:Q8_0 is a download that" in orphan.why and words in orphan.why
            freed, (left,) = await at.core.registry.clean("hub", held.orphans)
            assert freed == 0 and orphan.why in left and partials(at)
        await at.core.operations.clear()
        held = await of_hub(at)
        assert held.cleanable_bytes == held.orphaned_bytes > 0
        freed, left_over = await at.core.registry.clean("hub", held.orphans)
        assert freed == held.cleanable_bytes and left_over == [] and not partials(at)


@pytest.mark.usefixtures("_old")
async def test_cleaning_an_ollama_leaves_the_layers_of_its_pulls(tmp_path: Path) -> None:
    root = tmp_path / "ollama"
    lay(root, OllamaModel("one:1b", b"w" * 9000))
    (root / "blobs" / f"sha256-{'a' * 64}-partial").write_bytes(b"x" * 5000)
    (root / "blobs" / f"sha256-{'9' * 64}-partial").write_bytes(b"x" * 5000)
    weights_at = next(path for path in (root / "blobs").iterdir() if path.stat().st_size == 9000)
    fake = ollama_that(hangs, modelfile=f"FROM {weights_at}\n")
    fake.models = {"one:1b": {"digest": read_folder(root).models[ollama_name("one:1b").key].digest[7:]}}
    async with catalog(tmp_path, Setting(fake)) as at:
        registry(at.hub)
        pull = await at.core.models.pull("big")
        held = next(one for one in await at.core.registry.storage() if one.id == "ollama")
        assert {Path(one.path).name[7:8]: one.cleanable for one in held.orphans} == {"a": False, "9": True}
        with pytest.raises(ModelInUse, match="Nothing is cleaned beside a pull of the same server: big"):
            await at.core.registry.clean("ollama", held.orphans)
        await at.core.operations.pause(pull.id)
        freed, (left,) = await at.core.registry.clean("ollama", held.orphans)
        assert freed > 0 and "big is a download that is paused" in left
        assert [path.name[7:8] for path in (root / "blobs").glob("*-partial")] == ["a"]


@pytest.mark.usefixtures("_old")
async def test_a_pull_that_never_fetched_anything_keeps_nothing(tmp_path: Path) -> None:
    root = tmp_path / "ollama"
    lay(root, OllamaModel("one:1b", b"w" * 9000))
    (root / "blobs" / f"sha256-{'9' * 64}-partial").write_bytes(b"x" * 5000)
    weights_at = next(path for path in (root / "blobs").iterdir() if path.stat().st_size == 9000)
    fake = ollama_that(replays("registry-500"), modelfile=f"FROM {weights_at}\n")
    fake.models = {"one:1b": {"digest": read_folder(root).models[ollama_name("one:1b").key].digest[7:]}}
    async with catalog(tmp_path, Setting(fake)) as at:
        at.hub.answers("/v2/*", 500, b"oops")
        pull = await at.core.models.pull("big")
        assert (await at.core.operations.wait(pull.id)).state is S.FAILED
        held = next(one for one in await at.core.registry.storage() if one.id == "ollama")
        assert [one.cleanable for one in held.orphans] == [True]
