"""The look at the runtimes: each by itself, none in the way of another, and nothing said that has not changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.core.support import LIMIT_S, next_of, open_core, settings_for
from tests.ollama import FakeOllama
from tests.openai import Router, llamacpp, plain, vllm
from tests.servers import Script, Server, hangs, head, sends, serving
from venom_tui.core.clients.http import HttpPool
from venom_tui.core.events import ModelsChanged, RuntimeChanged
from venom_tui.core.runtimes import llamacpp as llamacpp_module
from venom_tui.core.runtimes import ollama, openai_server, unidentified
from venom_tui.core.runtimes import vllm as vllm_module
from venom_tui.core.runtimes.lookout import Lookout, Rhythm
from venom_tui.core.runtimes.ollama import OllamaRuntime
from venom_tui.core.runtimes.runtime import Runtime
from venom_tui.core.runtimes.unidentified import UnidentifiedServer
from venom_tui.core.types.runtime import RuntimeState, RuntimeStatus

RESTING = Rhythm(watched=1000, resting=1000, absent=1000, discovery=1000)
HASTY = Rhythm(watched=0.01, resting=0.01, absent=0.01, discovery=1000)


@pytest.fixture
async def pool() -> AsyncIterator[HttpPool]:
    pool = HttpPool()
    yield pool
    await pool.close()


class Told:
    """Keeps what a lookout says, and waits for it."""

    def __init__(self) -> None:
        self.said: list[tuple[RuntimeStatus, bool]] = []
        self._more = asyncio.Event()

    def __call__(self, status: RuntimeStatus, models_too: bool) -> None:
        self.said.append((status, models_too))
        self._more.set()

    async def until(self, condition: Callable[[RuntimeStatus], bool]) -> RuntimeStatus:
        """Return the next status, or the last one, that is so."""
        async with asyncio.timeout(LIMIT_S):
            while not self.said or not condition(self.said[-1][0]):
                self._more.clear()
                await self._more.wait()
        return self.said[-1][0]


@asynccontextmanager
async def looking(
    tmp_path: Path, pool: HttpPool, *runtimes: Runtime, rhythm: Rhythm = RESTING, **settings: object
) -> AsyncIterator[tuple[Lookout, Told]]:
    told = Told()
    lookout = Lookout(settings_for(tmp_path, **settings), pool, told, rhythm)
    before = our_tasks()
    lookout.start(list(runtimes))
    try:
        yield lookout, told
    finally:
        await lookout.close()
        assert our_tasks() <= before, "no task is left"


def our_tasks() -> set[asyncio.Task[object]]:
    """Return the tasks that run, without those of the servers of a test."""
    return {task for task in asyncio.all_tasks() if "Server." not in repr(task.get_coro())}


def configure(folder: Path, **servers: tuple[Server, str]) -> None:
    """Name servers, each with its kind, in config.toml."""
    tables = [
        f'[runtimes.{name}]\nurl = "{server.url}"\n' + (f'kind = "{kind}"\n' if kind else "")
        for name, (server, kind) in servers.items()
    ]
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config" / "config.toml").write_text("\n".join(tables))


def limit_looks(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let servers be waited for so long."""
    monkeypatch.setattr(ollama, "_LOOK_LIMIT_S", seconds)
    monkeypatch.setattr(unidentified, "_LIMIT_S", seconds)
    for module in (openai_server, vllm_module, llamacpp_module):
        monkeypatch.setattr(module, "LOOK_LIMIT_S", seconds)


# ---------------------------------------------------------------------- many at once


async def test_those_that_hang_are_in_nobodys_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight runtimes of which four hang: the models of the others are there before these are given up."""
    good: dict[str, tuple[Script, str]] = {
        "o": (FakeOllama(), "ollama"),
        "v": (vllm("v-model"), "vllm"),
        "l": (llamacpp("l-model"), "llamacpp"),
        "u": (Router("u-model"), ""),
    }
    before = our_tasks()
    limit_looks(monkeypatch, LIMIT_S)
    async with AsyncExitStack() as stack:
        bad = await stack.enter_async_context(serving(hangs))
        servers = {name: await stack.enter_async_context(serving(script)) for name, (script, _) in good.items()}
        hanging = {f"hangs-{name}": (bad, kind) for name, (_, kind) in good.items()}
        configure(tmp_path, **hanging, **{name: (servers[name], kind) for name, (_, kind) in good.items()})
        core = await stack.enter_async_context(open_core(tmp_path))
        with core.events.subscribe() as events:
            while not {model.runtime for model in await core.models.list()} >= set(good):
                await next_of(events, ModelsChanged)
        assert {"smollm2:135m", "v-model", "l-model", "u-model"} <= {model.name for model in await core.models.list()}
        states = core.runtimes.states()
        assert {states[name] for name in hanging} == {RuntimeState.UNKNOWN}, "nobody waited for these"
        assert {states[name] for name in good} == {RuntimeState.READY}
        assert not await core.runtimes.settled(0.01)

        limit_looks(monkeypatch, 0.1)
        await asyncio.gather(*(core.runtimes.runtime(name).look() for name in hanging))
        statuses = {status.id: status for status in await core.runtimes.statuses()}
        for name in hanging:
            assert (statuses[name].state, statuses[name].detail) == (RuntimeState.UNREACHABLE, "no answer in time")
        assert [statuses[name].kind for name in good] == ["ollama", "vllm", "llamacpp", "llamacpp"]
    assert our_tasks() <= before, "no task is left"


async def test_nothing_is_left_of_looks_that_hang(tmp_path: Path, pool: HttpPool) -> None:
    async with serving(hangs) as server:
        runtimes = [OllamaRuntime(f"o{number}", server.url, pool, origin="test") for number in range(4)]
        async with looking(tmp_path, pool, *runtimes) as (lookout, told):
            await server.arrived.wait()
            waiting = asyncio.create_task(lookout.look())
            await asyncio.sleep(0)
            assert not await lookout.settled(0.01)
            waiting.cancel()
            await asyncio.wait({waiting})
        assert told.said == []


# ---------------------------------------------------------------------- what is said, and when


async def test_only_what_has_changed_is_said(tmp_path: Path, pool: HttpPool) -> None:
    fake = FakeOllama()
    async with serving(fake) as server:
        runtime = OllamaRuntime("ollama", server.url, pool, origin="test")
        async with looking(tmp_path, pool, runtime, rhythm=HASTY) as (lookout, told):
            assert await lookout.settled(LIMIT_S)
            while len(server.asked) < 20:
                server.arrived.clear()
                await server.arrived.wait()
            assert [(status.state, models) for status, models in told.said] == [(RuntimeState.READY, True)]
            fake.models["new:1b"] = {}
            await told.until(lambda status: status.models == 2)
            fake.hold("new:1b")
            await told.until(lambda status: status.loaded == ("new:1b",))
            assert [models for _, models in told.said] == [True] * 3


async def test_one_that_goes_and_comes_back_is_noticed(tmp_path: Path, pool: HttpPool) -> None:
    async with serving(FakeOllama()) as server:
        runtime = OllamaRuntime("ollama", server.url, pool, origin="test")
        async with looking(tmp_path, pool, runtime, rhythm=HASTY) as (_, told):
            await told.until(lambda status: status.state is RuntimeState.READY)
            await server.close()
            status = await told.until(lambda status: status.state is RuntimeState.UNREACHABLE)
            assert status.detail == "connection refused" or "closed the connection" in status.detail
            async with serving(FakeOllama(), port=server.port):
                await told.until(lambda status: status.state is RuntimeState.READY)


async def test_it_looks_more_often_while_somebody_watches(tmp_path: Path, pool: HttpPool) -> None:
    rhythm = Rhythm(watched=0.01, resting=1000, absent=1000, discovery=1000)
    async with serving(FakeOllama()) as server:
        runtime = OllamaRuntime("ollama", server.url, pool, origin="test")
        async with looking(tmp_path, pool, runtime, rhythm=rhythm) as (lookout, _):
            assert await lookout.settled(LIMIT_S)
            assert len(server.asked) == 3, "it was looked at once"
            lookout.watch(True)
            async with asyncio.timeout(LIMIT_S):
                while len(server.asked) < 15:
                    server.arrived.clear()
                    await server.arrived.wait()
            lookout.watch(False)


@pytest.mark.parametrize(
    ("state", "seconds"),
    [
        (RuntimeState.READY, 10.0),
        (RuntimeState.BUSY, 10.0),
        (RuntimeState.LOADING, 2.0),
        (RuntimeState.UNREACHABLE, 20.0),
        (RuntimeState.FAILED, 20.0),
    ],
)
async def test_how_long_it_rests(tmp_path: Path, pool: HttpPool, state: RuntimeState, seconds: float) -> None:
    async with looking(tmp_path, pool, rhythm=Rhythm()) as (lookout, _):
        assert lookout._pause(state) == seconds
        lookout.watch(True)
        assert lookout._pause(state) == 2.0


async def test_who_asks_while_it_is_asked_shares_the_next_answer(tmp_path: Path, pool: HttpPool) -> None:
    async with serving(FakeOllama()) as server:
        runtime = OllamaRuntime("ollama", server.url, pool, origin="test")
        async with looking(tmp_path, pool, runtime) as (lookout, told):
            assert await lookout.settled(LIMIT_S)
            await asyncio.gather(*(lookout.look() for _ in range(10)), lookout.look("ollama"), lookout.look("none"))
            assert len(server.asked) == 3 * 3, "one that begins, and one for all who came meanwhile"
            assert len(told.said) == 1


async def test_a_look_that_was_given_up_is_no_answer(tmp_path: Path, pool: HttpPool) -> None:
    fake = FakeOllama()
    async with serving(fake) as server:
        runtime = OllamaRuntime("ollama", server.url, pool, origin="test")
        async with looking(tmp_path, pool, runtime) as (lookout, _):
            assert await lookout.settled(LIMIT_S)
            fake.instead["GET /api/ps"] = hangs
            first = asyncio.create_task(lookout.look())
            server.arrived.clear()
            await server.arrived.wait()
            second = asyncio.create_task(lookout.look())
            await asyncio.sleep(0)
            fake.models["new:1b"] = {}
            del fake.instead["GET /api/ps"]
            first.cancel()
            await second
            assert runtime.status().models == 2


async def test_what_others_learned_is_said(tmp_path: Path, pool: HttpPool) -> None:
    fake = FakeOllama()
    async with serving(fake) as server:
        runtime = OllamaRuntime("ollama", server.url, pool, origin="test")
        async with looking(tmp_path, pool, runtime) as (lookout, told):
            assert await lookout.settled(LIMIT_S)
            fake.hold("smollm2:135m")
            await runtime.look()
            assert len(told.said) == 1
            lookout.tell("ollama")
            assert told.said[-1][0].loaded == ("smollm2:135m",)
            lookout.tell("ollama")
            lookout.tell("nonsense")
            assert len(told.said) == 2


async def test_what_happened_to_a_runtime_is_looked_at_soon(tmp_path: Path, pool: HttpPool) -> None:
    async with serving(FakeOllama()) as server:
        runtime = OllamaRuntime("ollama", server.url, pool, origin="test")
        async with looking(tmp_path, pool, runtime) as (lookout, told):
            await told.until(lambda status: status.state is RuntimeState.READY)
            await server.close()
            lookout.wake("nonsense")
            lookout.wake("ollama")
            await told.until(lambda status: status.state is not RuntimeState.READY)


async def test_a_defect_in_one_is_logged_and_ends_nothing(
    tmp_path: Path, pool: HttpPool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(FakeOllama()) as server:
        broken = OllamaRuntime("broken", server.url, pool, origin="test")
        whole = OllamaRuntime("whole", server.url, pool, origin="test")

        async def look() -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(broken, "look", look)
        with caplog.at_level(logging.ERROR):
            async with looking(tmp_path, pool, broken, whole) as (lookout, _):
                assert await lookout.settled(LIMIT_S)
                await lookout.look()
                assert whole.status().state is RuntimeState.READY
        assert {record.getMessage() for record in caplog.records} == {"the look at runtime broken failed"}


# ---------------------------------------------------------------------- servers whose kind is not known


@pytest.mark.parametrize(
    ("make", "kind", "models"),
    [
        (FakeOllama, "ollama", ["smollm2:135m"]),
        (vllm, "vllm", ["tiny"]),
        (llamacpp, "llamacpp", ["smollm2"]),
        (lambda: Router("one", "two"), "llamacpp", ["one", "two"]),
        (lambda: plain("a", "b"), "openai", ["a", "b"]),
    ],
)
async def test_one_that_comes_up_later_is_known_for_what_it_is(
    tmp_path: Path, pool: HttpPool, make: Callable[[], Script], kind: str, models: list[str]
) -> None:
    async with serving(hangs) as before:
        pass
    unknown = UnidentifiedServer("box", before.url, pool, origin="config.toml", api_key="sk-x")
    async with looking(tmp_path, pool, unknown) as (lookout, told):
        status = await told.until(lambda status: status.state is RuntimeState.UNREACHABLE)
        assert (status.kind, status.detail, status.origin) == ("openai", "connection refused", "config.toml")
        async with serving(make(), port=before.port) as server:
            await lookout.look("box")
            status = told.said[-1][0]
            assert (status.id, status.kind, status.state, status.origin) == (
                *("box", kind, RuntimeState.READY, "config.toml"),
            )
            found = lookout.get("box")
            assert found is not None
            assert [model.name for model in found.models()] == models
            assert {asked.headers["authorization"] for asked in server.asked} == {"Bearer sk-x"}


@pytest.mark.parametrize(
    ("script", "state", "detail"),
    [
        (sends(head(kind="text/html") + b"<html>"), RuntimeState.FAILED, "no server of a kind that is known"),
        (sends(head("404 Not Found")), RuntimeState.FAILED, "no server of a kind that is known"),
        (sends(head("401 Unauthorized")), RuntimeState.FAILED, "it wants a key that it accepts"),
        (sends(head("429 Too Many")), RuntimeState.BUSY, "busy"),
        (sends(b"SSH-2.0-OpenSSH\r\n\r\n"), RuntimeState.FAILED, "no server of a kind that is known"),
    ],
)
async def test_what_is_no_server_of_ours(
    tmp_path: Path, pool: HttpPool, script: Script, state: RuntimeState, detail: str
) -> None:
    async with serving(script) as server:
        unknown = UnidentifiedServer("box", server.url, pool, origin="test")
        async with looking(tmp_path, pool, unknown) as (lookout, _):
            assert await lookout.settled(LIMIT_S)
            assert unknown.status().state is state
            assert detail in unknown.status().detail


async def test_the_events_of_a_core(tmp_path: Path) -> None:
    fake = FakeOllama()
    async with serving(fake) as server, open_core(tmp_path, OLLAMA_HOST=server.url) as core:
        assert await core.runtimes.settled(LIMIT_S)
        with core.events.subscribe() as events:
            fake.models["new:1b"] = {}
            await core.runtimes.look("ollama")
            changed = await next_of(events, RuntimeChanged)
            assert (changed.status.id, changed.status.models) == ("ollama", 2)
            await next_of(events, ModelsChanged)
