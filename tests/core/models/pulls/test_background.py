"""Pulls that go on in a process without a terminal: handed over, seen and stopped by others, nothing left of it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.core.downloads.hubs import MIB, weights
from tests.core.downloads.recorded import replays, until
from tests.core.models.pulls.support import core_with, ollama, registry
from tests.core.support import open_core
from tests.hub import Hub, Repository
from tests.servers import serving
from venom_tui.core.background import HOST
from venom_tui.core.core import Core
from venom_tui.core.errors import OperationRefused
from venom_tui.core.operations import worker
from venom_tui.core.types.operation import OperationState

S = OperationState
SIZE = 12 * MIB
NAME = "a-Q4_0.gguf"


@pytest.fixture
def repository() -> Repository:
    return Repository("org/big", {NAME: weights(SIZE)})


def workers(folder: Path) -> list[psutil.Process]:
    """Return the processes without a terminal that work on a data directory."""
    return [process for process in psutil.process_iter(["cmdline"]) if _is_worker(process, folder / "data")]


def _is_worker(process: psutil.Process, data: Path) -> bool:
    try:
        named = worker.__name__ in (process.info["cmdline"] or []) and process.status() != psutil.STATUS_ZOMBIE
        return named and process.environ().get("VENOM_DATA_DIR") == str(data)
    except psutil.Error:
        return False


async def none_left(folder: Path, seconds: float = 10.0) -> bool:
    """Wait until no such process is left."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not await asyncio.to_thread(workers, folder):
            return True
        await asyncio.sleep(0.05)
    return False


async def a_third(core: Core, operation_id: str) -> int:
    """Wait until a third is there."""
    async with asyncio.timeout(60):
        async for operation in core.operations.follow(operation_id):
            if (operation.share or 0) > 0.3:
                return operation.bytes_done or 0
    raise AssertionError((await core.operations.get(operation_id)).error)


async def test_a_download_goes_on_without_us(tmp_path: Path, repository: Repository) -> None:
    with Hub(repository) as hub:
        hub.faults.rate = 3 * MIB
        async with core_with(tmp_path, hub=hub) as (core, _):
            operation = await core.models.pull("org/big")
            kept = await a_third(core, operation.id)
            (given,) = await core.leave_running()
            assert given.id == operation.id and not core.operations.running()
        (process,) = await asyncio.to_thread(workers, tmp_path)
        assert process.ppid() != os.getpid() and os.getsid(process.pid) != os.getsid(0)
        assert {os.readlink(f"/proc/{process.pid}/fd/{number}") for number in (0, 1)} == {"/dev/null"}
        async with core_with(tmp_path, hub=hub) as (core, _):
            seen = await core.operations.get(operation.id)
            assert (seen.state, seen.background) == (S.RUNNING, True)
            assert (seen.bytes_done or 0) >= kept
            ended = await core.operations.wait(operation.id)
            assert (ended.state, ended.bytes_done) == (S.SUCCEEDED, SIZE), ended.error
            assert [one.size_bytes for one in await core.models.list() if one.provider == "huggingface"] == [SIZE]
        assert hub.fetched(NAME) < SIZE + 6 * MIB, "partial files went over"
    assert await none_left(tmp_path)
    assert (tmp_path / "data" / "logs" / "background.log").read_text() == ""


async def test_the_next_one_cancels_and_pauses_it(tmp_path: Path, repository: Repository) -> None:
    with Hub(repository) as hub:
        hub.faults.rate = MIB
        async with core_with(tmp_path, hub=hub) as (core, _):
            operation = await core.models.pull("org/big", waiting=True)
            await core.start_background([operation.id])
            assert await core.operations.adopted(operation.id)
            assert not core.operations.running()
            await some(core, operation.id)
            paused = await core.operations.pause(operation.id)
            assert paused.state is S.PAUSED
            assert await none_left(tmp_path), "nothing is left to do"
            hub.faults.rate = 0
            resumed = await core.operations.resume(operation.id)
            assert (await core.operations.wait(resumed.id)).state is S.SUCCEEDED
            hub.faults.rate = MIB
            again = await core.models.pull("org/big:Q4_0")
            assert (await core.operations.wait(again.id)).state is S.SUCCEEDED, "all of it is there"


async def some(core: Core, operation_id: str) -> None:
    """Wait until more than a megabyte is there."""
    async with asyncio.timeout(60):
        async for operation in core.operations.follow(operation_id):
            if (operation.bytes_done or 0) > MIB:
                return


async def test_cancelled_from_another_process(tmp_path: Path, repository: Repository) -> None:
    with Hub(repository) as hub:
        hub.faults.rate = MIB
        async with core_with(tmp_path, hub=hub) as (core, _):
            operation = await core.models.pull("org/big", waiting=True)
            await core.start_background([operation.id])
            await some(core, operation.id)
            begun = time.monotonic()
            assert (await core.operations.cancel(operation.id)).state is S.CANCELLED
            assert time.monotonic() - begun < 5
            assert await none_left(tmp_path)
    assert list(tmp_path.rglob("*.venom.incomplete")), "partial files are kept"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_background_that_is_ended(tmp_path: Path, repository: Repository, number: signal.Signals) -> None:
    with Hub(repository) as hub:
        hub.faults.rate = MIB
        async with core_with(tmp_path, hub=hub) as (core, _):
            operation = await core.models.pull("org/big", waiting=True)
            await core.start_background([operation.id])
            await some(core, operation.id)
            (process,) = await asyncio.to_thread(workers, tmp_path)
            process.send_signal(signal.SIGHUP)
            process.send_signal(number)
            ended = await core.operations.wait(operation.id)
            assert ended.state is S.INTERRUPTED
            await until(lambda: hub.serving == 0)
            hub.faults.rate = 0
            hub.served.clear()
            resumed = await core.operations.resume(operation.id)
            assert resumed.id == operation.id
            assert (await core.operations.wait(operation.id)).state is S.SUCCEEDED
            assert hub.fetched(NAME) <= SIZE - (MIB if number is signal.SIGTERM else 0)


async def test_the_background_is_stopped(tmp_path: Path, repository: Repository) -> None:
    with Hub(repository) as hub:
        hub.faults.rate = MIB
        async with core_with(tmp_path, hub=hub) as (core, _):
            operation = await core.models.pull("org/big", waiting=True)
            await core.start_background([operation.id])
            assert await core.operations.adopted(operation.id)
            (stopped,), _ = await core.operations.stop_background()
            assert (stopped.id, stopped.state) == (operation.id, S.INTERRUPTED)
            assert await none_left(tmp_path)


async def test_ollama_is_joined_before_it_is_left(tmp_path: Path) -> None:
    with Hub() as hub:
        registry(hub)
        fake = ollama(replays("ok", speed=0.5))
        async with serving(fake) as server:
            values = {"OLLAMA_HOST": server.url, "VENOM_OLLAMA_REGISTRY": hub.url}
            async with open_core(tmp_path, **values) as core:
                await core.runtimes.settled(10)
                operation = await core.models.pull("big")
                await a_third(core, operation.id)
                begun = time.monotonic()
                given = await core.leave_running()
                assert [one.id for one in given] == [operation.id] and time.monotonic() - begun < 10
            pulls = [one for one in server.asked if one.target == "POST /api/pull"]
            assert len(pulls) == 2, "the second caller came while the first one was there"
            async with open_core(tmp_path) as core:
                assert (await core.operations.wait(operation.id)).state is S.SUCCEEDED
                assert len(await core.operations.list()) == 1
                log = await core.operations.log(operation.id)
                assert any("went over to this process" in line for line in log)
    assert await none_left(tmp_path)


async def test_a_background_that_cannot_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "no-python"))
    async with open_core(tmp_path) as core:
        with pytest.raises(OperationRefused, match="No process could be started"):
            await core.start_background(["0123"])


async def test_a_background_with_nothing_to_do_ends(tmp_path: Path) -> None:
    async with open_core(tmp_path) as core:
        await worker.spawn(HOST, core.settings, ["0123456789abcdef"])
        assert await none_left(tmp_path)
