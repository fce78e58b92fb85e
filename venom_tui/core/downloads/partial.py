"""A file that comes in pieces: which of them are there survives a kill, and its digest is known when it is whole.

Synchronous: everything here runs in a download's own thread.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

Span = tuple[int, int]
"""From the first byte to the one after the last."""

_NOTED_EVERY_S = 1.0
_NOTE = 4096
"""Bytes of a note. There is room for two from the beginning, which are written in turn: a disk that is full takes them
as well, and a power cut spoils the newer one at most."""
_MOST_SPANS = 100
_READ = 1024 * 1024
_CAUGHT_UP_AT_ONCE = 64 * 1024 * 1024
"""Bytes that are read for the digest after one write: others wait for the thread as well."""


class Digest(Protocol):
    """What hashlib makes."""

    def update(self, data: bytes, /) -> None:
        """Take more bytes."""

    def hexdigest(self) -> str:
        """Return the digest."""


class Partial:
    """An open file that is being filled.

    Args:
        path: where it lies while it is not whole; what is known of it lies beside it.
        size: how long it will be.
        digest: takes the bytes in their order.
    """

    def __init__(self, path: Path, size: int, digest: Digest) -> None:
        self.path = path
        self.size = size
        self.digest = digest
        self.spans: list[Span] = _spans_of(table_of(path), path, size)
        """What is there, in order, no two of them touching."""
        self.before = self.done
        """What was there when it was opened."""
        self._hashed = 0
        self._number = 0
        self._noted_at = time.monotonic()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        self._notes = -1
        try:
            self._notes = os.open(table_of(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            for _ in range(2):
                self.note()
        except OSError:
            self.close(note=False)
            raise

    @property
    def done(self) -> int:
        """How many bytes are there."""
        return sum(end - begin for begin, end in self.spans)

    def missing(self, largest: int) -> list[Span]:
        """Return what is not there, cut into pieces of at most so many bytes."""
        found: list[Span] = []
        at = 0
        for begin, end in [*self.spans, (self.size, self.size)]:
            while at < begin:
                found.append((at, min(begin, at + largest)))
                at = found[-1][1]
            at = max(at, end)
        return found

    def write(self, offset: int, pieces: Sequence[bytes]) -> None:
        """Write bytes at their place.

        Raises:
            OSError: the disk is full, or worse; what was written before is kept.
        """
        begin = offset
        for piece in pieces:
            view = memoryview(piece)
            while view:
                written = os.pwrite(self._file, view, offset)
                offset, view = offset + written, view[written:]
        self._add(begin, offset)
        if self._hashed == begin:
            for piece in pieces:
                self.digest.update(piece)
            self._hashed = offset
        self.catch_up(_CAUGHT_UP_AT_ONCE)
        if time.monotonic() - self._noted_at > _NOTED_EVERY_S:
            self.note()

    def _add(self, begin: int, end: int) -> None:
        spans: list[Span] = []
        for other in sorted([*self.spans, (begin, end)]):
            if spans and other[0] <= spans[-1][1]:
                spans[-1] = (spans[-1][0], max(spans[-1][1], other[1]))
            else:
                spans.append(other)
        self.spans = spans

    def catch_up(self, most: int | None = None) -> bool:
        """Let the digest take what is there without a gap, so many bytes at most; return whether it has all of it."""
        ready = self.spans[0][1] if self.spans and self.spans[0][0] == 0 else 0
        until = ready if most is None else min(ready, self._hashed + most)
        while self._hashed < until:
            data = os.pread(self._file, min(_READ, until - self._hashed), self._hashed)
            if not data:
                raise OSError("the file has become shorter")
            self.digest.update(data)
            self._hashed += len(data)
        return self._hashed == ready

    def note(self) -> None:
        """Write down which pieces are there."""
        self._noted_at = time.monotonic()
        self._number += 1
        spans = sorted(self.spans, key=lambda span: span[0] - span[1])[:_MOST_SPANS]
        text = json.dumps({"number": self._number, "size": self.size, "there": sorted(spans)})
        os.pwrite(self._notes, text.encode().ljust(_NOTE), self._number % 2 * _NOTE)

    def start_over(self, digest: Digest) -> None:
        """Forget everything."""
        self.spans, self._hashed, self.digest = [], 0, digest
        os.ftruncate(self._file, 0)
        self.note()

    def finish(self, target: Path) -> None:
        """Give the whole file its name, once its bytes are on the disk."""
        os.fdatasync(self._file)
        os.replace(self.path, target)
        table_of(self.path).unlink(missing_ok=True)
        self.close(note=False)

    def close(self, *, note: bool = True) -> None:
        """Let go of the file; what is there is written down."""
        if self._file < 0:
            return
        try:
            if note:
                self.note()
        except OSError:
            pass  # the note before is true as well
        finally:
            os.close(self._file)
            if self._notes >= 0:
                os.close(self._notes)
            self._file = self._notes = -1


def table_of(path: Path) -> Path:
    """Return where it is written which pieces of a partial file are there."""
    return path.with_name(f"{path.name}.json")


def remove(path: Path) -> None:
    """Remove a partial file."""
    path.unlink(missing_ok=True)
    table_of(path).unlink(missing_ok=True)


def done_of(path: Path, size: int) -> int:
    """Return how many bytes of a partial file are there."""
    return sum(end - begin for begin, end in _spans_of(table_of(path), path, size))


def _spans_of(table: Path, path: Path, size: int) -> list[Span]:
    """Read which pieces are there; what cannot be true counts as nothing."""
    try:
        length = min(size, path.stat().st_size)
        notes = table.read_bytes()[: 2 * _NOTE]
    except OSError:
        return []
    found = [note for at in (0, _NOTE) if (note := _read_note(notes[at : at + _NOTE], size, length)) is not None]
    return max(found)[1] if found else []


def _read_note(note: bytes, size: int, length: int) -> tuple[int, list[Span]] | None:
    """Return number and pieces of a note; None where it is none, or speaks of another file."""
    try:
        value = json.loads(note)
        spans = [(int(begin), int(end)) for begin, end in value["there"]]
        number, noted = int(value["number"]), int(value["size"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    right = noted == size and all(0 <= begin < end <= length for begin, end in spans)
    return (number, spans) if right and all(a[1] < b[0] for a, b in itertools.pairwise(spans)) else None


def digest_for(name: str, size: int) -> Digest | None:
    """Return what makes the digest that a hub calls a file by: sha256 in LFS, git's own of others; None for neither."""
    if len(name) == 64:
        return hashlib.sha256()
    if len(name) == 40:
        return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    return None
