"""A real Ollama with a model folder of its own.

async def test_…(ollama: OllamaFactory) -> None:
    async with ollama(OLLAMA_MAX_LOADED_MODELS="1") as server:
        …  # server.url, server.runner_pids(), server.log
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil
import pytest

from scripts.real_components import GEMMA, OLLAMA
from tests.real.servers.ollama_store import OllamaModel, lay, standard
from tests.real.servers.process import Server, free_port, kill_pid, start
from tests.tools import need

_ENVIRONMENT = {
    "OLLAMA_NO_CLOUD": "1",
    "GIN_MODE": "release",
    "LLAMA_ARG_N_GPU_LAYERS": "0",  # else this llama-server counts layers on a GPU that is not there
    "LLAMA_ARG_THREADS": "1",
}


@dataclass(kw_only=True)
class OllamaServer(Server):
    """An Ollama that runs."""

    models_dir: Path
    """Its OLLAMA_MODELS."""

    def runner_pids(self) -> list[int]:
        """Return the processes that hold models, one a model."""
        return self.pids_of("llama-server")

    def kill_runners(self) -> list[int]:
        """Kill the processes that hold models, as a lack of memory would; return which."""
        pids = self.runner_pids()
        for pid in pids:
            kill_pid(pid)
        return pids

    def suspend_runners(self) -> None:
        """Let its runners stand still: an answer that hangs."""
        for pid in self.runner_pids():
            psutil.Process(pid).suspend()

    def resume_runners(self) -> None:
        """Let them go on."""
        for pid in self.runner_pids():
            psutil.Process(pid).resume()

    def add(self, model: OllamaModel) -> None:
        """Lay another model into its folder; it finds it by itself."""
        lay(self.models_dir, model)


class OllamaFactory(Protocol):
    """What the fixture gives: starts an Ollama with the environment variables that are passed."""

    def __call__(
        self, models: Iterable[OllamaModel] | None = None, *, models_dir: Path | None = None, **environment: str
    ) -> AbstractAsyncContextManager[OllamaServer]: ...


@contextlib.asynccontextmanager
async def ollama_server(
    home: Path, models: Iterable[OllamaModel] = (), *, models_dir: Path | None = None, port: int = 0, **environment: str
) -> AsyncIterator[OllamaServer]:
    """Run an Ollama. Takes 0.2 s.

    Args:
        home: its HOME; one that is not empty is that of an Ollama that ran before.
        models: what is laid into its model folder.
        models_dir: the model folder, where another than `home/models` is wanted.
        port: where it answers; a free one where none is named.
        environment: OLLAMA_MAX_LOADED_MODELS, OLLAMA_MAX_QUEUE, OLLAMA_KEEP_ALIVE and the like.
    """
    folder = models_dir or home / "models"
    folder.mkdir(parents=True, exist_ok=True)
    for model in models:
        lay(folder, model)
    port = port or free_port()
    given = {**_ENVIRONMENT, "OLLAMA_HOST": f"127.0.0.1:{port}", "OLLAMA_MODELS": str(folder), **environment}
    command = [str(OLLAMA.path), "serve"]
    server = start(command, url=f"http://127.0.0.1:{port}", home=home, environment=given, log="ollama.log")
    try:
        await server.until_ready("/api/version", 20)
        yield OllamaServer(**vars(server), models_dir=folder)
    finally:
        server.stop()


@pytest.fixture
def ollama_models(demonstration_model: Path) -> list[OllamaModel]:
    """One model of each kind (see `standard`); `second` where gemma3-270m has been fetched."""
    return standard(demonstration_model, GEMMA.path if GEMMA.present else None)


@pytest.fixture
def ollama(tmp_path: Path, ollama_models: list[OllamaModel]) -> OllamaFactory:
    """Start Ollamas; without models named they have those of `ollama_models`. All of a test share one home."""
    need("ollama")

    def run(
        models: Iterable[OllamaModel] | None = None, *, models_dir: Path | None = None, **environment: str
    ) -> AbstractAsyncContextManager[OllamaServer]:
        laid = ollama_models if models is None else models
        return ollama_server(tmp_path / "ollama", laid, models_dir=models_dir, port=0, **environment)

    return run
