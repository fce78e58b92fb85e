"""Removes models from the Hugging Face cache. Synchronous; call it in a thread."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from venom_tui.core.clients.hub_store import deletion_of
from venom_tui.core.errors import NotRemovable
from venom_tui.core.models.files import parts_of
from venom_tui.core.models.hub_cache import WEIGHTS, Entry, HubCache, Repository, entries_of
from venom_tui.core.models.inside import Inside, freed_by
from venom_tui.core.types.model import ModelInfo

if TYPE_CHECKING:
    from huggingface_hub import DeleteCacheStrategy


@dataclass(frozen=True, slots=True)
class HubDeletion:
    """What of a repository goes, and what that gives back."""

    repository: Path
    strategy: DeleteCacheStrategy | None
    """None: the library does not understand the repository, and we delete ourselves."""
    paths: tuple[Path, ...]
    """What goes: the repository's folder, or names of files in the snapshots, their contents last."""
    frees_bytes: int
    notes: tuple[str, ...] = ()


def plan_deletion(cache: Path, models: list[ModelInfo]) -> list[HubDeletion]:
    """Return how models of the cache are removed, all of one repository together.

    Raises:
        NotRemovable: one is not there, or something of it leads out of the cache.
    """
    inside = Inside(cache)
    repositories = {one.id: one for one in HubCache(cache).repositories()}
    wanted: dict[str, list[ModelInfo]] = {}
    for model in models:
        wanted.setdefault(model.name.partition(":")[0], []).append(model)
    found = []
    for name, chosen in wanted.items():
        if name not in repositories:
            raise NotRemovable(f"{name} is not in the Hugging Face cache any more.")
        found.append(_plan(cache, inside, repositories[name], chosen))
    return found


def delete(cache: Path, deletion: HubDeletion) -> None:
    """Delete what was planned.

    Raises:
        NotRemovable: something leads out of the cache meanwhile, or is still there.
    """
    inside = Inside(cache)
    if deletion.strategy is None:
        for path in deletion.paths:
            (inside.remove_tree if path == deletion.repository else inside.remove)(path)
    else:
        _check(inside, deletion.repository, deletion.strategy)
        deletion.strategy.execute()
    left = [path for path in deletion.paths if path.exists() or path.is_symlink()]
    if left:
        raise NotRemovable(f"{left[0]} could not be deleted.", hint="Check whom it belongs to.")


def _plan(cache: Path, inside: Inside, repository: Repository, models: list[ModelInfo]) -> HubDeletion:
    names = _names(repository, models)
    everything = [entry for one in repository.revisions for entry in _entries(repository, one)]
    rest = [entry for entry in everything if entry.name not in names]
    whole = not any(_is_weights(entry) for entry in rest)
    # All of it is looked at, so that nothing is deleted where a part of it may not be.
    files = list(inside.files(repository.folder))
    strategy = deletion_of(cache, repository.folder, None if whole else names)
    if strategy is not None:
        _check(inside, repository.folder, strategy)
    if whole:
        paths: tuple[Path, ...] = (repository.folder,)
    elif strategy is not None:
        paths = (*sorted(strategy.files), *sorted(strategy.blobs))
    else:
        paths = _own(repository, everything, names)
    if strategy is not None and any(path.is_symlink() for path in _blobs(repository, strategy)):
        frees = strategy.expected_freed_size  # contents that repositories share: the library counts them
    else:
        frees = sum(freed_by(found) for _, found in files) if whole else sum(freed_by(inside.stat(p)) for p in paths)
    notes = () if whole or not rest else (f"{len({e.name for e in rest})} other files of {repository.id} stay",)
    return HubDeletion(repository.folder, strategy, paths, frees, notes)


def _own(repository: Repository, everything: list[Entry], names: set[str]) -> tuple[Path, ...]:
    """Return what goes with files of a repository that the library does not understand (a file of it is missing)."""
    going = [entry for entry in everything if entry.name in names]
    kept = {entry.blob for entry in everything if entry.name not in names}
    own = repository.folder / "blobs"
    contents = {entry.blob for entry in going if entry.blob.parent == own and entry.blob not in kept}
    return (*(entry.path for entry in going), *sorted(blob for blob in contents if os.path.lexists(blob)))


def _check(inside: Inside, repository: Path, strategy: DeleteCacheStrategy) -> None:
    """Refuse what the library would delete outside of the repository's own folder.

    Raises:
        NotRemovable: a link in the cache leads there.
    """
    root = inside.root / repository.name
    for path in (*strategy.repos, *strategy.snapshots, *strategy.refs, *strategy.files, *strategy.blobs):
        real = path.parent.resolve() / path.name
        if real != root and root not in real.parents:
            raise NotRemovable(
                f"{path} is not deleted: it lies outside of the folder of its repository.",
                hint="A link in the cache leads there.",
            )
        inside.stat(real)


def _blobs(repository: Repository, strategy: DeleteCacheStrategy) -> list[Path]:
    if not strategy.repos:
        return list(strategy.blobs)
    try:
        return list((repository.folder / "blobs").iterdir())
    except OSError:
        return []


def _names(repository: Repository, models: list[ModelInfo]) -> set[str]:
    """Return the names in the snapshot of all files of these models."""
    snapshot = repository.folder / "snapshots" / repository.commit
    names: set[str] = set()
    for model in models:
        if model.runtime and model.path is not None:
            names |= {part.relative_to(snapshot).as_posix() for part in parts_of(Path(model.path))}
        else:
            names |= {entry.name for entry in repository.entries if not entry.name.lower().endswith(".gguf")}
    return names


def _entries(repository: Repository, revision: str) -> list[Entry]:
    folder = repository.folder / "snapshots" / revision
    return list(entries_of(folder)) if stat.S_ISDIR(folder.lstat().st_mode) else []


def _is_weights(entry: Entry) -> bool:
    return entry.name.lower().endswith((".gguf", *WEIGHTS))
