"""A clean stop: what is ours ends and leaves, what is others' stays."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.core.operations.sharing import venoms
from tests.core.servers.support import beside, cleaned, configure, ended, opened, server_of
from tests.core.support import settings_for
from tests.ollama import FakeOllama
from tests.real.servers.process import free_port
from tests.servers import serving
from venom_tui.core import stop as stopping
from venom_tui.core.owner import Owner, start_time
from venom_tui.core.runtimes.leftovers import Worker
from venom_tui.core.servers.ending import end
from venom_tui.core.servers.records import Record, read_record, write_record
from venom_tui.core.stop import stop


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("venom_tui.core.stop.workers", list)
    with cleaned(tmp_path):
        yield


async def test_servers_of_ours_end_and_others_stay(tmp_path: Path) -> None:
    configure(tmp_path, free_port(), "--child")
    with beside("sleep", "600") as other:
        async with opened(tmp_path) as core:
            await ended(core, await core.servers.start("box"))
            pid = server_of(core).pid
        here = Owner.current()
        reused = Owner(here.machine_id, here.boot_id, other.pid, (start_time(other.pid) or 0) - 1, here.host)
        write_record(tmp_path / "data" / "servers", Record("old", "http://127.0.0.1:9", server=reused, keeper=reused))
        (tmp_path / "config" / "config.toml").unlink()  # what is written of it is enough
        report = await stop(settings_for(tmp_path))
        assert report.stopped == (f"box (process {pid}) was ended.",)
        assert pid is not None
        assert start_time(pid) is None
        assert not (report.failed or report.spared or report.left)
        assert (await stop(settings_for(tmp_path))).stopped == ()


async def test_servers_of_ours_end_where_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("box", "other"):
        configure(tmp_path, free_port(), name=name)
        async with opened(tmp_path) as core:
            await ended(core, await core.servers.start(name))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("venom_tui.core.servers.ending.mark_asked", full)
    report = await stop(settings_for(tmp_path))
    assert len(report.stopped) == 2
    assert not report.failed


async def test_one_server_that_cannot_be_ended_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(tmp_path, free_port())
    async with opened(tmp_path) as core:
        await ended(core, await core.servers.start("box"))
        folder = tmp_path / "data" / "servers"
        record = read_record(folder, "box")
        assert record is not None
        with beside("sleep", "600") as other:
            here = replace(Owner.current(), pid=other.pid, start_time=start_time(other.pid) or 0)
            write_record(folder, replace(record, name="bad", server=here, keeper=None))

            async def ends(folder: Path, name: str, limit_s: float) -> bool:
                if name == "bad":
                    raise PermissionError(errno.EPERM, "Operation not permitted")
                return await end(folder, name, limit_s)

            monkeypatch.setattr("venom_tui.core.servers.ours.end", ends)
            report = await stop(settings_for(tmp_path))
            (folder / "bad.json").unlink()  # what is cleaned after the test is not that one
    assert [one.partition(" ")[0] for one in report.stopped] == ["box"]
    assert report.failed == ("bad: Operation not permitted.",)


async def test_models_of_ours_leave_and_others_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeOllama(models={f"{name}:1b": {} for name in ("ours", "theirs", "pinned", "again", "gone")})
    config = tmp_path / "config"
    config.mkdir()
    async with serving(fake) as server:
        (config / "config.toml").write_text(f'[runtimes.o]\nurl = "{server.url}"\nkind = "ollama"\n')
        async with opened(tmp_path) as core:
            fake.hold("theirs:1b")
            await core.runtimes.settled(10)
            for name in ("ours", "theirs", "pinned", "again", "gone"):
                await core.runtimes.prepare(await core.models.find(f"{name}:1b"))
        assert set(fake.loaded) >= {"ours:1b", "theirs:1b", "pinned:1b", "again:1b"}
        fake.loaded.pop("gone:1b")
        fake.loaded["pinned:1b"]["expires_at"] = "2318-01-01T00:00:00Z"

        async def begun(*_: object) -> dict[tuple[str, str], datetime]:
            return {("o", "again:1b"): datetime.now(UTC) + timedelta(minutes=1)}

        monkeypatch.setattr(stopping, "_begun", begun)
        report = await stop(settings_for(tmp_path))
        assert report.stopped == ("ours:1b @ o was unloaded.",)
        assert set(report.spared) == {
            "pinned:1b @ o was pinned by somebody else; it stays.",
            "again:1b @ o was loaded again by somebody else; it stays.",
        }
        assert set(fake.loaded) == {"theirs:1b", "pinned:1b", "again:1b"}
        assert not report.failed


async def test_a_model_that_does_not_leave_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("venom_tui.core.stop._LEAVES_WITHIN_S", 0.2)
    fake = FakeOllama(models={"ours:1b": {}})
    config = tmp_path / "config"
    config.mkdir()
    async with serving(fake) as server:
        (config / "config.toml").write_text(f'[runtimes.o]\nurl = "{server.url}"\nkind = "ollama"\n')
        async with opened(tmp_path) as core:
            await core.runtimes.settled(10)
            await core.runtimes.prepare(await core.models.find("ours:1b"))
        stays = dict(fake.loaded)
        fake.loaded = _Stubborn(stays)
        report = await stop(settings_for(tmp_path))
        assert report.stopped == ()
        assert len(report.failed) == 1
        assert report.failed[0].startswith("ours:1b @ o: ours:1b has not left")


async def test_what_somebody_does_while_others_leave_counts(tmp_path: Path) -> None:
    fake = FakeOllama(models={"one:1b": {}, "two:1b": {}})
    config = tmp_path / "config"
    config.mkdir()
    async with serving(fake) as server:
        (config / "config.toml").write_text(f'[runtimes.o]\nurl = "{server.url}"\nkind = "ollama"\n')
        async with opened(tmp_path) as core:
            await core.runtimes.settled(10)
            for name in fake.models:
                await core.runtimes.prepare(await core.models.find(name))
        fake.loaded = _Pinning(fake.loaded)
        report = await stop(settings_for(tmp_path))
        (stays,) = fake.loaded
        assert report.spared == (f"{stays} @ o was pinned by somebody else; it stays.",)
        assert len(report.stopped) == 1
        assert not report.failed


async def test_a_background_that_does_not_answer_is_named_and_the_rest_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("venom_tui.core.operations.sharing._ANSWER_LIMIT_S", 0.3)

    async def hangs(*_: object) -> None:
        pass

    monkeypatch.setattr("venom_tui.core.operations.sharing.Sharing.asked", hangs)
    configure(tmp_path, free_port())
    async with opened(tmp_path) as core:
        await ended(core, await core.servers.start("box"))
        pid = server_of(core).pid
    async with venoms(tmp_path / "data", "a", "b") as (a, b):
        operation = await a.pull("m", waiting=True)
        assert await b.runner.adopt(operation.id)
        await b.works.until_begun("m")
        report = await stop(settings_for(tmp_path))
        assert len(report.failed) == 1
        assert report.failed[0].startswith("The venom-tui that runs the pull of m did not answer within 0.3 s.")
        assert report.stopped == (f"box (process {pid}) was ended.",)
        assert not report.interrupted


class _Pinning(dict[str, dict[str, object]]):
    """Rows of which all others are pinned by somebody as soon as one leaves."""

    def pop(self, *arguments: object) -> None:  # type: ignore[override]
        """Take it out."""
        super().pop(*arguments)  # type: ignore[call-overload]
        for row in self.values():
            row["expires_at"] = "2318-01-01T00:00:00Z"


class _Stubborn(dict[str, dict[str, object]]):
    """Rows that nobody can take out."""

    def pop(self, *_: object) -> None:  # type: ignore[override]
        """Leave it."""


@pytest.mark.parametrize("looks", [3, None])
async def test_an_orphan_has_time_to_end_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looks: int | None
) -> None:
    orphan, seen = Worker(7, 1, orphan=True, memory_bytes=None), 0

    def workers() -> list[Worker]:
        nonlocal seen
        seen += 1
        return [orphan] if looks is None or seen < looks else []

    monkeypatch.setattr(stopping, "workers", workers)
    monkeypatch.setattr(stopping, "_LOOK_S", 0.001)
    if looks is None:
        monkeypatch.setattr(stopping, "_ORPHAN_S", 0.01)
    report = await stop(settings_for(tmp_path))
    assert report.left == (() if looks else (orphan,))
    assert looks is None or seen == looks
