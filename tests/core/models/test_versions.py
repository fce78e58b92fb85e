"""Versions of models: registered, activated, rolled back, compared, and kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.core.support import open_core, turn
from tests.ollama import FakeOllama, says
from tests.openai import plain
from tests.servers import Exchange, answer, head, sends, serving
from venom_tui.core.core import Core
from venom_tui.core.errors import ModelInUse, ModelNotFound, NotFound, OperationRefused, ReadOnly, UsageError
from venom_tui.core.models.versions.figures import differences, figures, periods
from venom_tui.core.store.versions import Activation, VersionStore
from venom_tui.core.types.fit import EstimateRecord
from venom_tui.core.types.request import GenerationParameters
from venom_tui.core.types.version import Difference, ModelVersion, VersionFigures

T = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
COLD, HOT = GenerationParameters(temperature=0.1), GenerationParameters(temperature=1.5, max_tokens=50)
COOL = ModelVersion("cool", "base", "box", T, COLD)


@asynccontextmanager
async def with_server(folder: Path, **values: object) -> AsyncIterator[Core]:
    """Open a core with a runtime `box` that has the models `base` and `other`."""
    (folder / "config").mkdir(exist_ok=True)
    async with serving(plain("base", "other")) as server:
        (folder / "config" / "config.toml").write_text(f'[runtimes.box]\nurl = "{server.url}"\nkind = "openai"\n')
        async with open_core(folder, **values) as core:
            await core.runtimes.settled(10)
            yield core


async def asked(core: Core) -> None:
    session = await core.sessions.create()
    await turn(core, await core.chat.send(session.id, "Hello?"))


async def test_activated_and_rolled_back(tmp_path: Path) -> None:
    async with with_server(tmp_path) as core:
        await core.models.choose("other", "box")
        await core.models.set_parameters("base", "box", {"temperature": "0.7"})
        versions = core.versions
        cool = await versions.register("cool", "base", "box", parameters={"temperature": "0.1"}, note="for code")
        await versions.register("hot", "base", parameters={"temperature": "1.5", "max_tokens": "50"})
        kept = await versions.register("as-it-is", "base")
        assert (cool.answers, kept.parameters) == ("base", GenerationParameters(temperature=0.7))
        assert [one.name for one in await versions.list()] == ["as-it-is", "hot", "cool"]
        assert not any(one.active for one in await versions.list("base"))
        with pytest.raises(OperationRefused, match="nothing to go back to"):
            await versions.roll_back()

        assert (await versions.activate("cool")).active
        active = await core.models.active()
        assert active is not None
        assert (active.name, active.runtime) == ("base", "box")
        assert await core.models.parameters("base", "box") == COLD
        await asked(core)
        await versions.activate("hot")
        assert await core.models.parameters("base", "box") == HOT
        assert [one.name for one in await versions.list() if one.active] == ["hot"]
        with pytest.raises(ModelInUse):
            await versions.remove("hot")

    async with with_server(tmp_path) as core:
        versions = core.versions
        assert [one.name for one in await versions.list() if one.active] == ["hot"], "it is kept"
        await asked(core)
        await asked(core)
        compared = await versions.compare("cool", "hot")
        assert (compared.first_figures.answers, compared.second_figures.answers) == (1, 2)
        assert compared.first_figures.first_token_ms
        assert compared.differences[0].percent is not None
        assert compared.second_figures.memory_bytes is None

        back = await versions.roll_back()
        assert back is not None
        assert back.name == "cool"
        assert await core.models.parameters("base", "box") == COLD
        assert await versions.roll_back("base", "box") is None
        assert await core.models.parameters("base", "box") == GenerationParameters(temperature=0.7)
        assert not any(one.active for one in await versions.list())
        with pytest.raises(OperationRefused):
            await versions.roll_back()
        await versions.remove("hot")
        with pytest.raises(NotFound):
            await versions.get("hot")


async def test_the_way_back_leads_over_versions_that_were_removed(tmp_path: Path) -> None:
    async with with_server(tmp_path) as core:
        versions, saved = core.versions, GenerationParameters(temperature=0.7)
        await core.models.set_parameters("base", "box", {"temperature": "0.7"})
        for name, temperature in (("first", "0.5"), ("second", "0.9"), ("third", "1.1")):
            await versions.register(name, "base", parameters={"temperature": temperature})
            await versions.activate(name)
        await versions.remove("second")
        back = await versions.roll_back()
        assert back is not None and back.name == "first"
        assert await core.models.parameters("base", "box") == GenerationParameters(temperature=0.5)
        await versions.activate("third")
        await versions.remove("first")
        assert await versions.roll_back() is None
        assert await core.models.parameters("base", "box") == saved, "as it was before any version of it"
        with pytest.raises(OperationRefused, match="nothing to go back to"):
            await versions.roll_back()


async def test_a_version_that_was_removed_with_its_model_leaves_the_base_models_parameters(tmp_path: Path) -> None:
    async with with_server(tmp_path) as core:
        await core.models.set_parameters("base", "box", {"temperature": "0.7"})
        store = VersionStore(core.database)
        await store.save(replace(COOL, name="tuned", made="venom-tuned:latest"))
        await store.activated(Activation("box", "base", "tuned", T, GenerationParameters()))
        await core.versions.register("hot", "base", parameters={"temperature": "1.5"})
        await core.versions.activate("hot")
        await core.versions.remove("tuned")
        assert await core.versions.roll_back() is None
        assert await core.models.parameters("base", "box") == GenerationParameters(temperature=0.7)


async def test_a_way_back_that_is_refused_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with with_server(tmp_path) as core:
        for name, temperature in (("first", "0.5"), ("second", "0.9")):
            await core.versions.register(name, "base", parameters={"temperature": temperature})
            await core.versions.activate(name)

        async def refuse(*_: object) -> None:
            raise ModelNotFound("box has no model base.")

        monkeypatch.setattr(core.models, "choose", refuse)
        with pytest.raises(ModelNotFound):
            await core.versions.roll_back()
        assert await core.models.parameters("base", "box") == GenerationParameters(temperature=0.9)
        assert [one.name for one in await core.versions.list() if one.active] == ["second"]


async def test_what_is_refused(tmp_path: Path) -> None:
    async with with_server(tmp_path) as core:
        register = core.versions.register
        for name in ("", "A", "a b", "../x", "-x", "x" * 41):
            with pytest.raises(UsageError, match="no name for a version"):
                await register(name, "base")
        await register("one", "base")
        with pytest.raises(UsageError, match="There is a version one already"):
            await register("one", "other")
        with pytest.raises(UsageError, match="temperature is '9'"):
            await register("two", "base", parameters={"temperature": "9"})
        with pytest.raises(UsageError, match="takes no other template or adapter"):
            await register("two", "base", template="{{ .Prompt }}")
        with pytest.raises(NotFound):
            await core.versions.activate("none")
    async with with_server(tmp_path, VENOM_READ_ONLY="1") as core:
        for work in (core.versions.register("x", "base"), core.versions.activate("one"), core.versions.roll_back()):
            with pytest.raises(ReadOnly):
                await work


async def test_a_template_and_an_adapter_make_a_model_in_an_ollama(tmp_path: Path) -> None:
    fake = FakeOllama()
    adapter = tmp_path / "lora.gguf"
    adapter.write_bytes(b"GGUF" + b"x" * 3_000_000)
    digest = f"sha256:{hashlib.sha256(adapter.read_bytes()).hexdigest()}"
    asked: list[object] = []

    async def blob(exchange: Exchange) -> None:
        asked.append((exchange.target, len(exchange.body)))
        await says({})(exchange)

    async def create(exchange: Exchange) -> None:
        asked.append(exchange.json)
        fake.models[exchange.json["model"]] = {}
        lines = "".join(json.dumps({"status": text}) + "\n" for text in ("parsing", "success"))
        await sends(head(kind="application/x-ndjson") + lines.encode())(exchange)

    fake.instead[f"POST /api/blobs/{digest}"] = blob
    fake.instead[f"HEAD /api/blobs/{digest}"] = sends(answer("")[:0] + b"HTTP/1.1 404 Not Found\r\n\r\n")
    fake.instead["POST /api/create"] = create
    (tmp_path / "config").mkdir()
    async with serving(fake) as server:
        (tmp_path / "config" / "config.toml").write_text(f'[runtimes.o]\nurl = "{server.url}"\nkind = "ollama"\n')
        async with open_core(tmp_path) as core:
            await core.runtimes.settled(10)
            made = await core.versions.register("tuned", "smollm2:135m", template="{{ .Prompt }}", adapter=str(adapter))
            assert made.answers == "venom-tuned:latest"
            assert asked == [
                (f"POST /api/blobs/{digest}", adapter.stat().st_size),
                {
                    "model": "venom-tuned:latest",
                    "from": "smollm2:135m",
                    "template": "{{ .Prompt }}",
                    "adapters": {"lora.gguf": digest},
                },
            ]
            (operation,) = await core.operations.list()
            assert (operation.kind, operation.state, operation.message) == ("create", "succeeded", "success")
            await core.versions.activate("tuned")
            active = await core.models.active()
            assert active is not None
            assert active.name == "venom-tuned:latest"
            assert await core.versions.roll_back() is None
            await core.versions.remove("tuned")
            assert "venom-tuned:latest" not in fake.models


def test_figures_are_those_of_the_time_when_it_was_active() -> None:
    hot = replace(COOL, name="hot", parameters=HOT)
    moments = [T + timedelta(minutes=minute) for minute in range(10)]
    activations = [
        Activation("box", "base", name, moments[at], GenerationParameters())
        for at, name in ((1, "cool"), (3, "hot"), (4, ""), (6, "cool"))
    ]
    activations.insert(2, Activation("box", "another", "x", moments[2], GenerationParameters()))
    assert periods(COOL, ()) == [], "it was never active"
    assert periods(COOL, activations) == [(moments[1], moments[3]), (moments[6], None)]
    assert periods(hot, activations) == [(moments[3], moments[4])]

    def trace(ms: float | None, speed: float | None, error: str = "") -> str:
        timings, usage = {"model_to_first_token_ms": ms}, {"tokens_per_second": speed}
        return json.dumps({"timings": timings, "usage": usage, "error": error})

    traces = [
        (moments[0], trace(1, 1)),
        (moments[1], trace(100, 40)),
        (moments[2], trace(300, None)),
        (moments[2], trace(9, 9, "failed")),
        (moments[3], trace(50, 80)),
        (moments[5], trace(1, 1)),
        (moments[7], trace(200, 60)),
    ]
    load = EstimateRecord(moments[6], "llama", "box", "base", 4096, "f16", 1, "cpu", 1, 1, 700, "measured")
    loads = [replace(load, at=moments[1], actual_bytes=500), load, replace(load, at=moments[5], actual_bytes=9)]
    first, second = (figures(one, activations, traces, loads) for one in (COOL, hot))
    assert first == VersionFigures(3, 200, 50, 700)
    assert second == VersionFigures(1, 50, 80, None)
    assert differences(first, second) == (
        Difference("first_token_ms", 200, 50, -75.0),
        Difference("tokens_per_second", 50, 80, 60.0),
        Difference("memory_bytes", 700, None, None),
    )
