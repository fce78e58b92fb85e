"""Which process is which model: real servers of every kind at once, on a driver that is fed with their real pids."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.real_components import GEMMA
from tests.core.resources.test_nvml import use
from tests.nvml import FakeDriver, gpu
from tests.real.servers.llama_server import LlamaFactory, RouterFactory
from tests.real.servers.ollama import OllamaFactory
from tests.real.servers.ollama_store import OllamaModel
from tests.real.servers.vllm import VllmServer
from tests.tools import need, requires_tool
from venom_tui.core.core import Core
from venom_tui.core.settings import load_settings
from venom_tui.core.types.device import GuardSnapshot

pytestmark = [pytest.mark.real, pytest.mark.timeout(300), requires_tool("gcc")]
MIB = 1024**2
HIDDEN = 4_194_301
"""A pid that nobody here has: a process of another container."""


async def until(core: Core, condition: Callable[[GuardSnapshot], bool]) -> GuardSnapshot:
    """Look until a snapshot is as it should be."""
    async with asyncio.timeout(60):
        while True:
            await core.runtimes.look()
            snapshot = await core.guard.snapshot()
            if condition(snapshot):
                return snapshot
            await asyncio.sleep(0.2)


async def test_all_at_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    data_dir: Path,
    config_dir: Path,
    demonstration_model: Path,
    ollama: OllamaFactory,
    vllm: VllmServer,
    llama_server: LlamaFactory,
    llama_router: RouterFactory,
) -> None:
    need("gemma3-270m")
    driver = FakeDriver(tmp_path / "driver")
    use(driver, monkeypatch)
    models = [OllamaModel("plain:135m", demonstration_model), OllamaModel("second:270m", GEMMA.path, family="gemma3")]
    async with (
        ollama(models, OLLAMA_MAX_LOADED_MODELS="2") as first,
        llama_server() as by_hand,
        llama_router() as router,
    ):
        (config_dir / "config.toml").write_text(
            f'[runtimes.hand]\nurl = "{by_hand.url}"\nkind = "llamacpp"\n'
            f'[runtimes.router]\nurl = "{router.url}"\nkind = "llamacpp"\n'
        )
        monkeypatch.setenv("OLLAMA_HOST", first.url)
        monkeypatch.setenv("VLLM_ENDPOINT", vllm.url)
        async with first.client() as http:
            for model in models:
                await http.post("/api/generate", json={"model": model.name, "keep_alive": -1})
        async with router.client() as http:
            await http.post("/models/load", json={"model": "twin"})
        async with Core(load_settings()) as core:
            await core.models.activate("smollm2-135m", "embedded")
            await core.runtimes.settled(5)
            snapshot = await until(core, lambda seen: len(seen.loaded) >= 6 and all(one.pids for one in seen.loaded))
            held = {(one.runtime, one.name): one for one in snapshot.loaded}
            assert set(held) == {
                ("embedded", "smollm2-135m"), ("ollama", "plain:135m"), ("ollama", "second:270m"), ("vllm", "tiny"),
                ("hand", "smollm2"), ("router", "twin"),
            }  # fmt: skip

            # By pid, by the blob on the command line, by the port with all that is below it.
            runners = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in first.runner_pids()}
            for name, file in (("plain:135m", demonstration_model), ("second:270m", GEMMA.path)):
                (pid,) = held["ollama", name].pids
                digest = os.path.basename(held["ollama", name].weights or "?")
                assert digest in runners[pid] and digest.startswith("sha256-")
                assert (first.models_dir / "blobs" / digest).resolve() == file.resolve()
            assert held["hand", "smollm2"].pids == (by_hand.pid,)
            (twin,) = held["router", "twin"].pids
            assert "twin.gguf" in Path(f"/proc/{twin}/cmdline").read_text()
            engine = {vllm.pid, *(child.pid for child in vllm.children())}
            assert set(held["vllm", "tiny"].pids) == engine and len(engine) >= 2

            # Measured on the host, beside what is reported.
            for key in (("embedded", "smollm2-135m"), ("ollama", "plain:135m")):
                found = held[key]
                assert found.measured_bytes is not None and found.reported_bytes is not None
                assert 0.3 < found.measured_bytes / found.reported_bytes < 1.5
            assert held["ollama", "plain:135m"].pinned

            # And on GPUs: everybody's memory, and whose model it is.
            pids = {key: one.pids[-1] for key, one in held.items()}
            on = {key: 1000 + 100 * number for number, key in enumerate(pids)}
            listed = [f"{pids[key]}:{size}" for key, size in on.items()]
            driver.says(
                [
                    gpu(0, used=9000, processes=",".join([*listed[:3], f"{os.getpid()}:77", f"{HIDDEN}:88", "0:99"])),
                    gpu(1, used=9000, processes=",".join(listed[3:])),
                ]
            )
            seen = await until(core, lambda look: bool(look.gpus) and all(one.vram_measured for one in look.loaded))
            for number, (key, size) in enumerate(on.items()):
                process = next(p for one in seen.gpus for p in one.processes if p.pid == pids[key])
                assert (process.runtime, process.model, process.memory_bytes) == (*key, size * MIB)
                there = next(one for one in seen.loaded if (one.runtime, one.name) == key)
                assert (there.vram_bytes, [one.index for one in there.gpus]) == (size * MIB, [0 if number < 3 else 1])
            others = [p for p in seen.gpus[0].processes if p.pid not in pids.values()]
            assert [(p.pid, p.runtime, p.model) for p in others] == [
                (os.getpid(), None, None), (HIDDEN, None, None), (None, None, None)
            ]  # fmt: skip

            # A runner that dies is noticed: the driver's list and the server's are no longer one.
            (victim,) = held["ollama", "second:270m"].pids
            os.kill(victim, 9)
            gone = await until(core, lambda look: not any(one.pid == victim and not one.dead for one in look.loaded))
            left = [one for one in gone.loaded if one.name == "second:270m"]
            assert all(one.pids != (victim,) for one in left)
