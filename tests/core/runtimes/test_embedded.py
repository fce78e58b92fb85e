"""The embedded runtime with real llama.cpp processes: several models, their limits, their ends."""

from __future__ import annotations

import asyncio
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.core.downloads.recorded import until
from tests.core.support import COUNTING, ask, ended, first_words, next_of, open_core, way_to
from tests.gguf_files import write_gguf
from venom_tui.core.core import Core
from venom_tui.core.errors import LoadFailed, OutOfMemory, RuntimeBusy
from venom_tui.core.events import ActiveModelChanged, ModelsChanged, OperationChanged, RuntimeChanged
from venom_tui.core.runtimes.child import ChildOptions, EmbeddedChild
from venom_tui.core.runtimes.embedded import EmbeddedRuntime
from venom_tui.core.runtimes.leftovers import workers
from venom_tui.core.types.operation import OperationState
from venom_tui.core.types.request import GenerationParameters
from venom_tui.core.types.runtime import RuntimeState
from venom_tui.core.types.session import MessageState
from venom_tui.core.types.turn import TurnEnded, TurnStatus

QUESTION = "What is the capital of France?"
STEADY = GenerationParameters(temperature=0.0)
"""With these the answer to COUNTING goes on for minutes."""
Models = Callable[..., Path]


@pytest.fixture
def models(tmp_path: Path, demonstration_model: Path) -> Models:
    """Put the demonstration model into the models folder under other names; return the test's folder."""

    def link(*names: str) -> Path:
        folder = tmp_path / "data" / "models"
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (folder / f"{name}.gguf").symlink_to(demonstration_model)
        return tmp_path

    return link


async def answer(core: Core, session_id: str) -> TurnEnded:
    """Ask something; without a limit a model of this size may go on for minutes."""
    return await ask(core, session_id, QUESTION, max_tokens=5)


def pids(core: Core) -> dict[str, int]:
    return {model.name: model.pid for model in core.runtimes.loaded() if model.pid is not None}


async def history(core: Core) -> list[tuple[str, str, str]]:
    return [(o.kind, o.target, o.state.value) for o in reversed(await core.operations.list())]


async def gone(*found: int) -> None:
    """Wait until processes have ended."""
    processes = [psutil.Process(pid) for pid in found if psutil.pid_exists(pid)]
    _, alive = await asyncio.to_thread(psutil.wait_procs, processes, 20)
    assert not [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]


def children() -> list[int]:
    return [child.pid for child in psutil.Process().children() if "embedded_worker" in " ".join(child.cmdline())]


# ---------------------------------------------------------------------- several models


async def test_the_least_recently_used_leaves_first(models: Models) -> None:
    async with open_core(models("a", "b", "c")) as core:
        (status,) = await core.runtimes.statuses()
        assert (status.state, status.loaded, status.pids) == (RuntimeState.IDLE, (), ())
        for name in ("a", "b"):
            await core.models.activate(name)
        await core.models.activate("a")
        before = pids(core)
        assert set(before) == {"a", "b"}
        await core.models.activate("c", yes=True)
        assert set(pids(core)) == {"a", "c"}, "two are allowed, and b was used longest ago"
        await gone(before["b"])
        assert pids(core)["a"] == before["a"]
        (status,) = await core.runtimes.statuses()
        assert (status.state, set(status.loaded), set(status.pids)) == (RuntimeState.READY, {"a", "c"}, set(children()))
        listed = {model.name: (model.loaded, model.active) for model in await core.models.list()}
        assert (listed["a"], listed["b"], listed["c"]) == ((True, False), (False, False), (True, True))
        unload = next(o for o in await core.operations.list() if o.kind == "unload")
        assert (unload.target, unload.cause) == ("b", "evicted for c: VENOM_EMBEDDED_MODELS allows 2")
        assert unload.bytes_total is not None and unload.bytes_total > 50_000_000
        assert unload.bytes_done == unload.bytes_total, "all of it came back"
    assert children() == []


async def test_one_model_at_a_time(models: Models) -> None:
    folder = models("a", "b")
    async with open_core(folder, VENOM_EMBEDDED_MODELS=1) as core:
        await core.models.activate("a")
        first = pids(core)
        with core.events.subscribe() as events:
            await core.models.activate("b", yes=True)
            assert (await next_of(events, ActiveModelChanged)).active is not None
        assert set(pids(core)) == {"b"}
        await gone(*first.values())
        assert {(kind, target) for kind, target, state in await history(core) if state == "succeeded"} == {
            *(("switch", "a"), ("load", "a")),
            *(("switch", "a → b"), ("load", "b"), ("unload", "a")),
        }


async def test_a_prompt_does_not_fail_because_what_was_to_leave_began_to_answer(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_core(models("a", "b"), VENOM_EMBEDDED_MODELS=1, VENOM_UNLOAD_TIMEOUT_S=0.2) as core:
        await core.models.load("a")
        embedded = core.runtimes.runtime("embedded")
        assert isinstance(embedded, EmbeddedRuntime)
        held, real = embedded.held("a"), embedded.surplus
        assert held is not None
        with ExitStack() as stack:

            def surplus(kept: str) -> list[str]:
                found = real(kept)
                if not held.answering:
                    stack.enter_context(held.busy())
                return found

            monkeypatch.setattr(embedded, "surplus", surplus)
            session = await core.sessions.create()
            last = await ask(core, session.id, QUESTION, model="b", max_tokens=5)
            assert (last.message.state, last.error) == (MessageState.COMPLETE, "")
            assert set(pids(core)) == {"a", "b"}


async def test_another_context_waits_for_answers_and_keeps_the_pin(models: Models) -> None:
    async with open_core(models("a"), VENOM_CONTEXT=256) as core:
        await core.models.load("a")
        await core.models.pin("a")
        embedded, said = core.runtimes.runtime("embedded"), asyncio.Queue[str]()
        assert isinstance(embedded, EmbeddedRuntime)
        held, before = embedded.held("a"), pids(core)
        assert held is not None
        with held.busy():
            longer = GenerationParameters(context_length=512)
            loading = core.runtimes.prepare(await core.models.find("a"), longer, status=said.put_nowait)
            task = asyncio.create_task(loading)
            while await said.get() != "a answers 1 prompt; it leaves when that has ended":
                pass
            assert pids(core) == before
        await task
        (model,) = core.runtimes.loaded()
        assert (model.context_length, model.pinned) == (512, True)


async def test_an_answer_is_not_cut_for_want_of_a_place(models: Models) -> None:
    async with open_core(models("a", "b", "c"), VENOM_EMBEDDED_MODELS=1, VENOM_UNLOAD_TIMEOUT_S=0.2) as core:
        session = await core.sessions.create()
        await core.models.activate("a")
        request_id = await core.chat.send(session.id, COUNTING, model="a", parameters=STEADY)
        await first_words(core, request_id)
        with pytest.raises(RuntimeBusy, match=r"a still answers 1 prompt after 0\.2 s, and was left where it is"):
            await core.models.activate("b", yes=True)
        active = await core.models.active()
        assert (set(pids(core)), active and active.name) == ({"a"}, "a")
        with pytest.raises(RuntimeBusy):
            await core.models.unload("a")
        other = await core.sessions.create()
        assert (await ask(core, other.id, QUESTION, model="b", max_tokens=5)).message.state is MessageState.COMPLETE
        assert set(pids(core)) == {"a", "b"}, "for a prompt one more than allowed, as long as it answers"
        assert core.chat.running(session.id) == request_id
        waits = asyncio.Event()

        def status(text: str) -> None:
            if text == "a answers 1 prompt; it leaves when that has ended":
                waits.set()

        model = await core.models.find("a")
        leaving = asyncio.create_task(core.models.memory.unload(model, within_s=60, status=status))
        async with asyncio.timeout(30):
            await waits.wait()
        await core.chat.stop(request_id)
        assert (await ended(core, request_id)).message.state is MessageState.STOPPED
        assert (await leaving).text.startswith("a left: ")
        assert set(pids(core)) == {"b"}


async def test_unloading_ends_the_process(models: Models) -> None:
    async with open_core(models("a")) as core:
        session = await core.sessions.create()
        await answer(core, session.id)
        found = pids(core)
        with core.events.subscribe() as events:
            await core.models.unload("a")
            assert (await next_of(events, RuntimeChanged)).status.loaded == ()
            await next_of(events, ModelsChanged)
        await gone(*found.values())
        assert (pids(core), children()) == ({}, [])
        await core.models.unload("a")  # once more does nothing
        assert (await answer(core, session.id)).message.state is MessageState.COMPLETE
        assert pids(core)["a"] != found["a"]


async def test_who_asks_while_a_model_loads_waits_for_that_load(models: Models) -> None:
    async with open_core(models("a")) as core:
        sessions = [await core.sessions.create() for _ in range(3)]
        found = await asyncio.gather(*[answer(core, session.id) for session in sessions])
        assert {last.message.state for last in found} == {MessageState.COMPLETE}
        assert [kind for kind, _, _ in await history(core)] == ["load"]
        assert len(children()) == 1


# ---------------------------------------------------------------------- what goes wrong


async def test_a_killed_process_is_noticed_and_explained(models: Models) -> None:
    async with open_core(models("a")) as core:
        session = await core.sessions.create()
        request_id = await core.chat.send(session.id, COUNTING, parameters=STEADY)
        await first_words(core, request_id)
        os.kill(pids(core)["a"], signal.SIGKILL)
        last = await ended(core, request_id)
        assert last.message.state is MessageState.FAILED
        assert last.message.content, "what came is kept"
        assert last.error == "The llama.cpp process that held a ended in the middle of its answer (signal 9)."
        words = "The kernel may have ended it for want of memory. Ask again: it is started anew. Then: RAM: "
        assert last.hint.startswith(words), "who held most is told, too"
        (status,) = await core.runtimes.statuses()
        assert (status.state, status.detail) == (RuntimeState.FAILED, "the process of a ended (signal 9)")
        assert core.runtimes.loaded() == ()
        last = await answer(core, session.id)
        assert (last.message.state, last.error) == (MessageState.COMPLETE, "")


async def test_a_process_that_is_killed_while_it_loads(models: Models) -> None:
    async with open_core(models("a")) as core:
        embedded = core.runtimes.runtime("embedded")
        assert isinstance(embedded, EmbeddedRuntime)
        with core.events.subscribe() as events:
            loading = asyncio.create_task(core.models.load("a"))
            while "a" not in embedded._loading:
                await next_of(events, RuntimeChanged)
            child = embedded._loading["a"]
            await until(lambda: child.pid is not None)
            assert child.pid is not None
            os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(OutOfMemory) as caught:
            await loading
        assert caught.value.message == "a could not be loaded: its process ended (signal 9)."
        assert caught.value.hint.startswith("The kernel may have ended it for want of memory. Unload something")
        assert any(line.startswith("RAM: ") for line in caught.value.held)
        (status,) = await core.runtimes.statuses()
        assert "signal 9" in status.detail


async def test_a_process_that_dies_while_nobody_asks(models: Models) -> None:
    async with open_core(models("a")) as core:
        session = await core.sessions.create()
        await answer(core, session.id)
        with core.events.subscribe() as events:
            os.kill(pids(core)["a"], signal.SIGKILL)
            assert (await next_of(events, RuntimeChanged)).status.state is RuntimeState.FAILED
        assert (await answer(core, session.id)).message.state is MessageState.COMPLETE


async def test_a_file_that_llama_cpp_does_not_take(models: Models, demonstration_model: Path) -> None:
    folder = models("good") / "data" / "models"
    with demonstration_model.open("rb") as file:
        (folder / "cut.gguf").write_bytes(file.read(30_000_000))
    write_gguf(folder / "hollow.gguf")
    (folder / "page.gguf").write_text("<html>not found</html>")
    async with open_core(folder.parents[1]) as core:
        await core.models.activate("good")
        for name, words in (
            ("cut", "not within the file bounds, model is corrupted or incomplete"),
            ("hollow", "error loading model"),
        ):
            with pytest.raises(
                LoadFailed, match=rf"{name} could not be loaded: its process ended \(status \d+\)"
            ) as caught:
                await core.models.activate(name)
            assert words in caught.value.server_message
        with pytest.raises(LoadFailed, match=r"page cannot be .*: it is no GGUF file"):
            await core.models.activate("page")
        active = await core.models.active()
        assert active is not None
        assert (active.name, active.reason) == ("good", "the last one used")
        assert core.settings.text("VENOM_ACTIVE_MODEL") == "good"
        assert set(pids(core)) == {"good"}
        failed = [o for o in await core.operations.list() if o.state is OperationState.FAILED]
        assert {o.kind for o in failed} == {"load", "switch"}
        assert all("could" in o.error or "cannot" in o.error for o in failed)
        session = await core.sessions.create()
        last = await ended(core, await core.chat.send(session.id, QUESTION, model="cut"))
        assert (last.error_code, last.message.state) == ("load_failed", MessageState.FAILED)
        assert "corrupted" in last.message.error
        assert (await answer(core, session.id)).message.model == "good"
    assert children() == []


async def test_a_file_name_that_is_no_text(models: Models, demonstration_model: Path) -> None:
    folder = models() / "data" / "models"
    (folder / os.fsdecode(b"caf\xe9.gguf")).symlink_to(demonstration_model)
    async with open_core(folder.parents[1]) as core:
        session = await core.sessions.create()
        assert (await answer(core, session.id)).message.model == "caf"


def options(path: Path) -> ChildOptions:
    return ChildOptions(path, "a", 512, 1)


async def test_a_load_that_takes_too_long(demonstration_model: Path) -> None:
    child = EmbeddedChild(options(demonstration_model))
    with pytest.raises(LoadFailed, match=r"was not loaded within 0\.05 s") as caught:
        await child.start(0.05)
    assert "VENOM_LOAD_TIMEOUT_S" in caught.value.hint
    assert (child.alive, children()) == (False, [])


async def test_a_python_that_is_gone(demonstration_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nonexistent/python")
    with pytest.raises(LoadFailed, match="could not be started: No such file or directory"):
        await EmbeddedChild(options(demonstration_model)).start(5)


# ---------------------------------------------------------------------- ends


async def loading(core: Core, request_id: str) -> None:
    """Wait until a turn waits for its load and the process is there."""
    async for event in core.chat.follow(request_id):
        if isinstance(event, TurnStatus):
            break
    while not children():  # noqa: ASYNC110 (nothing tells that a process was made)
        await asyncio.sleep(0.01)


async def test_stopping_a_turn_gives_its_load_up(models: Models) -> None:
    async with open_core(models("a")) as core:
        session = await core.sessions.create()
        request_id = await core.chat.send(session.id, QUESTION)
        await loading(core, request_id)
        await core.chat.stop(request_id)
        assert (await ended(core, request_id)).message.state is MessageState.STOPPED
        assert children() == []
        assert await history(core) == [("load", "a", "cancelled")]
        (status,) = await core.runtimes.statuses()
        assert status.state is RuntimeState.IDLE
        assert (await answer(core, session.id)).message.state is MessageState.COMPLETE


@pytest.mark.parametrize("by", ["chat", "activate"])
async def test_closing_during_a_load_leaves_no_process(models: Models, by: str) -> None:
    folder = models("a")
    async with open_core(folder) as core:
        if by == "chat":
            session = await core.sessions.create()
            await loading(core, await core.chat.send(session.id, QUESTION))
        else:
            with core.events.subscribe() as events:
                switching = asyncio.create_task(core.models.activate("a"))
                while (await next_of(events, OperationChanged)).operation.message != "loading a":
                    pass
    assert children() == []
    if by == "activate":
        assert isinstance((await asyncio.gather(switching, return_exceptions=True))[0], BaseException)
    async with open_core(folder) as core:
        expected = OperationState.INTERRUPTED if by == "activate" else OperationState.CANCELLED
        assert {operation.state for operation in await core.operations.list()} == {expected}


async def test_closing_right_after_a_load_was_begun(models: Models) -> None:
    """Before there is a process to be ended."""
    async with open_core(models("a")) as core:
        switching = asyncio.create_task(core.models.activate("a"))
        await asyncio.sleep(0)
    await asyncio.gather(switching, return_exceptions=True)
    assert children() == []


# ---------------------------------------------------------------------- nobody else


async def test_the_server_is_ours_alone(models: Models) -> None:
    async with open_core(models("a")) as core:
        await core.models.activate("a")
        address, key = await way_to(core, "a")
        pid = pids(core)["a"]
        assert address.startswith("http://127.0.0.1:")

        def status(path: str, **headers: str) -> int:
            request = urllib.request.Request(address + path, headers=headers)
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    return int(answer.status)
            except urllib.error.HTTPError as error:
                error.close()
                return error.code

        for path in ("/slots", "/props", "/metrics"):
            assert await asyncio.to_thread(status, path) == 401
            assert await asyncio.to_thread(status, path, authorization="Bearer wrong") == 401
        assert await asyncio.to_thread(status, "/slots", authorization=f"Bearer {key}") == 200
        for name in ("cmdline", "environ"):
            assert key.encode() not in Path(f"/proc/{pid}/{name}").read_bytes()
        listening = [found for found in psutil.Process(pid).net_connections() if found.status == psutil.CONN_LISTEN]
        assert {found.laddr.ip for found in listening} == {"127.0.0.1"}


async def test_the_process_is_kept_apart(models: Models) -> None:
    async with open_core(models("a")) as core:
        await core.models.activate("a")
        pid = pids(core)["a"]
        assert os.getsid(pid) == pid, "a hang-up or interrupt of the terminal does not reach it"
        assert psutil.Process(pid).nice() > psutil.Process().nice()
        for number in (signal.SIGINT, signal.SIGHUP):
            os.kill(pid, number)
        session = await core.sessions.create()
        assert (await answer(core, session.id)).message.state is MessageState.COMPLETE
        assert pids(core) == {"a": pid}
        (worker,) = [found for found in workers() if found.pid == pid]
        assert (worker.parent_pid, worker.orphan) == (os.getpid(), False)
        assert worker.memory_bytes is not None
        assert worker.memory_bytes > 50_000_000
        (loaded,) = (await core.guard.snapshot()).loaded
        assert (loaded.name, loaded.pid, loaded.context_length) == ("a", pid, 8192)
        assert loaded.reported_bytes is not None
        assert core.runtimes.log("a")


async def test_the_context_is_that_of_the_settings_and_no_more_than_the_models(models: Models) -> None:
    for wanted, context in ((1024, 1024), (1_000_000, 8192), (0, 8192)):
        async with open_core(models() if wanted else models("a"), VENOM_CONTEXT=wanted) as core:
            session = await core.sessions.create()
            await answer(core, session.id)
            assert [model.context_length for model in core.runtimes.loaded()] == [context]
