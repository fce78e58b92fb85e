"""What is in memory of a real Ollama and a real llama.cpp router: loaded, kept, evicted, left while busy, killed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.core.support import COUNTING, ask, ended, first_words, open_core
from tests.real.servers.llama_server import RouterFactory
from tests.real.servers.ollama import OllamaFactory, OllamaServer
from tests.real.servers.ollama_store import unloadable
from venom_tui.core.core import Core
from venom_tui.core.errors import LoadFailed, NeedsYes, RuntimeBusy, RuntimeFailure, RuntimeRefused
from venom_tui.core.models import files
from venom_tui.core.types.device import LoadedModel
from venom_tui.core.types.request import GenerationParameters
from venom_tui.core.types.session import MessageState

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]
ONE, TWO = "plain:135m", "second:270m"
STEADY = GenerationParameters(temperature=0.0)


@pytest.fixture(autouse=True)
def _no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "demonstration_file", lambda: None)


@asynccontextmanager
async def core_of(folder: Path, server: OllamaServer, **values: object) -> AsyncIterator[Core]:
    async with open_core(folder, OLLAMA_HOST=server.url, **values) as core:
        await core.runtimes.settled(10)
        yield core


async def call(server: OllamaServer, path: str, **body: Any) -> dict[str, Any]:
    """Ask as another client of the server would."""
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        url = f"{server.url}{path}"
        answer = await (client.post(url, json=body) if body else client.get(url))
        found: dict[str, Any] = answer.json()
        return found


async def rows(server: OllamaServer) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in (await call(server, "/api/ps"))["models"]}


async def until(condition: Any, what: str) -> None:
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110 (a server is asked)
            await asyncio.sleep(0.1)
    assert what


def held(core: Core, name: str) -> LoadedModel:
    return next(model for model in core.runtimes.loaded() if model.name == name)


async def active(core: Core) -> str:
    found = await core.models.active()
    return "" if found is None else found.name


# ---------------------------------------------------------------------- load, keep, unload


async def test_from_load_to_unload(ollama: OllamaFactory, tmp_path: Path) -> None:
    async with ollama() as server, core_of(tmp_path, server) as core:
        assert (await core.models.load(ONE)).loaded
        assert set(await rows(server)) == {ONE}
        assert (await core.models.pin(ONE)).pinned
        assert (await rows(server))[ONE]["expires_at"].startswith("23")
        context = held(core, ONE).context_length
        for duration, least, most in (("90", 60, 91), ("1h30m", 5000, 5401)):
            kept = await core.models.extend(ONE, duration)
            assert kept.expires_at is not None
            left = kept.expires_at - datetime.now(UTC)
            assert timedelta(seconds=least) < left < timedelta(seconds=most), duration
        await core.models.pin(ONE)
        usual = await core.models.unpin(ONE)
        assert not usual.pinned and usual.expires_at is not None
        assert usual.expires_at - datetime.now(UTC) < timedelta(seconds=301)
        assert held(core, ONE).context_length == context, "nothing of that loaded it again"
        (pid,) = server.runner_pids()
        freed = await core.models.unload(ONE)
        assert await rows(server) == {} and pid not in server.runner_pids()
        assert freed.expected_bytes is not None and freed.freed_bytes is not None, freed
        assert freed.freed_bytes >= freed.expected_bytes * 0.9 and not freed.still_held, freed
        assert [one.kind for one in reversed(await core.operations.list())] == [
            *("load", "pin", "extend", "extend", "pin", "unpin", "unload"),
        ]


async def test_what_expires_is_seen_to_be_gone(ollama: OllamaFactory, tmp_path: Path) -> None:
    async with ollama() as server, core_of(tmp_path, server) as core:
        await core.models.load(ONE)
        await core.models.extend(ONE, "1s")

        async def gone() -> bool:
            await core.runtimes.look()
            return not core.runtimes.loaded()

        await until(gone, "its time is up")
        assert (await core.models.unload(ONE)).reason == "it was not loaded"
        session = await core.sessions.create()
        last = await ask(core, session.id, "Hello", model=ONE, max_tokens=3)
        assert last.message.state is MessageState.COMPLETE
        assert next(one.cause for one in await core.operations.list() if one.kind == "load") == "prompt"


@pytest.mark.parametrize(("setting", "forever"), [("300", False), ("2h", False), ("-1", True)])
async def test_the_setting_goes_along_with_prompts(
    ollama: OllamaFactory, tmp_path: Path, setting: str, forever: bool
) -> None:
    async with ollama() as server, core_of(tmp_path, server, LLM_KEEP_ALIVE=setting) as core:
        session = await core.sessions.create()
        await ask(core, session.id, "Hello", model=ONE, max_tokens=3)
        expires = (await rows(server))[ONE]["expires_at"]
        assert expires.startswith("23") is forever
        if forever:
            return
        await call(server, "/api/generate", model=ONE, keep_alive=-1)
        await ask(core, session.id, "Hello", model=ONE, max_tokens=3)
        assert (await rows(server))[ONE]["expires_at"].startswith("23"), "another client's pin stays"


# ---------------------------------------------------------------------- busy, killed, full


async def test_an_unload_while_it_answers_waits_for_the_end(ollama: OllamaFactory, tmp_path: Path) -> None:
    async with ollama() as server, core_of(tmp_path, server) as core:
        session = await core.sessions.create()
        request = await core.chat.send(session.id, COUNTING, model=ONE, parameters=STEADY)
        await first_words(core, request)
        said: list[str] = []
        model = await core.models.find(ONE)
        with pytest.raises(RuntimeBusy, match=r"has not left .* it answers 1 prompt of venom-tui"):
            await core.models.memory.unload(model, within_s=0.5, status=said.append)
        assert f"{ONE} answers 1 prompt of venom-tui; it leaves when that has ended" in said
        assert set(await rows(server)) == {ONE}
        assert core.chat.running(session.id) == request, "nothing was pulled from under it"
        waiting = asyncio.create_task(core.models.memory.unload(model, within_s=60))
        await asyncio.sleep(0.2)
        await core.chat.stop(request)
        assert (await ended(core, request)).message.state is MessageState.STOPPED
        freed = await waiting
        assert freed.still_held == () and await rows(server) == {}


async def test_an_eviction_that_is_given_up_takes_no_effect_later(ollama: OllamaFactory, tmp_path: Path) -> None:
    async with ollama() as server, core_of(tmp_path, server) as core:
        await core.models.load(ONE)
        session = await core.sessions.create()
        request = await core.chat.send(session.id, COUNTING, model=ONE, parameters=STEADY)
        await first_words(core, request)
        before = server.runner_pids()
        with pytest.raises(RuntimeBusy) as caught:
            await core.models.memory.evict(held(core, ONE), "evicted for another", lambda _: None, 0.5)
        assert caught.value.hint.startswith("It stays loaded.")
        assert core.chat.running(session.id) == request, "and it still answers"
        await core.chat.stop(request)
        await ended(core, request)
        last = await ask(core, session.id, "Hello", model=ONE, max_tokens=2)
        assert last.message.state is MessageState.COMPLETE
        assert set(await rows(server)) == {ONE} and server.runner_pids() == before


async def test_a_killed_runner_is_loaded_anew_and_can_be_unloaded(ollama: OllamaFactory, tmp_path: Path) -> None:
    async with ollama() as server, core_of(tmp_path, server) as core:
        await core.models.activate(ONE)
        server.kill_runners()
        assert set(await rows(server)) == {ONE}, "the server lists what is dead"
        session = await core.sessions.create()
        last = await ask(core, session.id, "Hello", max_tokens=3)
        if last.message.state is not MessageState.COMPLETE:  # the request that finds out
            last = await ask(core, session.id, "Hello", max_tokens=3)
        assert last.message.state is MessageState.COMPLETE
        server.kill_runners()
        await core.models.unload(ONE)
        assert await rows(server) == {} and server.runner_pids() == []


async def test_another_context_loads_it_again(ollama: OllamaFactory, tmp_path: Path) -> None:
    async with ollama() as server, core_of(tmp_path, server) as core:
        await core.models.load(ONE)
        await core.models.pin(ONE)
        before = server.runner_pids()
        await core.models.set_parameters(ONE, None, {"context_length": "1024"})
        plan = await core.models.plan("load", ONE)
        assert plan.must_load
        await core.models.carry_out(plan)
        assert held(core, ONE).context_length == 1024 and server.runner_pids() != before
        assert held(core, ONE).pinned and (await rows(server))[ONE]["expires_at"] > "2200"
        assert not (await core.models.plan("load", ONE)).must_load


async def test_a_full_queue_is_told_and_changes_nothing(ollama: OllamaFactory, tmp_path: Path) -> None:
    async with (
        ollama(OLLAMA_MAX_QUEUE="1", OLLAMA_MAX_LOADED_MODELS="1", OLLAMA_NUM_PARALLEL="1") as server,
        core_of(tmp_path, server) as core,
        httpx.AsyncClient(timeout=60, trust_env=False) as other,
    ):
        await core.models.activate(ONE)
        endless = {"type": "array", "items": {"type": "integer"}, "minItems": 300}
        body = {"model": ONE, "messages": [{"role": "user", "content": COUNTING}], "format": endless}
        async with other.stream("POST", f"{server.url}/api/chat", json=body) as answer:
            async for _ in answer.aiter_bytes():
                break
            waiting = [
                asyncio.create_task(other.post(f"{server.url}/api/generate", json={"model": TWO})) for _ in range(4)
            ]
            first, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            assert {task.result().status_code for task in first} == {503}, "the queue is full"
            with pytest.raises(RuntimeFailure, match=r"busy|maximum pending") as caught:
                async with asyncio.timeout(20):
                    await core.models.activate(TWO, yes=True, force=True)
            assert isinstance(caught.value, RuntimeBusy), caught.value.message
            assert await active(core) == ONE
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)


# ---------------------------------------------------------------------- two models


async def test_two_models_and_memory_for_one(
    ollama: OllamaFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is set so that the second one fits only when the first one has left."""
    async with ollama() as server, core_of(tmp_path, server) as core:
        await core.models.activate(ONE)
        await core.guard.snapshot()
        fit = (await core.models.plan("switch", TWO)).fit
        snapshot = await core.guard.snapshot()
        (first,) = snapshot.loaded
        assert fit is not None and fit.likely_bytes is not None and first.measured_bytes is not None
        free = snapshot.host.ram_available_bytes
        assert free is not None
        await core.save_setting("VENOM_KEEP_FREE_RAM", str(free - fit.likely_bytes + first.measured_bytes // 2))
        plan = await core.models.plan("switch", TWO)
        assert [(one.name, one.ours) for one in plan.evicts] == [(ONE, True)]
        with pytest.raises(NeedsYes, match=r"plain:135m must leave: second:270m needs [\d.]+ GiB, and [\d.]+ GiB"):
            await core.models.carry_out(plan)
        assert set(await rows(server)) == {ONE} and await active(core) == ONE
        await core.models.carry_out(plan, yes=True)
        assert set(await rows(server)) == {TWO} and await active(core) == TWO


async def test_what_others_loaded_asks_by_itself_and_a_failed_load_is_taken_back(
    ollama: OllamaFactory, tmp_path: Path, demonstration_model: Path
) -> None:
    async with ollama() as server, core_of(tmp_path, server) as core:
        await call(server, "/api/generate", model=ONE, keep_alive=-1)
        await core.runtimes.look()
        await core.models.choose(ONE)
        broken = await core.models.find("cut:latest")
        plan = await core.models.memory.plan("switch", broken)
        victim = core.models.memory._planner.eviction(held(core, ONE), "a test")
        assert (victim.ours, victim.pinned) == (False, True)
        forced = replace(plan, evicts=(victim,))
        with pytest.raises(NeedsYes, match="loaded by others, pinned"):
            await core.models.carry_out(forced, yes=True)
        assert set(await rows(server)) == {ONE}
        core.models.memory._planner.plan = _always(forced)  # type: ignore[method-assign]
        with pytest.raises(LoadFailed):
            await core.models.carry_out(forced, yes=True, others=True)
        again = (await rows(server))[ONE]
        assert again["expires_at"].startswith("23"), "loaded again, and pinned again"
        assert await active(core) == ONE


def _always(plan: Any) -> Any:
    async def made(*_: object) -> Any:
        return plan

    return made


async def test_what_ollama_pushed_out_for_a_load_that_failed_comes_back(
    ollama: OllamaFactory, tmp_path: Path, demonstration_model: Path
) -> None:
    async with ollama(OLLAMA_MAX_LOADED_MODELS="1") as server, core_of(tmp_path, server) as core:
        server.add(unloadable(demonstration_model))
        await core.models.activate(ONE)
        await core.models.pin(ONE)
        with pytest.raises(LoadFailed):
            await core.models.activate("unloadable:latest", yes=True)
        assert set(await rows(server)) == {ONE} and await active(core) == ONE
        assert (await rows(server))[ONE]["expires_at"].startswith("23"), "its pin is there again"
        await core.models.activate(TWO, yes=True)
        switch = next(one for one in await core.operations.list() if one.kind == "switch")
        words = f"ollama itself unloaded {ONE} (loaded by venom-tui, pinned) when it loaded {TWO}."
        assert words in " ".join(await core.operations.log(switch.id))
        assert set(await rows(server)) == {TWO} and await active(core) == TWO


# ---------------------------------------------------------------------- a router of llama.cpp


async def test_a_router_loads_and_unloads_and_says_what_it_cannot(llama_router: RouterFactory, tmp_path: Path) -> None:
    async with llama_router() as server:
        config = tmp_path / "config"
        config.mkdir()
        (config / "config.toml").write_text(f'[runtimes.box]\nurl = "{server.url}"\nkind = "llamacpp"\n')
        async with open_core(tmp_path) as core:
            await core.runtimes.settled(10)
            name = next(
                model.name for model in core.runtimes.models() if model.runtime == "box" and model.name == "smollm2"
            )
            await core.models.load(name, "box")
            (loaded,) = core.runtimes.loaded()
            for verb in (
                core.models.pin(name, "box"),
                core.models.unpin(name, "box"),
                core.models.extend(name, "5m", "box"),
            ):
                with pytest.raises(RuntimeRefused, match="keeps models by its own rule"):
                    await verb
            freed = await core.models.unload(name, "box")
            assert core.runtimes.loaded() == () and loaded.name == name
            assert freed.still_held == ()
