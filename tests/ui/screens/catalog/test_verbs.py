"""What can be done with models, by the real embedded runtime."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ui.screens.catalog.conftest import OpenCatalog
from tests.ui.screens.catalog.support import model_file, three_models
from venom_tui.core.events import ModelsChanged
from venom_tui.core.types.device import LoadedModel

SMOL = "smollm2-135m"

pytestmark = pytest.mark.usefixtures("demonstration_model")


async def test_a_model_is_chatted_with_shown_as_loaded_and_unloaded(catalog: OpenCatalog, models_dir: Path) -> None:
    three_models(models_dir)
    async with catalog() as shown:
        await shown.until(lambda: len(shown.names) == 4)
        await shown.press("G", "c")
        await shown.until(lambda: shown.app.screen is shown.app.section_screen("chat"))
        await shown.until(lambda: f"{SMOL} answers now." in shown.notices, 60)
        await shown.press("f3")
        await shown.until(lambda: f"▸● {SMOL}" in shown.text)
        await shown.until(lambda: "loaded" in shown.lines[-4] and "active: the last one used" in shown.lines[-4])
        await shown.press("slash")
        await shown.type("loaded:yes")
        assert shown.names == [SMOL]
        await shown.press("enter", "u")
        await shown.until(lambda: shown.names == [])
        await shown.press("escape")
        await shown.until(lambda: f"▸○ {SMOL}" in shown.text)


async def test_the_active_model_is_chatted_with_as_it_is(catalog: OpenCatalog) -> None:
    async with catalog(read_only=True) as shown:
        await shown.until(lambda: shown.names == [SMOL])
        await shown.press("enter")
        await shown.until(lambda: shown.app.screen is shown.app.section_screen("chat"))
        await shown.pilot.pause(0.2)
        assert shown.notices == [] and await shown.core.operations.list() == []


async def test_all_selected_models_are_unloaded(catalog: OpenCatalog, models_dir: Path) -> None:
    three_models(models_dir)
    async with catalog() as shown:
        await shown.until(lambda: len(shown.names) == 4)
        await shown.core.models.activate(SMOL)
        await shown.until(lambda: f"▸● {SMOL}" in shown.text)
        await shown.press("g", "space", "G", "space", "g", "u")
        await shown.until(lambda: f"▌○ {SMOL}" in shown.text)
        assert shown.core.runtimes.loaded() == ()
        await shown.until(lambda: any("came back of" in notice for notice in shown.notices))
        await shown.press("u")
        await shown.until(lambda: "1 model is loaded." in shown.notices, 60)
        assert any("gemma-3-270m" in notice for notice in shown.notices), "why the other one is not is said, too"


async def test_a_model_that_llama_cpp_refuses_leaves_the_active_one(catalog: OpenCatalog, models_dir: Path) -> None:
    async with catalog(columns=120) as shown:
        await shown.core.models.choose(SMOL)
        model_file(models_dir / "hollow.gguf", parameters=1000, context=512, template=True)
        await shown.press("r")
        await shown.until(lambda: shown.names == ["hollow", SMOL])
        await shown.press("g", "enter")
        await shown.until(lambda: "hollow was not switched to" in shown.text, 60)
        assert "hollow" in shown.text and f"{SMOL} stays active." in shown.text
        said = " ".join(shown.text.replace("│", " ").split())  # where a row ends depends on the path in it
        assert "failed to load model" in said, "llama.cpp's own words"
        active = await shown.core.models.active()
        assert active is not None and active.name == SMOL


async def test_read_only_says_so(catalog: OpenCatalog, models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    three_models(models_dir)
    async with catalog(read_only=True) as shown:
        await shown.until(lambda: len(shown.names) == 4)
        monkeypatch.setattr(shown.core.runtimes, "loaded", lambda: (LoadedModel(SMOL, "embedded"),))
        shown.core.events.emit(ModelsChanged())
        await shown.press("G")
        await shown.until(lambda: f" ● {SMOL}" in shown.text)
        await shown.press("u")
        await shown.until(lambda: shown.notices)
        assert shown.notices[0].startswith("venom-tui runs read-only: models cannot be unloaded.")
        await shown.press("enter")
        await shown.until(lambda: "venom-tui runs read-only: another model cannot be made active" in shown.text)


@pytest.mark.parametrize("key", ["enter", "i", "u", "P", "E", "f", "d", "y", "e", "v", "space"])
async def test_a_verb_without_a_model_says_so(catalog: OpenCatalog, key: str) -> None:
    async with catalog() as shown:
        await shown.press("slash", *"nothing", "enter")
        await shown.press(key)
        assert "No model matches. Esc shows all again." in shown.notices
        assert shown.app.screen is shown.screen
