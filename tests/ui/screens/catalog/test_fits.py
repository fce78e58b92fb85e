"""Whether models fit, in the catalog: who must leave, sorted and filtered by it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.core.models.fit.support import held, machine
from tests.core.models.fit.test_service import on
from tests.sparse_models import llama, write_sparse
from tests.ui.screens.catalog.conftest import OpenCatalog

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
