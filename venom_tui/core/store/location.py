"""The folder and the files of the store: their modes, and on what kind of file system they lie."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_NETWORK_TYPES = frozenset(
    "nfs nfs4 cifs smb3 smbfs 9p afs ceph glusterfs lustre beegfs gpfs fuse.sshfs fuse.glusterfs fuse.s3fs fuse.rclone "
    "fuse.ceph orangefs davfs ncpfs".split()
)

SUFFIXES = ("", "-wal", "-shm", "-journal")
"""What SQLite puts beside a database, and the database itself."""


def prepare_folder(folder: Path) -> None:
    """Make the folder with mode 0700; one that others may read is closed to them.

    Raises:
        OSError: it cannot be made or is no folder.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if stat.S_IMODE(folder.stat().st_mode) & 0o077:
        folder.chmod(0o700)


def prepare_file(path: Path) -> None:
    """Make the database file with mode 0600 before SQLite does, and close existing ones to others.

    SQLite gives -wal, -shm and -journal the mode of the database, so that they follow.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    os.close(descriptor)
    for suffix in SUFFIXES:
        file = path.with_name(path.name + suffix)
        try:
            if stat.S_IMODE(file.stat().st_mode) & 0o177:
                file.chmod(0o600)
        except FileNotFoundError:
            continue


def network_file_system(folder: Path, mounts: str | None = None) -> str | None:
    """Return the type of the network file system that holds `folder`, or None for a local one.

    WAL needs shared memory between processes, which a network file system does not give (sqlite.org/wal.html).
    `mounts` is the text of /proc/self/mountinfo; on systems without it the answer is None.
    """
    if mounts is None:
        try:
            mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
    real = os.path.realpath(folder)
    best, found = -1, None
    for line in mounts.splitlines():
        before, separator, after = line.partition(" - ")
        fields = before.split()
        if not separator or len(fields) < 5:
            continue
        point = fields[4].encode().decode("unicode_escape") if "\\" in fields[4] else fields[4]
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= best:
            best, found = len(point), after.split()[0]
    return found if found in _NETWORK_TYPES else None


def put_aside(path: Path, stamp: str) -> Path:
    """Rename a damaged database and what lies beside it to a name that is free; return the new name."""
    number = 0
    while True:
        target = path.with_name(f"{path.name}.damaged-{stamp}" + (f"-{number}" if number else ""))
        if not target.exists():
            break
        number += 1
    for suffix in SUFFIXES:
        file = path.with_name(path.name + suffix)
        if file.exists():
            file.rename(target.with_name(target.name + suffix))
    return target
