"""Whether models fit, in the catalog: who must leave, sorted and filtered by it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.core.models.fit.support import held, machine
from tests.core.models.fit.test_service import on
from tests.hub import Hub, Repository
from tests.sparse_models import llama, write_sparse
from tests.ui.screens.catalog.conftest import OpenCatalog
from tests.ui.screens.catalog.support import squeezed
from venom_tui.ui.dialogs.fit import FitDialog
from venom_tui.ui.screens.catalog.offers import OfferList

pytestmark = pytest.mark.usefixtures("_no_demonstration")


@pytest.fixture
def three(models_dir: Path) -> None:
    """Three models, the larger the later their name."""
    models_dir.mkdir(parents=True)
    for name, layers in (("a", 4), ("b", 16), ("c", 64)):
        write_sparse(models_dir / f"{name}.gguf", llama(layers=layers, kind="Q4_0"))


@pytest.mark.usefixtures("three")
async def test_the_catalog_says_who_must_leave_and_sorts_and_filters_by_it(
    catalog: OpenCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = held("other", ram=4)
    async with catalog(columns=140, VENOM_CONTEXT="4096") as shown:
        on(shown.core, monkeypatch, machine(ram=2, loaded=(loaded,), at=datetime.now(UTC)))
        await shown.until_names("a", "b", "c")
        shown.rows.set_cursor("embedded b")
        await shown.until(lambda: "fits after other leaves" in shown.text)
        await shown.press("slash")
        await shown.type("fit:evicts")
        await shown.until_names("b")
        await shown.press("escape")
        await shown.until_names("a", "b", "c")
        while "by fit" not in shown.text:
            await shown.press("s")
        assert "sorted by fit, what fits first" in shown.text
        await shown.press("S")
        await shown.until_names("c", "b", "a")
        on(shown.core, monkeypatch, machine(ram=40, at=datetime.now(UTC)))
        await shown.press("r")
        await shown.until_names("a", "b", "c")
        assert "fits after" not in shown.text


async def test_offers_say_whether_they_fit_and_who_could_not_be_asked(catalog: OpenCatalog, tmp_path: Path) -> None:
    path = write_sparse(tmp_path / "x-Q8_0.gguf", llama(layers=2, wide=256, inner=512, heads=4, kv_heads=2, head=64))
    facts = {"tags": ["gguf"], "pipeline_tag": "text-generation"}
    with Hub(Repository("org/x-GGUF", {path.name: path}, facts=facts)) as hub:
        where = {"HF_ENDPOINT": hub.url, "VENOM_OLLAMA_LIBRARY": hub.url, "HF_HUB_CACHE": str(tmp_path / "hub")}
        async with catalog(**where) as shown:
            await shown.press("o")
            await shown.until(lambda: "org/x-GGUF" in shown.text)
            offers = shown.app.screen.query_one(OfferList)
            offers.set_cursor("trouble ollama")
            await shown.press("f")
            assert "Only of a model can be said whether it fits." in shown.notices
            offers.set_cursor("huggingface org/x-GGUF")
            hub.answers("/*/resolve/*", 503)
            await shown.press("f")
            await shown.until(lambda: "Does org/x-GGUF fit?" in shown.text and "503" in shown.text)
            asked = len(hub.asked)
            dialog = shown.app.screen
            assert isinstance(dialog, FitDialog)
            dialog._look_once_more()  # what a timer does
            await shown.app.workers.wait_for_complete([one for one in shown.app.workers if one.group == "fit"])
            assert len(hub.asked) == asked, "who failed is not asked again by itself"
            assert not [notice for notice in shown.notices if "503" in notice], "it is said at its place"
            hub.behaves()
            await shown.press("r")
            await shown.until(lambda: "weights" in shown.text and "likely" in shown.text)
            await shown.press("left")
            await shown.until(lambda: "context 4,096 tokens" in squeezed(shown.text))
            await shown.press("escape", "enter")
            await shown.until(lambda: "1 file" in shown.text)
            await shown.press("f")
            await shown.until(lambda: "Does org/x-GGUF fit?" in shown.text and "weights" in shown.text)
