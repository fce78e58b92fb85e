"""Downloads from a hub: resumed without fetching anything twice, checked, and laid out as the library does."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.core.downloads.hubs import MIB, QUICK, content, fetched, hub_files, left_over, wanted, weights
from tests.core.downloads.recorded import Followed, until
from tests.core.support import fill
from tests.hub import Faults, Hub, Repository
from venom_tui.core.downloads import hub_fetch
from venom_tui.core.downloads.hub import pull
from venom_tui.core.downloads.patience import Patience
from venom_tui.core.errors import (
    BadAnswer,
    CutStream,
    DownloadFailed,
    NoSpace,
    RuntimeBusy,
    RuntimeFailure,
    RuntimeRefused,
    RuntimeUnavailable,
    VenomError,
)

GGUF = "tiny-Q4_K_M.gguf"
SMALL = {"config.json": b'{"model_type": "llama"}', "README.md": b"# tiny\n", "empty.txt": b"", "sub/notes.md": b"x"}


@pytest.fixture
def repository() -> Repository:
    return Repository("org/tiny", {GGUF: weights(9 * MIB + 17), **SMALL})


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut what is fetched into small pieces, so that little data has many."""
    monkeypatch.setattr(hub_fetch, "_PIECE", MIB)
    monkeypatch.setattr(hub_fetch, "_BATCH", 64 * 1024)


@pytest.mark.parametrize("connections", [1, 4])
async def test_everything_of_a_repository(repository: Repository, tmp_path: Path, connections: int) -> None:
    what = wanted(repository, tmp_path)
    with Hub(repository) as hub:
        followed = await fetched(hub, what, connections=connections)
    assert followed.failure is None
    assert content(tmp_path, what) == dict(repository.files)
    total = sum(file.size for file in what.files)
    assert (followed.now.bytes_done, followed.now.bytes_total, followed.now.share) == (total, total, 1.0)
    assert followed.never_steps_back()
    assert left_over(tmp_path) == []
    folder = tmp_path / "models--org--tiny"
    assert (folder / "refs" / "main").read_text() == repository.commit
    link = folder / "snapshots" / repository.commit / GGUF
    assert os.readlink(link) == f"../../blobs/{repository.etag(GGUF)}"
    assert hub.fetched(GGUF) == 9 * MIB + 17


async def test_the_library_and_its_command_accept_it(repository: Repository, tmp_path: Path) -> None:
    cache = tmp_path / "hub"
    what = wanted(repository, cache)
    with Hub(repository) as hub:
        assert (await fetched(hub, what)).failure is None
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(tmp_path / "home"), "HF_ENDPOINT": hub.url,
            "HF_HUB_CACHE": str(cache), "HF_HUB_DISABLE_TELEMETRY": "1",
        }  # fmt: skip
        hf = Path(sys.executable).with_name("hf")

        def run(*arguments: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=60, check=False)

        verified = await asyncio.to_thread(run, str(hf), "cache", "verify", "org/tiny", "--fail-on-missing-files")
        assert verified.returncode == 0, verified.stdout + verified.stderr
        code = (
            "import sys, huggingface_hub as h\n"
            f"print(h.hf_hub_download('org/tiny', {GGUF!r}, local_files_only=True))\n"
            "print(h.snapshot_download('org/tiny'))\n"
            "print(h.scan_cache_dir().warnings, file=sys.stderr)\n"
            "print(len(h.scan_cache_dir().warnings), [r.nb_files for r in h.scan_cache_dir().repos])\n"
        )
        before = len(hub.served)
        used = await asyncio.to_thread(run, sys.executable, "-c", code)
        assert used.returncode == 0, used.stderr
        assert used.stdout.splitlines()[-1] == "0 [5]", used.stderr
        assert len(hub.served) == before, "the library fetches nothing anew"
        (cache / "models--org--tiny" / "blobs" / repository.etag(GGUF)).write_bytes(b"damaged")
        damaged = await asyncio.to_thread(run, str(hf), "cache", "verify", "org/tiny")
        assert damaged.returncode != 0, "the check would notice"


async def cancelled_at(hub: Hub, what: object, share: float) -> Followed:
    """Pull until so much is there, and cancel."""
    followed = Followed()
    async with hub_files(hub) as files:
        task = asyncio.create_task(pull(files, what, followed.progress, patience=QUICK))  # type: ignore[arg-type]
        await until(lambda: (followed.now.share or 0) >= share)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
    await until(lambda: hub.serving == 0)
    return followed


@pytest.mark.parametrize("connections", [1, 4])
async def test_resumed_without_fetching_anything_twice(
    repository: Repository, tmp_path: Path, connections: int
) -> None:
    what = wanted(repository, tmp_path, GGUF)
    with Hub(repository) as hub:
        hub.faults.rate = 10 * MIB
        first = await cancelled_at(hub, what, 0.5)
        assert content(tmp_path, what) == {}, "nothing is listed that is not whole"
        kept = first.now.bytes_done or 0
        hub.faults.rate = 0
        await until(lambda: hub.serving == 0)  # what is cut is counted when its sender notices
        hub.served.clear()
        second = await fetched(hub, what, connections=connections)
        assert second.failure is None
        assert second.seen[0].bytes_done is not None and second.seen[0].bytes_done >= kept
        assert hub.fetched(GGUF) == 9 * MIB + 17 - second.seen[0].bytes_done
    assert content(tmp_path, what) == {GGUF: repository.files[GGUF]}
    assert left_over(tmp_path) == []


async def test_nothing_is_fetched_that_is_there(repository: Repository, tmp_path: Path) -> None:
    what = wanted(repository, tmp_path)
    with Hub(repository) as hub:
        await fetched(hub, what)
        shutil.rmtree(tmp_path / "models--org--tiny" / "snapshots")
        await until(lambda: hub.serving == 0)  # what is cut is counted when its sender notices
        hub.served.clear()
        followed = await fetched(hub, what)
        assert followed.failure is None and hub.served == {}
    assert content(tmp_path, what) == dict(repository.files)


# ---------------------------------------------------------------------- bad days


@pytest.mark.parametrize(
    "faults",
    [
        Faults(cut_after=256 * 1024, cuts=5),
        Faults(stall_after=256 * 1024, stalls=1, stall_s=0.4),
    ],
    ids=["cuts", "stalls"],
)
async def test_what_breaks_is_gone_on_with(repository: Repository, tmp_path: Path, faults: Faults) -> None:
    what = wanted(repository, tmp_path, GGUF)
    with Hub(repository) as hub:
        hub.faults = faults
        followed = await fetched(hub, what)
        assert followed.failure is None
        assert followed.never_steps_back()
        if faults.cut_after:
            assert followed.now.retries >= 5
            assert hub.fetched(GGUF) < 9 * MIB + 17 + 5 * 512 * 1024, "what came before the cut is kept"
    assert content(tmp_path, what) == {GGUF: repository.files[GGUF]}


async def test_silence_is_told(repository: Repository, tmp_path: Path) -> None:
    what = wanted(repository, tmp_path, GGUF)
    with Hub(repository) as hub:
        hub.faults = Faults(stall_after=0, rate=1)
        followed = Followed()
        async with hub_files(hub) as files:
            task = asyncio.create_task(pull(files, what, followed.progress, connections=1, patience=QUICK))
            await until(lambda: followed.now.message == "no byte for 0 s, The hub is asked again")
            task.cancel()
            await asyncio.wait({task})


async def test_a_connection_that_always_breaks_is_given_up(repository: Repository, tmp_path: Path) -> None:
    what = wanted(repository, tmp_path, GGUF)
    with Hub(repository) as hub:
        hub.answers("/cdn/*", 200, b"", headers={"content-range": "nothing"})
        followed = await fetched(hub, what)
        assert isinstance(followed.failure, BadAnswer)
        hub.behaves()
        hub.answers("/cdn/*", 502, b"<html>bad gateway</html>")
        followed = await fetched(hub, what)
    assert type(followed.failure) is RuntimeFailure and "502" in followed.failure.message
    assert followed.now.retries >= 3
    assert content(tmp_path, what) == {}


@pytest.mark.parametrize("times", [1, 1000])
async def test_a_wrong_bit(repository: Repository, tmp_path: Path, times: int) -> None:
    what = wanted(repository, tmp_path, GGUF)
    with Hub(repository) as hub:
        hub.faults.damaged = times
        followed = await fetched(hub, what)
        assert isinstance(followed.failure, DownloadFailed)
        assert "is not what The hub names" in followed.failure.message
        assert content(tmp_path, what) == {} and left_over(tmp_path) == []
        hub.faults.damaged = 0
        assert (await fetched(hub, what)).failure is None
    assert content(tmp_path, what) == {GGUF: repository.files[GGUF]}


async def test_what_was_spoilt_on_the_disk_is_fetched_anew(repository: Repository, tmp_path: Path) -> None:
    what = wanted(repository, tmp_path, GGUF)
    with Hub(repository) as hub:
        hub.faults.rate = 10 * MIB
        await cancelled_at(hub, what, 0.3)
        (partial,) = tmp_path.rglob("*.venom.incomplete")
        notes = partial.with_name(f"{partial.name}.json").read_bytes()
        spans = json.loads(max(notes[:4096], notes[4096:]))["there"]
        with partial.open("r+b") as file:  # as after a power cut
            file.seek(spans[0][0])
            file.write(b"\0" * 100)
        hub.faults.rate = 0
        followed = await fetched(hub, what)
    assert followed.failure is None
    assert followed.log == [f"{GGUF} was not what the hub names: fetched anew"]
    assert content(tmp_path, what) == {GGUF: repository.files[GGUF]}


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"{",
        b'{"number": 1, "size": 1, "there": [[0, 1]]}',
        b'{"number": 1, "size": %d, "there": [[5, 2]]}',
        b'{"number": 1, "size": %d, "there": [[0, 2], [1, 5]]}',
        b'{"number": 1, "size": %d, "there": [[0, 99999999]]}',
        b"[]",
        b"\xff",
    ],
)
async def test_a_note_that_cannot_be_true_counts_for_nothing(
    repository: Repository, tmp_path: Path, note: bytes
) -> None:
    what = wanted(repository, tmp_path, GGUF)
    with Hub(repository) as hub:
        hub.faults.rate = 10 * MIB
        await cancelled_at(hub, what, 0.3)
        (partial,) = tmp_path.rglob("*.venom.incomplete")
        partial.with_name(f"{partial.name}.json").write_bytes(note.replace(b"%d", b"%d" % (9 * MIB + 17)))
        hub.faults.rate = 0
        followed = await fetched(hub, what)
    assert followed.failure is None and followed.seen[0].bytes_done == 0
    assert content(tmp_path, what) == {GGUF: repository.files[GGUF]}


@pytest.mark.parametrize("connections", [1, 4])
async def test_a_host_that_gives_no_parts(repository: Repository, tmp_path: Path, connections: int) -> None:
    what = wanted(repository, tmp_path, GGUF)
    with Hub(repository) as hub:
        hub.faults = Faults(rate=10 * MIB)
        await cancelled_at(hub, what, 0.3)
        hub.faults = Faults(ranges=False)
        followed = await fetched(hub, what, connections=connections)
    assert followed.failure is None
    assert content(tmp_path, what) == {GGUF: repository.files[GGUF]}


async def test_an_address_that_is_good_for_a_while_only(repository: Repository, tmp_path: Path) -> None:
    what = wanted(repository, tmp_path, GGUF)
    with Hub(repository) as hub:
        hub.signs = True
        hub.faults.rate = 4 * MIB
        followed = Followed()
        task = asyncio.create_task(fetched(hub, what, followed=followed))
        await until(lambda: (followed.now.share or 0) > 0.3)
        hub.signature += 1  # what was signed before is refused from now on
        await task
    assert followed.failure is None and followed.now.retries >= 1
    assert content(tmp_path, what) == {GGUF: repository.files[GGUF]}


@pytest.mark.parametrize(
    ("status", "headers", "kind", "words"),
    [
        (401, {"x-error-code": "GatedRepo", "x-error-message": "Access is restricted."}, RuntimeRefused, "conditions"),
        (403, {"x-error-code": "GatedRepo"}, RuntimeRefused, "conditions"),
        (401, {}, RuntimeRefused, "wants a token"),
        (404, {"x-error-code": "EntryNotFound"}, RuntimeRefused, "does not have this file"),
        (429, {"retry-after": "0"}, RuntimeBusy, "is busy (429)"),
        (500, {}, RuntimeFailure, "failed (500)"),
    ],
)
async def test_what_the_hub_refuses(
    repository: Repository,
    tmp_path: Path,
    status: int,
    headers: dict[str, str],
    kind: type[VenomError],
    words: str,
) -> None:
    with Hub(repository) as hub:
        hub.answers("/org/tiny/resolve/*", status, b"{}", headers=headers)
        followed = await fetched(hub, wanted(repository, tmp_path, GGUF))
    assert type(followed.failure) is kind and words in followed.failure.message
    assert isinstance(followed.failure, VenomError) and followed.failure.hint
    assert not list(tmp_path.rglob("snapshots"))


async def test_a_hub_that_asks_to_wait(repository: Repository, tmp_path: Path) -> None:
    with Hub(repository) as hub:
        hub.answers("/cdn/*", 429, headers={"retry-after": "1"}, times=1)
        begun = time.monotonic()
        followed = await fetched(hub, wanted(repository, tmp_path, GGUF))
    assert followed.failure is None and time.monotonic() - begun > 0.9
    assert "The hub asks to wait 1 s (1 of 3)" in followed.log


async def test_a_hub_that_is_not_there(repository: Repository, tmp_path: Path) -> None:
    with Hub(repository) as hub:
        pass
    followed = await fetched(hub, wanted(repository, tmp_path, GGUF), patience=Patience())
    assert isinstance(followed.failure, RuntimeUnavailable) and followed.now.retries == 0


async def test_the_token_goes_to_the_hub_alone(tmp_path: Path) -> None:
    repository = Repository("org/gated", {GGUF: weights(MIB), "config.json": b"{}"}, gated="granted")
    with Hub(repository) as hub:
        followed = await fetched(hub, wanted(repository, tmp_path), token=hub.token)
        assert followed.failure is None
        for asked in hub.asked:
            named = asked.headers.get("authorization")
            assert named == (None if asked.path.startswith("/cdn/") else f"Bearer {hub.token}")
        assert hub.asked_for("/cdn/*")


@pytest.mark.parametrize("where", ["file:///etc/passwd", "ftp://host/x", "http://user:secret@localhost/x", ""])
async def test_redirects_that_are_not_followed(repository: Repository, tmp_path: Path, where: str) -> None:
    with Hub(repository) as hub:
        hub.answers("/org/tiny/resolve/*", 302, headers={"location": where, "x-linked-etag": '"a"'})
        followed = await fetched(hub, wanted(repository, tmp_path, GGUF))
    assert isinstance(followed.failure, BadAnswer | CutStream)


@pytest.mark.parametrize("etag", ["../../../evil", ".hidden", "a/b", "x" * 300, ""])
async def test_a_hub_cannot_write_outside_of_the_cache(tmp_path: Path, etag: str) -> None:
    repository = Repository("org/tiny", {"config.json": b"{}"})
    with Hub(repository) as hub:
        hub.answers("/org/tiny/resolve/*", 200, b"{}", headers={"etag": f'"{etag}"'})
        followed = await fetched(hub, wanted(repository, tmp_path))
    assert isinstance(followed.failure, BadAnswer)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


async def test_a_full_disk(small_disk: Path, tmp_path: Path) -> None:
    repository = Repository("org/tiny", {GGUF: weights(600 * 1024)})
    what = wanted(repository, small_disk)
    with Hub(repository) as hub:
        filler = fill(small_disk)
        followed = await fetched(hub, what)
        assert isinstance(followed.failure, NoSpace), "refused before the first byte"
        assert followed.failure.missing_bytes == 600 * 1024 and not hub.asked_for("/cdn/*")
        filler.write_bytes(b"x" * 300 * 1024)
        hub.faults.rate = MIB
        followed = Followed()
        task = asyncio.create_task(fetched(hub, what, followed=followed))
        await until(lambda: (followed.now.bytes_done or 0) > 100 * 1024)
        filler.rename(small_disk / "first")
        filler = fill(small_disk)
        await task
        assert isinstance(followed.failure, NoSpace)
        kept = followed.now.bytes_done or 0
        assert followed.failure.missing_bytes is not None
        assert abs(followed.failure.missing_bytes - (600 * 1024 - kept)) < 64 * 1024
        assert content(small_disk, what) == {}
        filler.unlink()
        hub.faults.rate = 0
        await until(lambda: hub.serving == 0)  # what is cut is counted when its sender notices
        hub.served.clear()
        followed = await fetched(hub, what)
        assert followed.failure is None
        assert hub.fetched(GGUF) < 600 * 1024, "it goes on from what is there"
    assert content(small_disk, what) == {GGUF: repository.files[GGUF]}


async def test_orphans_of_the_library_are_removed(repository: Repository, tmp_path: Path) -> None:
    what = wanted(repository, tmp_path, GGUF)
    blobs = tmp_path / "models--org--tiny" / "blobs"
    blobs.mkdir(parents=True)
    etag = repository.etag(GGUF)
    old, new, other = (blobs / f"{name}.incomplete" for name in (f"{etag}.1a", f"{etag}.2b", "f" * 64))
    for path in (old, new, other):
        path.write_bytes(b"x" * 4096)
    for path in (old, other):
        os.utime(path, (0, 0))
    with Hub(repository) as hub:
        followed = await fetched(hub, what)
    assert not old.exists() and new.exists() and other.exists()
    assert followed.log == ["4.0 KiB of downloads that others had left unfinished were removed"]
