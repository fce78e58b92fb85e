"""Deletion in the Hugging Face cache by its own library, which knows what revisions and repositories share.

Synchronous; call it in a thread. Imports huggingface_hub.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from venom_tui.core.clients.hub_session import install

if TYPE_CHECKING:
    from huggingface_hub import DeleteCacheStrategy


def deletion_of(cache: Path, repository: Path, names: Collection[str] | None) -> DeleteCacheStrategy | None:
    """Return how to delete a repository, or files of it by their names in the snapshots; None when there are none such.

    Files go from every revision that has them under that name; what another name or revision still needs stays.
    """
    install()
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        info = scan_cache_dir(cache)
    except (CacheNotFound, ValueError, OSError):
        return None
    found = next((repo for repo in info.repos if repo.repo_path.name == repository.name), None)
    if found is None:
        return None
    if names is None:
        return info.delete_revisions(*(revision.commit_hash for revision in found.revisions))
    files = [
        file
        for revision in found.revisions
        for file in revision.files
        if file.file_path.relative_to(revision.snapshot_path).as_posix() in names
    ]
    return info.delete_files(*files) if files else None
