"""Keys that need the core say so while it is being opened."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.ui.shown import Shown
from venom_tui.core.core import Core
from venom_tui.core.errors import VenomError
from venom_tui.core.events import Event, ModelsChanged
from venom_tui.core.settings import load_settings
from venom_tui.ui.app import VenomApp
from venom_tui.ui.app.core_life import CoreLife
from venom_tui.ui.bridge import Bridge


async def test_keys_before_the_core_is_open_say_that_it_is_starting(
    data_dir: Path, config_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CoreLife, "begin", lambda _life: None)  # it takes for ever
    environ = {"VENOM_DATA_DIR": str(data_dir), "VENOM_CONFIG_DIR": str(config_dir)}
    app = VenomApp(load_settings(environ=environ))
    async with app.run_test() as pilot:
        shown = Shown(app, pilot)
        for keys in (["f9"], ["ctrl+o"], ["f10"], ["f3", "p"], ["o"], ["D"], ["f4", "p"], ["C"], ["f5", "f"]):
            app.clear_notifications()
            await shown.press(*keys)
            assert shown.notices, keys
            assert shown.notices[-1].startswith("Still starting: "), keys
        await shown.press("f3", "space")
        assert shown.notices[-1].startswith("Looking for models")


async def test_what_happens_while_the_sections_read_how_things_stand_reaches_them(
    data_dir: Path, config_dir: Path
) -> None:
    got: list[Event] = []
    failures: list[VenomError] = []
    heard = asyncio.Event()

    class Listener:
        def core_ready(self, core: Core) -> None:
            core.events.emit(ModelsChanged())

        def core_event(self, event: Event) -> None:
            got.append(event)
            heard.set()

    bridge, listener = Bridge(), Listener()

    async def opened(core: Core) -> None:
        bridge.add(listener)
        listener.core_ready(core)

    async def ends(_core: Core) -> None:
        pass

    environ = {"VENOM_DATA_DIR": str(data_dir), "VENOM_CONFIG_DIR": str(config_dir), "VENOM_DISCOVERY": "0"}
    life = CoreLife(
        load_settings(environ=environ), bridge, opened=opened, ends=ends, gone=lambda: None, failed=failures.append
    )
    life.begin()
    try:
        async with asyncio.timeout(30):
            await heard.wait()
    finally:
        await life.end()
    assert ModelsChanged() in got and not failures
