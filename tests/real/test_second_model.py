"""Switching to a real second model of another size and family, through the core as the front ends do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from scripts.real_components import GEMMA
from tests.tools import need
from venom_tui.core.core import Core
from venom_tui.core.errors import LoadFailed, NeedsYes, VenomError
from venom_tui.core.settings import load_settings
from venom_tui.core.types.request import GenerationParameters
from venom_tui.core.types.turn import TurnEnded

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

SECOND = GEMMA.file.removesuffix(".gguf")


@pytest.fixture(scope="session")
def second_model() -> Path:
    """The GGUF file of gemma-3-270m."""
    need("gemma3-270m")
    return GEMMA.path


@pytest.fixture
async def core(data_dir: Path, config_dir: Path, second_model: Path, demonstration_model: Path) -> AsyncIterator[Core]:
    """A core that has both models."""
    (data_dir / "models").mkdir(parents=True, mode=0o700)
    (data_dir / "models" / second_model.name).symlink_to(second_model)
    async with Core(load_settings()) as opened:
        yield opened


async def answer(core: Core, session_id: str, text: str) -> TurnEnded:
    """Send a prompt and wait for the end of a short answer (a base model seldom ends by itself)."""
    request_id = await core.chat.send(session_id, text, parameters=GenerationParameters(max_tokens=12))
    async for event in core.chat.follow(request_id):
        if isinstance(event, TurnEnded):
            return event
    raise AssertionError("the turn did not end")


async def test_a_second_model_answers_after_the_switch_and_the_first_after_the_way_back(core: Core) -> None:
    session = await core.sessions.create()
    demonstration = next(model for model in await core.models.list() if model.demonstration)
    first = await core.models.activate(demonstration.name)

    await answer(core, session.id, "Say hello.")
    await core.models.activate(SECOND)
    await answer(core, session.id, "The capital of France is")
    models = [m.model for m in await core.sessions.messages(session.id) if m.role == "assistant"]
    assert models == [first.name, SECOND]

    await core.models.activate(first.name)
    now = await core.models.active()
    assert now is not None and now.name == first.name
    kinds = [(o.kind, o.target, o.state) for o in await core.operations.list()]
    assert ("switch", f"{first.name} → {SECOND}", "succeeded") in kinds


async def test_a_file_that_cannot_be_loaded_leaves_the_second_model_active(core: Core, data_dir: Path) -> None:
    await core.models.activate(SECOND)
    broken = data_dir / "models" / "broken.gguf"
    broken.write_bytes(GEMMA.path.read_bytes()[:1_000_000])
    with pytest.raises(VenomError):
        await core.models.activate("broken")
    now = await core.models.active()
    assert now is not None and now.name == SECOND


async def test_room_for_one_asks_evicts_and_is_taken_back_where_the_load_fails(core: Core, data_dir: Path) -> None:
    await core.save_setting("VENOM_EMBEDDED_MODELS", "1")
    first = next(model for model in await core.models.list() if model.demonstration).name
    await core.models.activate(first)
    with pytest.raises(NeedsYes, match=rf"{first} must leave: .* {SECOND} needs [\d.]+ GiB, [\d.]+ GiB are free"):
        await core.models.activate(SECOND)
    await core.models.activate(SECOND, yes=True)
    assert [model.name for model in core.runtimes.loaded()] == [SECOND]
    unload = next(one for one in await core.operations.list() if one.kind == "unload")
    assert unload.bytes_total is not None and unload.bytes_done == unload.bytes_total, "all of it came back"
    (data_dir / "models" / "broken.gguf").write_bytes(GEMMA.path.read_bytes()[:200_000_000])
    with pytest.raises(LoadFailed):
        await core.models.activate("broken", yes=True)
    assert [model.name for model in core.runtimes.loaded()] == [SECOND]
    active = await core.models.active()
    assert active is not None and active.name == SECOND
