"""What a component is: something large that is fetched once and kept outside the checkout, whole or not at all."""

from __future__ import annotations

import contextlib
import ctypes.util
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_LOCKS = Path(__file__).resolve().parent

X86_64 = "x86_64-linux"
"""A need that is no command: some components exist for this machine only."""


class ComponentError(Exception):
    """A component could not be fetched; the text says why."""


@dataclass(frozen=True, slots=True)
class Component:
    """Something that is fetched once. `version` is part of its folder: another one is fetched anew."""

    name: str
    version: str
    download: str
    """How much that is and how long it takes, for the person who waits."""
    fill: Callable[[Path], None]
    file: str
    """What is used of it, below its folder."""
    needs: tuple[str, ...] = ()
    """Commands and libraries (`libnuma`) without which it cannot be had; or `X86_64`."""
    variable: str = ""
    """The environment variable that names one that is there already."""

    @property
    def folder(self) -> Path:
        """Where it is kept."""
        return cache() / f"{self.name}-{self.version}"

    @property
    def given(self) -> Path | None:
        """The one that the environment names, if any."""
        named = os.environ.get(self.variable) if self.variable else None
        return Path(named).absolute() if named else None

    @property
    def path(self) -> Path:
        """What is used of it."""
        return self.given or self.folder / self.file

    @property
    def present(self) -> bool:
        """Whether it is complete."""
        return self.path.exists()

    @property
    def lacking(self) -> str | None:
        """The first thing without which it cannot be fetched here; None when nothing stands in the way."""
        return next((need for need in self.needs if not has(need)), None)

    def fetch(self) -> Path:
        """Fetch it where it is missing; return its path.

        Raises:
            ComponentError: it cannot be had.
        """
        if self.present:
            return self.path
        if self.given:
            raise ComponentError(f"{self.variable} names {self.given}, which is not there")
        if self.lacking:
            raise ComponentError(f"{self.lacking} is needed to fetch it")
        with _lock(self.name):
            if not self.present:
                print(f"Fetching {self.name} ({self.download}) into {self.folder} …", flush=True)
                begun = time.monotonic()
                fresh = Path(tempfile.mkdtemp(prefix=f".{self.name}-", dir=cache()))
                try:
                    self.fill(fresh)
                    fresh.chmod(0o755)
                    shutil.rmtree(self.folder, ignore_errors=True)  # one whose Python, say, is gone
                    fresh.replace(self.folder)
                finally:
                    shutil.rmtree(fresh, ignore_errors=True)
                seconds, size = time.monotonic() - begun, _size(self.folder)
                print(f"Fetched {self.name}: {size / 1e6:.0f} MB on disk, {seconds:.0f} s.", flush=True)
        return self.path


def has(need: str) -> bool:
    """Return whether this machine has a command or a library, or is the machine that `X86_64` means."""
    if need == X86_64:
        return sys.platform == "linux" and platform.machine() == "x86_64"
    if need.startswith("lib"):
        return ctypes.util.find_library(need.removeprefix("lib")) is not None
    return shutil.which(need) is not None


def cache() -> Path:
    """Return the folder of all components."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "venom-tui" / "components"


@contextlib.contextmanager
def _lock(name: str) -> Iterator[None]:
    """Let one process at a time fetch a component; the others wait, then find it there."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f".{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _size(folder: Path) -> int:
    """Return the bytes of a folder; a file under several names counts once."""
    found = [path.lstat() for path in folder.rglob("*")]
    return sum({(entry.st_dev, entry.st_ino): entry.st_size for entry in found}.values())


def run(command: Sequence[str], what: str, environment: Mapping[str, str] | None = None) -> None:
    """Run a command quietly, at a low priority.

    Args:
        command: the program and its arguments.
        what: what could not be done when it fails, as the beginning of a sentence.
        environment: what is added to the environment.

    Raises:
        ComponentError: it failed; with the end of what it said.
    """
    low = ["nice", "-n", "10"] if shutil.which("nice") else []
    done = subprocess.run(
        [*low, *command], env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ComponentError(f"{what}: {(done.stderr or done.stdout).strip()[-600:]}")


def pip(lock: str, *options: str) -> None:
    """Install a lock of this folder, with the machine's own pip settings.

    Args:
        lock: the name of the lock.
        options: where to: `--target FOLDER`, say.

    Raises:
        ComponentError: pip failed.
    """
    before = ["--python", options[1]] if options[:1] == ("--python",) else []
    command = [
        sys.executable, "-m", "pip", *before, "install", "--quiet", "--no-deps", "--require-hashes",
        "--only-binary", ":all:", "--disable-pip-version-check", "--no-cache-dir", *options[len(before) :],
        "-r", str(_LOCKS / lock),
    ]  # fmt: skip
    run(command, f"pip could not fetch {lock}", {"PIP_ROOT_USER_ACTION": "ignore"})


def check_sha256(path: Path, wanted: str) -> None:
    """Compare a file with its known sum.

    Raises:
        ComponentError: it is another file.
    """
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wanted:
        raise ComponentError(f"{path.name} is damaged: sha256 {found}, not {wanted}")
