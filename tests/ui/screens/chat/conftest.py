"""The application with the chat in front, over servers of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from tests.ui.screens.chat.support import Chat
from venom_tui.core.settings import load_settings
from venom_tui.ui.app import VenomApp

OpenChat = Callable[..., AbstractAsyncContextManager[Chat]]


@pytest.fixture
def _no_demonstration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the demonstration model out."""
    monkeypatch.setattr("venom_tui.core.models.files.demonstration_file", lambda: None)


@pytest.fixture
def chat(data_dir: Path, config_dir: Path, _no_demonstration: None) -> OpenChat:
    """Open the application: `async with chat(OLLAMA_HOST=server.url, columns=80) as shown`.

    With `opened=False` neither the core nor the text that tells it ready is waited for.
    """

    @asynccontextmanager
    async def run(
        columns: int = 100,
        rows: int = 30,
        section: str = "chat",
        ready: str = "Answering: ",
        opened: bool = True,
        **environ: str,
    ) -> AsyncIterator[Chat]:
        given = {"VENOM_DATA_DIR": str(data_dir), "VENOM_CONFIG_DIR": str(config_dir), "VENOM_DISCOVERY": "0"}
        given |= {"VENOM_THREADS": "1", **environ}
        app = VenomApp(load_settings(environ=given), section=section)
        async with app.run_test(size=(columns, rows)) as pilot:
            shown = Chat(app, pilot)
            try:
                if opened:
                    await shown.until(lambda: app.core is not None)
                if opened and ready:
                    await shown.until_text(ready)
                yield shown
            finally:  # in its order, as a person ends it: the loop's end would cancel the core's tasks all at once
                await app.quit_in_order()

    return run
