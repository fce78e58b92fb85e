"""Where a download will lie, and what is free there. Synchronous: a network mount may take its time."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from venom_tui.core.errors import NoSpace
from venom_tui.core.sanitize import sanitize_line

_FROM = re.compile(r"^FROM (/[^\n]*/blobs/sha256-[0-9a-f]{64})\s*$", re.MULTILINE)
_OCTAL = re.compile(r"\\([0-7]{3})")


def folder_of(modelfile: str) -> str | None:
    """Return the folder of blobs that a modelfile of `/api/show` names, where it is one of this machine.

    A server behind a tunnel or in a container names a path of its own: the blob must be seen here, or be kept from us
    by its folder's mode, as that of Ollama's own user is.
    """
    found = _FROM.search(modelfile)
    if found is None:
        return None
    blob = Path(found[1])
    try:
        blob.stat()
    except PermissionError:
        pass
    except (OSError, ValueError):
        return None
    return str(blob.parent)


def free_bytes(folder: str | Path) -> int | None:
    """Return what is free on the file system of a folder that is there or will be; None where that cannot be told."""
    place = Path(folder)
    while True:
        try:
            usage = os.statvfs(place)
        except FileNotFoundError:
            if place == place.parent:
                return None
            place = place.parent
        except PermissionError:
            mount = mount_of(str(place))
            if mount is None or mount == place:
                return None
            place = mount
        except (OSError, ValueError):
            return None
        else:
            return usage.f_bavail * (usage.f_frsize or usage.f_bsize)


def disk_of(folder: str | Path) -> int | None:
    """Return which file system holds a folder that is there or will be; None where that cannot be told."""
    for place in (Path(folder), *Path(folder).parents):
        try:
            return os.stat(place).st_dev
        except FileNotFoundError:
            continue
        except PermissionError:
            mount = mount_of(str(place))
            return None if mount in (None, place) else disk_of(mount)
        except (OSError, ValueError):
            return None
    return None


def mount_of(path: str) -> Path | None:
    """Return where the file system that holds a path is mounted, also where the path itself may not be looked at."""
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    points = [_OCTAL.sub(lambda code: chr(int(code[1], 8)), line.split(" ")[4]) for line in lines if line]
    holding = [point for point in points if point == "/" or path == point or path.startswith(f"{point}/")]
    return Path(max(holding, key=len)) if holding else None


def partial_bytes(folder: str | Path, digests: Iterable[str]) -> int:
    """Return what lies in Ollama's partial files of some layers.

    They are as long as the layer from the beginning: what counts is what is allocated.
    """
    total = 0
    for digest in digests:
        try:
            stat = os.stat(Path(folder) / f"{digest.replace(':', '-')}-partial")
        except (OSError, ValueError):
            continue
        total += min(stat.st_blocks * 512, stat.st_size)
    return total


def full_disk(folder: str | Path | None, missing: int | None, words: str = "") -> NoSpace:
    """Return the failure of a disk that is full, with what is missing where that is known."""
    place = f" of {folder}" if folder else ""
    need = f": {human(missing)} more are needed" if missing is not None and missing > 0 else ""
    return NoSpace(
        sanitize_line(f"The disk{place} is full{need}.", 600),
        hint="Make room there, then retry: it goes on from what is there.",
        server_message=words,
        missing_bytes=missing if missing is not None and missing > 0 else None,
    )


def human(size: int) -> str:
    """Return a size in a sentence."""
    for unit, factor in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"
