"""Versions of a model by keyboard: kept, answered with, gone back from, forgotten; with what was measured of each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from textual import events

from tests.core.support import ask
from tests.gguf_files import write_gguf
from tests.ui.screens.catalog.conftest import OpenCatalog
from tests.ui.screens.catalog.support import Catalog
from venom_tui.core.types.version import ModelVersion
from venom_tui.ui.dialogs.plan import PlanDialog
from venom_tui.ui.dialogs.versions import VersionsDialog
from venom_tui.ui.widgets.rows import RowList

pytestmark = pytest.mark.usefixtures("_no_demonstration")


@pytest.fixture
def model(models_dir: Path, demonstration_model: Path) -> None:
    """One model that answers, `a`."""
    models_dir.mkdir(parents=True)
    (models_dir / "a.gguf").symlink_to(demonstration_model)


async def new(shown: Catalog, name: str) -> None:
    await shown.press("n")
    await shown.until_text("New version of a")
    await shown.type(name)
    await shown.press("enter")
    await shown.until(lambda: isinstance(shown.app.screen, VersionsDialog) and at(shown) == name)


def at(shown: Catalog) -> str | None:
    return shown.app.screen.query_one(RowList).cursor_key


async def active(shown: Catalog) -> list[str]:
    return [one.name for one in await shown.core.versions.list() if one.active]


@pytest.mark.usefixtures("model")
async def test_the_life_of_versions(catalog: OpenCatalog) -> None:
    async with catalog() as shown:
        core = shown.core
        await core.models.set_parameters("a", "embedded", {"temperature": "0", "max_tokens": "4"})
        await shown.press("v")
        await shown.until_text("There is no version yet. n keeps the parameters")
        await new(shown, "cold")
        await shown.until_text("temperature=0.0 max_tokens=4")
        await core.models.set_parameters("a", "embedded", {"temperature": "1.5"})
        await new(shown, "hot")
        await shown.press("enter")
        await shown.until(lambda: "a @ embedded answers, as version hot." in shown.notices)
        session = await core.sessions.create()
        await ask(core, session.id, "Hello")
        assert await active(shown) == ["hot"]
        await shown.press("down")
        await shown.until(lambda: at(shown) == "cold")
        await shown.until_text("beside hot, which answers: nothing was measured of both yet")
        await shown.press("enter")
        await shown.until(lambda: "a @ embedded answers, as version cold." in shown.notices)
        assert (await core.models.parameters("a", "embedded")).temperature == 0
        await ask(core, session.id, "Hello")
        await shown.press("escape", "v")
        await shown.until(lambda: at(shown) == "hot")
        await shown.until_text("beside cold, which answers: first token")
        _, _, answers, first_ms, speed, *_ = shown.line(" hot ").replace("│ ", "").split()
        assert answers == "1" and int(first_ms.replace(",", "")) > 0 and float(speed) > 0

        await shown.press("down", "d")
        await shown.until_text("cold: temperature=0.0 max_tokens=4")
        await shown.press("y")
        await shown.until(lambda: any("Version cold is active." in notice for notice in shown.notices))
        await shown.press("b")
        await shown.until(lambda: "Version hot answers again." in shown.notices)
        assert await active(shown) == ["hot"]
        await shown.press("b")
        await shown.until(lambda: "The model answers, as it was." in shown.notices)
        assert await active(shown) == []
        assert (await core.models.parameters("a", "embedded")).temperature == 1.5
        await shown.press("b")
        await shown.until(lambda: any("There is nothing to go back to" in notice for notice in shown.notices))
        await shown.press("d", "y")
        await shown.until(lambda: shown.app.screen.query_one(RowList).keys == ["hot"])
        await shown.press("escape")
        assert shown.app.screen is shown.screen


@pytest.mark.usefixtures("model")
async def test_the_guard_asks_and_refuses(catalog: OpenCatalog) -> None:
    async with catalog(VENOM_KEEP_FREE_RAM="9TiB") as shown:
        await shown.core.versions.register("calm", "a", "embedded", parameters={"temperature": "0.1"})
        await shown.press("v")
        await shown.until(lambda: isinstance(shown.app.screen, VersionsDialog) and at(shown) == "calm")
        await shown.press("enter")
        await shown.until_text("9216.0 GiB")
        await shown.until(lambda: isinstance(shown.app.screen, PlanDialog))
        await shown.press("n")
        await shown.until(lambda: isinstance(shown.app.screen, VersionsDialog))
        assert await active(shown) == []
        await shown.core.save_setting("VENOM_POLICY_RAM", "refuse")
        await shown.press("enter")
        await shown.until(lambda: isinstance(shown.app.screen, PlanDialog))
        await shown.press("F")
        await shown.until(lambda: "a @ embedded answers, as version calm." in shown.notices)
        await shown.core.models.unload("a", "embedded")
        await shown.press("b")
        await shown.until(lambda: isinstance(shown.app.screen, PlanDialog))
        await shown.press("F", "escape")  # it goes on behind
        await shown.until(lambda: "The model answers, as it was." in shown.notices)
        assert await active(shown) == []


@pytest.mark.usefixtures("model")
async def test_what_cannot_be_is_said(catalog: OpenCatalog) -> None:
    async with catalog(read_only=True) as shown:
        await shown.press("v", "enter", "d")  # nothing is there to be meant
        await shown.press("n")
        await shown.type("One")
        await shown.press("enter")
        await shown.until(lambda: any("runs read-only: versions stay" in notice for notice in shown.notices))
    async with catalog() as shown:
        await shown.press("v", "n")
        await shown.type("No name")
        await shown.press("enter")
        await shown.until(lambda: any("'No name' is no name for a version" in notice for notice in shown.notices))


async def test_a_model_that_nobody_serves_has_none(catalog: OpenCatalog, models_dir: Path, tmp_path: Path) -> None:
    cache = tmp_path / "hub" / "models--org--model" / "snapshots" / ("a" * 40)
    cache.mkdir(parents=True)
    (cache / "config.json").write_text("{}")
    (cache / "model.safetensors").write_bytes(b"x")
    models_dir.mkdir(parents=True)
    write_gguf(models_dir / "good.gguf")
    async with catalog(HF_HUB_CACHE=str(tmp_path / "hub")) as shown:
        await shown.until(lambda: "org/model" in shown.names)
        key = next(key for key in shown.rows.keys if key.endswith("org/model"))
        shown.rows.set_cursor(key)
        await shown.press("v")
        assert "No runtime here serves org/model: it has no versions." in shown.notices


@pytest.mark.usefixtures("model")
async def test_keys_behind_the_one_that_opens_them_act_once_they_are_read(
    catalog: OpenCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with catalog() as shown:
        for name in ("cold", "hot"):
            await shown.core.versions.register(name, "a", "embedded")
        listed, may_read = shown.core.versions.list, asyncio.Event()

        async def late(model: str | None = None) -> Sequence[ModelVersion]:
            await may_read.wait()
            return await listed(model)

        monkeypatch.setattr(shown.core.versions, "list", late)
        await shown.press("v", "escape")
        await shown.until(lambda: shown.app.screen is shown.screen)
        for key, character in (("v", "v"), ("down", None), ("enter", "\r")):
            shown.app.post_message(events.Key(key, character))
        await shown.until(lambda: isinstance(shown.app.screen, VersionsDialog))
        await shown.pilot.pause()
        may_read.set()
        await shown.until(lambda: "a @ embedded answers, as version cold." in shown.notices)
        assert [one.name for one in await listed() if one.active] == ["cold"]
