"""SIGKILL at random moments of a download of 200 MB: the next one shows the truth, goes on, and ends with the right
bytes."""

from __future__ import annotations

import asyncio
import functools
import os
import random
import sys
from asyncio.subprocess import DEVNULL
from pathlib import Path

import pytest

from tests.core.models.pulls.support import core_with
from tests.hub import Hub, Repository
from venom_tui.core.types.operation import OperationState

KILLS = 30 if os.environ.get("VENOM_SOAK") else 5
SIZE = 200_000_000
NAME = "a-Q4_0.gguf"


@functools.cache
def weights() -> bytes:
    return random.Random(7).randbytes(SIZE)


@pytest.mark.timeout(120 + 10 * KILLS)
async def test_kills(tmp_path: Path) -> None:
    repository = Repository("org/big", {NAME: weights()})
    chance = random.Random(os.urandom(8))
    with Hub(repository) as hub:
        hub.faults.rate = 60e6
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(tmp_path), "VENOM_DATA_DIR": str(tmp_path / "data"),
            "VENOM_CONFIG_DIR": str(tmp_path / "config"), "HF_ENDPOINT": hub.url,
            "HF_HUB_CACHE": str(tmp_path / "hub"), "VENOM_DISCOVERY": "0",
        }  # fmt: skip
        command = [sys.executable, "-m", "venom_tui", "models", "pull", "org/big"]
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
                async with core_with(tmp_path, hub=hub) as (core, _):
                    assert all(one.state.final for one in await core.operations.list())
                    whole = [one for one in await core.models.list() if one.provider == "huggingface"]
                    assert all(one.size_bytes == SIZE for one in whole), "nothing is listed that is not whole"
                continue
            assert process.returncode == 0
            for path in (tmp_path / "hub" / "models--org--big").rglob("*"):  # once more from the beginning
                if path.is_file() or path.is_symlink():
                    path.unlink()
        async with core_with(tmp_path, hub=hub) as (core, _):
            operation = await core.models.pull("org/big")
            assert (await core.operations.wait(operation.id)).state is OperationState.SUCCEEDED
            states = {one.state for one in await core.operations.list()}
            assert states <= {OperationState.SUCCEEDED, OperationState.INTERRUPTED}
    blobs = tmp_path / "hub" / "models--org--big" / "blobs"
    assert (blobs / repository.etag(NAME)).read_bytes() == weights()
    assert [path.name for path in blobs.iterdir()] == [repository.etag(NAME)], "nothing else is left"


async def test_200_mb_to_the_byte(tmp_path: Path) -> None:
    repository = Repository("org/big", {NAME: weights()})
    with Hub(repository) as hub:
        hub.faults.rate = 80e6
        async with core_with(tmp_path, hub=hub) as (core, _):
            operation = await core.models.pull("org/big")
            done = 0
            async for now in core.operations.follow(operation.id):
                assert now.bytes_total == SIZE
                assert done <= (now.bytes_done or 0) <= hub.fetched(NAME) + hub.serving * 32 * 1024**2
                done = now.bytes_done or 0
                if (now.share or 0) >= 0.5:
                    break
            assert (await core.operations.cancel(operation.id)).state is OperationState.CANCELLED
            async with asyncio.timeout(20):
                while True:
                    if not hub.serving:
                        break
                    await asyncio.sleep(0.05)
            first = hub.fetched(NAME)
            kept = (await core.operations.get(operation.id)).bytes_done or 0
            assert first - 24 * 1024**2 <= kept <= first, "what is kept is what was sent, but for what was on its way"
            hub.served.clear()
            again = await core.models.pull("org/big")
            assert (await core.operations.wait(again.id)).state is OperationState.SUCCEEDED
            assert hub.fetched(NAME) == SIZE - kept, "nothing that is there is fetched again"
