"""Servers that a test lets venom-tui start, and what is left of them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.core.support import settings_for
from venom_tui.core.core import Core
from venom_tui.core.owner import start_time
from venom_tui.core.resources.telemetry import Telemetry
from venom_tui.core.types.device import GuardSnapshot
from venom_tui.core.types.operation import Operation, OperationState
from venom_tui.core.types.server import Server, ServerState

ROOT = Path(__file__).resolve().parents[3]
LIMIT_S = 60.0


def command(*arguments: str) -> list[str]:
    """Return the argument vector of a server that is no more than a test needs."""
    return [sys.executable, str(ROOT / "tests" / "fake_runtime.py"), *arguments]


def configure(folder: Path, port: int, *arguments: str, more: str = "", name: str = "box") -> None:
    """Write a config.toml with such a server at a port."""
    config = folder / "config"
    config.mkdir(exist_ok=True)
    vector = json.dumps(command("--port", str(port), *arguments))
    text = f'[runtimes.{name}]\nurl = "http://127.0.0.1:{port}"\nkind = "vllm"\ncommand = {vector}\n{more}\n'
    (config / "config.toml").write_text(text)


def profile(folder: Path, *arguments: str, url: str = "", name: str = "box") -> None:
    """Write a config.toml with the profile of a vLLM that is such a server."""
    config = folder / "config"
    config.mkdir(exist_ok=True)
    address = f'url = "{url}"\n' if url else ""
    (config / "config.toml").write_text(
        f"[runtimes.{name}]\n{address}[runtimes.{name}.profile]\n"
        f'model = "org/fake"\nserved_name = "fake"\nprogram = {json.dumps(command())}\n'
        f"arguments = {json.dumps(list(arguments))}\n"
    )


@asynccontextmanager
async def opened(folder: Path, **values: object) -> AsyncIterator[Core]:
    """Open a core; what it started is killed at the end of the test by `cleaned`."""
    async with Core(settings_for(folder, **values)) as core:
        yield core


@contextmanager
def cleaned(folder: Path) -> Iterator[None]:
    """Kill, after the block, what records say that this test started."""
    try:
        yield
    finally:
        for path in (folder / "data" / "servers").glob("*.json"):
            for process in processes_of(path):
                pid = process.get("pid", 0)
                if pid > 1 and pid != os.getpid() and start_time(pid) == process["start_time"]:
                    try:
                        os.killpg(pid, signal.SIGKILL)
                    except OSError:
                        pass


def processes_of(path: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(path.read_text())["server"] or {}]
    except (OSError, ValueError, KeyError, TypeError):
        return []


@contextmanager
def beside(*vector: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that venom-tui has nothing to do with, in a group of its own; it must live to the end."""
    process = subprocess.Popen(vector, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        yield process
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def server_of(core: Core, name: str = "box") -> Server:
    found = core.servers.get(name)
    assert found is not None
    return found


async def ended(core: Core, operation: Operation, state: OperationState = OperationState.SUCCEEDED) -> Operation:
    """Wait for the end of an operation."""
    async with asyncio.timeout(LIMIT_S):
        done = await core.operations.wait(operation.id)
    assert done.state is state, (done.state, done.error, await core.operations.log(done.id))
    return done


async def until(core: Core, state: ServerState, name: str = "box") -> Server:
    """Wait until a server is seen so, without asking for a look."""
    async with asyncio.timeout(LIMIT_S):
        while server_of(core, name).state is not state:  # noqa: ASYNC110 (no event is promised for it)
            await asyncio.sleep(0.02)
    return server_of(core, name)


def seen(monkeypatch: pytest.MonkeyPatch, look: Callable[[], GuardSnapshot]) -> None:
    """Let every guard see what a test says."""

    async def now(_self: object) -> GuardSnapshot:
        return look()

    monkeypatch.setattr(Telemetry, "latest", lambda _self: look())
    monkeypatch.setattr(Telemetry, "snapshot", now)


def share_of(core: Core) -> str:
    """Return the share of the GPUs that a vLLM was started with."""
    command = server_of(core).command
    return command[command.index("--gpu-memory-utilization") + 1]
