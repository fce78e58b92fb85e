"""The folder and the files of the store: their modes, who uses them, and on what kind of file system they lie."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from pathlib import Path

_NETWORK_TYPES = frozenset(
    (
        *(
            "nfs",
            "nfs4",
            "cifs",
            "smb3",
            "smbfs",
            "9p",
            "afs",
            "ceph",
            "glusterfs",
            "lustre",
            "beegfs",
            "gpfs",
            "orangefs",
        ),
        *(
            "davfs",
            "ncpfs",
            "pvfs2",
            "fuse.sshfs",
            "fuse.glusterfs",
            "fuse.s3fs",
            "fuse.rclone",
            "fuse.ceph",
            "fuse.juicefs",
        ),
    )
)

SUFFIXES = ("", "-wal", "-shm", "-journal")
"""What SQLite puts beside a database, and the database itself."""

_LOCK_WAIT_S = 10.0


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

    SQLite gives -wal, -shm and -journal the mode of the database, so that they follow. A file that is there is never
    opened here: closing it again would take away the locks that SQLite holds on it in this process.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        if not path.is_file():
            raise
    for suffix in SUFFIXES:
        file = path.with_name(path.name + suffix)
        try:
            if stat.S_IMODE(file.stat().st_mode) & 0o177:
                file.chmod(0o600)
        except FileNotFoundError:
            continue


class UseLock:
    """Tells whether other processes use the database: each holds a shared lock on `venom.db.lock` while it does.

    A database must not be renamed under a process that has it open: that process would end by removing the -wal of the
    new one. Where the file system has no such locks, nothing is known and every question is answered with yes, alone.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(f"{path.name}.lock")
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock, alone if possible; return whether nobody else has it. Waits for one who has it alone (10 s).

        Raises:
            OSError: the lock's file cannot be made.
        """
        if self._descriptor is None:
            self._descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        if self.try_alone():
            return True
        deadline = time.monotonic() + _LOCK_WAIT_S
        while not self._lock(fcntl.LOCK_SH) and time.monotonic() < deadline:
            time.sleep(0.02)
        return False

    def try_alone(self) -> bool:
        """Return whether nobody else uses the database, and keep others away until `share`."""
        return self._lock(fcntl.LOCK_EX)

    def share(self) -> None:
        """Let others in."""
        self._lock(fcntl.LOCK_SH)

    def release(self) -> None:
        """Use the database no more. Safe to call twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _lock(self, kind: int) -> bool:
        if self._descriptor is None:
            return True
        try:
            fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True


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
        point = _unescaped(fields[4])
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        # The later of two mounts on one point covers the earlier one.
        if inside and len(point) >= best:
            best, found = len(point), after.split()[0]
    return found if found in _NETWORK_TYPES else None


def _unescaped(point: str) -> str:
    """Return a mount point as it is named; the kernel writes blanks, tabs, newlines and backslashes in octal."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        point = point.replace(code, character)
    return point


def put_aside(path: Path, stamp: str) -> Path:
    """Rename a damaged database and what lies beside it to a name that is free; return the new name."""
    number = 0
    while True:
        target = path.with_name(f"{path.name}.damaged-{stamp}" + (f"-{number}" if number else ""))
        if not any(target.with_name(target.name + suffix).exists() for suffix in SUFFIXES):
            break
        number += 1
    # The database last: when this is cut in the middle, the next start still finds the damaged one and goes on.
    for suffix in reversed(SUFFIXES):
        file = path.with_name(path.name + suffix)
        if file.exists():
            file.rename(target.with_name(target.name + suffix))
    return target
