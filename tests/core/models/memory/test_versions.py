"""Versions of models that are loaded: the guard is asked, and a failure leaves model and parameters as they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.models.memory.test_ollama import ONE, TWO
from tests.core.support import open_core
from tests.ollama import FakeOllama, says
from tests.servers import Exchange, Server
from venom_tui.core.core import Core
from venom_tui.core.errors import GuardRefused, NeedsYes, PlanChanged, RuntimeFailure
from venom_tui.core.models import files
from venom_tui.core.types.request import GenerationParameters


@pytest.fixture(autouse=True)
def _no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "demonstration_file", lambda: None)


async def standing(core: Core) -> tuple[str, list[str]]:
    """Return which model answers, and which versions are active."""
    active = await core.models.active()
    assert active is not None
    return active.name, [one.name for one in await core.versions.list() if one.active]


async def registered(core: Core) -> None:
    """Let `two` answer, and keep two versions of `one`."""
    await core.runtimes.settled(10)
    await core.models.choose(TWO, "ollama")
    await core.models.set_parameters(ONE, "ollama", {"temperature": "0.7"})
    for name, context in (("v1", "1024"), ("v2", "2048")):
        await core.versions.register(name, ONE, "ollama", parameters={"context_length": context})


SAVED = GenerationParameters(temperature=0.7)


async def test_a_version_is_loaded_with_its_parameters_and_so_is_what_is_gone_back_to(
    tmp_path: Path, fake: FakeOllama, ollama: Server
) -> None:
    async with open_core(tmp_path, OLLAMA_HOST=ollama.url) as core:
        await registered(core)
        await core.versions.activate("v1")
        await core.versions.activate("v2")
        assert fake.loads == [(ONE, 1024), (ONE, 2048)]
        assert [one.kind for one in await core.operations.list()][:2] == ["load", "switch"]
        back = await core.versions.roll_back()
        assert back is not None and back.name == "v1"
        assert fake.loads[2:] == [(ONE, 1024)]
        assert await core.versions.roll_back() is None
        assert await core.models.parameters(ONE, "ollama") == SAVED


@pytest.mark.parametrize(("policy", "failure"), [("refuse", GuardRefused), ("ask", NeedsYes)])
async def test_the_guard_refuses_or_asks_as_for_any_switch(
    tmp_path: Path, fake: FakeOllama, ollama: Server, policy: str, failure: type[Exception]
) -> None:
    limit = {"VENOM_KEEP_FREE_RAM": "9TiB", "VENOM_POLICY_RAM": policy}
    async with open_core(tmp_path, OLLAMA_HOST=ollama.url, **limit) as core:
        await registered(core)
        plan = await core.versions.plan("v1")
        assert (plan.kind, plan.name, plan.must_load, bool(plan.refusal)) == ("switch", ONE, True, policy == "refuse")
        with pytest.raises(failure):
            await core.versions.activate("v1", plan=plan)
        assert await standing(core) == (TWO, [])
        assert await core.models.parameters(ONE, "ollama") == SAVED
        assert fake.loads == []
        assert (await core.versions.activate("v1", yes=policy == "ask", force=policy == "refuse")).active
        assert await standing(core) == (ONE, ["v1"])
        await core.versions.activate("v2", force=True)
        await core.models.unload(ONE, "ollama")
        with pytest.raises(failure):
            await core.versions.roll_back()
        assert await standing(core) == (ONE, ["v2"])
        assert await core.models.parameters(ONE, "ollama") == GenerationParameters(context_length=2048)


async def test_a_load_that_fails_leaves_model_and_parameters(tmp_path: Path, fake: FakeOllama, ollama: Server) -> None:
    async with open_core(tmp_path, OLLAMA_HOST=ollama.url) as core:
        await registered(core)
        others: list[GenerationParameters] = []

        async def fail(exchange: Exchange) -> None:
            others.append(await core.models.parameters(ONE, "ollama"))
            await says({"error": "llama runner process has terminated: exit status 2"}, "500 Internal Server Error")(
                exchange
            )

        fake.instead["POST /api/generate"] = fail
        with pytest.raises(RuntimeFailure):
            await core.versions.activate("v1")
        assert others and set(others) == {SAVED}, "whoever asks meanwhile finds what is saved"
        assert await standing(core) == (TWO, [])
        assert await core.models.parameters(ONE, "ollama") == SAVED
        del fake.instead["POST /api/generate"]
        await core.versions.activate("v1")
        await core.versions.activate("v2")
        fake.instead["POST /api/generate"] = fail
        with pytest.raises(RuntimeFailure):
            await core.versions.roll_back()
        assert await standing(core) == (ONE, ["v2"])
        assert await core.models.parameters(ONE, "ollama") == GenerationParameters(context_length=2048)


async def test_a_way_back_that_leads_elsewhere_by_now_is_told(tmp_path: Path, fake: FakeOllama, ollama: Server) -> None:
    async with open_core(tmp_path, OLLAMA_HOST=ollama.url) as core:
        await registered(core)
        await core.versions.register("other", TWO, "ollama")
        await core.versions.activate("v1")
        plan = await core.versions.plan_back()
        await core.versions.activate("other")
        with pytest.raises(PlanChanged, match=f"{TWO} @ ollama is what would answer by now") as changed:
            await core.versions.roll_back(plan=plan)
        assert getattr(changed.value.plan, "name", "") == TWO
        assert await standing(core) == (TWO, ["v1", "other"]) or await standing(core) == (TWO, ["other", "v1"])
