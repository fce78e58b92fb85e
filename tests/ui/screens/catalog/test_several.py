"""Memory by one key for all selected models, and one pull for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.models.catalog import gguf
from tests.hub import Hub, Repository
from tests.ollama import FakeOllama
from tests.servers import serving
from tests.ui.screens.catalog.conftest import OpenCatalog
from tests.ui.screens.catalog.support import GIB, Catalog, row, squeezed
from venom_tui.core.types.pull import PullPreview
from venom_tui.ui.screens.catalog.pull_verbs import Again, question

pytestmark = pytest.mark.usefixtures("_no_demonstration")


async def select_all(shown: Catalog, *names: str) -> None:
    await shown.until_names(*names)
    await shown.press("g")
    for _ in names:
        await shown.press("space", "down")
    await shown.until(lambda: f"{len(names)} selected" in shown.text)


@pytest.mark.usefixtures("two")
async def test_selected_models_are_loaded_pinned_and_unpinned(catalog: OpenCatalog) -> None:
    async with catalog(VENOM_EMBEDDED_MODELS="2") as shown:
        await select_all(shown, "a", "b")
        await shown.press("P")
        await shown.until(lambda: sum("is not loaded" in notice for notice in shown.notices) == 2)
        await shown.press("u")
        await shown.until(lambda: "2 models are loaded." in shown.notices, 60)
        assert not [notice for notice in shown.notices if notice in ("a is loaded.", "b is loaded.")], "one for all"
        await shown.core.models.pin("b")
        await shown.press("P")
        await shown.until(lambda: "2 models stay loaded." in shown.notices)
        assert all(model.pinned for model in shown.core.runtimes.loaded())
        await shown.press("P")
        await shown.until(lambda: "2 models may leave again." in shown.notices)
        assert not any(model.pinned for model in shown.core.runtimes.loaded())
        await shown.press("E")
        await shown.until(lambda: any("there is no time to extend" in notice for notice in shown.notices))
        assert shown.app.screen is shown.screen, "nobody is asked for a time"


async def test_selected_models_are_kept_for_one_time_where_they_can_be(catalog: OpenCatalog) -> None:
    fake = FakeOllama(models={"one:latest": {}, "two:latest": {}, "zero:latest": {}})
    async with serving(fake) as server, catalog(OLLAMA_HOST=server.url) as shown:
        await shown.core.runtimes.settled(10)
        await select_all(shown, "one:latest", "two:latest", "zero:latest")
        for name in ("one", "two"):
            await shown.core.models.load(name)
        await shown.press("E")
        await shown.until(lambda: "Keep 2 models for" in shown.text)
        assert [notice for notice in shown.notices if "zero:latest is not loaded." in notice]
        await shown.press("enter")
        await shown.until(lambda: "2 models are kept for 30m." in shown.notices)


async def test_the_question_before_a_pull_of_several_knows_what_it_costs(catalog: OpenCatalog, tmp_path: Path) -> None:
    files = [{"tiny-Q8_0.gguf": gguf(tmp_path, 5000)}, {"tiny-Q4_K_M.gguf": gguf(tmp_path, 3000)}]
    old = [Repository(f"org/{name}-GGUF", holds) for name, holds in zip("AB", files, strict=True)]
    with Hub(*old) as hub:
        where = {"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(tmp_path / "hub")}
        async with catalog(**where) as shown:
            for repository in old:
                await shown.core.models.pull(repository.id, "huggingface")
            await shown.until(lambda: len(shown.names) == 2)
            await select_all(shown, *shown.names)
            hub.answers("/api/models/org/B*", 404)
            hub.asked.clear()
            await shown.press("p")
            await shown.until(lambda: "Pull 1 model again" in shown.text)
            text = squeezed(shown.text)
            assert "org/A-GGUF:Q8_0 is here already" in text and "To fetch: 0" in text and "free there." in text
            assert "Not org/B-GGUF:Q4_K_M: " in text, shown.text
            asked = len(hub.asked)
            await shown.press("y")
            await shown.until(lambda: any("1 in the queue" in notice for notice in shown.notices))
            assert len([one for one in hub.asked[asked:] if one.path.startswith("/api/models/org/B")]) == 0


def preview(name: str, missing: int | None, *, folder: str = "/hub", free: int = 10 * GIB, kept: int = 0) -> Again:
    made = PullPreview(
        name, "ollama", "", "hub", bytes_missing=missing, folder=folder, free_bytes=free, kept_bytes=kept
    )
    return Again(row(name).model, made)


def test_the_question_sums_up_by_folder() -> None:
    found = [preview("a", 4 * GIB), preview("b", 7 * GIB), preview("c", None, folder="/other", free=GIB)]
    assert question(found, [("d", "It is \x1b[31mgone.")], 2) == [
        "a  4.0 GiB",
        "b  7.0 GiB",
        "c  size not known",
        "",
        "To fetch: 11.0 GiB into /hub, 10.0 GiB free there.",
        "✕ Not all of it fits: 1.0 GiB more are needed.",
        "To fetch: 0 B and what is not known of 1 model into /other, 1.0 GiB free there.",
        "",
        "Not d: It is [31mgone.",
        "Not 2 that came from nowhere that can be asked.",
        "Only what is not here is fetched.",
    ]
    kept = question([preview("a", 4 * GIB, kept=4 * GIB), preview("b", 3 * GIB, kept=4 * GIB)], [], 0)
    assert "▲ 3.0 GiB would be left, 4.0 GiB are to be kept." in kept, "though each alone would leave enough"
