"""Where a prompt goes, and why; nothing is sent by asking that."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.support import open_core, turn
from tests.gguf_files import write_gguf
from tests.openai import plain
from tests.servers import serving
from venom_tui.core.errors import LoadFailed, ModelNotFound, RuntimeUnavailable, UsageError
from venom_tui.core.models import files
from venom_tui.core.types.request import GenerationParameters, Route


@pytest.fixture(autouse=True)
def _no_demonstration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "demonstration_file", lambda: None)


async def test_the_way_of_a_prompt(tmp_path: Path) -> None:
    write_gguf(tmp_path / "data" / "models" / "tiny.gguf")
    async with open_core(tmp_path) as core:
        route = await core.router.decide(mode="direct")
        assert route == Route(
            kind="chat",
            intent="chat",
            mode="direct",
            source="rule",
            target="local",
            runtime="embedded",
            model="tiny",
            reason="the newest file in the models folder",
        )
        asked = await core.router.decide(mode="direct", model="TINY", runtime="embedded")
        assert (asked.model, asked.reason, asked.source) == ("tiny", "asked for", "model")
        assert core.runtimes.loaded() == ()
        assert await core.operations.list() == []


async def test_no_model_at_all(tmp_path: Path) -> None:
    async with open_core(tmp_path) as core:
        with pytest.raises(ModelNotFound, match="No model is here") as caught:
            await core.router.decide(mode="direct")
        assert "models folder" in caught.value.hint
        with pytest.raises(UsageError, match="not built"):
            await core.chat.route("hello", mode="normal")
        with pytest.raises(UsageError, match="empty"):
            await core.chat.route(" ")


async def test_a_file_that_broke_after_the_decision(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "data" / "models" / "tiny.gguf")
    async with open_core(tmp_path) as core:
        route = await core.router.decide(mode="direct")
        path.write_bytes(b"<html>")
        await core.models.list(refresh=True)
        with pytest.raises(LoadFailed, match="tiny cannot be loaded: it is no GGUF file"):
            await core.router.prepare(route, GenerationParameters(), status=print)


async def test_the_last_model_of_a_runtime_that_is_not_configured_any_more(tmp_path: Path) -> None:
    write_gguf(tmp_path / "data" / "models" / "tiny.gguf")
    async with open_core(tmp_path) as core:
        await core.save_setting("VENOM_ACTIVE_MODEL", "qwen3:14b")
        await core.save_setting("VENOM_ACTIVE_RUNTIME", "ollama")
        with pytest.raises(RuntimeUnavailable, match=r"qwen3:14b, was of runtime ollama, which does not answer"):
            await core.router.decide(mode="direct")
        assert (await core.router.decide(mode="direct", model="tiny")).model == "tiny"


async def test_who_answered_first_answers_next(tmp_path: Path) -> None:
    """Nobody chose; then others come that would have been preferred, and change nothing."""
    fake = plain("small")
    async with serving(fake) as server, open_core(tmp_path, VLLM_ENDPOINT=server.url) as core:
        await core.runtimes.look()
        active = await core.models.active()
        assert active is not None and (active.name, active.reason) == ("small", "it is loaded already")
        session = await core.sessions.create()
        await turn(core, await core.chat.send(session.id, "Hi", model="small"))
        assert core.models.wanted() == ("", ""), "asked for, which chooses nothing"
        await turn(core, await core.chat.send(session.id, "And now"))
        fake.paths["GET /v1/models"] = plain("another", "small").paths["GET /v1/models"]
        await core.runtimes.look()
        assert [model.name for model in await core.models.list(refresh=True)] == ["another", "small"]
        active = await core.models.active()
        assert active is not None and (active.name, active.reason) == ("small", "the last one used")
    async with open_core(tmp_path) as core:
        assert core.models.wanted() == ("vllm", "small")
