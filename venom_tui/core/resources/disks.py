"""The file systems that hold data and models."""

from __future__ import annotations

import os
from pathlib import Path

from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.types.device import Disk


def read_disk(label: str, folder: Path, unavailable: dict[str, str]) -> Disk:
    """Return the file system that holds a folder, or would hold it; what is not known is noted in `unavailable`.

    Synchronous, and as slow as the file system: a network mount whose server is gone never answers.
    """
    place = folder
    while True:
        try:
            usage = os.statvfs(place)
        except FileNotFoundError:
            if place == place.parent:
                unavailable[f"disks.{label}"] = "the folder does not exist"
                return Disk(_shown(folder), label, None, None)
            place = place.parent
        except OSError as error:
            unavailable[f"disks.{label}"] = sanitize_line(error.strerror or str(error), 120)
            return Disk(_shown(folder), label, None, None)
        else:
            unit = usage.f_frsize or usage.f_bsize
            # What is kept for root is not free for us.
            return Disk(_shown(folder), label, usage.f_blocks * unit, usage.f_bavail * unit)


def is_used(folder: Path, home: Path) -> bool:
    """Return whether a folder is there, or could come to be without anybody's doing: some parent below home is there.

    Synchronous, and as slow as the file system. A folder that cannot be looked at counts as there.
    """
    for place in (folder, *folder.parents):
        if place != folder and home not in place.parents:
            return False
        try:
            os.stat(place)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            pass
        return True
    return False


def _shown(folder: Path) -> str:
    return sanitize_line(str(folder), 400)
