"""The cache of Hugging Face, as its library lays it out and `hf cache verify` wants it.

    models--org--name/
        blobs/<etag>                     the files
        refs/<revision>                  which commit that is
        snapshots/<commit>/<file>        links to the blobs

What is not whole lies among the blobs as `<etag>.venom.incomplete`. Synchronous; call it in a thread.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from venom_tui.core.downloads.partial import remove
from venom_tui.core.errors import BadAnswer

_ETAG = re.compile(r"[0-9A-Za-z._-]{1,128}\Z")
_COMMIT = re.compile(r"[0-9a-f]{40}\Z")
_ORPHAN_S = 3600.0
"""A partial file of the library that nobody has written to for so long belongs to a process that ended."""


class HubLayout:
    """The place of one repository."""

    def __init__(self, cache: Path, repository: str) -> None:
        self.folder = cache / f"models--{repository.replace('/', '--')}"

    def blob(self, etag: str) -> Path:
        """Return where a file lies.

        Raises:
            BadAnswer: that is no name of a file.
        """
        if not _ETAG.match(etag) or etag.startswith("."):
            raise BadAnswer("The hub names a file by something that is no digest.")
        return self.folder / "blobs" / etag

    def partial(self, etag: str) -> Path:
        """Return where a file lies while it is not whole."""
        blob = self.blob(etag)
        return blob.with_name(f"{blob.name}.venom.incomplete")

    def has(self, etag: str, size: int) -> bool:
        """Return whether a file is there."""
        try:
            return self.blob(etag).stat().st_size == size
        except OSError:
            return False

    def link(self, commit: str, revision: str, files: Mapping[str, str]) -> None:
        """Make a snapshot of files (name -> etag), all of which are there; what was linked otherwise is linked anew."""
        snapshot = self.folder / "snapshots" / self._checked(commit)
        for name, etag in files.items():
            path = snapshot / name
            if ".." in Path(name).parts or Path(name).is_absolute():
                raise BadAnswer("The hub names a file outside of its folder.")
            path.parent.mkdir(parents=True, exist_ok=True)
            target = os.path.relpath(self.blob(etag), path.parent)
            new = path.with_name(f".{path.name}.venom")
            new.unlink(missing_ok=True)
            new.symlink_to(target)
            new.replace(path)
        if revision:  # a commit, too, though the library names none: what was asked for by it is no old revision
            reference = self.folder / "refs" / revision
            if ".." in Path(revision).parts or Path(revision).is_absolute():
                raise BadAnswer("The hub names a revision outside of its folder.")
            reference.parent.mkdir(parents=True, exist_ok=True)
            new = reference.with_name(f".{reference.name}.venom")
            new.write_text(commit, encoding="ascii")
            new.replace(reference)

    def clean(self, etags: Iterable[str]) -> int:
        """Remove what is left of files that are whole now: partial ones of ours and of the library; return the bytes.

        The library leaves one behind for each of its processes that was killed.
        """
        freed = 0
        for etag in etags:
            blob = self.blob(etag)
            if not blob.exists():
                continue
            remove(self.partial(etag))
            for left in blob.parent.glob(f"{etag}.*incomplete"):
                try:
                    stat = left.stat()
                    if time.time() - stat.st_mtime > _ORPHAN_S:
                        left.unlink()
                        freed += stat.st_blocks * 512
                except OSError:
                    continue
        return freed

    def _checked(self, commit: str) -> str:
        if not _COMMIT.match(commit):
            raise BadAnswer("The hub names a commit that is none.")
        return commit
