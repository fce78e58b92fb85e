from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.core.support import answered_by, open_core
from tests.gguf_files import write_gguf
from tests.servers import Script, Server, serving
from venom_tui.core.core import Core

Answering = Callable[..., Awaitable[Server]]


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[Core]:
    """A core with a model of its own, `tiny`, that can answer only where a scripted server does so for it."""
    write_gguf(tmp_path / "data" / "models" / "tiny.gguf")
    async with open_core(tmp_path) as opened:
        yield opened


@pytest.fixture
async def answering(core: Core, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Answering]:
    """Let scripts answer the turns of `core`, one after the other."""
    async with AsyncExitStack() as stack:

        async def begin(*scripts: Script) -> Server:
            server = await stack.enter_async_context(serving(*scripts))
            answered_by(core, server, monkeypatch)
            return server

        yield begin
