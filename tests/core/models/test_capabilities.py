"""What files can do: said by the process that holds them, kept for later lists."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.core.support import open_core
from venom_tui.core.clients.llamacpp import LlamaCppClient, capabilities_of
from venom_tui.core.core import Core
from venom_tui.core.errors import RuntimeRefused
from venom_tui.core.runtimes.child import EmbeddedChild

TOOLS = {"chat_template_caps": {"supports_tools": True, "supports_tool_calls": True}, "chat_template": "x"}


@pytest.mark.parametrize(
    ("props", "expected"),
    [
        ({}, None),
        ({"chat_template_caps": "all"}, None),
        ({"chat_template_caps": {}}, ("completion",)),
        (TOOLS, ("completion", "tools")),
        ({"chat_template_caps": {"supports_tools": "yes"}, "chat_template": 7, "modalities": []}, ("completion",)),
        ({"chat_template_caps": {"supports_reasoning_effort": True}}, ("completion", "thinking")),
        ({"chat_template_caps": {}, "chat_template": "{% if enable_thinking %}"}, ("completion", "thinking")),
        (
            {"chat_template_caps": {}, "modalities": {"vision": True, "video": True, "audio": True}},
            ("completion", "vision", "audio"),
        ),
    ],
)
def test_properties_say_what_a_model_can_do(props: dict[str, Any], expected: tuple[str, ...] | None) -> None:
    assert capabilities_of(props) == expected


@pytest.fixture
def folder(tmp_path: Path, demonstration_model: Path) -> Path:
    """A test's folder with the model `a`, a link to one that can be loaded."""
    models = tmp_path / "data" / "models"
    models.mkdir(parents=True)
    (models / "a.gguf").symlink_to(demonstration_model)
    return tmp_path


async def can(core: Core, name: str = "a") -> tuple[str, ...] | None:
    (found,) = [model for model in await core.models.list() if model.name == name]
    return found.capabilities


async def test_the_real_process_is_asked(folder: Path) -> None:
    async with open_core(folder) as core:
        await core.models.load("a")
        assert core.runtimes.capabilities() == {("embedded", "a"): ("completion",)}


async def test_what_a_process_said_is_kept_for_its_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def props(_client: LlamaCppClient, **_: object) -> dict[str, Any]:
        return TOOLS

    monkeypatch.setattr(LlamaCppClient, "props", props)
    async with open_core(folder) as core:
        assert await can(core) == ("completion",), "all that its header tells"
        await core.models.load("a")
        assert await can(core) == ("completion", "tools")
        await core.models.unload("a")
        assert await can(core) == ("completion", "tools")
    async with open_core(folder) as core:
        assert await can(core) == ("completion", "tools"), "nothing was loaded in this run"
        details = await core.registry.details("a")
        assert details.model.capabilities == ("completion", "tools")
        path = folder / "data" / "models" / "a.gguf"
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content + b"\0")
        await core.models.list(refresh=True)
        assert await can(core) == ("completion",), "it is another file"


async def test_a_process_that_does_not_say_it_is_used_all_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuses(_client: LlamaCppClient, **_: object) -> dict[str, Any]:
        raise RuntimeRefused("no")

    monkeypatch.setattr(LlamaCppClient, "props", refuses)
    async with open_core(folder) as core:
        await core.models.load("a")
        assert core.runtimes.capabilities() == {} and await can(core) == ("completion",)


async def test_a_load_that_is_cancelled_while_it_asks_leaves_no_process(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking, children = asyncio.Event(), []

    async def hangs(_client: LlamaCppClient, **_: object) -> dict[str, Any]:
        asking.set()
        await asyncio.Event().wait()
        return {}

    begin = EmbeddedChild.start

    async def start(child: EmbeddedChild, timeout_s: float) -> None:
        children.append(child)
        await begin(child, timeout_s)

    monkeypatch.setattr(LlamaCppClient, "props", hangs)
    monkeypatch.setattr(EmbeddedChild, "start", start)
    async with open_core(folder) as core:
        model = await core.models.find("a")
        runtime = core.runtimes.runtime("embedded")
        plan, _ = await runtime.prepare(model, await core.models.parameters("a", "embedded"))
        load = asyncio.create_task(runtime.load(model, plan, status=lambda _text: None))
        await asyncio.wait_for(asking.wait(), 60)
        load.cancel()
        await asyncio.wait([load])
        assert load.cancelled() and runtime.loaded() == ()
        assert [child.alive for child in children] == [False]
