"""The application with the guard in front, over a sampler that shows what a test wants."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from tests.ui.screens.guard.support import Figures
from tests.ui.shown import Shown, open_app
from venom_tui.core.settings import load_settings
from venom_tui.core.types.device import GuardSnapshot

OpenGuard = Callable[..., AbstractAsyncContextManager[tuple[Shown, Figures]]]


@pytest.fixture
def guard(data_dir: Path, config_dir: Path, monkeypatch: pytest.MonkeyPatch) -> OpenGuard:
    """Open it: `async with guard(snapshot(), columns=80) as (shown, figures)`."""

    @asynccontextmanager
    async def run(
        look: GuardSnapshot | None, columns: int = 100, rows: int = 30, section: str = "guard", **environ: str
    ) -> AsyncIterator[tuple[Shown, Figures]]:
        monkeypatch.setattr("venom_tui.core.core.Telemetry", lambda _settings, events, *_rest: Figures(events))
        folders = {"VENOM_DATA_DIR": str(data_dir), "VENOM_CONFIG_DIR": str(config_dir)}
        async with open_app(load_settings(environ=folders | environ), section, columns, rows) as shown:
            figures = shown.core.guard
            assert isinstance(figures, Figures)
            if look is not None:
                figures.show(look)
                await shown.until(lambda: section != "guard" or "Host ·" in shown.text)
                await shown.pilot.pause()
            yield shown, figures

    return run
