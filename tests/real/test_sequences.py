"""The random sequences of `tests/core/models/memory` over the embedded llama.cpp and a real Ollama."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.core.models.memory.machine import MemoryMachine
from tests.real.servers.ollama import OllamaServer, ollama_server
from tests.real.servers.ollama_store import OllamaModel
from tests.tools import need
from venom_tui.core.models import files

SEQUENCES = 200 if os.environ.get("VENOM_SOAK") else 6


class Real:
    """A real Ollama; each sequence has one of its own."""

    names = ("one:135m", "two:135m")

    def __init__(self, models: list[OllamaModel]) -> None:
        self.url = ""
        self._models = models
        self._server: OllamaServer | None = None

    async def open(self, stack: AsyncExitStack, folder: Path) -> None:
        server = ollama_server(folder / "ollama", self._models, OLLAMA_MAX_LOADED_MODELS="4")
        self._server = await stack.enter_async_context(server)
        self.url = self._server.url

    async def _call(self, path: str, **body: object) -> dict[str, list[dict[str, str]]]:
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
            answer = await (client.post(f"{self.url}{path}", json=body) if body else client.get(f"{self.url}{path}"))
            found: dict[str, list[dict[str, str]]] = answer.json()
            return found

    async def held(self) -> dict[str, bool]:
        rows = (await self._call("/api/ps"))["models"]
        return {row["name"]: row["expires_at"].startswith("23") for row in rows}

    async def load(self, name: str, *, pinned: bool) -> None:
        await self._call("/api/generate", model=name, **({"keep_alive": -1} if pinned else {}))

    async def drop(self, name: str) -> None:
        await self._call("/api/generate", model=name, keep_alive=0)
        while name in await self.held():
            pass


@pytest.mark.real
@pytest.mark.timeout(3600 if SEQUENCES > 6 else 240)
def test_sequences(demonstration_model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    need("ollama")
    monkeypatch.setattr(files, "demonstration_file", lambda: None)
    # Two models of the same weights would share a runner: the second file has a byte more.
    other = tmp_path / "other.gguf"
    other.write_bytes(demonstration_model.read_bytes() + b"\0")
    models = [OllamaModel("one:135m", demonstration_model), OllamaModel("two:135m", other)]

    class Machine(MemoryMachine):
        file = demonstration_model
        ollama = Real(models)

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=SEQUENCES,
            stateful_step_count=8 if SEQUENCES == 6 else 16,
            deadline=None,
            phases=(Phase.reuse, Phase.generate),
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
