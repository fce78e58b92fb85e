"""A real vLLM by its profile: started with its log's progress, asked, found again, killed, started anew and stopped."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.real_components import VLLM, VLLM_MODELS
from tests.core.servers.support import cleaned, ended, opened, server_of, until
from tests.core.support import settings_for, turn
from tests.real.place import SHORT, end_of
from tests.real.servers.vllm import ENVIRONMENT
from tests.tools import need
from tests.ui.shown import open_app
from venom_tui.core.core import Core
from venom_tui.core.owner import start_time
from venom_tui.core.stop import stop
from venom_tui.core.types.operation import OperationState
from venom_tui.core.types.runtime import RuntimeState
from venom_tui.core.types.server import ServerState
from venom_tui.core.types.session import MessageState

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

PROGRAM = [str(VLLM.path), "-m", "vllm.entrypoints.openai.api_server"]


@pytest.fixture(autouse=True)
def _cleaned(tmp_path: Path) -> Iterator[None]:
    with cleaned(tmp_path):
        yield


def profiles(folder: Path, **models: str) -> None:
    """Write a config.toml with a profile for each of these; the port of each is chosen."""
    config = folder / "config"
    config.mkdir(exist_ok=True)
    environment = ENVIRONMENT | {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
    table = ", ".join(f"{name} = {json.dumps(value)}" for name, value in environment.items())
    (config / "config.toml").write_text(
        "".join(
            f"[runtimes.{name}]\nenvironment = {{ {table} }}\n[runtimes.{name}.profile]\nmodel = {json.dumps(model)}\n"
            f'served_name = "tiny"\nmax_length = 512\nprogram = {json.dumps(PROGRAM)}\n'
            'arguments = ["--dtype", "bfloat16", "--enforce-eager"]\n'
            for name, model in models.items()
        )
    )


async def asked(core: Core) -> None:
    session = await core.sessions.create()
    request = await core.chat.send(session.id, "Name a city.", model="tiny", runtime="box", parameters=SHORT)
    done = end_of(await turn(core, request))
    assert done.message.state is MessageState.COMPLETE, done.error


def group_of(leader: int) -> list[int]:
    """Return the processes of a group that live."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == leader and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


async def test_a_vllm_by_its_profile(tmp_path: Path) -> None:
    need("vllm-models")
    profiles(tmp_path, box=str(VLLM_MODELS.folder / "tiny"), bad="/nowhere/model")
    async with opened(tmp_path) as core:
        failed = await core.servers.start("bad")
        started = await core.servers.start("box")
        failed = await ended(core, failed, OperationState.FAILED)
        assert "bad did not start: its model is not there or cannot be read; it ended with status 1" in failed.error
        assert "Repo id must be in the form" in failed.server_message
        assert any(
            line.endswith("Use `repo_type` argument if needed.") for line in await core.operations.log(failed.id)
        )

        async with asyncio.timeout(300):
            told = {one.message async for one in core.operations.follow(started.id)}
        await ended(core, started)
        log = "\n".join(await core.operations.log(started.id))
        for phase in ("reads the model (LlamaForCausalLM)", "starts its engine", "answered after"):
            assert phase in log, log
        assert {"box has begun", "box starts its engine"} & told
        await core.runtimes.look("box")
        assert core.runtimes.states()["box"] is RuntimeState.READY
        await asked(core)
        await core.runtimes.measure()
        load = core.runtimes.figures("box").load
        assert (load.running, load.waiting, load.reason) == (0, 0, "")
        assert load.generated_tokens
        assert load.prompt_tokens
        assert load.kv_share is not None
        pid = server_of(core).pid
    assert pid is not None
    assert start_time(pid) is not None, "it survives our quit"

    async with open_app(settings_for(tmp_path), "runtimes", 120, 40) as shown:
        await shown.until(lambda: "profile (ours) serves tiny" in shown.line("box"), 60)
        await shown.until(lambda: " 0 0 0 % " in shown.line("box"), 60)
        assert (server_of(shown.core).state, server_of(shown.core).pid) == (ServerState.RUNS, pid)
        await shown.press("home", "down")
        await shown.until_text("Application startup complete.")
        os.kill(pid, signal.SIGKILL)
        await shown.until(lambda: "it was ended by SIGKILL" in shown.line("box"))
        await shown.until(lambda: not group_of(pid))
        await shown.press("s")
        await shown.until_text("starts its engine", 120)
    # The operation went on in the background, as the server does.
    async with opened(tmp_path) as core:
        again = next(one for one in await core.operations.list(5) if one.kind == "start" and one.target == "box")
        await ended(core, again)
        last = (await until(core, ServerState.RUNS)).pid
        await asked(core)
    report = await stop(settings_for(tmp_path))
    assert report.stopped == (f"box (process {last}) was ended.",)
    assert not report.failed
    assert last is not None
    assert group_of(last) == []
