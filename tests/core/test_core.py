"""The core as a whole: opened in order, closed in reverse, whatever happens in between."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.core.support import ask, open_core, settings_for, turn
from venom_tui.core.core import Core
from venom_tui.core.errors import StoreTooNew, UsageError
from venom_tui.core.events import SessionsChanged
from venom_tui.core.info import collect
from venom_tui.core.store.database import Database


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


async def test_nothing_is_left_of_a_closed_core(tmp_path: Path) -> None:
    tasks = asyncio.all_tasks()
    for _ in range(3):
        async with open_core(tmp_path) as core:
            with core.events.subscribe() as events:
                session = await core.sessions.create()
            assert {"telemetry", "store watch"} <= threads()
        assert SessionsChanged(session.id) in [event async for event in events]
    assert asyncio.all_tasks() == tasks
    for thread in threading.enumerate():
        if thread.name in ("telemetry", "store watch", "nvml", "disk-data", "disk-models"):
            await asyncio.to_thread(thread.join, 10)
    assert not threads() & {"telemetry", "store watch", "nvml", "disk-data", "disk-models"}
    db = sqlite3.connect(tmp_path / "data" / "venom.db")
    assert db.execute("SELECT count(*) FROM sessions").fetchone() == (3,)
    db.close()


async def test_a_core_that_cannot_open_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = await Database.open(tmp_path / "data" / "venom.db", announce=print)
    await database.write(lambda db: db.execute_fetchall("PRAGMA user_version = 999"))
    await database.close()
    tasks = asyncio.all_tasks()
    with pytest.raises(StoreTooNew):
        async with open_core(tmp_path):
            pass
    assert asyncio.all_tasks() == tasks

    async def broken(_self: object) -> None:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr("venom_tui.core.operations.runner.OperationRunner.recover", broken)
    with pytest.raises(ZeroDivisionError):
        async with open_core(tmp_path / "other"):
            pass
    assert {task.get_name() for task in asyncio.all_tasks() - tasks} == set()


async def test_settings_that_the_program_keeps(tmp_path: Path) -> None:
    async with open_core(tmp_path) as core:
        await core.save_setting("VENOM_THEME", "ansi")
        assert core.settings.text("VENOM_THEME") == "ansi"
        with pytest.raises(UsageError):
            await core.save_setting("VENOM_THEME", "mauve")
    async with open_core(tmp_path) as core:
        assert core.settings.lookup("VENOM_THEME").source == "store"
        await core.save_setting("VENOM_THEME", None)
        assert core.settings.lookup("VENOM_THEME").source == "default"
    async with open_core(tmp_path) as core:
        assert core.settings.lookup("VENOM_THEME").source == "default"


async def test_what_is_too_old_is_removed_behind(tmp_path: Path) -> None:
    async with open_core(tmp_path) as core:
        old, new = [await core.sessions.create(title=title) for title in ("old", "new")]
        await ask(core, old.id, "help")
    db = sqlite3.connect(tmp_path / "data" / "venom.db")
    long_ago = (datetime.now(UTC) - timedelta(days=40)).isoformat(timespec="microseconds")
    db.execute("UPDATE sessions SET updated_at = ? WHERE id = ?", (long_ago, old.id))
    db.commit()
    db.close()
    async with open_core(tmp_path, VENOM_READ_ONLY="1", SESSION_TTL_DAYS=30) as core:
        await core._expiry
        assert len(await core.sessions.list()) == 2
    async with open_core(tmp_path, SESSION_TTL_DAYS=30) as core:
        await core._expiry
        assert [session.id for session in await core.sessions.list()] == [new.id]


async def test_results_and_events_are_plain_data(tmp_path: Path) -> None:
    """A front end may one day sit in another process."""
    async with open_core(tmp_path) as core:
        session = await core.sessions.create()
        events = await turn(core, await core.chat.send(session.id, "help"))
        things = [
            *events,
            *await core.sessions.list(),
            *await core.models.list(),
            *await core.runtimes.statuses(),
            await core.guard.snapshot(),
            await core.chat.route("hello") if await core.models.list() else session,
        ]
        for thing in things:
            assert json.dumps(asdict(thing), default=datetime.isoformat)


async def test_info_opens_nothing(tmp_path: Path) -> None:
    found = collect(settings_for(tmp_path))
    assert found.store_error == ""
    assert not (tmp_path / "data").exists()
    async with open_core(tmp_path) as core:
        await core.save_setting("VENOM_THEME", "ansi")
        shown = {item.name: (item.value, item.source) for item in collect(settings_for(tmp_path)).settings}
        assert shown["VENOM_THEME"] == ("ansi", "store")
        assert shown["VENOM_DATA_DIR"] == (str(tmp_path / "data"), "environment")
    assert asdict(collect(settings_for(tmp_path)))["paths"]["models"] == str(tmp_path / "data" / "models")


async def test_a_closed_core_refuses(tmp_path: Path) -> None:
    async with Core(settings_for(tmp_path)) as core:
        session = await core.sessions.create()
    with pytest.raises(UsageError, match="closing"):
        await core.chat.send(session.id, "hello")
