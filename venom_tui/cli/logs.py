"""The log: what went wrong inside, in logs/venom-tui.log of the data directory. The file is made by its first line."""

from __future__ import annotations

import logging
import os
from io import TextIOWrapper
from pathlib import Path

from venom_tui.core.settings import Settings

_LARGEST_BYTES = 1024 * 1024
"""A log that is larger is renamed at the next start; the one before is then gone."""


class LogFile(logging.Handler):
    """Writes to a file of mode 0600 that is opened with the first record; where that fails, there is no log."""

    def __init__(self, path: Path) -> None:
        super().__init__(logging.WARNING)
        self._path = path
        self._file: TextIOWrapper | None = None
        self._failed = False
        self.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        if self._failed:
            return
        try:
            if self._file is None:
                self._file = self._open()
            self._file.write(self.format(record) + "\n")
            self._file.flush()
        except (OSError, ValueError):
            self._failed = True

    def _open(self) -> TextIOWrapper:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._path.exists() and self._path.stat().st_size > _LARGEST_BYTES:
            self._path.replace(self._path.with_name(f"{self._path.name}.1"))
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return open(descriptor, "w", encoding="utf-8", errors="backslashreplace")

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
        super().close()


def log_to_file(settings: Settings) -> None:
    """Send what is logged from now on to the log file: on the terminal it would stand in the middle of something."""
    logging.getLogger().addHandler(LogFile(settings.data_dir / "logs" / "venom-tui.log"))
