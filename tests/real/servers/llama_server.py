"""A real llama-server: with one model, or as a router over a folder of models.

async def test_…(llama_server: LlamaFactory, llama_router: RouterFactory) -> None:
    async with llama_server() as server: …
    async with llama_router(models_max=1) as router: …
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import pytest

from scripts.real_components import GEMMA, LLAMA_SERVER
from tests.real.servers.process import Server, free_port, start
from tests.tools import need

_ENVIRONMENT = {
    "LLAMA_ARG_N_GPU_LAYERS": "0",
    "LLAMA_ARG_THREADS": "1",  # more of them spin, and everything else on the machine stands still
    "LLAMA_ARG_N_PARALLEL": "2",
    "LLAMA_ARG_CTX_SIZE": "4096",
    "LLAMA_ARG_KV_UNIFIED": "1",
    "LLAMA_ARG_ENDPOINT_METRICS": "1",
    "LLAMA_ARG_ENDPOINT_PROPS": "1",
    "LLAMA_ARG_ENDPOINT_SLOTS": "1",
    "LLAMA_ARG_NO_WEBUI": "1",
    "LLAMA_OFFLINE": "1",
}


class LlamaFactory(Protocol):
    """What the fixture `llama_server` gives. Further arguments are llama-server's own: `LLAMA_ARG_CTX_SIZE="512"`."""

    def __call__(
        self, model: Path | None = None, *, wait: bool = True, arguments: tuple[str, ...] = (), **environment: str
    ) -> AbstractAsyncContextManager[Server]: ...


class RouterFactory(Protocol):
    """What the fixture `llama_router` gives."""

    def __call__(
        self,
        models: Mapping[str, Path] | None = None,
        *,
        models_max: int = 4,
        autoload: bool = True,
        arguments: tuple[str, ...] = (),
        **environment: str,
    ) -> AbstractAsyncContextManager[Server]: ...


@contextlib.asynccontextmanager
async def llama_server_process(
    home: Path, arguments: tuple[str, ...], *, wait: bool = True, port: int = 0, **environment: str
) -> AsyncIterator[Server]:
    """Run a llama-server. Takes 0.5 s with SmolLM2.

    Args:
        home: its HOME and cache.
        arguments: `--model FILE` or `--models-dir FOLDER`, and more.
        wait: until its model is loaded; without it the first answers are 503, or there is nobody yet.
        port: where it answers; a free one where none is named.
        environment: its settings as variables (LLAMA_ARG_…), over those that keep it small.
    """
    port = port or free_port()
    command = [str(LLAMA_SERVER.path), "--host", "127.0.0.1", "--port", str(port), *arguments]
    given = {**_ENVIRONMENT, "LLAMA_CACHE": str(home / "cache"), **environment}
    server = start(command, url=f"http://127.0.0.1:{port}", home=home, environment=given, log="llama-server.log")
    try:
        if wait:
            await server.until_ready("/health", 60)
        yield server
    finally:
        server.stop(3)  # it waits for its streams, and a test that fails has left some open


@pytest.fixture
def llama_server(tmp_path: Path, demonstration_model: Path) -> LlamaFactory:
    """Start llama-servers with one model: SmolLM2, as `smollm2`, where no other is named."""
    need("llama-server")

    def run(
        model: Path | None = None, *, wait: bool = True, arguments: tuple[str, ...] = (), **environment: str
    ) -> AbstractAsyncContextManager[Server]:
        named = ("--model", str(model or demonstration_model), "--alias", model.stem if model else "smollm2")
        return llama_server_process(tmp_path / "llama-server", (*named, *arguments), wait=wait, port=0, **environment)

    return run


@pytest.fixture
def router_models(demonstration_model: Path) -> dict[str, Path]:
    """The models of a router by name: `smollm2`, `twin` (the same file), and `second` where gemma3-270m is here."""
    models = {"smollm2": demonstration_model, "twin": demonstration_model}
    return models | ({"second": GEMMA.path} if GEMMA.present else {})


@pytest.fixture
def llama_router(tmp_path: Path, router_models: dict[str, Path]) -> RouterFactory:
    """Start llama-servers in router mode over a folder of models, those of `router_models` unless others are named."""
    need("llama-server")

    def run(
        models: Mapping[str, Path] | None = None,
        *,
        models_max: int = 4,
        autoload: bool = True,
        arguments: tuple[str, ...] = (),
        **environment: str,
    ) -> AbstractAsyncContextManager[Server]:
        folder = tmp_path / "router-models"
        folder.mkdir(exist_ok=True)
        for name, path in (router_models if models is None else models).items():
            if not (folder / f"{name}.gguf").exists():
                (folder / f"{name}.gguf").symlink_to(path)
        mode = ("--models-dir", str(folder), "--models-max", str(models_max))
        loading = () if autoload else ("--no-models-autoload",)
        home, given = tmp_path / "llama-router", (*mode, *loading, *arguments)
        return llama_server_process(home, given, wait=True, port=0, **environment)

    return run
