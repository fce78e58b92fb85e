"""What folders of models hold on their disks, what of it is shared, and what nothing needs. Synchronous; in a thread.

Something that changed within the last hour is left alone: a download may be writing it, or is about to name it. Ollama
itself prunes by the same hour.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from venom_tui.core.downloads.partial import table_of
from venom_tui.core.errors import NotRemovable
from venom_tui.core.models.files import COPYING
from venom_tui.core.models.hub_cache import PREFIX, Entry, entries_of, old_revisions, target_of
from venom_tui.core.models.inside import Inside, allocated, freed_by
from venom_tui.core.models.ollama_folder import OllamaFolder
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.types.storage import Orphan, Storage

GRACE_S = 3600.0
_BLOB = re.compile(r"sha256-[0-9a-f]{64}\Z")
_PARTIAL = re.compile(r"sha256-[0-9a-f]{64}-partial(?:-\d+)?\Z")
_LEFT_OVER = (".incomplete", ".partial", ".part", COPYING)
_OURS = ".venom.incomplete"
_TABLE = ".venom.incomplete.json"
"""What is written beside a partial file of ours, and goes with it."""
_MOST = 200_000

Seconds = Callable[[], float]
Kept = Callable[[Path], str]
"""Tells why something stays that no model needs; "" where nothing speaks for it."""


def _nothing(_path: Path) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    stat: os.stat_result


def ollama_storage(
    runtime: str, label: str, folder: OllamaFolder, *, now: Seconds = time.time, kept: Kept = _nothing
) -> Storage:
    """Return what an Ollama's folder holds."""
    sizes = {digest: folder.taken(digest) for digest in folder.named()}
    counts = Counter(digest for model in folder.models.values() for digest in {one.digest for one in model.layers})
    shared = {digest: size for digest, size in sizes.items() if counts[digest] > 1}
    named = {digest.replace(":", "-") for digest in sizes}
    orphans = []
    everything = list(_files(folder.root))
    for file in everything:
        if file.path.parent != folder.root / "blobs" or file.path.name in named:
            continue
        if _PARTIAL.match(file.path.name):
            orphans.append(_orphan(file, "partial download", now(), kept(file.path)))
        elif _BLOB.match(file.path.name):
            orphan = _orphan(file, "unused blob", now(), kept(file.path))
            if folder.unreadable:
                why = f"a manifest cannot be read, which may name it: {sanitize_line(folder.unreadable[0], 120)}"
                orphan = replace(orphan, cleanable=False, why=why)
            orphans.append(orphan)
    return _storage(
        runtime,
        label,
        folder.root,
        models=len(folder.models),
        size_bytes=_total(everything),
        shared_bytes=sum(shared.values()),
        saved_bytes=sum(size * (counts[digest] - 1) for digest, size in shared.items()),
        orphans=_writable(orphans),
    )


def models_storage(folder: Path, models: int, *, now: Seconds = time.time) -> Storage:
    """Return what the folder of GGUF files holds; files with several names count once."""
    everything = list(_files(folder))
    names = Counter((file.stat.st_dev, file.stat.st_ino) for file in everything)
    shared = {
        (file.stat.st_dev, file.stat.st_ino): allocated(file.stat)
        for file in everything
        if names[file.stat.st_dev, file.stat.st_ino] > 1
    }
    orphans = [
        _orphan(file, "partial copy" if file.path.name.endswith(COPYING) else "partial download", now())
        for file in everything
        if file.path.name.endswith(_LEFT_OVER)
    ]
    return _storage(
        "models",
        "GGUF files",
        folder,
        models=models,
        size_bytes=_total(everything),
        shared_bytes=sum(shared.values()),
        saved_bytes=sum(size * (names[inode] - 1) for inode, size in shared.items()),
        orphans=_writable(orphans),
    )


def hub_storage(folder: Path, models: int, *, now: Seconds = time.time, kept: Kept = _nothing) -> Storage:
    """Return what the Hugging Face cache holds."""
    everything = list(_files(folder))
    uses = Counter(entry.blob for repository in _repositories(folder) for entry in _entries(repository))
    orphans, shared, saved = [], 0, 0
    partial = {table_of(file.path) for file in everything if file.path.name.endswith(_OURS)}
    tables = {file.path: file for file in everything if file.path in partial}
    for file in everything:
        if not stat.S_ISREG(file.stat.st_mode) or file.path.parent.name != "blobs":
            continue
        if not file.path.parent.parent.name.startswith(PREFIX):
            continue
        if file.path in tables:
            continue
        if file.path.name.endswith((*_LEFT_OVER, _TABLE)):
            beside = tables.get(table_of(file.path))
            orphans.append(_orphan(file, "incomplete download", now(), kept(file.path), beside))
        elif uses[file.path] > 1:
            shared += allocated(file.stat)
            saved += allocated(file.stat) * (uses[file.path] - 1)
        elif not uses[file.path]:
            orphans.append(_orphan(file, "unused blob", now(), kept(file.path)))
    for repository in _repositories(folder):
        orphans += _old_revisions(repository, now(), kept)
    return _storage(
        "hub",
        "Hugging Face cache",
        folder,
        models=models,
        size_bytes=_total(everything),
        shared_bytes=shared,
        saved_bytes=saved,
        orphans=_writable(orphans),
    )


def unreadable(storage_id: str, label: str, folder: str, why: str) -> Storage:
    """Return a folder that cannot be looked into."""
    return Storage(storage_id, label, folder, unavailable=why)


def clean(root: Path, orphans: Iterable[Orphan], storage: Callable[[], Storage]) -> tuple[int, list[str]]:
    """Delete orphans that still are such; return what the disk got back, and why others stay.

    `storage` looks again: what a model names meanwhile, or what a download has touched, is no orphan any more.
    """
    still = {orphan.path: orphan for orphan in storage().orphans}
    inside = Inside(root)
    freed, left = 0, []
    for orphan in orphans:
        name, found = sanitize_line(Path(orphan.path).name, 80), still.get(orphan.path)
        if found is None or not found.cleanable:
            left.append(f"{name} is not left over any more" if found is None else f"{name} stays: {found.why}")
            continue
        try:
            freed += _remove(inside, Path(orphan.path))
        except NotRemovable as failure:
            left.append(failure.message)
    return freed, left


def _remove(inside: Inside, path: Path) -> int:
    if path.parent.name == "snapshots":
        return _remove_revision(inside, path)
    freed = inside.remove(path)
    table = table_of(path)
    return freed + (inside.remove(table) if path.name.endswith(_OURS) and os.path.lexists(table) else 0)


def _remove_revision(inside: Inside, snapshot: Path) -> int:
    """Delete a snapshot, with the blobs that no other one links."""
    blobs = snapshot.parent.parent / "blobs"
    links = _linked(inside, snapshot)
    for other in snapshot.parent.iterdir():
        if other != snapshot and stat.S_ISDIR(inside.stat(other).st_mode):
            links -= _linked(inside, other)
    freed = inside.remove_tree(snapshot)
    return freed + sum(inside.remove(blob) for blob in sorted(links) if blob.parent == blobs and os.path.lexists(blob))


def _linked(inside: Inside, snapshot: Path) -> set[Path]:
    """Return what a snapshot's files point to, all of it.

    Raises:
        NotRemovable: it cannot be looked into.
    """
    return {target_of(path) for path, _ in inside.files(snapshot)}


def _old_revisions(repository: Path, now: float, kept: Kept) -> list[Orphan]:
    """Return the revisions that no reference names, with what only they hold; what two of them hold counts once."""
    old = old_revisions(repository)
    needed = {
        entry.blob
        for snapshot in ((repository / "snapshots").iterdir() if old else ())
        if snapshot not in old
        for entry in entries_of(snapshot)
    }
    found = []
    for snapshot in old:
        entries = list(entries_of(snapshot))
        blobs = {entry.blob for entry in entries if entry.blob.parent == repository / "blobs"} - needed
        needed |= blobs
        stats = [path.lstat() for path in (*blobs, *(entry.path for entry in entries)) if os.path.lexists(path)]
        orphan = _orphan(_File(snapshot, snapshot.lstat()), "old revision", now, kept(snapshot))
        length = sum(one.st_size for one in stats if stat.S_ISREG(one.st_mode))
        found.append(replace(orphan, size_bytes=sum(freed_by(one) for one in stats), length_bytes=length))
    return found


def _storage(storage_id: str, label: str, folder: Path, **facts: object) -> Storage:
    """Return a folder with what is free on its file system."""
    found = Storage(storage_id, label, sanitize_line(str(folder), 400))
    there = next((one for one in (folder, *folder.parents) if os.path.exists(one)), folder)  # it may not be there yet
    try:
        usage = os.statvfs(there)
    except OSError:
        pass
    else:
        free, total = usage.f_bavail * usage.f_frsize, usage.f_blocks * usage.f_frsize
        found = replace(found, free_bytes=free, total_bytes=total)
    return replace(found, **facts)  # type: ignore[arg-type]  # fields of one dataclass


def _orphan(file: _File, kind: str, now: float, why: str = "", beside: _File | None = None) -> Orphan:
    """Return what is left over; `why` it stays all the same, `beside` it lies what goes with it."""
    all_of_it = [file.stat] if beside is None else [file.stat, beside.stat]
    fresh = now - max(max(one.st_mtime, one.st_ctime) for one in all_of_it) < GRACE_S
    return Orphan(
        path=str(file.path),
        kind=kind,
        size_bytes=sum(allocated(one) for one in all_of_it),
        length_bytes=file.stat.st_size,
        modified_at=datetime.fromtimestamp(max(one.st_mtime for one in all_of_it), UTC),
        cleanable=not (fresh or why),
        why=why or ("it changed within the last hour: a download may be using it" if fresh else ""),
    )


def _writable(orphans: list[Orphan]) -> tuple[Orphan, ...]:
    """Say of those that may not be deleted that they may not; the largest first."""
    found = [
        orphan
        if os.access(Path(orphan.path).parent, os.W_OK)
        else replace(orphan, cleanable=False, why="its folder belongs to somebody else")
        for orphan in orphans
    ]
    return tuple(sorted(found, key=lambda orphan: orphan.size_bytes, reverse=True))


def _total(files: Iterable[_File]) -> int:
    """Return what files take together; one with several names counts once."""
    return sum({(file.stat.st_dev, file.stat.st_ino): allocated(file.stat) for file in files}.values())


def _files(root: Path) -> Iterator[_File]:
    """Yield all files below a folder, on its own file system; links are not followed, but the first."""
    try:
        device = root.stat().st_dev
    except OSError:
        return
    pending, count = [root], 0
    while pending:
        try:
            entries = list(os.scandir(pending.pop()))
        except OSError:
            continue
        for entry in entries:
            count += 1
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if count > _MOST or found.st_dev != device:
                continue
            if stat.S_ISDIR(found.st_mode):
                pending.append(Path(entry.path))
            else:
                yield _File(Path(entry.path), found)


def _repositories(folder: Path) -> list[Path]:
    try:
        return [Path(one.path) for one in os.scandir(folder) if one.name.startswith(PREFIX) and one.is_dir()]
    except OSError:
        return []


def _entries(repository: Path) -> Iterator[Entry]:
    try:
        snapshots = [Path(one.path) for one in os.scandir(repository / "snapshots")]
    except OSError:
        return
    for snapshot in snapshots:
        yield from entries_of(snapshot)
