"""The limits while everything runs: told once, acted on until they hold, told again when they do."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.core.downloads.recorded import until
from tests.core.models.memory.conftest import Link
from tests.core.support import next_of, open_core
from venom_tui.core.core import Core
from venom_tui.core.errors import DiskFull
from venom_tui.core.events import LimitChanged, OperationChanged, Subscription
from venom_tui.core.runtimes.embedded import EmbeddedRuntime
from venom_tui.core.types.device import Gpu, GuardSnapshot, ModelOnGpu
from venom_tui.core.types.limits import LimitKind, Policy
from venom_tui.core.types.operation import Operation, OperationState


async def watched(core: Core, times: int = 2, **changes: object) -> GuardSnapshot:
    """Show the watch the machine so often."""
    snapshot = replace(await core.guard.snapshot(), **changes)  # type: ignore[arg-type]  # fields of a dataclass
    for _ in range(times):
        core.limits.take(snapshot)
    return snapshot


async def relieved(events: Subscription) -> Operation:
    """Wait until something was done about a limit, and return the record of it."""
    while (done := (await next_of(events, OperationChanged)).operation).kind != "relieve" or not done.state.final:
        pass
    return done


async def test_ours_leave_one_after_the_other_until_nothing_can(link: Link) -> None:
    async with open_core(link("a", "b", "c"), VENOM_EMBEDDED_MODELS=3, VENOM_POLICY_RAM="evict") as core:
        for name in ("a", "b"):
            await core.models.load(name)
        await core.models.load("c")
        await core.models.pin("a")
        await core.save_setting("VENOM_KEEP_FREE_RAM", "9TiB")
        with core.events.subscribe() as events:
            await watched(core, times=1)
            assert core.limits.breaches == (), "one look is no breach"
            await watched(core)
            breach = (await next_of(events, LimitChanged)).breach
            assert (breach.state.kind, breach.state.broken, breach.acts) == (LimitKind.RAM, True, True)
            assert breach.victims[0] == ("embedded", "b"), "a is pinned, c was used later"
            assert "are to be kept" in breach.state.text
            await watched(core, times=5)
            await relieved(events)
            assert {model.name for model in core.runtimes.loaded()} == {"a", "c"}, "one at a time"
            await until(lambda: core.limits._acting is None or core.limits._acting.done())
            await watched(core)
            assert core.limits._acting is None or core.limits._acting.done(), "its memory has the time to come back"
            await watched(core, times=1)
            breach = (await next_of(events, LimitChanged)).breach
            assert (breach.acts, breach.victims) == (True, (("embedded", "c"),)), "who leaves next is told"
            await relieved(events)
            assert {model.name for model in core.runtimes.loaded()} == {"a"}
            await until(lambda: core.limits._acting is None or core.limits._acting.done())
            await watched(core, times=9)
            await core.save_setting("VENOM_KEEP_FREE_RAM", "0")
            await watched(core)
            after = (await next_of(events, LimitChanged)).breach
            assert not after.state.broken, "nothing was told or done twice"
        assert core.limits.breaches == ()
        unloads = [one for one in await core.operations.list() if one.kind == "unload"]
        assert [(one.target, one.cause.partition(":")[0]) for one in unloads] == [("c", "limit"), ("b", "limit")]


async def test_looks_from_before_the_end_of_what_was_done_do_not_count(link: Link) -> None:
    async with open_core(link("a", "b"), VENOM_POLICY_RAM="evict") as core:
        for name in ("a", "b"):
            await core.models.load(name)
        await core.save_setting("VENOM_KEEP_FREE_RAM", "9TiB")
        with core.events.subscribe() as events:
            before = await watched(core)
            await relieved(events)
        await until(lambda: core.limits._acting is None or core.limits._acting.done())
        for _ in range(20):
            core.limits.take(before)
        assert [one.name for one in core.runtimes.loaded()] == ["b"]
        assert not [one for one in await core.operations.list() if not one.state.final]


async def test_the_one_that_was_busy_is_asked_again_later(link: Link) -> None:
    limits = {"VENOM_POLICY_RAM": "evict", "VENOM_UNLOAD_TIMEOUT_S": 0.05}
    async with open_core(link("a"), **limits) as core:
        await core.models.load("a")
        await core.save_setting("VENOM_KEEP_FREE_RAM", "9TiB")
        embedded = core.runtimes.runtime("embedded")
        assert isinstance(embedded, EmbeddedRuntime)
        there = embedded.held("a")
        assert there is not None
        with core.events.subscribe() as events:
            with there.busy():
                await watched(core)
                assert (await relieved(events)).state is OperationState.FAILED
                await until(lambda: core.limits._acting is None or core.limits._acting.done())
            await watched(core, times=5)
            assert core.limits._acting is not None and core.limits._acting.done(), "not at once"
            await watched(core, times=1)
            assert (await relieved(events)).state is OperationState.SUCCEEDED
        assert core.runtimes.loaded() == ()


async def test_what_is_loaded_while_a_limit_is_broken_leaves_too(link: Link) -> None:
    async with open_core(link("a"), VENOM_POLICY_RAM="evict", VENOM_KEEP_FREE_RAM="9TiB") as core:
        await watched(core, times=9)
        assert not core.limits.breaches[0].acts, "there is nothing"
        await core.models.load("a", force=True)
        with core.events.subscribe() as events:
            await watched(core, times=3)
            assert (await next_of(events, LimitChanged)).breach.acts
            await relieved(events)
        assert core.runtimes.loaded() == ()


async def test_what_was_pinned_since_the_look_stays(link: Link) -> None:
    async with open_core(link("a"), VENOM_POLICY_RAM="evict", VENOM_KEEP_FREE_RAM="9TiB") as core:
        await core.models.load("a", force=True)
        seen = await core.guard.snapshot()
        await core.models.pin("a")
        with core.events.subscribe() as events:
            for _ in range(2):
                core.limits.take(seen)
            breach = (await next_of(events, LimitChanged)).breach
        assert (breach.acts, breach.victims) == (False, (("embedded", "a"),))
        await core.models.unpin("a")


async def test_what_is_pinned_before_its_turn_to_leave_stays(link: Link) -> None:
    async with open_core(link("a", "b"), VENOM_POLICY_RAM="evict", VENOM_KEEP_FREE_RAM="9TiB") as core:
        for name in ("a", "b"):
            await core.models.load(name, force=True)
        gate = asyncio.Event()

        async def busy(_progress: object) -> None:
            await gate.wait()

        with core.events.subscribe() as events:
            before = asyncio.create_task(core.operations.run("switch", "x", busy, queue="memory", machine="memory"))
            await next_of(events, OperationChanged)
            await watched(core)
            assert core.limits.breaches[0].victims[0] == ("embedded", "a")
            await core.models.pin("a")
            gate.set()
            await before
            done = await relieved(events)
        assert [one.name for one in core.runtimes.loaded()] == ["a"], "the next one left in its place"
        assert any("a is to stay by now" in line for line in await core.operations.log(done.id))


async def test_each_limit_of_several_that_break_at_once_is_acted_on(
    link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = {"VENOM_POLICY_TEMPERATURE": "evict", "VENOM_MAX_TEMPERATURE": 80}
    async with open_core(link("a", "b"), **limits) as core:
        for name in ("a", "b"):
            await core.models.load(name)
        real = core.guard.snapshot
        hot = tuple(Gpu(index, temperature_c=85) for index in (0, 1))
        where = {"a": (ModelOnGpu(0, None, 1),), "b": (ModelOnGpu(1, None, 1),)}

        async def snapshot() -> GuardSnapshot:
            seen = await real()
            return replace(seen, gpus=hot, loaded=tuple(replace(one, gpus=where[one.name]) for one in seen.loaded))

        monkeypatch.setattr(core.models.memory._planner, "snapshot", snapshot)
        seen = await snapshot()
        with core.events.subscribe() as events:
            for _ in range(2):
                core.limits.take(seen)
            assert [one.acts for one in core.limits.breaches] == [True, True]
            ended = 0
            while ended < 2:
                done = (await next_of(events, OperationChanged)).operation
                ended += done.kind == "relieve" and done.state.final
        assert core.runtimes.loaded() == ()


@pytest.mark.parametrize("policy", ["warn", "ask", "refuse"])
async def test_the_other_policies_only_tell(link: Link, policy: str) -> None:
    async with open_core(link(), VENOM_MAX_TEMPERATURE=80, VENOM_POLICY_TEMPERATURE=policy) as core:
        with core.events.subscribe() as events:
            await watched(core, gpus=(Gpu(0, temperature_c=85, memory_total_bytes=1), Gpu(1, temperature_c=60)))
            breach = (await next_of(events, LimitChanged)).breach
        assert (breach.state.subject, breach.state.policy, breach.acts) == ("GPU 0", Policy(policy), False)
        assert breach.state.text == "GPU 0: 85 °C, 80 °C is the limit"
        assert [one.state.subject for one in core.limits.breaches] == ["GPU 0"]


async def test_what_is_not_known_is_no_breach(link: Link) -> None:
    async with open_core(link(), VENOM_MAX_TEMPERATURE=80) as core:
        await watched(core, times=5, gpus=(Gpu(0, temperature_c=None),))
        assert core.limits.breaches == ()


async def test_a_program_that_goes_on_follows_by_itself(link: Link) -> None:
    async with open_core(link(), VENOM_KEEP_FREE_DISK="900TiB", VENOM_POLICY_DISK="evict") as core:
        core.limits.start()
        core.guard.watch(True)
        with core.events.subscribe() as events:
            async with asyncio.timeout(30):
                breach = (await next_of(events, LimitChanged)).breach
        assert (breach.state.kind, breach.victims, breach.acts) == (LimitKind.DISK, (), False)
        assert any("are to be kept" in text for text in (await core.guard.snapshot()).limits)


async def test_limits_that_another_venom_tui_sets_hold_here_too(link: Link) -> None:
    folder = link()
    async with open_core(folder) as core, open_core(folder) as other:
        await other.save_setting("VENOM_KEEP_FREE_RAM", "3GiB")
        await other.save_setting("VENOM_POLICY_RAM", "refuse")
        await other.save_setting("VENOM_THEME", "venom-light")
        await until(lambda: core.settings.text("VENOM_POLICY_RAM") == "refuse")
        assert core.settings.int("VENOM_KEEP_FREE_RAM") == 3 * 1024**3
        assert core.settings.text("VENOM_THEME") == "auto", "how it looks is each program's own"
        await other.save_setting("VENOM_KEEP_FREE_RAM", None)
        await until(lambda: not core.settings.int("VENOM_KEEP_FREE_RAM"))


async def test_a_setting_that_cannot_be_written_is_not_in_force(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_core(link()) as core:
        await core.save_setting("VENOM_KEEP_FREE_RAM", "1GiB")

        async def full(*_: object) -> None:
            raise DiskFull("The disk is full.")

        monkeypatch.setattr("venom_tui.core.store.settings.SettingsStore.save_all", full)
        with pytest.raises(DiskFull):
            await core.save_setting("VENOM_KEEP_FREE_RAM", "2GiB")
        assert core.settings.int("VENOM_KEEP_FREE_RAM") == 1024**3
