"""The application over a folder of models, with the catalog in front."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from tests.ui.screens.catalog.support import Catalog
from venom_tui.core.settings import Settings, load_settings
from venom_tui.ui.app import VenomApp

OpenCatalog = Callable[..., AbstractAsyncContextManager[Catalog]]


@pytest.fixture
def models_dir(settings: Settings) -> Path:
    """The folder of GGUF files; it is not there yet."""
    return settings.models_dir


@pytest.fixture
def two(models_dir: Path, demonstration_model: Path) -> None:
    """Two models that can be loaded, `a` and `b`."""
    models_dir.mkdir(parents=True)
    for name in ("a", "b"):
        (models_dir / f"{name}.gguf").symlink_to(demonstration_model)


@pytest.fixture
def catalog(data_dir: Path, config_dir: Path) -> OpenCatalog:
    """Open the application: `async with catalog(columns=80) as shown`."""

    @asynccontextmanager
    async def run(
        columns: int = 100, rows: int = 30, section: str = "catalog", read_only: bool = False, **more: str
    ) -> AsyncIterator[Catalog]:
        environ = {"VENOM_DATA_DIR": str(data_dir), "VENOM_CONFIG_DIR": str(config_dir), "VENOM_THREADS": "1", **more}
        if read_only:
            environ["VENOM_READ_ONLY"] = "true"
        app = VenomApp(load_settings(environ=environ), section=section)
        async with app.run_test(size=(columns, rows)) as pilot:
            shown = Catalog(app, pilot)
            await shown.until(lambda: app.core is not None)
            if section == "catalog":
                await shown.until(lambda: "Models ─" in shown.text and "Looking for" not in shown.text)
            yield shown

    return run


@pytest.fixture
def _no_demonstration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the demonstration model out."""
    monkeypatch.setattr("venom_tui.core.models.files.demonstration_file", lambda: None)
