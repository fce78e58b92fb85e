"""Run pip over the lock, and show how far it is.

pip's own bar needs a terminal of its own and differs between versions. What it has fetched lies in its temporary
folder until it ends: we give it one, and count.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from scripts.bootstrap import SetupError
from scripts.bootstrapping.plan import Package, human, normalized

_BAR = 24
_TURNED_TO = re.compile(r"^(?:Collecting ([A-Za-z0-9._-]+)==|Processing (?:.*/)?([A-Za-z0-9._]+)-[^/]*\.whl)")
# Settings of the user's pip that would send packages elsewhere or change what is asked for. Where packages come from,
# proxies, certificates, caches and time limits are left as the machine has them.
_NOT_OURS = (
    "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIREMENT", "PIP_CONSTRAINT", "PIP_EDITABLE", "PIP_DRY_RUN",
    "PIP_QUIET", "PIP_VERBOSE", "PIP_REPORT", "PIP_USER",
)  # fmt: skip
_CAUSES = {
    r"No space left on device|Errno 28": "the disk is full. Free some space",
    r"(?i)do not match the hashes": "a package is not the one that the lock names: its hash differs. "
    "If it stays so, ask whoever runs the package registry",
    r"Permission denied|Errno 13": "a folder may not be written. Correct its permissions",
    r"CERTIFICATE_VERIFY_FAILED|SSLError": "the registry's certificate is not trusted here. "
    "Name your CA bundle in PIP_CERT",
    r"name resolution|NewConnectionError|ConnectTimeout|ReadTimeout|Max retries|ProxyError|Connection (?:refused|reset)"
    r"|No matching distribution|Could not find a version": "the packages cannot be fetched. "
    "Check the network and the proxy (HTTPS_PROXY); `pip config list` shows where pip looks",
}
"""What pip says -> what it means, and what to do before the next try."""


class Progress:
    """A bar where there is a terminal, else a line a package."""

    def __init__(self, fetching: Sequence[Package], folder: Path, out: TextIO) -> None:
        self._sizes = {package.name: package for package in fetching}
        self._total = sum(package.download_bytes or 0 for package in fetching)
        self._folder = folder
        self._out = out
        self._live = out.isatty() and os.environ.get("TERM") != "dumb"
        self._now = ""
        self._done = 0
        self._seen = 0

    def collecting(self, name: str) -> None:
        """Tell that pip turned to a package."""
        package = self._sizes.get(normalized(name))
        if package is None:
            return
        self._seen += 1
        self._now = f"{package.name} {package.version}"
        if not self._live:
            size = human(package.download_bytes or 0)
            print(f"  [{self._seen}/{len(self._sizes)}] {self._now} ({size})", file=self._out, flush=True)

    def show(self) -> None:
        """Draw the bar with what has been fetched by now."""
        if not self._live:
            return
        fetched = sum(_size(path) for path in self._folder.glob("pip-unpack-*/*"))
        self._done = min(self._total, max(self._done, fetched))
        filled = _BAR * self._done // self._total if self._total else 0
        figures = f"{self._done / 1e6:.1f} of {human(self._total)}"
        columns = shutil.get_terminal_size().columns
        line = f"  [{'#' * filled:.<{_BAR}}] {figures}  {self._now}"
        self._out.write(f"\r{line[: columns - 1]}\x1b[K")
        self._out.flush()

    def installing(self) -> None:
        """Tell that everything is fetched."""
        self._now = "installing …"
        self._done = self._total
        if not self._live:
            print("  installing …", file=self._out, flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self._live:
            self._out.write("\r\x1b[K")
            self._out.flush()


def install(python: Path, locks: Sequence[Path], fetching: Sequence[Package], log: Path) -> None:
    """Install the locks, with hashes and without looking for anything that they do not name.

    Raises:
        SetupError: pip failed; its words are in `log`.
    """
    folder = log.parent / ".setup-download"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    command = [
        str(python), "-E", "-s", "-m", "pip", "install", "--no-deps", "--require-hashes", "--only-binary", ":all:",
        "--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--no-color", "--no-user",
        "--no-warn-script-location", *(word for lock in locks for word in ("-r", str(lock))),
    ]  # fmt: skip
    environment = {key: value for key, value in os.environ.items() if key not in _NOT_OURS}
    environment |= {"TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"}
    environment.setdefault("PIP_RETRIES", "2")
    progress = Progress(fetching, folder, sys.stdout)
    try:
        with log.open("w", encoding="utf-8") as written:
            status = _run(command, environment, progress, written)
    finally:
        progress.end()
        shutil.rmtree(folder, ignore_errors=True)
    if status:
        raise SetupError(explanation(log.read_text(encoding="utf-8"), log))


def _run(command: Sequence[str], environment: dict[str, str], progress: Progress, written: TextIO) -> int:
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as pip:
        ended = threading.Event()

        def draw() -> None:
            while not ended.wait(0.2):
                progress.show()

        painter = threading.Thread(target=draw, daemon=True)
        painter.start()
        try:
            assert pip.stdout is not None
            for line in pip.stdout:
                written.write(line)
                if found := _TURNED_TO.match(line):
                    progress.collecting(found[1] or found[2])
                elif line.startswith("Installing collected packages"):
                    progress.installing()
        except BaseException:
            pip.terminate()
            raise
        finally:
            ended.set()
            painter.join()
    return pip.returncode


def explanation(output: str, log: Path) -> str:
    """Return one sentence on why pip failed and what to do, with pip's own last error."""
    errors = [line.strip() for line in output.splitlines() if line.startswith("ERROR:")]
    words = errors[-1] if errors else (output.strip().splitlines() or ["(nothing)"])[-1]
    for pattern, cause in _CAUSES.items():
        if re.search(pattern, output):
            return f"{cause}, then run make again.\npip said: {words}\nAll of it: {log}"
    return f"pip failed. It said: {words}\nAll of it: {log}"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # pip has just taken it away
        return 0
