"""A clean stop beside a real Ollama: what venom-tui loaded leaves, what others loaded or pinned stays."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from scripts.real_components import GEMMA
from tests.core.support import open_core, settings_for
from tests.real.servers.ollama import OllamaFactory
from tests.real.servers.ollama_store import OllamaModel
from tests.tools import need
from venom_tui.core.clients.http import HttpPool
from venom_tui.core.clients.ollama import OllamaClient
from venom_tui.core.stop import stop

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


async def test_ours_leave_and_others_stay(
    tmp_path: Path, ollama: OllamaFactory, demonstration_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("gemma3-270m")
    monkeypatch.setattr("venom_tui.core.stop.workers", list)
    models = [OllamaModel("one:135m", demonstration_model), OllamaModel("two:270m", GEMMA.path, family="gemma3")]
    async with ollama(models, OLLAMA_MAX_LOADED_MODELS="2") as server:
        pool = HttpPool()
        other = OllamaClient(pool, server.url, who="somebody else")
        values = {"OLLAMA_HOST": server.url}

        async def held() -> dict[str, bool]:
            return {row.name: row.forever for row in await other.ps()}

        async def left() -> None:
            while "one:135m" in await held():  # noqa: ASYNC110 (nothing tells that it has left)
                await asyncio.sleep(0.05)

        async def load(name: str) -> None:
            async with open_core(tmp_path, **values) as core:
                await core.runtimes.settled(10)
                await core.runtimes.prepare(await core.models.find(name))

        # Ours leaves; what somebody else pinned, and venom-tui used as it was, stays.
        await other.load("two:270m", keep_alive=-1)
        await load("one:135m")
        await load("two:270m")
        assert await held() == {"one:135m": False, "two:270m": True}
        report = await stop(settings_for(tmp_path, **values))
        assert report.stopped == ("one:135m @ ollama was unloaded.",)
        assert (report.failed, report.spared) == ((), ())
        assert await held() == {"two:270m": True}

        # Ours that left and was loaded again by somebody else: the process that holds it began later.
        monkeypatch.setattr("venom_tui.core.stop._CLOCK", timedelta())
        await load("one:135m")
        await other.unload("one:135m")
        await left()
        await other.load("one:135m")
        report = await stop(settings_for(tmp_path, **values))
        assert report.spared == ("one:135m @ ollama was loaded again by somebody else; it stays.",)
        await other.unload("one:135m")
        await left()

        # Ours that somebody pinned since.
        await load("one:135m")
        await other.load("one:135m", keep_alive=-1)
        report = await stop(settings_for(tmp_path, **values))
        assert report.spared == ("one:135m @ ollama was pinned by somebody else; it stays.",)
        assert await held() == {"one:135m": True, "two:270m": True}
        server.kill_runners()
        while await held():
            await other.unload("one:135m")
            await other.unload("two:270m")
        await load("one:135m")
        assert (await stop(settings_for(tmp_path, **values))).stopped == ("one:135m @ ollama was unloaded.",)
        assert await held() == {}
        assert server.runner_pids() == []
        await pool.close()
