"""Fetches files of a hub: several connections at once, each piece kept as it comes, every digest checked."""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial as bind
from typing import TypeVar

from venom_tui.core.downloads.hub_files import HubFiles, Located
from venom_tui.core.downloads.hub_layout import HubLayout
from venom_tui.core.downloads.partial import Partial, digest_for, done_of, remove
from venom_tui.core.downloads.patience import Patience
from venom_tui.core.downloads.space import free_bytes, full_disk
from venom_tui.core.downloads.teller import Teller
from venom_tui.core.errors import (
    BadAnswer,
    CutStream,
    DownloadFailed,
    NoSpace,
    RuntimeBusy,
    RuntimeFailure,
    RuntimeRefused,
    RuntimeTimeout,
    RuntimeUnavailable,
)
from venom_tui.core.operations.progress import Progress
from venom_tui.core.sanitize import sanitize_line

T = TypeVar("T")

_PIECE = 32 * 1024 * 1024
"""What one request asks for, where several connections share a file."""
_BATCH = 1024 * 1024
"""Bytes that are written at once."""
_CHECKED_AT_ONCE = 256 * 1024 * 1024
_LONGEST_PAUSE_S = 300.0
"""The longest that a hub may ask to wait."""
_LOOKS = 8
"""Files that are asked about at once."""


@dataclass(frozen=True, slots=True)
class WantedFile:
    """A file of a repository."""

    path: str
    size: int
    sha256: str = ""
    """As the listing says; "" for small files."""


@dataclass(slots=True, eq=False)
class _Job:
    """A file that is being fetched."""

    wanted: WantedFile
    located: Located
    partial: Partial | None = None
    left: int = 0
    """Pieces that are not there yet."""
    ranges: bool = True
    """Whether its host gives parts of it."""


@dataclass(slots=True)
class _Piece:
    job: _Job
    at: int
    end: int


class _NoRanges(Exception):
    """The host sends the whole file whatever is asked for."""


@dataclass(slots=True)
class Fetch:
    """The fetching of some files of one commit. `run` once."""

    files: HubFiles
    layout: HubLayout
    repository: str
    commit: str
    wanted: Sequence[WantedFile]
    progress: Progress
    connections: int = 4
    patience: Patience = field(default_factory=Patience)
    _jobs: deque[_Job] = field(default_factory=deque)
    _pieces: deque[_Piece] = field(default_factory=deque)
    _open: list[_Job] = field(default_factory=list)
    _writer: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "download"))
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _teller: Teller = field(init=False)

    def __post_init__(self) -> None:
        """Begin to count."""
        self._teller = Teller(self.progress, [one.path for one in self.wanted], self.files.who, self.patience)

    async def run(self) -> dict[str, str]:
        """Fetch what is missing and return path -> name of its blob; being cancelled keeps what is there.

        Raises:
            RuntimeFailure: what the hub did or said.
            NoSpace: the disk is full, or would be.
        """
        try:
            found = await self._look()
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(self._teller.watch())
                workers = [group.create_task(self._work()) for _ in range(self.connections)]
                await asyncio.wait(workers)
                watching.cancel()
        except* Exception as failures:  # noqa: BLE001 (one of them is raised)
            raise _first(failures) from None
        finally:
            await asyncio.shield(self._let_go())
        return found

    async def _let_go(self) -> None:
        for job in self._open:
            if job.partial is not None:
                await self._in_thread(job.partial.close)
        self._writer.shutdown(wait=False)
        if self._teller.total:
            self._teller.tell(at_once=True)

    # ------------------------------------------------------------------ what is missing

    async def _look(self) -> dict[str, str]:
        """Find out where each file lies and which are there already."""
        limit = asyncio.Semaphore(_LOOKS)

        def has(etag: str, size: int) -> bool:
            return self.layout.has(etag, size)

        async def look(wanted: WantedFile) -> Located | None:
            there: bool = bool(wanted.sha256) and await asyncio.to_thread(has, wanted.sha256, wanted.size)
            if there:
                return None
            async with limit:
                return await self._located(wanted)

        async with asyncio.TaskGroup() as group:
            looks = [group.create_task(look(wanted)) for wanted in self.wanted]
        found: dict[str, str] = {}
        jobs: dict[str, _Job] = {}
        for wanted, task in zip(self.wanted, looks, strict=True):
            located = task.result()
            etag = wanted.sha256 if located is None else located.etag
            found[wanted.path] = etag
            size = wanted.size if located is None else located.size
            self._teller.total += 0 if etag in jobs else size
            if located is None or await asyncio.to_thread(has, etag, size):
                self._teller.there += size
            elif etag not in jobs:
                jobs[etag] = _Job(wanted, located)
                self._teller.there += await asyncio.to_thread(done_of, self.layout.partial(etag), size)
        self._jobs.extend(sorted(jobs.values(), key=lambda job: job.located.size))
        self._teller.finished = len(self.wanted) - len(jobs)
        free = await asyncio.to_thread(free_bytes, self.layout.folder)
        if free is not None and self._teller.missing > free:
            raise full_disk(self.layout.folder.parent, self._teller.missing - free)
        self._teller.tell(at_once=True)
        return found

    async def _located(self, wanted: WantedFile) -> Located:
        failures = 0
        while True:
            try:
                located = await self.files.locate(self.repository, self.commit, wanted.path)
            except RuntimeFailure as failure:
                failures += 1
                if failures > self.patience.tries or not _may_pass(failure) or isinstance(failure, RuntimeUnavailable):
                    raise
                await self._pause(failure, failures)
                continue
            if wanted.sha256 and located.etag != wanted.sha256:
                if len(located.etag) == 64:
                    raise BadAnswer(f"{self.files.who} contradicts itself about {sanitize_line(wanted.path, 80)}.")
                located = Located(located.url, wanted.sha256, located.size, located.own)
            return located

    # ------------------------------------------------------------------ pieces

    async def _work(self) -> None:
        while (piece := await self._next()) is not None:
            await self._get(piece)
            piece.job.left -= 1
            if piece.job.left == 0:
                await self._finish(piece.job)

    async def _next(self) -> _Piece | None:
        async with self._lock:
            while not self._pieces:
                if not self._jobs:
                    return None
                await self._begin(self._jobs.popleft())
            return self._pieces.popleft()

    async def _begin(self, job: _Job) -> None:
        """Open a file and lay out what is missing of it."""
        located = job.located
        digest = digest_for(located.etag, located.size)
        if digest is None:
            raise BadAnswer(f"{self.files.who} names no digest of {sanitize_line(job.wanted.path, 80)}.")
        try:
            job.partial = await self._in_thread(bind(Partial, self.layout.partial(located.etag), located.size, digest))
        except OSError as error:
            raise await self._broken(error) from error
        self._open.append(job)
        self._lay_out(job)

    def _lay_out(self, job: _Job) -> None:
        assert job.partial is not None
        largest = _PIECE if job.ranges and self.connections > 1 else max(1, job.located.size)
        # One that is there already is still to be checked.
        spans = job.partial.missing(largest) or [(job.located.size, job.located.size)]
        self._pieces.extend(_Piece(job, begin, end) for begin, end in spans)
        job.left = len(spans)

    async def _get(self, piece: _Piece) -> None:
        """Fetch a piece, however often its connection breaks, as long as it gets on."""
        failures = 0
        while piece.at < piece.end:
            before, located = piece.at, piece.job.located
            try:
                await self._stream(piece)
            except _NoRanges:
                await self._without_ranges(piece)
            except RuntimeFailure as failure:
                failures = 1 if piece.at > before else failures + 1
                if failures > self.patience.tries or not await self._passes(failure, piece.job, located):
                    raise
                await self._pause(failure, failures)

    async def _stream(self, piece: _Piece) -> None:
        job, pieces, size = piece.job, [], 0
        at, writing = piece.at, None
        async with self.files.open(job.located, piece.at, piece.end) as response:
            if response.status_code == 200 and (piece.at, piece.end) != (0, job.located.size):
                raise _NoRanges
            try:
                async for data in response.aiter_raw():
                    self._teller.heard()
                    pieces.append(data)
                    size += len(data)
                    if at + size > piece.end:
                        raise BadAnswer(f"{self.files.who} sent more than was asked for.")
                    if size >= _BATCH:
                        if writing is not None:
                            await writing
                        writing = asyncio.create_task(self._put(piece, at, pieces))
                        at, pieces, size = at + size, [], 0
            finally:
                # What came is kept, also of a connection that broke.
                if writing is not None:
                    await asyncio.shield(writing)
                if pieces and at + size <= piece.end:
                    await asyncio.shield(self._put(piece, at, pieces))
        if piece.at < piece.end:
            raise CutStream(f"{self.files.who} closed the connection in the middle of a file.")

    async def _put(self, piece: _Piece, offset: int, pieces: list[bytes]) -> None:
        assert piece.job.partial is not None
        try:
            await self._in_thread(bind(piece.job.partial.write, offset, pieces))
        except OSError as error:
            raise await self._broken(error) from error
        size = sum(map(len, pieces))
        piece.at += size
        self._teller.came(size)

    async def _without_ranges(self, piece: _Piece) -> None:
        """Begin a file anew whose host gives it in one piece only; the first who notices fetches it."""
        job = piece.job
        async with self._lock:
            if not job.ranges:
                piece.at = piece.end
                return
            job.ranges = False
            waiting = [other for other in self._pieces if other.job is job]
            self._pieces = deque(other for other in self._pieces if other.job is not job)
            job.left -= len(waiting)
            await self._forget(job)
        piece.at, piece.end = 0, job.located.size

    async def _forget(self, job: _Job) -> None:
        digest = digest_for(job.located.etag, job.located.size)
        assert job.partial is not None
        assert digest is not None
        gone = job.partial.done
        await self._in_thread(bind(job.partial.start_over, digest))
        self._teller.lost(gone, min(gone, job.partial.before))
        job.partial.before = 0

    async def _finish(self, job: _Job) -> None:
        """Check a file and give it its name."""
        part, etag = job.partial, job.located.etag
        assert part is not None
        try:
            while not await self._in_thread(bind(part.catch_up, _CHECKED_AT_ONCE)):
                self._teller.heard()
                self._teller.tell(f"checks {sanitize_line(job.wanted.path, 100)}")
            if part.digest.hexdigest() == etag:
                await self._in_thread(bind(part.finish, self.layout.blob(etag)))
                self._open.remove(job)
                self._teller.finished += 1
                self._teller.tell(at_once=True)
                return
        except OSError as error:
            raise await self._broken(error) from error
        name = sanitize_line(job.wanted.path, 80)
        if part.before:
            # Written before a power cut, perhaps: what is on the disk may not be what was noted.
            self.progress.retry(f"{name} was not what the hub names: fetched anew")
            await self._forget(job)
            async with self._lock:
                self._lay_out(job)
            return
        self._open.remove(job)
        await self._in_thread(bind(part.close, note=False))
        await asyncio.to_thread(remove, part.path)
        raise DownloadFailed(
            f"What came of {name} is not what {self.files.who} names, and was thrown away.",
            hint="A retry fetches it anew.",
            server_message=f"{part.digest.hexdigest()[:16]}… came instead of {etag[:16]}…",
        )

    # ------------------------------------------------------------------ trouble

    async def _passes(self, failure: RuntimeFailure, job: _Job, used: Located) -> bool:
        """Return whether another try may succeed; an address that is good for a while only is asked for anew."""
        if not (isinstance(failure, RuntimeRefused) and not used.own and failure.status in (401, 403, 404, 410)):
            return _may_pass(failure)
        async with self._lock:
            if job.located is used:
                located = await self.files.locate(self.repository, self.commit, job.wanted.path)
                if located.url == used.url:
                    return False
                job.located = Located(located.url, used.etag, used.size, located.own)
        return True

    async def _pause(self, failure: RuntimeFailure, failures: int) -> None:
        wait_s = self.patience.wait_s(failures)
        why = (failure.server_message or failure.message).rstrip(".")
        if isinstance(failure, RuntimeBusy):
            wait_s = min(max(wait_s, failure.retry_after_s or 0.0), _LONGEST_PAUSE_S)
            why = f"{self.files.who} asks to wait {wait_s:.0f} s"
        self.progress.retry(f"{why} ({failures} of {self.patience.tries})")
        await asyncio.sleep(wait_s)
        self._teller.heard()

    async def _broken(self, error: OSError) -> NoSpace | DownloadFailed:
        words = sanitize_line(error.strerror or str(error), 200)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = await asyncio.to_thread(free_bytes, self.layout.folder) or 0
            return full_disk(self.layout.folder.parent, self._teller.missing - free, words)
        return DownloadFailed(
            f"A file below {self.layout.folder} cannot be written.",
            hint="Check its folder and its owner.",
            server_message=words,
        )

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._writer, work)


def _may_pass(failure: RuntimeFailure) -> bool:
    if isinstance(failure, CutStream | RuntimeTimeout | RuntimeUnavailable | RuntimeBusy):
        return True
    return type(failure) is RuntimeFailure


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    for failure in group.exceptions:
        return _first(failure) if isinstance(failure, BaseExceptionGroup) else failure
    raise AssertionError("a group without a failure")
