"""Switches of real llama.cpp processes: planned, asked for, done, taken back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.core.models.memory.conftest import Link
from tests.core.support import ask, next_of, open_core
from venom_tui.core.core import Core
from venom_tui.core.errors import (
    GuardRefused,
    Interrupted,
    LoadFailed,
    NeedsYes,
    PlanChanged,
    RuntimeRefused,
    UsageError,
)
from venom_tui.core.events import OperationChanged
from venom_tui.core.runtimes.embedded import EmbeddedRuntime
from venom_tui.core.types.memory import MemoryPlan
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.operation import OperationState
from venom_tui.core.types.session import MessageState


def held(core: Core) -> set[str]:
    return {model.name for model in core.runtimes.loaded()}


async def active(core: Core) -> str:
    found = await core.models.active()
    assert found is not None
    return found.name


async def history(core: Core) -> list[tuple[str, str, str]]:
    return [(one.kind, one.target, one.state.value) for one in reversed(await core.operations.list())]


async def test_a_limit_of_one_asks_evicts_and_loads(link: Link) -> None:
    async with open_core(link("a", "b"), VENOM_EMBEDDED_MODELS=1) as core:
        await core.models.activate("a")
        plan = await core.models.plan("switch", "b")
        (eviction,) = plan.evicts
        assert (eviction.name, eviction.ours, eviction.pinned, plan.apart) == ("a", True, False, ())
        assert eviction.held_bytes is not None and eviction.held_bytes > 50_000_000
        assert plan.fit is not None and plan.fit.likely_bytes is not None
        with pytest.raises(
            NeedsYes, match=r"a must leave: .* VENOM_EMBEDDED_MODELS allows 1\. b needs [\d.]+ GiB"
        ) as no:
            await core.models.carry_out(plan)
        assert "Held now: a " in no.value.message
        assert no.value.as_dict()["evicts"] == ["a"]
        assert (held(core), await active(core)) == ({"a"}, "a")
        assert [kind for kind, _, _ in await history(core)] == ["switch", "load"], "what was not done is not recorded"
        said: list[str] = []
        await core.models.carry_out(plan, yes=True, status=said.append)
        assert (held(core), await active(core)) == ({"b"}, "b")
        assert said[:2] == ["a leaves for b", "unloading a"]
        assert "a has left; its memory is waited for" in said
        newest = await core.operations.list()
        unload = next(one for one in newest if one.kind == "unload")
        load = next(one for one in newest if one.kind == "load" and one.target == "b")
        assert unload.finished_at is not None and load.started_at is not None
        assert unload.finished_at <= load.started_at, "the memory is back before it is taken again"
        assert "came back of" in unload.message
        assert core.settings.text("VENOM_PREVIOUS_MODEL") == "a"


async def test_a_load_that_fails_leaves_the_first_loaded_and_active(link: Link, demonstration_model: Path) -> None:
    folder = link("a")
    with demonstration_model.open("rb") as file:
        (folder / "data" / "models" / "cut.gguf").write_bytes(file.read(30_000_000))
    async with open_core(folder, VENOM_EMBEDDED_MODELS=1) as core:
        await core.models.activate("a")
        await core.models.pin("a")
        with pytest.raises(NeedsYes, match=r"a \(loaded by venom-tui, pinned\) would have to leave") as no:
            await core.models.activate("cut", yes=True)
        assert "needs a yes of its own" in no.value.hint
        with pytest.raises(LoadFailed, match="cut could not be loaded"):
            await core.models.activate("cut", yes=True, force=True)
        assert (held(core), await active(core)) == ({"a"}, "a")
        assert core.runtimes.loaded()[0].pinned, "as it was before"
        assert [one for one in await history(core) if one[0] != "pin"] == [
            *(("switch", "cut → a", "succeeded"), ("load", "a", "succeeded")),
            *(("switch", "a → cut", "failed"), ("unload", "a", "succeeded"), ("load", "cut", "failed")),
            ("load", "a", "succeeded"),
        ]
        switch = next(one for one in await core.operations.list() if one.target == "a → cut")
        assert "a is loaded again" in " ".join(await core.operations.log(switch.id))
        session = await core.sessions.create()
        assert (await ask(core, session.id, "Hello", max_tokens=2)).message.model == "a"


async def test_a_switch_that_is_given_up_is_taken_back(link: Link) -> None:
    async with open_core(link("a", "b"), VENOM_EMBEDDED_MODELS=1) as core:
        await core.models.activate("a")
        with core.events.subscribe() as events:
            switching = asyncio.create_task(core.models.activate("b", yes=True))
            while (await next_of(events, OperationChanged)).operation.message != "loading b":
                pass
        switching.cancel()
        await asyncio.gather(switching, return_exceptions=True)
        assert (held(core), await active(core)) == ({"a"}, "a")
        states = {(one.kind, one.target): one.state for one in await core.operations.list()}
        assert states["switch", "a → b"] is OperationState.CANCELLED


async def test_a_switch_whose_load_is_cancelled_is_taken_back(link: Link) -> None:
    async with open_core(link("a", "b"), VENOM_EMBEDDED_MODELS=1) as core:
        await core.models.activate("a")
        with core.events.subscribe() as events:
            switching = asyncio.create_task(core.models.activate("b", yes=True))
            while (load := (await next_of(events, OperationChanged)).operation).message != "loading b" or (
                load.kind != "load"
            ):
                pass
        await core.operations.cancel(load.id)
        with pytest.raises(Interrupted, match="load of b was cancelled"):
            await switching
        assert (held(core), await active(core)) == ({"a"}, "a")
        assert (await history(core))[-1] == ("load", "a", "succeeded")


async def test_back_while_both_are_loaded_asks_nothing(link: Link) -> None:
    async with open_core(link("a", "b")) as core:
        await core.models.activate("a")
        await core.models.activate("b")
        plan = await core.models.plan("switch", "a")
        assert (plan.must_load, plan.quiet, plan.evicts) == (False, True, ())
        await core.models.carry_out(plan)
        assert (held(core), await active(core)) == ({"a", "b"}, "a")


async def test_what_changed_meanwhile_is_told_and_asked_again(link: Link) -> None:
    async with open_core(link("a", "b", "c"), VENOM_EMBEDDED_MODELS=2) as core:
        await core.models.activate("a")
        plan = await core.models.plan("switch", "b")
        assert plan.quiet
        await core.models.load("c")
        with pytest.raises(
            PlanChanged, match=r"b was not switched to: \w would have to leave now\. Meanwhile: load c"
        ) as no:
            await core.models.carry_out(plan)
        new = no.value.plan
        assert await active(core) == "a"
        await core.models.carry_out(new, yes=True)  # type: ignore[arg-type]  # the plan of the error
        assert (len(held(core)), await active(core)) == (2, "b")


async def test_a_pin_counts_from_the_moment_that_it_is_set(link: Link) -> None:
    """A look at the machine is used for a few seconds; who pinned what since then is not in it."""
    async with open_core(link("a", "b"), VENOM_EMBEDDED_MODELS=1) as core:
        await core.models.load("a")
        await core.guard.snapshot()
        await core.models.pin("a")
        (eviction,) = (await core.models.plan("load", "b")).apart
        assert (eviction.name, eviction.pinned) == ("a", True)
        with pytest.raises(NeedsYes, match="would have to leave"):
            await core.models.load("b", yes=True)
        assert held(core) == {"a"}
        await core.guard.snapshot()
        await core.models.unpin("a")
        await core.models.load("b", yes=True)
        assert held(core) == {"b"}


async def test_what_is_pinned_while_a_switch_waits_for_its_turn_stays(link: Link) -> None:
    async with open_core(link("a", "b"), VENOM_EMBEDDED_MODELS=1) as core:
        await core.models.activate("a")
        gate = asyncio.Event()

        async def busy(_progress: object) -> None:
            await gate.wait()

        with core.events.subscribe() as events:

            async def queued(kind: str, state: OperationState) -> None:
                while (one := (await next_of(events, OperationChanged)).operation).kind != kind or one.state != state:
                    pass

            before = asyncio.create_task(core.operations.run("busy", "x", busy, runtime="embedded"))
            await queued("busy", OperationState.RUNNING)
            pin = asyncio.create_task(core.models.pin("a"))
            await queued("pin", OperationState.QUEUED)
            switching = asyncio.create_task(core.models.activate("b", yes=True))
            await queued("unload", OperationState.QUEUED)
            gate.set()
            await asyncio.gather(before, pin)
            with pytest.raises(PlanChanged, match="b was not switched to: a is pinned by now") as no:
                await switching
        assert (held(core), await active(core), core.runtimes.loaded()[0].pinned) == ({"a"}, "a", True)
        assert [one.name for one in no.value.plan.apart] == ["a"]  # type: ignore[attr-defined]  # the plan of the error


async def test_pinned_models_stay_for_prompts_and_verbs_say_what_they_cannot(link: Link) -> None:
    async with open_core(link("a", "b", "c"), VENOM_EMBEDDED_MODELS=1) as core:
        with pytest.raises(RuntimeRefused, match="a is not loaded"):
            await core.models.pin("a")
        await core.models.load("a")
        assert (await core.models.pin("a")).pinned
        session = await core.sessions.create()
        for name in ("b", "c"):
            last = await ask(core, session.id, "Hello", model=name, max_tokens=2)
            assert last.message.state is MessageState.COMPLETE
            assert held(core) == {"a", name}, "the pinned one stays, the other one leaves"
        with pytest.raises(RuntimeRefused, match="there is no time to extend"):
            await core.models.extend("a", "10m")
        assert not (await core.models.unpin("a")).pinned
        freed = await core.models.unload("a")
        assert freed.freed_bytes == freed.expected_bytes and not freed.still_held
        assert (await core.models.unload("a")).reason == "it was not loaded"
        kinds = [one.kind for one in reversed(await core.operations.list()) if one.target == "a"]
        assert kinds == ["load", "pin", "unpin", "unload"]


async def test_what_is_never_to_be_evicted_stays_for_prompts(link: Link) -> None:
    limits = {"VENOM_EMBEDDED_MODELS": 1, "VENOM_NEVER_EVICT": "A, embedded/c"}
    async with open_core(link("a", "b", "c"), **limits) as core:
        session = await core.sessions.create()
        for name, left in (("a", {"a"}), ("b", {"a", "b"}), ("c", {"a", "c"})):
            last = await ask(core, session.id, "Hello", model=name, max_tokens=2)
            assert (last.message.state, held(core)) == (MessageState.COMPLETE, left)


async def test_a_prompt_does_not_need_that_somebody_leaves(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"VENOM_KEEP_FREE_RAM": "1MiB", "VENOM_UNLOAD_TIMEOUT_S": 0.2}
    async with open_core(link("a", "b"), VENOM_EMBEDDED_MODELS=2, **limits) as core:
        await core.models.load("a")
        memory, embedded = core.models.memory, core.runtimes.runtime("embedded")
        assert isinstance(embedded, EmbeddedRuntime)
        evicts = (memory._planner.eviction(core.runtimes.loaded()[0], "b needs its memory"),)

        async def plan(kind: str, model: ModelInfo, _parameters: object) -> MemoryPlan:
            return MemoryPlan(kind, model.name, model.runtime, True, evicts=evicts)

        monkeypatch.setattr(memory, "plan", plan)
        there = embedded.held("a")
        assert there is not None
        with there.busy():  # since it was planned
            session = await core.sessions.create()
            last = await ask(core, session.id, "Hello", model="b", max_tokens=2)
        assert (last.message.state, held(core)) == (MessageState.COMPLETE, {"a", "b"})


@pytest.mark.parametrize("policy", ["ask", "refuse", "warn", "evict"])
async def test_the_policy_on_the_number_of_models(link: Link, policy: str) -> None:
    async with open_core(link("a", "b"), VENOM_EMBEDDED_MODELS=1, VENOM_POLICY_MODELS=policy) as core:
        await core.models.load("a")
        plan = await core.models.plan("load", "b")
        shown = (bool(plan.questions), bool(plan.refusal), bool(plan.warnings), [one.name for one in plan.evicts])
        assert (
            shown
            == {
                "ask": (True, False, False, ["a"]),
                "refuse": (False, True, False, []),
                "warn": (False, False, True, []),
                "evict": (False, False, False, ["a"]),
            }[policy]
        )
        if policy == "refuse":
            with pytest.raises(GuardRefused, match="holds a, and VENOM_EMBEDDED_MODELS allows 1"):
                await core.models.carry_out(plan, yes=True)


async def test_the_memory_that_is_kept_free(link: Link) -> None:
    expected = {"ask": ("questions",), "refuse": ("refusal",), "warn": (), "evict": ("questions",)}
    for policy, parts in expected.items():
        async with open_core(
            link() if policy != "ask" else link("a"), VENOM_KEEP_FREE_RAM="9TiB", VENOM_POLICY_RAM=policy
        ) as core:
            plan = await core.models.plan("switch", "a")
            found = tuple(name for name in ("questions", "refusal") if getattr(plan, name))
            assert found == parts, policy
            words = " ".join((*plan.questions, plan.refusal))
            assert not parts or "beside the 9216.0 GiB that are to be kept" in words
            if policy == "refuse":
                session = await core.sessions.create()
                last = await ask(core, session.id, "Hello", max_tokens=2)
                assert (last.error_code, last.message.state) == ("guard_refused", MessageState.FAILED)
                await core.models.activate("a", force=True)
                assert held(core) == {"a"}


async def test_the_largest_share(link: Link) -> None:
    async with open_core(link("a"), VENOM_MAX_MODEL_SHARE=1, VENOM_CONTEXT=8192, VENOM_POLICY_SHARE="refuse") as core:
        total = (await core.guard.snapshot()).host.ram_total_bytes or 0
        plan = await core.models.plan("load", "a")
        assert plan.fit is not None and plan.fit.likely_bytes is not None
        over = plan.fit.likely_bytes > total / 100
        assert bool(plan.refusal) is over
        assert not over or "of the RAM, 1 % is the limit" in plan.refusal


async def test_a_duration_is_one(link: Link) -> None:
    async with open_core(link("a")) as core:
        for text in ("", "0", "0m", "-1", "soon", "10 minutes", "1e9"):
            with pytest.raises(UsageError, match="is no time to keep a model"):
                await core.models.extend("a", text)
