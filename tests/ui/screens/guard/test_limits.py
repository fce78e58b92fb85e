"""The limits, set from the section Guard."""

from __future__ import annotations

from functools import partial

import pytest
from textual import events
from textual.widgets import Input

from tests.ui.screens.guard.conftest import OpenGuard
from tests.ui.screens.guard.support import snapshot
from tests.ui.shown import Shown
from venom_tui.core.types.limits import LimitKind, LimitSetting, Policy
from venom_tui.ui.dialogs.ask import Ask
from venom_tui.ui.dialogs.limits import LimitsDialog, typed, value_text
from venom_tui.ui.widgets.rows import RowList

GIB = 1024**3


async def limits(shown: Shown, name: str) -> None:
    """Open the limits with the cursor on one."""
    await shown.press("l")
    await shown.until(lambda: isinstance(shown.app.screen, LimitsDialog))
    await shown.until_text("never evicted")
    shown.app.screen.query_one(RowList).set_cursor(name)
    await shown.until_text(name)


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
        assert "│ RAM kept free no limit ask │" in shown.line("│ RAM kept free")
        await give(shown, "900TiB")
        await shown.until(lambda: "here" in shown.line("│ RAM kept free"))
        assert shown.core.settings.int("VENOM_KEEP_FREE_RAM") == 900 * 1024 * GIB
        await shown.until_text("▲ RAM: ")
        await shown.press("space")
        await shown.until(lambda: "warn" in shown.line("│ RAM kept free"))
        assert shown.core.settings.text("VENOM_POLICY_RAM") == "warn"
        await shown.press("backspace")
        await shown.until(lambda: "no limit ask" in shown.line("│ RAM kept free"))
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


async def test_keys_in_one_go_keep_their_order(guard: OpenGuard) -> None:
    async with guard(snapshot()) as (shown, _):
        await limits(shown, "VENOM_KEEP_FREE_VRAM")
        for key, character in (("down", None), ("down", None), ("enter", "\r")):
            shown.app.post_message(events.Key(key, character))
        await shown.until(lambda: isinstance(shown.app.screen, Ask))
        assert shown.app.screen.query_one("#box").border_title == "disk kept free"


async def test_80_columns_and_16_rows(guard: OpenGuard) -> None:
    async with guard(snapshot(), columns=80, rows=24) as (shown, _):
        await limits(shown, "VENOM_KEEP_FREE_VRAM")
        for words in ("where broken", "VRAM kept free", "share of a model", "enter set", "esc close", "unset"):
            assert words in shown.squeezed


@pytest.mark.parametrize(
    ("unit", "value", "shown", "text"),
    [
        ("bytes", 4 * GIB, "4.0 GiB", "4GiB"),
        ("bytes", 512 * 1024**2, "512 MiB", "512MiB"),
        ("bytes", 1_000_000_000, "954 MiB", "1000000000"),
        ("bytes", 0, "no limit", ""),
        ("sizes", "0=4GiB, 1=512MiB", "0=4GiB, 1=512MiB", "0=4GiB, 1=512MiB"),
        ("sizes", "0", "no limit", ""),
        ("celsius", 85, "85 °C", "85"),
        ("percent", 60, "60 %", "60"),
        ("models", 2, "2", "2"),
        ("names", "", "none", ""),
        ("names", "a, box/b", "a, box/b", "a, box/b"),
    ],
)
def test_how_a_limit_is_written(unit: str, value: str | int, shown: str, text: str) -> None:
    one = LimitSetting(LimitKind.RAM, "t", "n", "m", value, unit, "w", "store", Policy.ASK, "p", "store")
    assert (value_text(one), typed(one)) == (shown, text)
