"""A log that is shown while it is written."""

from __future__ import annotations

import pytest

from tests.ui.dialogs.test_slow_answers import EVERY_S, Plain
from tests.ui.shown import Shown
from venom_tui.ui.dialogs.log import LogView
from venom_tui.ui.widgets.live_rows import LiveRows


async def test_a_log_that_was_empty_is_followed_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("venom_tui.ui.dialogs.log._LOOK_S", EVERY_S)
    written: list[str] = []

    async def lines() -> list[str]:
        return list(written)

    async def mark() -> int:
        return len(written)

    app = Plain()
    async with app.run_test(size=(60, 12)) as pilot:
        shown = Shown(app, pilot)  # type: ignore[arg-type]  # it needs no core
        app.push_screen(LogView("Log of box", lines, mark))
        await shown.until_text("Nothing is written yet.")
        rows = app.screen.query_one(LiveRows)
        written += [f"line {number}" for number in range(50)]
        await shown.until(lambda: len(rows.keys) == 50)
        assert rows.cursor_key == "49"
        written += [f"line {number}" for number in range(50, 100)]
        await shown.until(lambda: len(rows.keys) == 100)
        assert rows.cursor_key == "99" and "line 98" in shown.text
        await shown.press("home")  # who reads further up is left there
        written.append("line 100")
        await shown.until(lambda: len(rows.keys) == 101)
        assert rows.cursor_key == "0" and "line 0" in shown.text
