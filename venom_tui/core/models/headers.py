"""Headers of files, read once: a file that has its size and its time has its header."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

from venom_tui.core.models.gguf import GgufError, GgufHeader, read_header


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a file."""

    stamp: tuple[int, int]
    """Size and time of its last change (ns)."""
    header: GgufHeader | None
    error: str


class Headers:
    """Reads headers of GGUF files (synchronously), of unchanged files none."""

    def __init__(self) -> None:
        self._seen: dict[Path, Seen] = {}
        self._lock = threading.Lock()

    def look(self, path: Path) -> Seen:
        """Return what a file says of itself; failures become its `error`."""
        try:
            stat = path.stat()
            stamp = (stat.st_size, stat.st_mtime_ns)
            with self._lock:
                seen = self._seen.get(path)
            if seen is None or seen.stamp != stamp:
                try:
                    seen = Seen(stamp, read_header(path), "")
                except GgufError as error:
                    seen = Seen(stamp, None, str(error))
                with self._lock:
                    self._seen[path] = seen
        except OSError as error:
            return Seen((0, 0), None, f"it cannot be read: {error.strerror or os.strerror(error.errno or 0)}")
        return seen
