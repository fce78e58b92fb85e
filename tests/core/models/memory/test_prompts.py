"""Prompts that need a load: what a limit says holds for them too, and nobody is asked in the middle of a turn."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.core.downloads.recorded import until
from tests.core.models.memory.conftest import Link
from tests.core.support import ask, ended, open_core
from tests.ollama import FakeOllama
from tests.servers import Server
from venom_tui.core.core import Core
from venom_tui.core.models.memory.planning import KEPT_FREE
from venom_tui.core.resources.limits import Limits
from venom_tui.core.runtimes.embedded import EmbeddedRuntime
from venom_tui.core.types.memory import Consent, MemoryPlan
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.request import GenerationParameters
from venom_tui.core.types.session import MessageState
from venom_tui.core.types.turn import TurnNotice, TurnStatus

ONE, TWO = "one:latest", "two:latest"
SHORT = GenerationParameters(max_tokens=2)
RAM = {"VENOM_KEEP_FREE_RAM": "9TiB"}


def held(core: Core) -> set[str]:
    return {model.name for model in core.runtimes.loaded()}


@pytest.mark.parametrize("policy", ["ask", "evict"])
async def test_nothing_is_loaded_over_a_limit_without_a_yes(link: Link, policy: str) -> None:
    async with open_core(link("a"), **RAM, VENOM_POLICY_RAM=policy) as core:
        session = await core.sessions.create()
        last = await ask(core, session.id, "Hello", max_tokens=2)
        assert (last.error_code, last.message.state, held(core)) == ("declined", MessageState.FAILED, set())
        assert last.error.startswith("a is not loaded without a yes: a needs ")
        assert last.error.endswith(" beside the 9216.0 GiB that are to be kept.")
        assert "picker" in last.hint and "`venom-tui chat --yes`" in last.hint and "models activate" not in last.hint
        assert [one.kind for one in await core.operations.list()] == [], "nothing was begun"
        await core.models.activate("a", yes=True)
        again = await ended(core, await core.chat.regenerate(session.id, parameters=SHORT))
        assert again.message.state is MessageState.COMPLETE
        assert (await ask(core, session.id, "And you?", max_tokens=2)).message.state is MessageState.COMPLETE
        longer = await ended(core, await core.chat.send(session.id, "And now?", context_length=512, parameters=SHORT))
        assert (longer.message.state, longer.context_length) == (MessageState.COMPLETE, 512), "it is loaded"
        roles = [message.role.value for message in await core.sessions.messages(session.id)]
        assert roles == ["user", "assistant"] * 3, "the prompt was there still"


async def test_a_prompt_joins_a_load_that_was_agreed_to(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_core(link("a", "b"), **RAM) as core:
        await core.models.activate("b", yes=True)
        load, begun, may_load = EmbeddedRuntime.load, asyncio.Event(), asyncio.Event()

        async def slow(runtime: EmbeddedRuntime, *given: Any, **named: Any) -> None:
            begun.set()
            await may_load.wait()
            await load(runtime, *given, **named)

        monkeypatch.setattr(EmbeddedRuntime, "load", slow)
        switch = asyncio.create_task(core.models.activate("a", yes=True))
        await begun.wait()
        session = await core.sessions.create()
        request = await core.chat.send(session.id, "Hello", model="a", runtime="embedded", parameters=SHORT)
        await until(lambda: any((one.kind, one.target) == ("load", "a") for one in core.operations.running()))
        may_load.set()
        last = await ended(core, request)
        assert (last.error, last.message.state) == ("", MessageState.COMPLETE)
        await switch


async def test_a_yes_may_come_with_the_prompt(link: Link) -> None:
    async with open_core(link("a"), **RAM) as core:
        session = await core.sessions.create()
        for consent, code in ((Consent(), "declined"), (Consent(yes=True), "")):
            last = await ended(core, await core.chat.send(session.id, "Hello", consent=consent, parameters=SHORT))
            assert last.error_code == code
        assert held(core) == {"a"}
        await core.models.unload("a")
        await core.save_setting("VENOM_POLICY_RAM", "refuse")
        for consent, code in ((Consent(yes=True), "guard_refused"), (Consent(force=True), "")):
            last = await ended(core, await core.chat.send(session.id, "Hello", consent=consent, parameters=SHORT))
            assert last.error_code == code


async def test_the_context_that_a_prompt_needs_is_judged(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_core(link("a"), **RAM, VENOM_CONTEXT=256) as core:
        memory, plan, made = core.models.memory, core.models.memory.plan, []

        async def recorded(kind: str, model: ModelInfo, parameters: GenerationParameters | None = None) -> MemoryPlan:
            made.append(await plan(kind, model, parameters))
            return made[-1]

        monkeypatch.setattr(memory, "plan", recorded)
        session = await core.sessions.create()
        await ended(core, await core.chat.send(session.id, "Hello", context_length=512, parameters=SHORT))
        await core.save_setting("VENOM_POLICY_RAM", "refuse")
        await core.models.memory.carry_out(await plan("load", await core.models.find("a")), force=True)
        last = await ended(core, await core.chat.send(session.id, "Hello", parameters=SHORT))
        assert last.error_code == "guard_refused"
        assert [one.fit.context_length for one in made if one.kind == "prompt" and one.fit is not None] == [512, 512]
        assert core.runtimes.loaded()[0].context_length == 256, "what is loaded stays as it is"


async def test_a_limit_that_only_warns_is_told(link: Link) -> None:
    async with open_core(link("a"), **RAM, VENOM_POLICY_RAM="warn") as core:
        plan = await core.models.plan("load", "a")
        assert plan.quiet and any("beside the 9216.0 GiB that are to be kept" in words for words in plan.warnings)
        told = await core.models.carry_out(plan)
        await core.models.unload("a")
        session = await core.sessions.create()
        request_id = await core.chat.send(session.id, "Hello", parameters=SHORT)
        events = [event async for event in core.chat.follow(request_id)]
        words = [event.text for event in events if isinstance(event, TurnStatus) and "over a limit" in event.text]
        assert words and words == [event.text for event in events if isinstance(event, TurnNotice)]
        assert all(text.startswith("a is loaded over a limit: RAM: ") for text in (*words, *told)) and told
        load = (await core.operations.list())[0]
        assert words[0] in " ".join(await core.operations.log(load.id))
        assert held(core) == {"a"}


@pytest.mark.parametrize("policy", ["ask", "evict", "warn"])
async def test_the_largest_share_and_the_number_of_models(
    link: Link, monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    limits = {"VENOM_EMBEDDED_MODELS": 1, "VENOM_POLICY_MODELS": policy, "VENOM_POLICY_SHARE": policy}
    async with open_core(link("a", "b"), **limits) as core:
        session = await core.sessions.create()
        for name in ("a", "b"):
            last = await ask(core, session.id, "Hello", model=name, max_tokens=2)
            assert last.message.state is MessageState.COMPLETE, "among idle ones of ours there is always room"
        assert held(core) == ({"a", "b"} if policy == "warn" else {"b"})
        for name in held(core):
            await core.models.unload(name)
        monkeypatch.setattr(Limits, "share_percent", 0.001)
        last = await ask(core, session.id, "Hello", model="a", max_tokens=2)
        assert (last.error_code, held(core)) == (("", {"a"}) if policy == "warn" else ("declined", set()))
        assert policy == "warn" or "of the RAM, 0.001 % is the limit" in last.error


async def test_too_many_embedded_models_are_told_where_that_only_warns(link: Link) -> None:
    async with open_core(link("a", "b"), VENOM_EMBEDDED_MODELS=1, VENOM_POLICY_MODELS="warn") as core:
        await core.models.load("a")
        session = await core.sessions.create()
        request_id = await core.chat.send(session.id, "Hello", model="b", parameters=SHORT)
        notices = [event.text async for event in core.chat.follow(request_id) if isinstance(event, TurnNotice)]
        assert notices == ["b is loaded over a limit: embedded models: 2 with this one, 1 allowed."]


@pytest.mark.parametrize("busy", ["when it was planned", "since then"])
async def test_who_cannot_leave_for_what_is_kept_free_needs_a_yes(
    link: Link, monkeypatch: pytest.MonkeyPatch, busy: str
) -> None:
    limits = {"VENOM_KEEP_FREE_RAM": "1MiB", "VENOM_POLICY_RAM": "evict", "VENOM_UNLOAD_TIMEOUT_S": 0.2}
    async with open_core(link("a", "b"), **limits) as core:
        await core.models.load("a")
        memory, embedded = core.models.memory, core.runtimes.runtime("embedded")
        assert isinstance(embedded, EmbeddedRuntime)
        eviction = memory._planner.eviction(core.runtimes.loaded()[0], KEPT_FREE)
        evicts = (replace(eviction, answering=1 if busy == "when it was planned" else 0),)

        async def plan(kind: str, model: ModelInfo, _parameters: object) -> MemoryPlan:
            return MemoryPlan(kind, model.name, model.runtime, True, evicts=evicts)

        monkeypatch.setattr(memory, "plan", plan)
        there = embedded.held("a")
        assert there is not None
        session = await core.sessions.create()
        with there.busy():
            last = await ask(core, session.id, "Hello", model="b", max_tokens=2)
            assert (last.error_code, held(core)) == ("declined", {"a"})
            assert f"would have to leave for {KEPT_FREE}" in last.error
            last = await ended(
                core, await core.chat.send(session.id, "Hello", model="b", consent=Consent(yes=True), parameters=SHORT)
            )
        assert (last.message.state, held(core)) == (MessageState.COMPLETE, {"a", "b"})


# ---------------------------------------------------------------------- what a runtime does by itself


async def test_who_is_pushed_out_by_ollama_is_told(tmp_path: Path, fake: FakeOllama, ollama: Server) -> None:
    fake.most = 1
    async with open_core(tmp_path, OLLAMA_HOST=ollama.url) as core:
        await core.runtimes.settled()
        await core.models.load(ONE)
        await core.models.pin(ONE)
        words = f"ollama itself unloaded {ONE} (loaded by venom-tui, pinned) when it loaded {TWO}."
        assert await core.models.carry_out(await core.models.plan("switch", TWO)) == (words,)
        switch = next(one for one in await core.operations.list() if one.kind == "switch")
        assert switch.message == words and words in " ".join(await core.operations.log(switch.id))
        session = await core.sessions.create()
        request_id = await core.chat.send(session.id, "Hello", model=ONE, parameters=SHORT)
        notices = [event.text async for event in core.chat.follow(request_id) if isinstance(event, TurnNotice)]
        assert notices == [f"ollama itself unloaded {TWO} (loaded by venom-tui) when it loaded {ONE}."]
