"""Models that are the demonstration model under other names, and an Ollama that is asked like a real one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.ollama import FakeOllama
from tests.servers import Server, serving
from venom_tui.core.models import files

Link = Callable[..., Path]


@pytest.fixture
def link(tmp_path: Path, demonstration_model: Path, monkeypatch: pytest.MonkeyPatch) -> Link:
    """Put the demonstration model into the models folder under names; return the test's folder."""
    monkeypatch.setattr(files, "demonstration_file", lambda: None)

    def put(*names: str) -> Path:
        folder = tmp_path / "data" / "models"
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (folder / f"{name}.gguf").symlink_to(demonstration_model)
        return tmp_path

    return put


@pytest.fixture
def fake() -> FakeOllama:
    """An Ollama with two models."""
    return FakeOllama(models={"one:latest": {}, "two:latest": {}, "three:latest": {}})


@pytest.fixture
async def ollama(fake: FakeOllama) -> AsyncIterator[Server]:
    """The server of it."""
    async with serving(fake) as server:
        yield server
