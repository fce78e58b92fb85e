"""Whose a model in Ollama is, how long it is kept, who leaves first; two clients at once; who held what."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.core.support import ask, next_of, open_core
from tests.ollama import AUTOMATIC, FakeOllama, replays, says
from tests.servers import Exchange, Server
from venom_tui.core.core import Core
from venom_tui.core.errors import NeedsYes, OutOfMemory, PlanChanged, RuntimeBusy, RuntimeRefused, RuntimeUnavailable
from venom_tui.core.events import OperationChanged, Subscription
from venom_tui.core.models import files
from venom_tui.core.owner import Owner, start_time
from venom_tui.core.store.held import HeldStore, Mark
from venom_tui.core.types.operation import OperationState
from venom_tui.core.types.request import GenerationParameters

ONE, TWO, THREE = "one:latest", "two:latest", "three:latest"


@pytest.fixture(autouse=True)
def _no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "demonstration_file", lambda: None)


def asked(server: Server) -> list[dict[str, object]]:
    """What was asked of `/api/generate`, without the name."""
    return [
        {key: value for key, value in one.json.items() if key not in ("model", "stream")}
        for one in server.asked
        if one.target == "POST /api/generate"
    ]


async def marks(core: Core) -> dict[str, tuple[bool, bool]]:
    """Model -> whether venom-tui loaded it, and whether it pinned it."""
    return {name: (one.loaded, one.pinned) for (_, name), one in (await HeldStore(core.database).all()).items()}


@asynccontextmanager
async def held_up(core: Core, queue: str = "ollama") -> AsyncIterator[Subscription]:
    """Let what is begun in Ollama wait as long as the block lasts; yield the events."""
    gate = asyncio.Event()

    async def busy(_progress: object) -> None:
        await gate.wait()

    with core.events.subscribe() as events:
        before = asyncio.create_task(core.operations.run("busy", "x", busy, queue=queue))
        while (await next_of(events, OperationChanged)).operation.state is not OperationState.RUNNING:
            pass
        yield events
        gate.set()
        await before


async def test_what_was_loaded_before_is_not_ours(tmp_path: Path, fake: FakeOllama, ollama: Server) -> None:
    fake.hold(TWO)
    async with open_core(tmp_path, OLLAMA_HOST=ollama.url) as core:
        await core.models.load(ONE)
        await core.models.activate(TWO)
        assert await marks(core) == {ONE: (True, False)}
        await core.models.pin(TWO)
        assert await marks(core) == {ONE: (True, False), TWO: (False, True)}
    async with open_core(tmp_path, OLLAMA_HOST=ollama.url) as core:
        await core.runtimes.settled()
        assert await marks(core) == {ONE: (True, False), TWO: (False, True)}, "a later one knows it still"
        await core.models.unpin(TWO)
        del fake.loaded[ONE]
        await core.runtimes.look()
        fake.hold(ONE)
        await core.models.plan("load", THREE)
        freed = await core.models.unload(ONE)
        assert freed.reason, "its process cannot be seen, and that is said"
        assert await marks(core) == {}


async def test_what_left_and_came_again_is_somebody_elses(tmp_path: Path, fake: FakeOllama, ollama: Server) -> None:
    async with open_core(tmp_path, OLLAMA_HOST=ollama.url) as core:
        await core.models.load(ONE)
        await core.models.memory.plan("load", await core.models.find(TWO))
        assert await marks(core) == {ONE: (True, False)}
        fake.loaded[ONE]["context_length"] = 512
        await core.runtimes.look()
        await core.models.memory.plan("load", await core.models.find(TWO))
        assert await marks(core) == {}, "somebody loaded it again with another context"


async def test_a_mark_of_another_process_outlives_what_was_seen_before_it(
    tmp_path: Path, fake: FakeOllama, ollama: Server
) -> None:
    async with open_core(tmp_path, OLLAMA_HOST=ollama.url) as core:
        await core.runtimes.settled()
        mine, store = core.models.memory._marks, HeldStore(core.database)
        fake.hold(TWO)
        await store.put(Mark(ollama.url, TWO, datetime.now(UTC), loaded=True, context_length=AUTOMATIC))
        await mine.renew()
        assert await marks(core) == {TWO: (True, False)}, "the last look was before"
        fake.instead["GET /api/ps"] = says({"error": "server busy, please try again"}, "503 Service Unavailable")
        await core.runtimes.look()
        await mine.renew()
        assert await marks(core) == {TWO: (True, False)}, "it did not say what it holds"
        del fake.instead["GET /api/ps"]
        await core.runtimes.look()
        await mine.renew()
        assert await marks(core) == {TWO: (True, False)}
        await store.put(Mark(ollama.url, TWO, datetime.now(UTC), True, True, AUTOMATIC))
        await mine.renew()
        assert await marks(core) == {TWO: (True, True)}, "the pin is younger than the look, too"
        del fake.loaded[TWO]
        await core.runtimes.look()
        await mine.renew()
        assert await marks(core) == {}


async def test_what_others_load_while_a_load_waits_is_theirs(tmp_path: Path, fake: FakeOllama, ollama: Server) -> None:
    async with open_core(tmp_path, OLLAMA_HOST=ollama.url, LLM_KEEP_ALIVE="5m") as core:
        await core.runtimes.settled()
        async with held_up(core) as events:
            switching = asyncio.create_task(core.models.activate(ONE))
            while (await next_of(events, OperationChanged)).operation.kind != "load":
                pass
            fake.hold(ONE, forever=True)
        assert (await switching).name == ONE
        assert (asked(ollama), await marks(core)) == ([], {})
        assert [one.pinned for one in core.runtimes.loaded()] == [True]


async def test_a_prompt_and_a_load_of_one_model_do_not_wait_for_each_other(
    tmp_path: Path, fake: FakeOllama, ollama: Server
) -> None:
    async with open_core(tmp_path, OLLAMA_HOST=ollama.url) as core:
        await core.runtimes.settled()
        model = await core.models.find(ONE)
        async with held_up(core, queue="memory") as events:
            loading = asyncio.create_task(core.models.load(ONE))
            while (await next_of(events, OperationChanged)).operation.kind != "load":
                pass
            prompt = asyncio.create_task(core.runtimes.prepare(model, cause="prompt"))
            running = core.operations._runs.find(("load", ONE, "ollama"))
            assert running is not None
            while running.waiters < 2:  # noqa: ASYNC110 (it is looked at)
                await asyncio.sleep(0.01)
        async with asyncio.timeout(30):
            await asyncio.gather(loading, prompt)
        assert fake.loads == [(ONE, 4096)]


async def test_keeping_tells_the_context_that_a_model_has(tmp_path: Path, fake: FakeOllama, ollama: Server) -> None:
    fake.hold(ONE, context=512)
    async with open_core(tmp_path, OLLAMA_HOST=ollama.url, LLM_KEEP_ALIVE="20m") as core:
        assert (await core.models.pin(ONE)).pinned
        await core.models.extend(ONE, "300")
        await core.models.extend(ONE, "1h30m")
        await core.models.unpin(ONE)
        options = {"num_ctx": 512}
        assert asked(ollama) == [
            {"keep_alive": -1, "options": options},
            {"keep_alive": 300, "options": options},
            {"keep_alive": "1h30m", "options": options},
            {"keep_alive": "20m", "options": options},
        ]
        assert fake.loads == [(ONE, 512)], "it was not loaded again"
        with pytest.raises(RuntimeRefused, match="two:latest is not loaded"):
            await core.models.pin(TWO)


@pytest.mark.parametrize("ours", [True, False])
async def test_another_context_keeps_a_pin_and_whose_it_is(
    tmp_path: Path, fake: FakeOllama, ollama: Server, ours: bool
) -> None:
    async with open_core(tmp_path, OLLAMA_HOST=ollama.url, LLM_KEEP_ALIVE="5m") as core:
        if ours:
            await core.models.load(ONE)
            await core.models.pin(ONE)
        else:
            fake.hold(ONE, forever=True)
        longer = GenerationParameters(context_length=512)
        await core.runtimes.prepare(await core.models.find(ONE), longer, cause="prompt")
        (model,) = core.runtimes.loaded()
        assert (model.context_length, model.pinned) == (512, True)
        await core.runtimes.look()
        await core.models.plan("load", TWO)
        assert await marks(core) == ({ONE: (True, True)} if ours else {})


async def test_what_others_pinned_needs_a_yes(tmp_path: Path, fake: FakeOllama, ollama: Server) -> None:
    fake.hold(ONE, forever=True)
    async with open_core(tmp_path, OLLAMA_HOST=ollama.url) as core:
        for refused in (core.models.unload(ONE), core.models.unpin(ONE), core.models.extend(ONE, "10m")):
            with pytest.raises(NeedsYes, match="is pinned by somebody else"):
                await refused
        assert ONE in fake.loaded
        await core.models.unload(ONE, yes=True)
        assert ONE not in fake.loaded


@pytest.mark.parametrize("verb", ["unload", "unpin", "extend"])
async def test_what_others_pin_while_one_waits_needs_a_yes_too(
    tmp_path: Path, fake: FakeOllama, ollama: Server, verb: str
) -> None:
    fake.hold(ONE)
    async with open_core(tmp_path, OLLAMA_HOST=ollama.url) as core:
        async with held_up(core) as events:
            asked_for: dict[str, Callable[[str], Coroutine[Any, Any, object]]] = {
                "unload": core.models.unload,
                "unpin": core.models.unpin,
                "extend": partial(core.models.extend, duration="10m"),
            }
            waiting = asyncio.create_task(asked_for[verb](ONE))
            while (await next_of(events, OperationChanged)).operation.kind != verb:
                pass
            fake.hold(ONE, forever=True)
        with pytest.raises(NeedsYes, match="is pinned by somebody else"):
            await waiting
        await core.runtimes.look()
        assert [one.pinned for one in core.runtimes.loaded()] == [True]


async def test_a_runtime_that_does_not_answer_does_not_count_as_empty(
    tmp_path: Path, fake: FakeOllama, ollama: Server
) -> None:
    fake.hold(ONE)
    async with open_core(tmp_path, OLLAMA_HOST=ollama.url) as core:
        await core.runtimes.settled()
        fake.instead["GET /api/ps"] = says({"error": "server busy, please try again"}, "503 Service Unavailable")
        for asked_for in (core.models.unload(ONE), core.models.pin(ONE)):
            with pytest.raises(RuntimeUnavailable, match=r"does not say what it holds: .*server busy"):
                await asked_for
        del fake.instead["GET /api/ps"]
        await core.models.unload(ONE)
        assert ONE not in fake.loaded


async def test_who_leaves_first(tmp_path: Path, fake: FakeOllama, ollama: Server) -> None:
    async with open_core(tmp_path, OLLAMA_HOST=ollama.url, VENOM_NEVER_EVICT="ollama/four") as core:
        await core.runtimes.settled()
        await core.models.load(ONE)
        await core.models.load(TWO)
        await core.models.pin(TWO)
        fake.hold(THREE)
        fake.models["four:latest"] = {}
        fake.hold("four:latest")
        await core.runtimes.look()
        snapshot = await core.guard.snapshot()
        planner = core.models.memory._planner
        order = planner.candidates(snapshot, None)
        assert [one.name for one in order] == [ONE, THREE, TWO], "ours, then others', then what is pinned; one is kept"
        assert [planner.eviction(one, "").asks_apart for one in order] == [False, True, True]
        assert [planner.eviction(one, "").whose for one in order] == [
            "loaded by venom-tui",
            "loaded by others",
            "loaded by venom-tui, pinned",
        ]


async def test_want_of_memory_tells_who_held_what(tmp_path: Path, fake: FakeOllama, ollama: Server) -> None:
    words = "model requires more system memory (9.3 GiB) than is available (7.9 GiB)"
    fake.hold(TWO)
    async with open_core(tmp_path, OLLAMA_HOST=ollama.url) as core:
        await core.runtimes.settled()
        fake.instead["POST /api/generate"] = says({"error": words}, "500 Internal Server Error")
        with pytest.raises(OutOfMemory) as caught:
            await core.models.load(ONE)
        assert words in caught.value.server_message
        held = caught.value.held
        assert any(line.startswith("RAM: ") for line in held)
        assert any("model two:latest @ ollama" in line for line in held)
        assert any(f"process {os.getpid()}" in line or "process " in line for line in held)
        failed = next(one for one in await core.operations.list() if one.kind == "load")
        assert failed.error_code == "out_of_memory"
        log = " ".join(await core.operations.log(failed.id))
        assert all(line.strip() in log for line in held)
        assert caught.value.as_dict()["held"] == list(held)


async def test_an_answer_that_ends_for_want_of_memory_tells_it_too(
    tmp_path: Path, fake: FakeOllama, ollama: Server
) -> None:
    words = "an error was encountered while running the model: CUDA error: out of memory"
    async with open_core(tmp_path, OLLAMA_HOST=ollama.url) as core:
        await core.models.load(ONE)
        fake.instead["POST /api/chat"] = says({"error": words}, "500 Internal Server Error")
        session = await core.sessions.create()
        last = await ask(core, session.id, "Hello", model=ONE)
        assert "out of memory" in last.server_message
        assert "Then: RAM: " in last.hint and "model one:latest @ ollama" in last.hint


async def test_opposite_switches_of_two_clients(
    tmp_path: Path, fake: FakeOllama, ollama: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = replace(Owner.current(), pid=os.getppid(), start_time=start_time(os.getppid()) or 0)
    async with open_core(tmp_path, OLLAMA_HOST=ollama.url) as a:
        await a.models.activate(THREE)
        monkeypatch.setattr(Owner, "current", classmethod(lambda _: beside))
        async with open_core(tmp_path, OLLAMA_HOST=ollama.url) as b:
            monkeypatch.undo()
            monkeypatch.setattr(files, "demonstration_file", lambda: None)
            await b.runtimes.settled()
            plans = (await a.models.plan("switch", ONE), await b.models.plan("switch", TWO))
            results = await asyncio.gather(
                a.models.carry_out(plans[0]), b.models.carry_out(plans[1]), return_exceptions=True
            )
            (loser,) = [number for number, result in enumerate(results) if isinstance(result, BaseException)]
            failure, client, wanted = results[loser], (a, b)[loser], (ONE, TWO)[loser]
            assert isinstance(failure, PlanChanged)
            other = (TWO, ONE)[loser]
            assert (
                f"{wanted} was not switched to: another model was made active: {other} answers now." in failure.message
            )
            assert f"Meanwhile: switch {THREE} → {other} succeeded, load {other} succeeded." in failure.message
            for core in (a, b):
                await core.models.renew_active()
                active = await core.models.active()
                assert active is not None and active.name == other
            new = failure.plan
            await client.models.carry_out(new)  # type: ignore[arg-type]  # the plan of the error
            for core in (a, b):
                await core.models.renew_active()
                active = await core.models.active()
                assert active is not None and active.name == wanted
                assert core.settings.text("VENOM_PREVIOUS_MODEL") == other


async def test_a_load_in_one_runtime_does_not_wait_for_a_switch_that_waits_for_it(
    tmp_path: Path, fake: FakeOllama, ollama: Server
) -> None:
    """Both change what is loaded at the same moment; each evicts where the other one loads."""
    async with open_core(tmp_path, OLLAMA_HOST=ollama.url) as core:
        await core.models.load(ONE)
        memory = core.models.memory
        plans = [await core.models.plan("switch", TWO), await core.models.plan("load", THREE)]
        (held,) = core.runtimes.loaded()
        evicting = replace(plans[0], evicts=(memory._planner.eviction(held, "a test"),))

        async def again(plan: object, model: object) -> object:
            return evicting if plan is evicting else plan

        memory._again = again  # type: ignore[assignment, method-assign]
        async with asyncio.timeout(30):
            await asyncio.gather(
                core.models.carry_out(evicting, yes=True, force=True), core.models.carry_out(plans[1], force=True)
            )
        assert set(fake.loaded) == {TWO, THREE}


@pytest.mark.parametrize(("forever", "kept"), [(True, -1), (False, "5m")])
async def test_what_did_not_leave_in_time_does_not_leave_later(
    tmp_path: Path, fake: FakeOllama, ollama: Server, forever: bool, kept: object
) -> None:
    async def busy(exchange: Exchange) -> None:
        leaves = exchange.json.get("keep_alive") == 0
        await (replays("unload-while-busy") if leaves else fake._of_model(exchange.target, exchange.json))(exchange)

    fake.hold(ONE, forever=forever)
    fake.instead["POST /api/generate"] = busy
    async with open_core(tmp_path, OLLAMA_HOST=ollama.url) as core:
        await core.runtimes.settled()
        (held,) = core.runtimes.loaded()
        memory = core.models.memory
        with pytest.raises(RuntimeBusy) as caught:
            await memory.evict(held, "evicted for two", lambda _: None, 0.05, may=lambda _: None)
        assert caught.value.hint.startswith("It stays loaded.")
        assert [one["keep_alive"] for one in asked(ollama)] == [0, kept]
        with pytest.raises(RuntimeBusy, match="has not left") as caught:
            await memory.evict(held, "user", lambda _: None, 0.05, may=lambda _: None)
        assert caught.value.hint == "It leaves by itself when that ends."
        assert [one["keep_alive"] for one in asked(ollama)] == [0, kept, 0], "somebody asked for that"
