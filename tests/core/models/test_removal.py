"""Removing models: what is announced is freed, nothing else goes, and what may not go stays."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.core.models.catalog import Catalog, Setting, catalog, fill_cache, gguf, sha256, taken
from tests.hub import Repository
from tests.ollama import FakeOllama
from tests.real.servers.ollama_store import OllamaModel, lay
from tests.servers import Exchange, head
from venom_tui.core.errors import ModelInUse, NotRemovable, ReadOnly
from venom_tui.core.models import files
from venom_tui.core.types.operation import OperationState
from venom_tui.core.types.storage import Removal

SIZE = 400_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A test's folder with GGUF files `keep` and `tiny` and a split one."""
    models = tmp_path / "data" / "models"
    models.mkdir(parents=True)
    (models / "keep.gguf").write_bytes(gguf(tmp_path, SIZE))
    (models / "sub").mkdir()
    (models / "sub" / "tiny.gguf").write_bytes(gguf(tmp_path, SIZE))
    (models / "big-00001-of-00002.gguf").write_bytes(gguf(tmp_path, SIZE))
    (models / "big-00002-of-00002.gguf").write_bytes(b"z" * SIZE)
    return tmp_path


async def plan(at: Catalog, *names: str) -> Removal:
    return await at.core.registry.plan_removal([(name, None) for name in names])


async def names(at: Catalog) -> set[str]:
    return {model.name for model in await at.core.models.list(refresh=True) if not model.demonstration}


async def removed(at: Catalog, *chosen: str) -> tuple[int, int]:
    """Remove models; return what was announced and what the disk got back."""
    made = await plan(at, *chosen)
    before = taken(at.folder)
    results = await at.core.registry.remove(made)
    await asyncio.sleep(0)
    assert [(one.error, one.hint) for one in results] == [("", "")] * len(results)
    assert not set(chosen) & await names(at)
    return made.frees_bytes or 0, before - taken(at.folder)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 (a file has no event)
            await asyncio.sleep(0.01)


def close(announced: int, really: int) -> bool:
    """Within 1 %, and what the database wrote meanwhile."""
    return abs(announced - really) <= 0.01 * announced + 150_000


# ---------------------------------------------------------------------- files


async def test_files_are_removed_with_all_their_parts(folder: Path) -> None:
    async with catalog(folder) as at:
        await at.core.models.choose("keep")
        made = await plan(at, "big")
        (item,) = made.items
        assert [Path(path).name for path in item.paths] == ["big-00001-of-00002.gguf", "big-00002-of-00002.gguf"]
        assert made.frees_bytes == item.frees_bytes == item.size_bytes and item.shared_with == ()
        announced, really = await removed(at, "big", "sub/tiny")
        assert announced >= 3 * SIZE and close(announced, really)
        assert await names(at) == {"keep"} and not (at.models / "sub").exists()
        (operation, *_) = await at.core.operations.list(5)
        assert (operation.kind, operation.state) == ("remove", OperationState.SUCCEEDED)


async def test_a_file_with_another_name_gives_nothing_back_until_both_go(folder: Path) -> None:
    async with catalog(folder) as at:
        await at.core.models.choose("keep")
        os.link(at.models / "sub" / "tiny.gguf", at.models / "twin.gguf")
        alone = await plan(at, "twin")
        assert alone.frees_bytes == 0 and "another name" in alone.items[0].notes[0]
        both = await plan(at, "twin", "sub/tiny")
        assert both.frees_bytes is not None and both.frees_bytes >= SIZE
        announced, really = await removed(at, "twin", "sub/tiny")
        assert announced == both.frees_bytes and close(announced, really)


async def test_a_link_goes_and_what_it_points_to_stays(folder: Path) -> None:
    precious = folder / "precious.gguf"
    precious.write_bytes(gguf(folder, SIZE))
    (folder / "data" / "models" / "link.gguf").symlink_to(precious)
    async with catalog(folder) as at:
        await at.core.models.choose("keep")
        made = await plan(at, "link")
        assert (made.frees_bytes or 0) <= 4096 and "what it points to stays" in made.items[0].notes[0]
        await removed(at, "link")
        assert precious.exists()


async def test_what_a_linked_folder_holds_is_not_ours(folder: Path) -> None:
    outside = folder / "outside"
    outside.mkdir()
    (outside / "theirs.gguf").write_bytes(gguf(folder, SIZE))
    (folder / "data" / "models" / "way").symlink_to(outside)
    async with catalog(folder) as at:
        await at.core.models.choose("keep")
        with pytest.raises(NotRemovable, match="is not deleted"):
            await plan(at, "way/theirs")
        assert (outside / "theirs.gguf").exists()


async def test_a_folder_that_is_exchanged_after_the_plan_saves_nothing_from_the_look_before(folder: Path) -> None:
    outside = folder / "outside"
    outside.mkdir()
    (outside / "tiny.gguf").write_bytes(gguf(folder, SIZE))
    async with catalog(folder) as at:
        await at.core.models.choose("keep")
        made = await plan(at, "sub/tiny")
        (at.models / "sub").rename(folder / "was-sub")
        (at.models / "sub").symlink_to(outside)
        (result,) = await at.core.registry.remove(made)
        assert "is not deleted" in result.error and (outside / "tiny.gguf").exists()


async def test_the_model_that_answers_is_not_removed(folder: Path) -> None:
    async with catalog(folder) as at:
        await at.core.models.choose("keep")
        with pytest.raises(ModelInUse, match="keep answers the next prompt") as caught:
            await plan(at, "big", "keep")
        assert "activate" in caught.value.hint
        made = await plan(at, "big")
        await at.core.models.choose("big")
        (result,) = await at.core.registry.remove(made)
        assert "answers the next prompt" in result.error, "also when it came to answer after the plan"
        assert (at.models / "big-00001-of-00002.gguf").exists()
        await at.core.models.choose("keep")
        await removed(at, "big")


async def test_the_only_model_can_be_removed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "demonstration_file", lambda: None)
    async with catalog(folder) as at:
        await at.core.models.choose("keep")
        await removed(at, "big", "sub/tiny")
        await removed(at, "keep")
        assert await at.core.models.active() is None


async def test_what_is_kept_of_a_model_goes_with_it(folder: Path) -> None:
    async with catalog(folder) as at:
        await at.core.models.choose("keep")
        await at.core.models.set_parameters("sub/tiny", None, {"seed": "7"})
        digest = await at.core.registry.work_out_digest("sub/tiny")
        assert digest == sha256((at.models / "sub" / "tiny.gguf").read_bytes())
        await removed(at, "sub/tiny")
        assert (await at.core.models.parameters("sub/tiny", "embedded")).seed is None
        assert await at.core.database.read("SELECT * FROM file_digests") == []


@pytest.mark.usefixtures("demonstration_model")
async def test_what_is_not_ours_to_remove(folder: Path) -> None:
    async with catalog(folder) as at:
        await at.core.models.choose("keep")
        with pytest.raises(NotRemovable, match="comes with venom-tui"):
            await plan(at, "smollm2-135m")
    async with catalog(folder, VENOM_READ_ONLY="1") as at:
        with pytest.raises(ReadOnly):
            await plan(at, "big")


async def test_one_that_fails_keeps_none_other(folder: Path) -> None:
    async with catalog(folder) as at:
        await at.core.models.choose("keep")
        made = await plan(at, "big", "sub/tiny")
        (at.models / "big-00001-of-00002.gguf").unlink()
        (at.models / "big-00002-of-00002.gguf").unlink()
        results = await at.core.registry.remove(made)
        assert [bool(one.error) for one in results] == [True, False] and "gone already" in results[0].error


# ---------------------------------------------------------------------- the Hugging Face cache


def repository(folder: Path, *, more: bool = False) -> Repository:
    extra = {"model.safetensors": b"s" * SIZE} if more else {}
    shards = {"tiny-Q4_K_M.gguf": gguf(folder, SIZE), "tiny-Q8_0.gguf": gguf(folder, 2 * SIZE), "README.md": b"# x"}
    return Repository("org/Tiny", {**shards, **extra})


async def test_one_quantization_of_a_repository_goes_and_the_others_stay(folder: Path) -> None:
    fill_cache(folder / "hf" / "hub", repository(folder))
    async with catalog(folder) as at:
        await at.core.models.choose("keep")
        made = await plan(at, "org/Tiny:Q4_K_M")
        assert "other files of org/Tiny stay" in made.items[0].notes[0]
        announced, really = await removed(at, "org/Tiny:Q4_K_M")
        assert SIZE <= announced < 1.1 * SIZE and close(announced, really)
        assert "org/Tiny:Q8_0" in await names(at)
        assert (await at.core.models.find("org/Tiny:Q8_0")).error == ""


async def test_a_removal_from_the_cache_waits_for_its_runtime_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It unloads within: what waits for the removal and has the runtime's queue would else wait for itself."""
    fill_cache(folder / "hf" / "hub", repository(folder))
    async with catalog(folder) as at:
        await at.core.models.choose("keep")
        run, queues = at.core.operations.run, []

        async def noted(*given: Any, **named: Any) -> object:
            queues.append(named.get("queue"))
            return await run(*given, **named)

        monkeypatch.setattr(at.core.operations, "run", noted)
        await removed(at, "org/Tiny:Q4_K_M")
        assert queues[0] == ("huggingface", "embedded")


async def test_the_last_of_a_repository_takes_the_rest_with_it(folder: Path) -> None:
    fill_cache(folder / "hf" / "hub", repository(folder))
    async with catalog(folder) as at:
        await at.core.models.choose("keep")
        announced, really = await removed(at, "org/Tiny:Q4_K_M", "org/Tiny:Q8_0")
        assert announced >= 3 * SIZE and close(announced, really)
        assert not (at.cache / "models--org--Tiny").exists()


async def test_weights_that_no_runtime_serves(folder: Path) -> None:
    fill_cache(folder / "hf" / "hub", repository(folder, more=True))
    async with catalog(folder) as at:
        await at.core.models.choose("keep")
        announced, really = await removed(at, "org/Tiny")
        assert SIZE <= announced < 1.1 * SIZE and close(announced, really)
        assert await names(at) >= {"org/Tiny:Q4_K_M", "org/Tiny:Q8_0"}


async def test_all_revisions_of_a_file_go_and_what_they_share_counts_once(folder: Path) -> None:
    old = repository(folder)
    new = Repository("org/Tiny", {**old.files, "README.md": b"# another"})
    fill_cache(folder / "hf" / "hub", old)
    fill_cache(folder / "hf" / "hub", new)
    async with catalog(folder) as at:
        await at.core.models.choose("keep")
        assert len(list((at.cache / "models--org--Tiny" / "snapshots").iterdir())) == 2
        announced, really = await removed(at, "org/Tiny:Q8_0")
        assert 2 * SIZE <= announced < 2.1 * SIZE and close(announced, really)


async def test_a_link_in_the_cache_leads_nowhere(folder: Path) -> None:
    fill_cache(folder / "hf" / "hub", repository(folder))
    precious = folder / "precious"
    precious.write_bytes(gguf(folder, SIZE))
    async with catalog(folder) as at:
        await at.core.models.choose("keep")
        (snapshot,) = (at.cache / "models--org--Tiny" / "snapshots").iterdir()
        (snapshot / "tiny-Q8_0.gguf").unlink()
        (snapshot / "tiny-Q8_0.gguf").symlink_to(os.path.relpath(precious, snapshot))
        await names(at)
        with pytest.raises(NotRemovable, match="lies outside"):
            await plan(at, "org/Tiny:Q8_0")
        await plan(at, "org/Tiny:Q4_K_M")
        (folder / "elsewhere").mkdir()
        (at.cache / "models--org--Tiny").rename(folder / "elsewhere" / "models--org--Tiny")
        (at.cache / "models--org--Tiny").symlink_to(folder / "elsewhere" / "models--org--Tiny")
        assert "org/Tiny:Q8_0" not in await names(at), "a linked repository is none"
        assert precious.exists()


async def test_a_damaged_repository_is_removed_as_well(folder: Path) -> None:
    fill_cache(folder / "hf" / "hub", repository(folder))
    async with catalog(folder) as at:
        await at.core.models.choose("keep")
        (snapshot,) = (at.cache / "models--org--Tiny" / "snapshots").iterdir()
        (snapshot / "tiny-Q8_0.gguf").resolve().unlink()
        await names(at)
        announced, really = await removed(at, "org/Tiny:Q4_K_M")
        assert SIZE <= announced < 1.1 * SIZE and close(announced, really)
        await removed(at, "org/Tiny:Q8_0")
        assert not (at.cache / "models--org--Tiny").exists()


# ---------------------------------------------------------------------- Ollama


class Laid(FakeOllama):
    """A scripted Ollama whose models lie in a folder, as a real one's."""

    def __init__(self, root: Path, **facts: object) -> None:
        super().__init__(models={}, **facts)  # type: ignore[arg-type]  # fields of the stand-in
        self.root = root
        self.weights: dict[str, str] = {}

    def put(self, name: str, weights: bytes, **options: object) -> None:
        self.weights[name] = lay(self.root, OllamaModel(name, weights, options=tuple(options.items())))
        model, _, tag = name.partition(":")
        manifest = (self.root / "manifests/registry.ollama.ai/library" / model / tag).read_bytes()
        self.models[name] = {"digest": sha256(manifest)[7:], "size": len(weights), "capabilities": ["completion"]}

    async def __call__(self, exchange: Exchange) -> None:
        if exchange.target == "POST /api/show" and (digest := self.weights.get(exchange.json["model"])):
            blob = self.root / "blobs" / digest.replace(":", "-")
            body = b'{"modelfile": "FROM %s", "capabilities": ["completion"]}' % str(blob).encode()
            await exchange.write(head("200 OK", "application/json") + body)
            return
        await super().__call__(exchange)


async def test_ollama_is_told_to_remove_after_it_was_told_to_unload(folder: Path) -> None:
    fake = FakeOllama(models={"a:1b": {"size": 7_000_000}, "b:1b": {"size": 9_000_000}})
    fake.hold("a:1b")
    async with catalog(folder, Setting(fake)) as at:
        await at.core.models.choose("keep")
        made = await plan(at, "a:1b")
        assert made.items[0].loaded and made.frees_bytes == 7_000_000, "nothing shares its weights, as the server says"
        (result,) = await at.core.registry.remove(made)
        assert result.error == ""
        told = [one for one in at.asked() if not one.endswith("show")]
        assert told == ["POST /api/generate", "DELETE /api/delete"]
        assert await names(at) == {"keep", "big", "sub/tiny", "b:1b"}


async def test_weights_that_another_model_has_too_are_not_announced(folder: Path) -> None:
    fake = FakeOllama(models={"a:1b": {"size": 7_000_000}, "twin:1b": {"size": 7_000_100}}, twins={"twin:1b": "a:1b"})
    async with catalog(folder, Setting(fake)) as at:
        await at.core.models.choose("keep")
        made = await plan(at, "a:1b")
        assert made.items[0].shared_with == ("twin:1b",)
        assert (made.frees_bytes, made.at_most_bytes) == (None, 7_000_000)
        both = await plan(at, "a:1b", "twin:1b")
        assert both.frees_bytes == 7_000_000, "shared weights count once"


async def test_with_the_folder_at_hand_the_announcement_is_exact(folder: Path) -> None:
    fake = Laid(folder / "ollama")
    fake.put("a:1b", b"a" * 3_000_000, temperature=0)
    fake.put("twin:1b", b"a" * 3_000_000, temperature=1)
    fake.put("b:1b", b"b" * 2_000_000, temperature=0)
    async with catalog(folder, Setting(fake)) as at:
        await at.core.models.choose("keep")
        made = await plan(at, "a:1b")
        assert made.items[0].shared_with == ("twin:1b",) and (made.frees_bytes or 0) < 50_000
        assert (made.items[0].size_bytes or 0) >= 3_000_000
        both = await plan(at, "a:1b", "twin:1b")
        assert 3_000_000 <= (both.frees_bytes or 0) < 3_050_000 and both.items[0].shared_with == ()
        together = await plan(at, "b:1b", "big")
        assert 2_000_000 + 2 * SIZE <= (together.frees_bytes or 0) < 2_100_000 + 2 * SIZE


async def test_a_refusal_of_the_server_is_told_in_its_words(folder: Path) -> None:
    async def refuse(exchange: Exchange) -> None:
        await exchange.write(head("500 Internal Server Error", "application/json") + b'{"error": "disk on fire"}')

    fake = FakeOllama(models={"a:1b": {}}, instead={"DELETE /api/delete": refuse})
    async with catalog(folder, Setting(fake)) as at:
        await at.core.models.choose("keep")
        (result,) = await at.core.registry.remove(await plan(at, "a:1b"))
        assert result.server_message == "disk on fire" and "a:1b" in await names(at)
        (operation, *_) = await at.core.operations.list(1)
        assert operation.state is OperationState.FAILED and "disk on fire" in operation.error


async def test_a_removal_that_did_nothing_is_no_success(folder: Path) -> None:
    async def lies(exchange: Exchange) -> None:
        await exchange.write(head("200 OK"))

    fake = FakeOllama(models={"a:1b": {}}, instead={"DELETE /api/delete": lies})
    async with catalog(folder, Setting(fake)) as at:
        await at.core.models.choose("keep")
        (result,) = await at.core.registry.remove(await plan(at, "a:1b"))
        assert "still there" in result.error


@pytest.mark.parametrize("works", [True, False])
async def test_where_http_is_refused_the_command_is_asked(
    folder: Path, monkeypatch: pytest.MonkeyPatch, works: bool
) -> None:
    async def forbid(exchange: Exchange) -> None:
        await exchange.write(head("403 Forbidden"))

    fake = FakeOllama(models={"a:1b": {}}, instead={"DELETE /api/delete": forbid})
    program = folder / "bin" / "ollama"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\nprintf "%s " "$@" > {folder}/said\n'
        f"while [ ! -e {folder}/go ]; do sleep 0.05; done\nexit {0 if works else 1}\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    async with catalog(folder, Setting(fake)) as at:
        await at.core.models.choose("keep")
        made = await plan(at, "a:1b")
        task = asyncio.create_task(at.core.registry.remove(made))
        await until((folder / "said").exists)
        if works:
            del fake.models["a:1b"]
        (folder / "go").touch()
        (result,) = await task
        assert (folder / "said").read_text() == "rm -- a:1b "
        assert (result.error == "") is works, "the refusal is what is told where the command fails too"


async def test_a_model_of_a_remote_host_takes_nothing_here(folder: Path) -> None:
    fake = FakeOllama(models={"big:cloud": {"remote_host": "https://ollama.com:443", "size": 384}})
    async with catalog(folder, Setting(fake)) as at:
        await at.core.models.choose("keep")
        made = await plan(at, "big:cloud")
        assert made.frees_bytes == 0 and made.items[0].size_bytes == 0


async def test_a_model_of_another_server_is_not_ours(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with catalog(folder) as at:
        await at.core.models.choose("keep")
        everything = await at.core.models.list()
        theirs = replace(everything[0], name="theirs", runtime="vllm", provider="vllm", active=False)
        with pytest.raises(NotRemovable, match="belongs to the server vllm"):
            await at.core.registry._remover.plan([theirs], everything)
