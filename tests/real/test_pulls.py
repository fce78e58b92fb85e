"""Pulls of a real Ollama from a registry on loopback: true to the byte, resumed, on a full disk, through kills."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import itertools
import os
import random
import shutil
import subprocess
import sys
import time
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from scripts.real_components import OLLAMA
from tests.core.support import fill, open_core
from tests.real.servers.ollama import OllamaFactory, OllamaServer
from tests.real.servers.ollama_store import OllamaModel
from tests.real.servers.process import start
from tests.registry import Registry
from tests.tools import need
from venom_tui.core.core import Core
from venom_tui.core.errors import ModelNotFound, NoSpace
from venom_tui.core.types.operation import Operation, OperationState

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

S = OperationState
MB = 1_000_000
SIZE = 240 * MB
KILLS = 30 if os.environ.get("VENOM_SOAK") else int(os.environ.get("VENOM_TEST_KILLS", "5"))


@functools.cache
def weights() -> bytes:
    """Return bytes that look like weights."""
    return random.Random(7).randbytes(SIZE)


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as registry:
        registry.add("big", weights())
        registry.add("big", weights(), tag="v2", licence=b"another")
        registry.add("small", random.Random(8).randbytes(3 * MB))
        yield registry


@asynccontextmanager
async def core_of(folder: Path, server: OllamaServer, **values: object) -> AsyncIterator[Core]:
    async with open_core(folder, OLLAMA_HOST=server.url, **values) as core:
        await core.runtimes.settled(10)
        yield core


async def until_share(core: Core, operation: Operation, share: float) -> Operation:
    """Wait until so much is there."""
    async with asyncio.timeout(120):
        async for now in core.operations.follow(operation.id):
            if (now.share or 0) >= share:
                return now
    raise AssertionError((await core.operations.get(operation.id)).error)


async def names(core: Core) -> list[str]:
    """Return the models that Ollama lists."""
    return sorted(model.name for model in await core.models.list(refresh=True) if model.runtime == "ollama")


def checked(server: OllamaServer, digest: str) -> bool:
    """Return whether a layer is what it is called."""
    path = server.models_dir / "blobs" / digest.replace(":", "-")
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}" == digest


async def test_true_to_the_byte_cancelled_and_resumed(
    ollama: OllamaFactory, registry: Registry, tmp_path: Path, demonstration_model: Path
) -> None:
    digest = registry.add("big", weights())
    total = registry.size("big")
    registry.faults.rate = 60 * MB
    async with ollama([OllamaModel("plain:135m", demonstration_model)]) as server, core_of(tmp_path, server) as core:
        name = f"{registry.host}/library/big"
        preview = await core.models.preview_pull(name, insecure=True)
        assert preview.bytes_total == total
        assert preview.bytes_missing is not None and total - 1000 < preview.bytes_missing <= total
        assert preview.folder == str(server.models_dir / "blobs") and preview.free_bytes
        operation = await core.models.pull(name, insecure=True, preview=preview)
        seen: list[Operation] = []
        async with asyncio.timeout(120):
            async for now in core.operations.follow(operation.id):
                seen.append(now)
                if now.bytes_done:
                    assert now.bytes_total == total
                    sent = registry.fetched(digest) + 3 * 300_000
                    assert registry.serving or now.bytes_done <= sent + 10 * MB
                if (now.share or 0) >= 0.5:
                    break
        cancelled = await core.operations.cancel(operation.id)
        assert cancelled.state is S.CANCELLED
        await asyncio.sleep(0.5)
        first = registry.fetched(digest)
        assert abs(first - (cancelled.bytes_done or 0)) < 16 * MB, "what is told is what was sent"
        assert all((a.bytes_done or 0) <= (b.bytes_done or 0) for a, b in itertools.pairwise(seen))
        assert await names(core) == ["plain:135m"]

        again = await core.models.pull(name, insecure=True)
        ended = await core.operations.wait(again.id)
        assert (ended.state, ended.bytes_done, ended.bytes_total) == (S.SUCCEEDED, total, total), ended.error
        assert registry.fetched(digest) < SIZE + 16 * MB, "what was there is not fetched again"
        assert checked(server, digest)
        assert await names(core) == [f"{registry.host}/library/big:latest", "plain:135m"]

        shared = await core.models.preview_pull(f"{name}:v2", insecure=True)
        assert shared.bytes_missing is not None and shared.bytes_missing < 1000, "shared layers are there"
        second = await core.models.pull(f"{name}:v2", insecure=True, preview=shared)
        assert (await core.operations.wait(second.id)).state is S.SUCCEEDED
        assert registry.fetched(digest) < SIZE + 16 * MB


async def test_a_registry_that_stalls(ollama: OllamaFactory, registry: Registry, tmp_path: Path) -> None:
    digest = registry.add("big", weights())
    # Each part of the file that Ollama fetches falls silent once, for longer than it waits itself (5 s).
    registry.faults.stall_after, registry.faults.stalls, registry.faults.stall_s = 10 * MB, 3, 60.0
    async with ollama([]) as server, core_of(tmp_path, server, VENOM_PULL_STALL_S=2) as core:
        operation = await core.models.pull(f"{registry.host}/library/big", insecure=True)
        ended = await core.operations.wait(operation.id)
        assert ended.state is S.SUCCEEDED, ended.error
        assert ended.retries >= 1
        log = await core.operations.log(operation.id)
        assert any("no byte for 2 s" in line for line in log), log
        assert ended.started_at is not None and ended.finished_at is not None
        assert (ended.finished_at - ended.started_at).total_seconds() < 40, "nobody waited for the end of the silence"
        assert registry.fetched(digest) < SIZE + 16 * MB, "it went on from the partial files"
        assert checked(server, digest)


async def test_cuts_and_a_wrong_bit(ollama: OllamaFactory, registry: Registry, tmp_path: Path) -> None:
    digest = registry.add("big", weights())
    async with ollama([]) as server, core_of(tmp_path, server) as core:
        registry.faults.cut_after, registry.faults.cuts = 25 * MB, 3
        operation = await core.models.pull(f"{registry.host}/library/big", insecure=True)
        ended = await core.operations.wait(operation.id)
        assert ended.state is S.SUCCEEDED, ended.error
        assert checked(server, digest)
        registry.faults.cuts, registry.faults.damaged = 0, 1000
        operation = await core.models.pull(f"{registry.host}/library/small", insecure=True)
        ended = await core.operations.wait(operation.id)
        assert (ended.state, ended.error_code) == (S.FAILED, "download_failed")
        assert "digest mismatch" in ended.server_message and ended.hint == "A retry fetches it anew."
        registry.faults.damaged = 0
        again = await core.operations.retry(operation.id)
        assert (await core.operations.wait(again.id)).state is S.SUCCEEDED


async def test_what_the_registry_refuses(ollama: OllamaFactory, registry: Registry, tmp_path: Path) -> None:
    async with ollama([]) as server, core_of(tmp_path, server) as core:
        with pytest.raises(ModelNotFound):
            await core.models.pull(f"{registry.host}/library/nosuch", insecure=True)
        plain = await core.models.pull(f"{registry.host}/library/small")
        ended = await core.operations.wait(plain.id)
        assert ended.state is S.FAILED and "plain HTTP" in ended.error and "--insecure" in ended.hint
        for status, code in ((401, "runtime_refused"), (429, "runtime_busy"), (500, "download_failed")):
            registry.answers("/v2/library/small/*", status, b'{"errors":[{"code":"X","message":"no"}]}')
            operation = await core.models.pull(f"{registry.host}/library/small", insecure=True)
            ended = await core.operations.wait(operation.id)
            assert (ended.state, ended.error_code) == (S.FAILED, code), ended.error
            assert ended.server_message and ended.hint
            registry.behaves()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 300 MB."""
    need("root")
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


async def test_a_full_disk(
    ollama: OllamaFactory, registry: Registry, tmp_path: Path, demonstration_model: Path, disk: Path
) -> None:
    registry.faults.rate = 60 * MB
    laid = [OllamaModel("plain:135m", demonstration_model)]
    async with ollama(laid, models_dir=disk / "models") as server, core_of(tmp_path, server) as core:
        name = f"{registry.host}/library/big"
        operation = await core.models.pull(name, insecure=True)
        await until_share(core, operation, 0.3)
        filler = await asyncio.to_thread(fill, disk)
        ended = await core.operations.wait(operation.id)
        assert (ended.state, ended.error_code) == (S.FAILED, "no_space"), ended.error
        assert "MiB more are needed" in ended.error and "no space left on device" in ended.server_message
        assert await names(core) == ["plain:135m"]
        with pytest.raises(NoSpace):
            await core.models.pull(name, insecure=True)
        filler.unlink()
        again = await core.operations.retry(operation.id)
        ended = await core.operations.wait(again.id)
        assert ended.state is S.SUCCEEDED, ended.error


async def test_a_server_that_is_killed_and_comes_back(
    ollama: OllamaFactory, registry: Registry, tmp_path: Path
) -> None:
    digest = registry.add("big", weights())
    registry.faults.rate = 60 * MB
    async with ollama([]) as server, core_of(tmp_path, server) as core:
        operation = await core.models.pull(f"{registry.host}/library/big", insecure=True)
        await until_share(core, operation, 0.3)
        server.kill()
        await asyncio.sleep(1.0)
        environment = {"OLLAMA_HOST": server.url, "OLLAMA_MODELS": str(server.models_dir), "OLLAMA_NO_CLOUD": "1"}
        command = [str(OLLAMA.path), "serve"]
        again = start(command, url=server.url, home=server.home, environment=environment, log="again.log")
        try:
            ended = await core.operations.wait(operation.id)
        finally:
            again.stop()
        assert ended.state is S.SUCCEEDED, ended.error
        assert ended.retries >= 1
        assert checked(server, digest)


@pytest.mark.timeout(60 + 30 * KILLS)
async def test_kills_of_ours(ollama: OllamaFactory, registry: Registry, tmp_path: Path) -> None:
    digest = registry.add("big", weights())
    registry.faults.rate = 60 * MB
    chance = random.Random(os.urandom(8))
    async with ollama([]) as server:
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(tmp_path), "VENOM_DATA_DIR": str(tmp_path / "data"),
            "VENOM_CONFIG_DIR": str(tmp_path / "config"), "OLLAMA_HOST": server.url, "VENOM_DISCOVERY": "0",
        }  # fmt: skip
        command = [sys.executable, "-m", "venom_tui", "models", "pull", f"{registry.host}/library/big", "--insecure"]
        killed = 0
        while killed < KILLS:
            process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=DEVNULL, stderr=DEVNULL)
            try:
                async with asyncio.timeout(chance.uniform(0.3, 3.0)):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
                killed += 1
                async with core_of(tmp_path, server) as core:
                    assert not [one for one in await core.operations.list() if not one.state.final]
                continue
            assert process.returncode == 0
            await remove(server)  # once more from the beginning
        last = await asyncio.to_thread(
            subprocess.run, command, env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert last.returncode == 0, last.stderr
        assert checked(server, digest)
        async with core_of(tmp_path, server) as core:
            states = {one.state for one in await core.operations.list()}
            assert states <= {S.SUCCEEDED, S.INTERRUPTED}


async def remove(server: OllamaServer) -> None:
    async with server.client() as http:
        for model in (await http.get("/api/tags")).json()["models"]:
            await http.request("DELETE", "/api/delete", json={"model": model["name"]})


async def test_an_end_of_the_terminal_with_a_real_server(
    ollama: OllamaFactory, registry: Registry, tmp_path: Path
) -> None:
    digest = registry.add("big", weights())
    registry.faults.rate = 40 * MB
    async with ollama([]) as server:
        async with core_of(tmp_path, server) as core:
            operation = await core.models.pull(f"{registry.host}/library/big", insecure=True)
            await until_share(core, operation, 0.2)
            begun = time.monotonic()
            (given,) = await core.leave_running()
            assert given.id == operation.id and time.monotonic() - begun < 8
        async with core_of(tmp_path, server) as core:
            ended = await core.operations.wait(operation.id)
            assert ended.state is S.SUCCEEDED, ended.error
            assert registry.fetched(digest) < SIZE + 8 * MB, "the second one joined before the first one left"
            assert checked(server, digest)
    shutil.rmtree(server.models_dir)
