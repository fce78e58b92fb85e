"""The limits, set from the section Guard."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial

import pytest
from textual import events
from textual.widgets import Input

from tests.ui.screens.guard.conftest import OpenGuard
from tests.ui.screens.guard.support import snapshot
from tests.ui.shown import Shown
from venom_tui.core.errors import DiskFull
from venom_tui.ui.dialogs.ask import Ask
from venom_tui.ui.dialogs.limits import LimitsDialog
from venom_tui.ui.widgets.rows import RowList

GIB = 1024**3


async def limits(shown: Shown, name: str) -> None:
    """Open the limits with the cursor on one."""
    await shown.press("l")
    await shown.until(lambda: isinstance(shown.app.screen, LimitsDialog))
    await shown.until(lambda: shown.app.screen.query(RowList) and shown.app.screen.query_one(RowList).keys)
    shown.app.screen.query_one(RowList).set_cursor(name)
    await shown.pilot.pause()


async def give(shown: Shown, text: str) -> None:
    """Answer the question for a limit."""
    await shown.press("enter")
    await shown.until(lambda: isinstance(shown.app.screen, Ask))
    shown.app.screen.query_one(Input).value = text
    await shown.press("enter")
    await shown.until(lambda: isinstance(shown.app.screen, LimitsDialog))


async def test_a_limit_is_set_and_taken_back(guard: OpenGuard) -> None:
    async with guard(snapshot()) as (shown, _):
        await limits(shown, "VENOM_KEEP_FREE_RAM")
        assert "│ RAM kept free no limit ask default │" in shown.line("│ RAM kept free")
        await give(shown, "900TiB")
        await shown.until(lambda: "store" in shown.line("│ RAM kept free"))
        assert shown.core.settings.int("VENOM_KEEP_FREE_RAM") == 900 * 1024 * GIB
        await shown.until_text("▲ RAM: ")
        await shown.press("space")
        await shown.until(lambda: "warn" in shown.line("│ RAM kept free"))
        assert shown.core.settings.text("VENOM_POLICY_RAM") == "warn"
        await shown.press("backspace")
        await shown.until(lambda: "no limit ask default" in shown.line("│ RAM kept free"))
        assert shown.core.settings.lookup("VENOM_POLICY_RAM").source == "default"


def in_force(shown: Shown, policy: str) -> bool:
    """Return whether that is done about temperatures."""
    return shown.core.settings.text("VENOM_POLICY_TEMPERATURE") == policy


async def test_each_policy_comes_in_its_turn(guard: OpenGuard) -> None:
    async with guard(snapshot()) as (shown, _):
        await limits(shown, "VENOM_MAX_TEMPERATURE")
        for policy in ("warn", "refuse", "evict", "ask"):
            await shown.press("space")
            await shown.until(partial(in_force, shown, policy))
        shown.app.screen.query_one(RowList).set_cursor("VENOM_NEVER_EVICT")
        await shown.press("space")
        await shown.until(lambda: any("nothing to choose" in notice for notice in shown.notices))


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("VENOM_KEEP_FREE_VRAM", "0=lots", "must be a size such as 2GiB, or sizes by GPU"),
        ("VENOM_KEEP_FREE_DISK", "much", "must be a size such as 4GiB"),
        ("VENOM_MAX_MODEL_SHARE", "101", "must be a whole number from 0 to 100"),
        ("VENOM_EMBEDDED_MODELS", "0", "must be a whole number from 1 to 16"),
    ],
)
async def test_what_is_no_limit_is_said_and_nothing_is_kept(guard: OpenGuard, name: str, text: str, words: str) -> None:
    async with guard(snapshot()) as (shown, _):
        await limits(shown, name)
        before = shown.core.settings.lookup(name)
        await give(shown, text)
        await shown.until(lambda: any(words in notice for notice in shown.notices))
        assert shown.core.settings.lookup(name) == before


async def test_what_the_environment_says_is_not_set_here(guard: OpenGuard) -> None:
    async with guard(snapshot(), VENOM_KEEP_FREE_DISK="20GiB", VENOM_POLICY_DISK="warn") as (shown, _):
        await limits(shown, "VENOM_KEEP_FREE_DISK")
        assert shown.line("disk kept free").count("20.0 GiB warn environment")
        await shown.press("enter")
        await shown.until(lambda: any("VENOM_KEEP_FREE_DISK is set in the environment" in one for one in shown.notices))
        await shown.press("space")
        await shown.until(lambda: any("VENOM_POLICY_DISK is set in the environment" in one for one in shown.notices))
        assert isinstance(shown.app.screen, LimitsDialog)


async def test_read_only_keeps_them(guard: OpenGuard) -> None:
    async with guard(snapshot(), VENOM_READ_ONLY="1") as (shown, _):
        await limits(shown, "VENOM_KEEP_FREE_RAM")
        await give(shown, "4GiB")
        await shown.until(lambda: any("read-only" in notice for notice in shown.notices))
        assert shown.core.settings.int("VENOM_KEEP_FREE_RAM") == 0


def burst(shown: Shown, *keys: str) -> None:
    """Press keys all at once."""
    for key in keys:
        shown.app.post_message(events.Key(key, key if len(key) == 1 else {"enter": "\r", "space": " "}.get(key)))


async def test_keys_in_one_go_keep_their_order(guard: OpenGuard) -> None:
    async with guard(snapshot()) as (shown, _):
        await limits(shown, "VENOM_KEEP_FREE_VRAM")
        burst(shown, "down", "down", "enter", *"4GiB")
        await shown.until(lambda: isinstance(shown.app.screen, Ask))
        assert shown.app.screen.query_one("#box").border_title == "disk kept free"
        await shown.until(lambda: shown.app.screen.query_one(Input).value == "4GiB")
        await shown.press("escape")
        shown.app.screen.query_one(RowList).set_cursor("VENOM_MAX_TEMPERATURE")
        burst(shown, "space", "space", "down", "space")
        await shown.until(lambda: shown.core.settings.text("VENOM_POLICY_SHARE") == "warn")
        await shown.until(lambda: shown.core.settings.text("VENOM_POLICY_TEMPERATURE") == "refuse")


async def test_closing_cuts_no_save_off(guard: OpenGuard, monkeypatch: pytest.MonkeyPatch) -> None:
    async with guard(snapshot()) as (shown, _):
        save, may_save = shown.core.save_settings, asyncio.Event()

        async def late(values: Mapping[str, str | None]) -> None:
            await may_save.wait()
            await save(values)

        monkeypatch.setattr(shown.core, "save_settings", late)
        await limits(shown, "VENOM_KEEP_FREE_RAM")
        await give(shown, "3GiB")
        await shown.press("escape")
        await shown.until(lambda: not isinstance(shown.app.screen, LimitsDialog))
        may_save.set()
        await shown.until(lambda: shown.core.settings.int("VENOM_KEEP_FREE_RAM") == 3 * GIB)

        async def full(_values: Mapping[str, str | None]) -> None:
            raise DiskFull("The disk is full.")

        monkeypatch.setattr(shown.core, "save_settings", full)
        await limits(shown, "VENOM_KEEP_FREE_RAM")
        await give(shown, "4GiB")
        await shown.press("escape")
        await shown.until(lambda: any("The disk is full." in notice for notice in shown.notices))
        assert shown.core.settings.int("VENOM_KEEP_FREE_RAM") == 3 * GIB


async def test_what_others_set_is_followed(guard: OpenGuard) -> None:
    async with guard(snapshot()) as (shown, _):
        await limits(shown, "VENOM_KEEP_FREE_RAM")
        shown.core.settings.set_stored("VENOM_POLICY_RAM", "refuse")  # as another venom-tui would
        await shown.press("space")
        await shown.until(lambda: shown.core.settings.text("VENOM_POLICY_RAM") == "evict")
        shown.core.settings.set_stored("VENOM_POLICY_RAM", "warn")
        await shown.until(lambda: "warn" in shown.line("│ RAM kept free"))


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (80, 16), (50, 12)])
async def test_small_terminals(guard: OpenGuard, columns: int, rows: int) -> None:
    async with guard(snapshot(), columns=columns, rows=rows) as (shown, _):
        await limits(shown, "VENOM_NEVER_EVICT")
        for words in ("where brok", "never evicted", "enter set"):
            assert words in shown.squeezed, shown.text
