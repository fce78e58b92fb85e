"""Servers are started, stopped and restarted; what venom-tui did not start is left alone."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tests.core.servers.support import (
    beside,
    cleaned,
    command,
    configure,
    ended,
    opened,
    profile,
    seen,
    server_of,
    until,
)
from tests.real.servers.process import free_port
from tests.ui.screens.guard.support import THEIRS, gpu, snapshot
from venom_tui.core.errors import OperationRefused, ReadOnly, UsageError
from venom_tui.core.events import ServerChanged
from venom_tui.core.owner import Owner, start_time
from venom_tui.core.servers.ending import end, send
from venom_tui.core.servers.records import Record, read_record, record_path, write_record
from venom_tui.core.servers.spawn import Wanted, spawn
from venom_tui.core.types.operation import OperationState
from venom_tui.core.types.runtime import RuntimeState
from venom_tui.core.types.server import ServerState

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(autouse=True)
def _cleaned(tmp_path: Path) -> Iterator[None]:
    with cleaned(tmp_path):
        yield


async def test_the_life_of_a_server(tmp_path: Path) -> None:
    configure(tmp_path, free_port(), "--child", "--after", "2")
    async with opened(tmp_path) as core:
        assert server_of(core).state is ServerState.STOPPED
        assert core.servers.refused(server_of(core)) == {"stop": "it does not run"}
        operation = await ended(core, await core.servers.start("box"))
        assert (operation.kind, operation.target, operation.cause) == ("start", "box", "user")
        assert "answers after" in operation.message
        log = await core.operations.log(operation.id)
        assert any("started: process" in line for line in log)
        assert any("loads weights" in line for line in log), "what it does meanwhile is told"
        server = await until(core, ServerState.RUNS)
        assert server.ours
        assert server.pid is not None
        path = record_path(tmp_path / "data" / "servers", "box")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        await core.runtimes.look("box")
        assert core.runtimes.states()["box"] is RuntimeState.READY
        with pytest.raises(OperationRefused, match="box is not started: it runs already"):
            await core.servers.start("box")
        lines = await core.servers.log("box")
        child = next(int(line.split()[1]) for line in lines if line.startswith("child "))
        assert start_time(child) is not None
    assert start_time(server.pid) is not None, "it goes on when venom-tui ends"

    async with opened(tmp_path) as core:
        again = server_of(core)
        assert (again.state, again.ours, again.pid) == (ServerState.RUNS, True, server.pid)
        assert again.started_at == server.started_at
        await ended(core, await core.servers.restart("box"))
        other = await until(core, ServerState.RUNS)
        assert other.pid != server.pid
        assert other.pid is not None
        await ended(core, await core.servers.stop("box"))
        gone = server_of(core)
        assert (gone.state, gone.detail) == (ServerState.STOPPED, "was stopped")
        assert start_time(other.pid) is None
        assert start_time(child) is None, "what it started is gone with it"
        await core.runtimes.look("box")
        assert core.runtimes.states()["box"] is RuntimeState.UNREACHABLE


async def test_a_server_survives_the_end_of_its_keeper(tmp_path: Path) -> None:
    configure(tmp_path, free_port(), "--child")
    async with opened(tmp_path) as core:
        await ended(core, await core.servers.start("box"))
        record = read_record(tmp_path / "data" / "servers", "box")
        assert record is not None and record.keeper is not None
        assert send(record.keeper, signal.SIGKILL)
        async with asyncio.timeout(30):
            while start_time(record.keeper.pid) is not None:  # noqa: ASYNC110 (nothing tells of it)
                await asyncio.sleep(0.02)
        await core.runtimes.look("box")
        assert core.runtimes.states()["box"] is RuntimeState.READY
        child = next(int(line.split()[1]) for line in await core.servers.log("box") if line.startswith("child "))
        await ended(core, await core.servers.stop("box"))
        await until(core, ServerState.STOPPED)
        async with asyncio.timeout(30):
            while start_time(child) is not None:  # noqa: ASYNC110 (nothing tells of it)
                await asyncio.sleep(0.02)


async def test_what_a_server_leaves_ends_where_its_end_cannot_be_written(tmp_path: Path) -> None:
    configure(tmp_path, free_port(), "--child")
    async with opened(tmp_path) as core:
        await ended(core, await core.servers.start("box"))
        folder = tmp_path / "data" / "servers"
        record = read_record(folder, "box")
        assert record is not None and record.keeper is not None
        (folder / f"box.json.{record.keeper.pid}").mkdir()  # what it writes first stands in the way, as for a full disk
        child = next(int(line.split()[1]) for line in await core.servers.log("box") if line.startswith("child "))
        await ended(core, await core.servers.stop("box"))
        assert start_time(child) is None


async def test_a_server_that_is_killed_is_noticed_with_how(tmp_path: Path) -> None:
    configure(tmp_path, free_port())
    async with opened(tmp_path) as core:
        await ended(core, await core.servers.start("box"))
        server = await until(core, ServerState.RUNS)
        assert server.pid is not None
        with core.events.subscribe() as events:
            os.kill(server.pid, signal.SIGKILL)
            async with asyncio.timeout(30):
                async for event in events:
                    if isinstance(event, ServerChanged) and "SIGKILL" in event.server.detail:
                        break
        dead = server_of(core)
        assert (dead.state, dead.detail, dead.ours) == (ServerState.ENDED, "it was ended by SIGKILL", False)
        async with asyncio.timeout(30):
            while core.runtimes.states()["box"] is not RuntimeState.UNREACHABLE:
                await core.runtimes.look("box")


@pytest.mark.parametrize(
    ("arguments", "sentence", "hint"),
    [
        (("--fail", "torch.OutOfMemoryError: CUDA out of memory."), "there is not enough memory", "Free memory"),
        (("--fail", "Cannot find any model weights with `x`"), "its model is not there", "Check the model"),
        (("--fail", "something odd", "--status", "3"), "it ended with status 3", "The end of its log"),
    ],
)
async def test_a_start_that_fails_says_why(
    tmp_path: Path, arguments: tuple[str, ...], sentence: str, hint: str
) -> None:
    configure(tmp_path, free_port(), *arguments)
    async with opened(tmp_path) as core:
        failed = await ended(core, await core.servers.start("box"), OperationState.FAILED)
        assert failed.error_code == "start_failed"
        assert f"box did not start: {sentence}" in failed.error
        assert failed.hint.startswith(hint)
        assert failed.server_message.endswith(arguments[1])
        assert any(arguments[1] in line for line in await core.operations.log(failed.id))
        assert (await until(core, ServerState.ENDED)).pid is None


@pytest.mark.parametrize("killed", [False, True])
async def test_a_start_that_fails_for_want_of_memory_tells_who_held_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed: bool
) -> None:
    words = "torch.OutOfMemoryError: CUDA out of memory."
    configure(tmp_path, free_port(), *(("--after", "300") if killed else ("--fail", words)))
    seen(monkeypatch, lambda: snapshot([gpu(0, processes=(THEIRS,))]))
    async with opened(tmp_path) as core:
        begun = await core.servers.start("box")
        if killed:
            pid = (await until(core, ServerState.RUNS)).pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
        failed = await ended(core, begun, OperationState.FAILED)
        assert failed.hint.endswith("`venom-tui operations show` tells who held what.")
        log = "\n".join(await core.operations.log(failed.id))
        assert "GPU 0: 20.0 of 80.0 GiB used" in log
        assert "40112 other python train.py: 8.0 GiB" in log
        assert "RAM: 384.0 of 512.0 GiB available" in log


async def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.toml").write_text(
        '[runtimes.box]\nurl = "http://127.0.0.1:9"\ncommand = ["/nowhere/llama-server"]\n'
    )
    async with opened(tmp_path) as core:
        failed = await ended(core, await core.servers.start("box"), OperationState.FAILED)
        assert "/nowhere/llama-server: No such file or directory" in failed.error
        assert read_record(tmp_path / "data" / "servers", "box") is None


async def test_a_start_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("venom_tui.core.servers.performers.ENDS_WITHIN_S", 0.3)
    configure(tmp_path, free_port(), "--after", "300", "--stubborn", "--child")
    async with opened(tmp_path, VENOM_START_TIMEOUT_S="2") as core:
        failed = await ended(core, await core.servers.start("box"), OperationState.FAILED)
        assert "box did not answer within 2 s (loads weights, " in failed.error
        assert failed.error.count("it was ended") == 1
        record = read_record(tmp_path / "data" / "servers", "box")
        assert record is not None
        assert record.server is not None
        assert (start_time(record.server.pid), record.status) == (None, -signal.SIGKILL)


async def test_a_start_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    configure(tmp_path, free_port(), "--after", "300")
    async with opened(tmp_path) as core:
        operation = await core.servers.start("box")
        server = await until(core, ServerState.RUNS)
        assert server.pid is not None
        await core.operations.cancel(operation.id)
        assert start_time(server.pid) is None
        await until(core, ServerState.STOPPED)


async def test_a_start_that_is_cancelled_before_its_process_is_there_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(tmp_path, free_port(), "--after", "300")
    begins, goes_on, has_begun = threading.Event(), threading.Event(), threading.Event()

    def slow(wanted: Wanted) -> tuple[Record, bool]:
        begins.set()
        goes_on.wait(60)
        try:
            return spawn(wanted)
        finally:
            has_begun.set()

    monkeypatch.setattr("venom_tui.core.servers.performers.spawn", slow)
    async with opened(tmp_path) as core:
        operation = await core.servers.start("box")
        assert await asyncio.to_thread(begins.wait, 60)
        cancelling = asyncio.create_task(core.operations.cancel(operation.id))
        await asyncio.sleep(0)
        goes_on.set()
        assert (await cancelling).state is OperationState.CANCELLED
        assert await asyncio.to_thread(has_begun.wait, 60)
        record = read_record(tmp_path / "data" / "servers", "box")
        assert record is not None and record.server is not None
        assert start_time(record.server.pid) is None
        await core.servers.look()
        assert server_of(core).state is ServerState.STOPPED


async def test_stop_ends_what_is_still_starting(tmp_path: Path) -> None:
    configure(tmp_path, free_port(), "--after", "300")
    async with opened(tmp_path) as core:
        start = await core.servers.start("box")
        server = await until(core, ServerState.RUNS)
        assert server.pid is not None
        await ended(core, await core.servers.stop("box"))
        assert (await core.operations.get(start.id)).state is OperationState.CANCELLED
        assert start_time(server.pid) is None


async def test_a_pid_that_belongs_to_somebody_else_now_is_never_signalled(tmp_path: Path) -> None:
    configure(tmp_path, free_port())
    folder = tmp_path / "data" / "servers"
    with beside("sleep", "600") as other:
        here = replace(Owner.current(), pid=other.pid, start_time=start_time(other.pid) or 0)
        later = replace(here, start_time=here.start_time - 1)
        for dead in (later, replace(here, boot_id="another boot")):
            write_record(folder, Record("box", "http://127.0.0.1:9", server=dead, keeper=dead))
            async with opened(tmp_path) as core:
                assert server_of(core).state is ServerState.ENDED
                with pytest.raises(OperationRefused, match="it does not run"):
                    await core.servers.stop("box")
                assert not await end(folder, "box", 0.1)
                assert not send(later, signal.SIGKILL, group=True)
                await ended(core, await core.servers.restart("box"))
                await ended(core, await core.servers.stop("box"))


@pytest.mark.parametrize("spoilt", ["not JSON", "[]", '{"name": "box"}', "pid 1", "pid -1", "by others"])
async def test_a_record_that_cannot_be_trusted_says_nothing(tmp_path: Path, spoilt: str) -> None:
    configure(tmp_path, free_port())
    folder = tmp_path / "data" / "servers"
    here = Owner.current()
    write_record(folder, Record("box", "http://127.0.0.1:9", server=here, keeper=here))
    path = record_path(folder, "box")
    if spoilt.startswith("pid"):
        values = json.loads(path.read_text())
        values["server"] |= {"pid": int(spoilt.split()[1])}
        path.write_text(json.dumps(values))
    elif spoilt == "by others":
        path.chmod(0o662)
    else:
        path.write_text(spoilt)
    async with opened(tmp_path) as core:
        assert server_of(core).state is ServerState.STOPPED
        with pytest.raises(OperationRefused):
            await core.servers.stop("box")


async def test_what_another_machine_runs_is_left_alone(tmp_path: Path) -> None:
    configure(tmp_path, free_port())
    there = replace(Owner.current(), machine_id="other", host="gpu-08")
    write_record(tmp_path / "data" / "servers", Record("box", "http://127.0.0.1:9", server=there, keeper=there))
    async with opened(tmp_path) as core:
        assert (server_of(core).state, server_of(core).detail) == (ServerState.ELSEWHERE, "runs on gpu-08")
        for verb in (core.servers.start, core.servers.stop, core.servers.restart):
            with pytest.raises(OperationRefused, match="it runs on gpu-08"):
                await verb("box")


async def test_what_somebody_else_started_is_left_alone(tmp_path: Path) -> None:
    port = free_port()
    configure(tmp_path, port)
    with beside(*command("--port", str(port))):
        async with opened(tmp_path) as core:
            async with asyncio.timeout(30):
                while core.runtimes.states()["box"] is not RuntimeState.READY:
                    await core.runtimes.look("box")
            for verb in (core.servers.start, core.servers.stop, core.servers.restart):
                with pytest.raises(OperationRefused, match="was not started by venom-tui"):
                    await verb("box")


async def test_a_port_that_is_taken_by_what_does_not_answer_is_named(tmp_path: Path) -> None:
    silent = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    configure(tmp_path, port)
    async with silent, opened(tmp_path) as core:
        failed = await ended(core, await core.servers.start("box"), OperationState.FAILED)
        assert f"process {os.getpid()}" in failed.error
        assert f"answers at port {port} already" in failed.error


async def test_a_profile_without_an_address_gets_a_port(tmp_path: Path) -> None:
    profile(tmp_path)
    async with opened(tmp_path) as core:
        url = server_of(core).url
        assert url.startswith("http://127.0.0.1:")
        await ended(core, await core.servers.start("box"))
        server = await until(core, ServerState.RUNS)
        assert server.url == url
        assert server.command[-6:] == (
            "--served-model-name",
            "fake",
            "--host",
            "127.0.0.1",
            "--port",
            url.split(":")[2],
        )
        await core.runtimes.look("box")
        assert core.runtimes.states()["box"] is RuntimeState.READY
        await ended(core, await core.servers.stop("box"))
        # Somebody else takes that port: another one is chosen, and the runtime is asked there.
        taken = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", int(url.split(":")[2]))
        async with taken:
            await ended(core, await core.servers.start("box"))
            moved = await until(core, ServerState.RUNS)
            assert moved.url != url
            await core.runtimes.look("box")
            assert core.runtimes.states()["box"] is RuntimeState.READY
            await ended(core, await core.servers.stop("box"))


async def test_what_is_not_controlled_and_read_only(tmp_path: Path) -> None:
    configure(tmp_path, free_port(), more='[runtimes.far]\nurl = "http://127.0.0.1:9"\nkind = "vllm"')
    async with opened(tmp_path) as core:
        for name, sentence in (("far", "far is not started or stopped from here"), ("none", "There is no runtime")):
            for verb in (core.servers.start, core.servers.stop, core.servers.restart, core.servers.log):
                with pytest.raises(UsageError, match=sentence):
                    await verb(name)
        assert core.servers.get("far") is None
    async with opened(tmp_path, VENOM_READ_ONLY="1") as core:
        for verb in (core.servers.start, core.servers.stop, core.servers.restart):
            with pytest.raises(ReadOnly):
                await verb("box")
        assert await core.operations.list() == []


def test_many_that_spawn_at_once_start_one(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    wanted = Wanted("box", url, ["sleep", "600"], dict(os.environ), tmp_path / "data" / "servers", tmp_path / "box.log")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: spawn(wanted), range(4)))
    assert sum(new for _, new in found) == 1
    assert len({record.server for record, _ in found}) == 1


def test_a_record_survives_being_written(tmp_path: Path) -> None:
    here = Owner.current()
    record = Record("box", "http://x:1", ("a", "b"), here, here, started_at="2026-03-01T12:00:00+00:00", status=-9)
    write_record(tmp_path, record)
    assert read_record(tmp_path, "box") == record
    assert json.loads(record_path(tmp_path, "box").read_text())["server"] == asdict(here)
