from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from venom_tui.core.errors import StoreError
from venom_tui.core.store.database import Database
from venom_tui.core.store.migrations import MIGRATIONS, Migration, migrate, version_of
from venom_tui.core.store.opening import open_file
from venom_tui.core.types.session import SessionOptions

from .support import Store, open_store

DATA = Path(__file__).with_name("data")
"""Databases of each format with a session, as statements: `format-1.sql` and so on."""


def schema(db: sqlite3.Connection) -> dict[str, str]:
    return dict(db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall())


def make_format_1(path: Path) -> None:
    make_format(1, path)


def make_format(number: int, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path)
    db.executescript((DATA / f"format-{number}.sql").read_text(encoding="utf-8"))
    db.close()


async def open_with(path: Path, migrations: Sequence[Migration]) -> Database:
    return await Database.open(path, announce=pytest.fail, migrations=migrations)


def add_column(db: sqlite3.Connection) -> None:
    db.execute("ALTER TABLE sessions ADD COLUMN colour TEXT NOT NULL DEFAULT 'grey'")


def fails(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE half (done INTEGER)")
    db.execute("INSERT INTO nowhere VALUES (1)")


@pytest.mark.parametrize("number", range(1, len(MIGRATIONS) + 1))
def test_a_format_never_changes(tmp_path: Path, number: int) -> None:
    make_format(number, tmp_path / "stored.db")
    stored = sqlite3.connect(tmp_path / "stored.db")
    made = sqlite3.connect(tmp_path / "made.db", isolation_level=None)
    migrate(made, MIGRATIONS[:number])
    assert schema(made) == schema(stored)
    assert version_of(made) == version_of(stored) == number
    stored.close()
    made.close()


async def test_a_stored_file_of_format_1_works(folder: Path) -> None:
    make_format_1(folder / "venom.db")
    async with open_store(folder) as store:
        assert not store.notices
        (session,) = await store.sessions.list()
        assert session.title == "What is a cassowary?"
        assert session.options == SessionOptions()
        messages = await store.sessions.messages(session.id)
        assert messages[1].content == "A large bird."
        assert {(m.attachments, m.tool_calls, m.chosen) for m in messages} == {((), (), False)}
        assert [hit.seq for hit in await store.sessions.search("cassow")] == [1]
        assert [trace.usage.completion_tokens for trace in await store.sessions.traces(session.id)] == [4]
        await store.sessions.delete(session.id)
        assert await store.sessions.search("cassow") == []


async def test_a_stored_file_of_format_2_works(folder: Path) -> None:
    make_format(2, folder / "venom.db")
    async with open_store(folder) as store:
        assert not store.notices
        (session,) = await store.sessions.list()
        assert session.options == SessionOptions(8192, "low", "{}")
        user, first, second = await store.sessions.messages(session.id)
        assert [(one.name, one.kind, one.data) for one in user.attachments] == [
            ("notes.txt", "text", "bird's\n"),
            ("bird.png", "image", "iVBORw0KGgo="),
        ]
        assert [call.arguments for call in first.tool_calls] == ['{"what": "bird"}']
        assert (first.chosen, second.chosen) == (True, False)
        (waiting,) = await store.sessions.queue.list(session.id)
        assert (waiting.text, [one.name for one in waiting.attachments]) == ("And an emu?", ["notes.txt"])
        await store.sessions.delete(session.id)
        assert await store.count("attachments") == await store.count("queued_prompts") == 0


async def test_a_later_step(folder: Path) -> None:
    make_format_1(folder / "venom.db")
    database = await open_with(folder / "venom.db", (*MIGRATIONS[:1], add_column))
    assert [row["colour"] for row in await database.read("SELECT colour FROM sessions")] == ["grey"]
    assert (await database.read("PRAGMA user_version"))[0][0] == 2
    await database.close()
    backup = folder / "venom.db.before-format-2"
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    before = sqlite3.connect(backup)
    assert version_of(before) == 1
    assert before.execute("SELECT title FROM sessions").fetchall() == [("What is a cassowary?",)]
    before.close()
    assert not list(folder.glob("*.part"))


async def test_a_new_file_needs_no_backup(folder: Path) -> None:
    database = await open_with(folder / "venom.db", (*MIGRATIONS[:1], add_column))
    await database.close()
    assert not list(folder.glob("*before*"))


async def test_a_failing_step_leaves_the_file_as_it_was(folder: Path) -> None:
    make_format_1(folder / "venom.db")
    with pytest.raises(StoreError, match="nowhere"):
        await open_with(folder / "venom.db", (*MIGRATIONS[:1], add_column, fails))
    db = sqlite3.connect(folder / "venom.db")
    assert version_of(db) == 2  # each step is whole by itself
    assert "half" not in schema(db)
    db.close()
    database = await open_with(folder / "venom.db", (*MIGRATIONS[:1], add_column))
    assert len(await database.read("SELECT * FROM sessions")) == 1
    await database.close()


async def test_a_backup_is_not_overwritten(folder: Path) -> None:
    make_format_1(folder / "venom.db")
    backup = folder / "venom.db.before-format-2"
    backup.write_text("the first try")
    (folder / "venom.db.before-format-2.part").write_text("half of one")
    await (await open_with(folder / "venom.db", (*MIGRATIONS[:1], add_column))).close()
    assert backup.read_text() == "the first try"


async def test_backups_go_with_what_is_deleted(folder: Path) -> None:
    make_format_1(folder / "venom.db")
    async with open_store(folder) as store:
        (backup,) = folder.glob("venom.db.before-format-*")
        assert b"cassowary" in backup.read_bytes()
        blank = await store.sessions.create()
        await store.sessions.delete(blank.id)
        assert backup.exists(), "a session that nobody wrote into stands in no backup"
        (session,) = await store.sessions.list()
        await store.sessions.delete(session.id)
    assert not any(b"cassowary" in file.read_bytes() for file in folder.iterdir())


async def test_backups_go_with_what_has_expired(folder: Path) -> None:
    make_format_1(folder / "venom.db")
    async with open_store(folder) as store:
        await store.sessions.expire(sessions_days=0, traces_days=1)
        assert list(folder.glob("venom.db.before-format-*"))
        store.clock.forward(days=100_000)
        await store.sessions.expire(sessions_days=1, traces_days=0)
        assert await store.sessions.list() == []
    assert not list(folder.glob("venom.db.before-format-*"))


async def test_a_backup_that_cannot_be_removed_keeps_no_session(folder: Path) -> None:
    make_format_1(folder / "venom.db")
    (folder / "venom.db.before-format-9").mkdir(parents=True)
    async with open_store(folder) as store:
        (session,) = await store.sessions.list()
        await store.sessions.delete(session.id)
        assert await store.sessions.list() == []


def test_two_processes_migrate_at_once(folder: Path) -> None:
    make_format_1(folder / "venom.db")
    calls: list[int] = []

    def counted(db: sqlite3.Connection) -> None:
        calls.append(1)
        add_column(db)

    failures: list[Exception] = []

    def one() -> None:
        try:
            open_file(folder / "venom.db", (*MIGRATIONS[:1], counted)).lock.release()
        except Exception as error:  # noqa: BLE001 (told below)
            failures.append(error)

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert calls == [1]


async def test_a_new_file_has_every_table(store: Store) -> None:
    names = ("sessions", "messages", "traces", "operations", "settings", "parameters", "attachments", "queued_prompts")
    for table in names:
        assert await store.count(table) == 0
