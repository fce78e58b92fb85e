"""Which models are here, which one answers and why, and what is kept of that."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.core.support import next_of, open_core
from tests.gguf_files import write_gguf
from venom_tui.core.core import Core
from venom_tui.core.errors import AmbiguousModel, LoadFailed, ModelNotFound, ReadOnly, UsageError
from venom_tui.core.events import ActiveModelChanged, ModelsChanged
from venom_tui.core.models import files
from venom_tui.core.models.choice import choose
from venom_tui.core.types.model import ActiveModel, ModelInfo
from venom_tui.core.types.request import GenerationParameters
from venom_tui.core.types.runtime import RuntimeState


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A test's folder; the demonstration model is hidden."""
    monkeypatch.setattr(files, "demonstration_file", lambda: None)
    return tmp_path


@pytest.fixture
async def core(folder: Path) -> AsyncIterator[Core]:
    async with open_core(folder) as opened:
        yield opened


def put(folder: Path, name: str, age: int = 0) -> Path:
    path = write_gguf(folder / "data" / "models" / f"{name}.gguf")
    os.utime(path, (1_000_000 - age, 1_000_000 - age))
    return path


# ---------------------------------------------------------------------- finding


async def test_what_was_added_meanwhile_is_found(core: Core, folder: Path) -> None:
    assert await core.models.list() == []
    put(folder, "late")
    assert await core.models.list() == []
    with core.events.subscribe() as events:
        assert (await core.models.find("late")).name == "late"
        await next_of(events, ModelsChanged)
    assert [model.name for model in await core.models.list()] == ["late"]


async def test_the_case_of_a_name_matters_only_where_it_must(core: Core, folder: Path) -> None:
    put(folder, "Model-7B")
    assert (await core.models.find("model-7b")).name == "Model-7B"
    put(folder, "model-7b")
    assert (await core.models.find("model-7b")).name == "Model-7B", "what is known already is not looked for again"
    await core.models.list(refresh=True)
    assert (await core.models.find("model-7b")).name == "model-7b"
    assert (await core.models.find("Model-7B")).name == "Model-7B"


async def test_what_is_not_there(core: Core, folder: Path) -> None:
    with pytest.raises(ModelNotFound, match="There is no model 'gone'") as caught:
        await core.models.find("gone")
    assert str(folder / "data" / "models") in caught.value.hint
    with pytest.raises(UsageError, match="no name of a model"):
        await core.models.find("../gone")
    with pytest.raises(UsageError, match="no runtime 'nonsense'"):
        await core.models.find("gone", "nonsense\x1b[31m")


async def test_a_name_of_two_runtimes(core: Core, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(folder, "active")
    two = [
        ModelInfo(name="same", runtime="embedded", provider="local"),
        ModelInfo(name="same", runtime="other", provider="ollama"),
    ]
    monkeypatch.setattr(core.runtimes, "models", lambda: tuple(two))
    with pytest.raises(AmbiguousModel, match="embedded and other have a model 'same'") as caught:
        await core.models.find("same")
    assert "--runtime" in caught.value.hint
    assert (await core.models.find("same", "embedded")).runtime == "embedded"
    await core.save_setting("VENOM_ACTIVE_MODEL", "same")
    await core.save_setting("VENOM_ACTIVE_RUNTIME", "other")
    assert (await core.models.find("same")).runtime == "other", "the active one is meant"


# ---------------------------------------------------------------------- which one answers


def model(name: str, runtime: str = "embedded", **fields: object) -> ModelInfo:
    return ModelInfo(name=name, runtime=runtime, provider="local", **fields)  # type: ignore[arg-type]


A, B = model("a"), model("b")
DEMONSTRATION = model("small", demonstration=True)
BROKEN = model("broken", error="it is no GGUF file")
ELSEWHERE = model("far", "ollama")


@pytest.mark.parametrize(
    ("models", "wanted", "loaded", "name", "reason"),
    [
        ([A, B, DEMONSTRATION], ("", "b"), [("embedded", "a")], "b", "the last one used"),
        ([A, B], ("embedded", "b"), [], "b", "the last one used"),
        ([A, DEMONSTRATION], ("embedded", "small"), [], "small", "the last one used"),
        ([A, B, DEMONSTRATION], ("", ""), [("embedded", "b"), ("embedded", "small")], "b", "it is loaded already"),
        ([A, DEMONSTRATION], ("", ""), [("embedded", "small")], "a", "the newest file in the models folder"),
        ([ELSEWHERE, DEMONSTRATION], ("", ""), [], "far", "it is installed"),
        ([BROKEN, B], ("", ""), [], "b", "the newest file in the models folder"),
        ([BROKEN, B], ("", "broken"), [], "b", "broken is gone; the newest file in the models folder"),
        ([DEMONSTRATION], ("", "b"), [], "small", "b is gone; no other model is here"),
        ([BROKEN, DEMONSTRATION], ("", ""), [], "small", "no other model is here"),
        ([A], ("", "evil\x1b[31m\u202ename"), [], "a", "evilname is gone; the newest file in the models folder"),
    ],
)
def test_the_choice(
    models: list[ModelInfo], wanted: tuple[str, str], loaded: list[tuple[str, str]], name: str, reason: str
) -> None:
    found = choose(models, wanted, loaded, {"embedded": RuntimeState.IDLE})
    assert found is not None
    assert (found.name, found.reason) == (name, reason)
    assert found.demonstration == (name == "small")


@pytest.mark.parametrize("models", [[], [BROKEN]])
def test_there_may_be_none(models: list[ModelInfo]) -> None:
    assert choose(models, ("", ""), [], {}) is None


def test_a_runtime_that_is_down_is_no_reason_for_another_model() -> None:
    found = choose([A], ("ollama", "far"), [], {"ollama": RuntimeState.UNREACHABLE})
    assert found == ActiveModel("far", "ollama", "the last one used; ollama does not answer")


async def test_choosing_is_remembered(folder: Path) -> None:
    put(folder, "new")
    put(folder, "old", age=10)
    async with open_core(folder) as core:
        with core.events.subscribe() as events:
            chosen = await core.models.choose("old")
            assert (await next_of(events, ActiveModelChanged)).active == chosen
        assert (chosen.name, chosen.reason) == ("old", "the last one used")
        assert core.settings.text("VENOM_PREVIOUS_MODEL") == "new"
        assert [m.name for m in await core.models.list() if m.active] == ["old"]
        assert core.runtimes.loaded() == ()
    async with open_core(folder) as core:
        assert await core.models.active() == chosen
        (folder / "data" / "models" / "old.gguf").unlink()
        await core.models.list(refresh=True)
        active = await core.models.active()
        assert active is not None
        assert active.reason == "old is gone; the newest file in the models folder"


async def test_a_broken_file_cannot_be_chosen(core: Core, folder: Path) -> None:
    put(folder, "good")
    (folder / "data" / "models" / "bad.gguf").write_bytes(b"<html>")
    with pytest.raises(LoadFailed, match="bad cannot be used: it is no GGUF file"):
        await core.models.choose("bad")
    active = await core.models.active()
    assert active is not None
    assert active.name == "good"


# ---------------------------------------------------------------------- parameters


async def test_parameters_are_kept_by_model(folder: Path) -> None:
    put(folder, "a")
    put(folder, "b")
    async with open_core(folder) as core:
        assert await core.models.parameters("a", "embedded") == GenerationParameters()
        changes = {"temperature": "0.3", "stop": "END,###", "top_k": "5"}
        saved = await core.models.set_parameters("a", None, dict(changes))
        assert saved == GenerationParameters(temperature=0.3, stop=("END", "###"), top_k=5)
        await core.models.set_parameters("a", None, {"top_k": None, "seed": "7"})
    async with open_core(folder) as core:
        assert await core.models.parameters("a", "embedded") == GenerationParameters(
            temperature=0.3, stop=("END", "###"), seed=7
        )
        assert await core.models.parameters("b", "embedded") == GenerationParameters()
        await core.models.set_parameters("a", None, dict.fromkeys(("temperature", "stop", "seed")))
        assert await core.models.parameters("a", "embedded") == GenerationParameters()


async def test_one_wrong_parameter_changes_nothing(core: Core, folder: Path) -> None:
    put(folder, "a")
    for changes in ({"seed": "1", "temperature": "hot"}, {"seed": "1", "colour": "red"}, {"seed": "1", "colour": None}):
        with pytest.raises(UsageError):
            await core.models.set_parameters("a", None, dict(changes))
    assert await core.models.parameters("a", "embedded") == GenerationParameters()


async def test_a_context_beyond_the_training_is_not_saved(core: Core, folder: Path) -> None:
    write_gguf(folder / "data" / "models" / "short.gguf", llama__context_length=8192)
    await core.models.list(refresh=True)
    with pytest.raises(UsageError, match="from 256 to 8192, which the model was trained for"):
        await core.models.set_parameters("short", None, {"context_length": "9000000"})
    assert (await core.models.parameters("short", "embedded")).context_length is None
    saved = await core.models.set_parameters("short", None, {"context_length": "8192"})
    assert saved.context_length == 8192


async def test_read_only_changes_nothing(folder: Path) -> None:
    put(folder, "a")
    async with open_core(folder, VENOM_READ_ONLY="1") as core:
        for refused in (
            core.models.choose("a"),
            core.models.activate("a"),
            core.models.unload("a"),
            core.models.set_parameters("a", None, {"seed": "1"}),
        ):
            with pytest.raises(ReadOnly):
                await refused
        assert (await core.models.find("a")).active
        assert core.settings.text("VENOM_ACTIVE_MODEL") == ""
