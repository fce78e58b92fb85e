"""Better models that fit: what is asked of the hub opens where it was asked, and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.ui.shown import Shown, open_app
from venom_tui.core.settings import load_settings
from venom_tui.core.types.fit import Candidate, Verdict

FOUND = Candidate("tiny:1b", "ollama", "1B", 10**9, 10**9, Verdict.FITS, 4096, "answers")


async def ask(shown: Shown, monkeypatch: pytest.MonkeyPatch, found: Sequence[Candidate]) -> asyncio.Event:
    """Ask hub and library, which answer when the event is set."""
    may_answer = asyncio.Event()

    async def offered() -> tuple[Sequence[Candidate], Sequence[str]]:
        await may_answer.wait()
        return found, ()

    monkeypatch.setattr(shown.core.fits, "offered", offered)
    await shown.press("f10")
    await shown.until_text("What hub and library offer now")
    await shown.press("end")
    await shown.type("trending")
    await shown.press("enter")
    await shown.until(lambda: any("are asked" in notice for notice in shown.notices))
    return may_answer


@pytest.mark.parametrize(
    ("found", "title", "told"),
    [
        ((FOUND,), "What is taken most now", "1 model that fits is offered now: f10, then “What hub"),
        ((), "Nothing to offer", "Nothing to offer. Nothing of what is taken most"),
    ],
)
async def test_what_was_found_opens_only_where_it_was_asked(
    data_dir: Path,
    config_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    found: Sequence[Candidate],
    title: str,
    told: str,
) -> None:
    folders = {"VENOM_DATA_DIR": str(data_dir), "VENOM_CONFIG_DIR": str(config_dir), "VENOM_DISCOVERY": "0"}
    async with open_app(load_settings(environ=folders), "guard") as shown:
        (await ask(shown, monkeypatch, found)).set()
        await shown.until(lambda: title in shown.text)
        await shown.press("escape")
        may_answer = await ask(shown, monkeypatch, found)
        await shown.press("f4")
        may_answer.set()
        await shown.until(lambda: any(notice.startswith(told) for notice in shown.notices))
        assert shown.app.screen is shown.app.section_screen("operations")
