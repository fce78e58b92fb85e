"""Deletes files below a folder and nothing beside it: no `..`, no linked folder, no other file system leads out of it.

Everything here is synchronous; call it in a thread.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from venom_tui.core.errors import NotRemovable
from venom_tui.core.sanitize import sanitize_line

_MOUNTS = Path("/proc/self/mountinfo")
_ESCAPED = re.compile(r"\\([0-7]{3})")
_MOST_ENTRIES = 1_000_000


def allocated(found: os.stat_result) -> int:
    """Return what a file takes on the disk: a sparse one takes less than it is long."""
    return found.st_blocks * 512


def freed_by(found: os.stat_result) -> int:
    """Return what the disk gets back when a name of a file is removed: nothing while it has other names."""
    return allocated(found) if found.st_nlink <= 1 else 0


def mounts_below(root: Path) -> frozenset[str]:
    """Return the mount points strictly below a folder, also bound ones; none where that cannot be known."""
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return frozenset()
    points = (_ESCAPED.sub(lambda found: chr(int(found[1], 8)), line.split(" ")[4]) for line in lines)
    return frozenset(point for point in points if point.startswith(f"{root}/"))


class Inside:
    """A folder below which something may be deleted."""

    def __init__(self, root: Path) -> None:
        """Take a folder, which may itself be a link; what is below it may not lead out.

        Raises:
            NotRemovable: it is not there.
        """
        try:
            self.root = root.resolve(strict=True)
            self._device = self.root.stat().st_dev
        except OSError as error:
            raise NotRemovable(
                f"{sanitize_line(str(root), 200)} cannot be read.", server_message=sanitize_line(error.strerror or "")
            ) from None
        self._given = Path(os.path.normpath(root.absolute()))
        self._mounts = mounts_below(self.root)

    def stat(self, path: Path) -> os.stat_result:
        """Return what is at a path (of a link: the link itself).

        Raises:
            NotRemovable: the way to it leads out of the folder, or there is nothing.
        """
        with self._folder_of(path) as (folder, name):
            return self._stat(folder, name, path)

    def remove(self, path: Path) -> int:
        """Delete a file or a link, never what a link points to; return the bytes that the disk gets back.

        Raises:
            NotRemovable: the way to it leads out of the folder, or it could not be deleted.
        """
        with self._folder_of(path) as (folder, name):
            found = self._stat(folder, name, path)
            if stat.S_ISDIR(found.st_mode):
                raise self._refusal(path, "it is a folder")
            try:
                os.unlink(name, dir_fd=folder)
            except OSError as error:
                raise self._refusal(path, error.strerror or "it failed") from None
            return freed_by(found)

    def remove_if_empty(self, path: Path) -> bool:
        """Delete a folder when nothing is in it; return whether it was."""
        try:
            with self._folder_of(path) as (folder, name):
                os.rmdir(name, dir_fd=folder)
        except (OSError, NotRemovable):
            return False
        return True

    def files(self, path: Path) -> Iterator[tuple[Path, os.stat_result]]:
        """Yield everything below a folder that is no folder; linked ones are not followed.

        Raises:
            NotRemovable: it leads out, something else is mounted in it, or it has too many entries.
        """
        count = 0
        pending = [path]
        while pending:
            here = pending.pop()
            if not stat.S_ISDIR(self.stat(here).st_mode):
                raise self._refusal(here, "it is no folder")
            for name in os.listdir(here):
                count += 1
                if count > _MOST_ENTRIES:
                    raise self._refusal(path, "it holds too much")
                found = self.stat(here / name)
                if stat.S_ISDIR(found.st_mode):
                    pending.append(here / name)
                else:
                    yield here / name, found

    def remove_tree(self, path: Path) -> int:
        """Delete a folder with all that is in it; return the bytes that the disk gets back.

        Raises:
            NotRemovable: it leads out, or something could not be deleted; what was deleted before stays deleted.
        """
        # All is looked at first: what may not be deleted keeps the rest from being deleted by half.
        files = [found for found, _ in self.files(path)]
        freed = sum(self.remove(found) for found in files)
        folders = [Path(here) for here, _, _ in os.walk(path)]
        for folder in sorted(folders, key=lambda one: len(one.parts), reverse=True):
            self.remove_if_empty(folder)
        return freed

    @contextmanager
    def _folder_of(self, path: Path) -> Iterator[tuple[int, str]]:
        """Go down to a path's folder, one open folder after the other, so that no link can be put in between."""
        *folders, name = self._parts(path)
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        here = self.root
        at = os.open(self.root, flags)
        try:
            for part in folders:
                here = here / part
                try:
                    below = os.open(part, flags, dir_fd=at)
                except OSError as error:
                    raise self._refusal(path, f"{part} is no folder of it ({error.strerror})") from None
                os.close(at)
                at = below
                if os.fstat(at).st_dev != self._device or str(here) in self._mounts:
                    raise self._refusal(path, f"something else is mounted at {here}")
            yield at, name
        finally:
            os.close(at)

    def _parts(self, path: Path) -> tuple[str, ...]:
        for root in (self._given, self.root):
            try:
                parts = path.absolute().relative_to(root).parts
            except ValueError:
                continue
            if parts and ".." not in parts:
                return parts
        raise self._refusal(path, "it lies outside")

    def _stat(self, folder: int, name: str, path: Path) -> os.stat_result:
        try:
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            raise self._refusal(path, error.strerror or "it is not there") from None
        here = self.root.joinpath(*self._parts(path))
        if found.st_dev != self._device or str(here) in self._mounts:
            raise self._refusal(path, "something else is mounted there")
        return found

    def _refusal(self, path: Path, why: str) -> NotRemovable:
        return NotRemovable(
            f"{sanitize_line(str(path), 200)} is not deleted: {sanitize_line(why, 200)}.",
            hint=f"Only what lies in {sanitize_line(str(self.root), 200)} itself is.",
        )
