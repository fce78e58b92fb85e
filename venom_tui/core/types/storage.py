"""What models take on disks, what is shared, what nothing needs, and what removing models would free."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Orphan:
    """Something in a folder of models that no model needs."""

    path: str
    kind: str
    """`partial download`, `partial copy`, `incomplete download`, `unused blob`, `old revision`."""
    size_bytes: int
    """What it really takes on the disk."""
    length_bytes: int
    """How long it is: a partial file may be sparse."""
    modified_at: datetime
    cleanable: bool
    why: str = ""
    """Why it cannot be cleaned now, or ""."""


@dataclass(frozen=True, slots=True)
class Storage:
    """A folder that holds models."""

    id: str
    """`models`, `hub`, or the id of the runtime whose folder it is."""
    label: str
    folder: str
    models: int = 0
    size_bytes: int | None = None
    """All that lies in it, on disk; None where it cannot be read."""
    shared_bytes: int | None = None
    """What several models hold together, counted once."""
    saved_bytes: int | None = None
    """What sharing saves."""
    free_bytes: int | None = None
    """What is free on its file system."""
    total_bytes: int | None = None
    orphans: tuple[Orphan, ...] = ()
    unavailable: str = ""
    """Why it cannot be looked into, or ""."""

    @property
    def orphaned_bytes(self) -> int:
        """What all orphans take."""
        return sum(orphan.size_bytes for orphan in self.orphans)

    @property
    def cleanable_bytes(self) -> int:
        """What cleaning would free."""
        return sum(orphan.size_bytes for orphan in self.orphans if orphan.cleanable)


@dataclass(frozen=True, slots=True)
class RemovalItem:
    """One model that is to be removed."""

    name: str
    runtime: str
    provider: str
    size_bytes: int | None
    """What it takes, shared parts included."""
    frees_bytes: int | None
    """What the disk gets back when this one alone is removed; None where that cannot be known."""
    shared_with: tuple[str, ...] = ()
    """Models that stay and hold parts of it."""
    paths: tuple[str, ...] = ()
    """Files that are deleted, where they are ours to delete."""
    loaded: bool = False
    """Whether it is unloaded first."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Removal:
    """What removing models means, in numbers; it is what `remove` is then given."""

    items: tuple[RemovalItem, ...]
    frees_bytes: int | None
    """What the disk gets back when all are removed, shared parts counted once; None: not known."""
    at_most_bytes: int | None = None
    """Where it is not known: no more than this."""


@dataclass(frozen=True, slots=True)
class Removed:
    """What became of a removal."""

    name: str
    runtime: str
    frees_bytes: int | None
    """What was announced for it."""
    error: str = ""
    """Why it is still there, or ""."""
    hint: str = ""
    server_message: str = ""
