from __future__ import annotations

import asyncio
import errno
import os
import re
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.core.support import fill
from venom_tui.core.errors import DiskFull, StoreDamaged, StoreError, StoreTooNew
from venom_tui.core.store import failures, opening
from venom_tui.core.store.database import Database

from .support import Store, ended, open_store


def garble(path: Path, *, page: int) -> None:
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(os.urandom(4096))


def root_page(path: Path, table: str) -> int:
    db = sqlite3.connect(path)
    page = db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
    db.close()
    return int(page)


# ---------------------------------------------------------------------- newer


async def test_a_newer_file_is_left_as_it_is(folder: Path) -> None:
    async with open_store(folder):
        pass
    path = folder / "venom.db"
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    before = path.read_bytes()
    with pytest.raises(StoreTooNew, match="newer venom-tui") as caught:
        async with open_store(folder):
            pass
    assert path.read_bytes() == before
    assert "VENOM_DATA_DIR" in caught.value.hint
    assert not list(folder.glob("*damaged*"))


async def test_a_newer_version_that_is_only_in_the_wal(folder: Path) -> None:
    async with open_store(folder):
        pass
    path = folder / "venom.db"
    script = (
        f"import sqlite3, os; db = sqlite3.connect({str(path)!r}); db.execute('PRAGMA user_version = 99'); os._exit(0)"
    )
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", script], check=True)
    before = path.read_bytes()
    with pytest.raises(StoreTooNew):
        async with open_store(folder):
            pass
    assert path.read_bytes() == before


# ---------------------------------------------------------------------- damaged


async def test_garbage_is_put_aside(folder: Path) -> None:
    folder.mkdir()
    (folder / "venom.db").write_bytes(b"this was never a database" * 100)
    async with open_store(folder) as store:
        assert len(store.notices) == 1
        aside = re.search(r"venom\.db\.damaged-\d{8}T\d{6}Z", store.notices[0])
        assert aside is not None
        assert "damaged" in store.notices[0]
        assert store.database.notices == tuple(store.notices)
        await store.sessions.create(title="goes on")
    assert (folder / aside.group()).read_bytes() == b"this was never a database" * 100
    assert stat.S_IMODE((folder / aside.group()).stat().st_mode) == 0o600
    async with open_store(folder) as store:
        assert not store.notices
        assert [session.title for session in await store.sessions.list()] == ["goes on"]


async def test_nothing_is_overwritten(folder: Path) -> None:
    for number in range(3):
        folder.mkdir(exist_ok=True)
        (folder / "venom.db").unlink(missing_ok=True)
        (folder / "venom.db").write_bytes(b"broken %d " % number * 500)
        async with open_store(folder):
            pass
    kept = {file.read_bytes()[:8] for file in folder.glob("venom.db.damaged-*")}
    assert kept == {b"broken 0", b"broken 1", b"broken 2"}


async def test_a_broken_page_is_noticed_at_the_start(folder: Path) -> None:
    async with open_store(folder) as store:
        session = await store.sessions.create()
        for _ in range(20):
            await store.say(session.id, "question " * 200, "answer " * 200)
    garble(folder / "venom.db", page=root_page(folder / "venom.db", "traces"))
    async with open_store(folder) as store:
        assert store.notices
        assert await store.sessions.list() == []
    assert len(list(folder.glob("venom.db.damaged-*"))) == 1


async def test_damage_that_is_met_later_leads_to_a_check(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_CHECKED_BYTES", 0)  # as with a file that is too large to be checked at each start
    async with open_store(folder) as store:
        session = await store.sessions.create()
        for _ in range(20):
            await store.say(session.id, "question " * 200, "answer " * 200)
    garble(folder / "venom.db", page=root_page(folder / "venom.db", "messages"))
    async with open_store(folder) as store:
        assert not store.notices
        with pytest.raises(StoreDamaged):
            await store.sessions.messages(session.id)
        suspect = folder / "venom.db.suspect"
        assert stat.S_IMODE(suspect.stat().st_mode) == 0o600
    async with open_store(folder) as store:
        assert store.notices
    assert not suspect.exists()
    assert len(list(folder.glob("venom.db.damaged-*"))) == 1


@pytest.mark.parametrize("which", ["id > 1", "id = 10", "id > 10"])
async def test_a_spoilt_index_is_made_again(folder: Path, which: str) -> None:
    async with open_store(folder) as store:
        session = await store.sessions.create()
        await store.say(session.id, "where is the zanzibar archive", "on the second shelf")
        _, streaming = await store.sessions.begin_turn(session.id, "another one", request_id="r9")
    db = sqlite3.connect(folder / "venom.db")
    db.execute("UPDATE messages_text_data SET block = randomblob(64) WHERE " + which)
    db.commit()
    db.close()
    async with open_store(folder) as store:
        with pytest.raises(StoreDamaged):
            await store.sessions.search("zanzibar")
    async with open_store(folder) as store:
        assert not store.notices
        assert [hit.seq for hit in await store.sessions.search("zanzibar")] == [1]
        await store.sessions.finish(ended(streaming, "quagga"), None)
        assert [hit.message_id for hit in await store.sessions.search("quagga")] == [streaming.id]
        await store.sessions.delete(session.id)
        assert await store.count("messages_text_idx") == 0


async def test_a_damaged_file_in_use_stays(folder: Path) -> None:
    async with open_store(folder) as store:
        await store.sessions.create(title="in use")
        garble(folder / "venom.db", page=1)
        with pytest.raises(StoreDamaged, match="another venom-tui still uses it"):
            async with open_store(folder):
                pass
        assert not list(folder.glob("*damaged*"))
    async with open_store(folder) as store:
        pass
    assert len(list(folder.glob("venom.db.damaged-*"))) <= 1


# ---------------------------------------------------------------------- a full disk


async def test_full_by_page_count(folder: Path) -> None:
    async with open_store(folder) as store:
        session = await store.sessions.create()
        kept = await store.say(session.id, "before", "it was full")
        pages = (await store.database.read("PRAGMA page_count"))[0][0]
        await store.database.write(lambda db: db.execute_fetchall(f"PRAGMA max_page_count = {pages}"))
        with pytest.raises(DiskFull, match="full"):
            await store.sessions.begin_turn(session.id, "too long " * 5000, request_id="r")
        assert [m.id for m in await store.sessions.messages(session.id)] == [m.id for m in kept]
        await store.database.write(lambda db: db.execute_fetchall("PRAGMA max_page_count = 100000"))
        await store.sessions.begin_turn(session.id, "long " * 5000, request_id="r")
        assert len(await store.sessions.messages(session.id)) == 4


async def many_turns(store: Store, session_id: str) -> None:
    for _ in range(50):
        await store.sessions.begin_turn(session_id, "more " * 1000, request_id="r")


async def test_a_full_disk_and_space_again(small_disk: Path) -> None:
    folder = small_disk / "data"
    async with open_store(folder) as store:
        session = await store.sessions.create()
        await store.say(session.id, "before", "fine")
        filler = fill(small_disk)
        with pytest.raises(DiskFull) as caught:
            await many_turns(store, session.id)
        assert "Free some space" in caught.value.hint
        assert await store.sessions.search("before")
        filler.unlink()
        await store.say(session.id, "after", "fine again")
        assert (await store.sessions.messages(session.id))[-1].content == "fine again"
    async with open_store(folder) as store:
        assert not store.notices
        assert (await store.sessions.messages(session.id))[-1].content == "fine again"


async def test_a_start_on_a_full_disk(small_disk: Path) -> None:
    folder = small_disk / "data"
    async with open_store(folder) as store:
        await store.sessions.create(title="kept")
    filler = fill(small_disk)
    with pytest.raises(DiskFull):
        async with open_store(folder) as store:
            await store.sessions.create(title="x" * 5000)
    filler.unlink()
    async with open_store(folder) as store:
        assert "kept" in [session.title for session in await store.sessions.list()]


def test_a_used_up_quota_reads_as_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE
    assert not isinstance(failures.store_error(error, tmp_path / "venom.db"), DiskFull)

    def refuse(*_arguments: int) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    assert isinstance(failures.store_error(error, tmp_path / "venom.db"), DiskFull)
    assert isinstance(failures.store_error(OSError(errno.EDQUOT, "quota"), tmp_path / "venom.db"), DiskFull)


async def test_a_file_system_that_cannot_be_written(small_disk: Path) -> None:
    async with open_store(small_disk / "data"):
        pass
    await asyncio.to_thread(subprocess.run, ["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StoreError, match="cannot be opened for writing") as caught:
        async with open_store(small_disk / "data") as store:
            await store.sessions.create()
    assert "VENOM_DATA_DIR" in caught.value.hint


# ---------------------------------------------------------------------- network file systems


async def test_no_wal_on_a_network(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_store(folder) as store:
        await store.sessions.create(title="written on a local disk")
    monkeypatch.setattr(opening, "network_file_system", lambda _folder: "nfs4")
    async with open_store(folder) as store:
        assert store.database.network_file_system == "nfs4"
        assert await store.database.journal_mode() == "delete"
        session = await store.sessions.create(title="on a network")
        await store.say(session.id, "hello", "there")
        synchronous = await store.database.write(lambda db: db.execute_fetchall("PRAGMA synchronous"))
        assert next(iter(synchronous))[0] == 2
        assert not list(folder.glob("*-wal"))
        await store.sessions.delete(session.id)
    monkeypatch.undo()
    async with open_store(folder) as store:
        assert store.database.network_file_system is None
        assert await store.database.journal_mode() == "wal"
        assert len(await store.sessions.list()) == 1


# ---------------------------------------------------------------------- many at once


async def test_many_open_a_new_file_at_once(folder: Path) -> None:
    async def one(number: int) -> None:
        async with open_store(folder) as store:
            await store.sessions.create(title=str(number))

    await asyncio.gather(*(one(number) for number in range(6)))
    async with open_store(folder) as store:
        assert not store.notices
        assert {session.title for session in await store.sessions.list()} == {str(number) for number in range(6)}


async def test_many_find_a_damaged_file_at_once(folder: Path) -> None:
    folder.mkdir()
    (folder / "venom.db").write_bytes(b"garbage " * 1000)

    async def one(number: int) -> list[str]:
        async with open_store(folder) as store:
            await store.sessions.create(title=str(number))
            return store.notices

    told = await asyncio.gather(*(one(number) for number in range(4)))
    assert sum(map(len, told)) == 1
    assert len(list(folder.glob("venom.db.damaged-*"))) == 1
    async with open_store(folder) as store:
        assert len(await store.sessions.list()) == 4


async def test_opened_while_another_writes(folder: Path) -> None:
    first = await Database.open(folder / "venom.db", announce=pytest.fail)
    writer = sqlite3.connect(folder / "venom.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    async with open_store(folder) as store:
        assert await store.sessions.list() == []
    writer.execute("COMMIT")
    writer.close()
    await first.close()
