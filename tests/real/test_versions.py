"""Versions of a model in a real Ollama: a template of its own, figures from real answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.support import open_core, turn
from tests.real.servers.ollama import OllamaFactory
from venom_tui.core.types.session import MessageState
from venom_tui.core.types.turn import TurnEnded

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


async def test_a_version_with_a_template_of_its_own(tmp_path: Path, ollama: OllamaFactory) -> None:
    async with ollama() as server, open_core(tmp_path, OLLAMA_HOST=server.url) as core:
        await core.runtimes.settled(10)
        base = next(one for one in core.runtimes.models() if one.name == "plain:135m")
        plain = await core.versions.register("plain", base.name, "ollama", parameters={"max_tokens": "8"})
        shouted = await core.versions.register(
            "shouted", base.name, "ollama", parameters={"max_tokens": "8"}, template="HELLO {{ .Prompt }}"
        )
        assert (plain.answers, shouted.answers) == (base.name, "venom-shouted:latest")
        for version in (plain, shouted):
            await core.versions.activate(version.name)
            session = await core.sessions.create()
            done = (await turn(core, await core.chat.send(session.id, "Hello?")))[-1]
            assert isinstance(done, TurnEnded)
            assert (done.message.state, done.message.model) == (MessageState.COMPLETE, version.answers), done.error
        compared = await core.versions.compare("plain", "shouted")
        for figures in (compared.first_figures, compared.second_figures):
            assert figures.answers == 1
            assert figures.first_token_ms
            assert figures.tokens_per_second
        back = await core.versions.roll_back()
        active = await core.models.active()
        assert back is not None and active is not None
        assert (back.name, active.name) == ("plain", base.name)
        await core.versions.remove("shouted")
        await core.runtimes.look("ollama")
        assert "venom-shouted:latest" not in {one.name for one in core.runtimes.models()}
        assert base.name in {one.name for one in core.runtimes.models()}
