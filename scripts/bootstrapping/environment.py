"""`.venv`: make it, repair it, and put the checkout itself and its command into it."""

from __future__ import annotations

import contextlib
import csv
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from scripts.bootstrap import NEWEST, OLDEST, SetupError, find_python

_SHEBANG_LIMIT = 120
"""Linux cuts the first line of a script off at 127 bytes on older kernels."""

_COMMAND = """\
# Written by `make setup`.
import sys

from venom_tui.cli.main import main

sys.exit(main())
"""


class Environment:
    """The virtual environment of a checkout."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / ".venv"
        self.python = self.path / "bin" / "python"
        self.unfinished = self.path / ".setup-unfinished"

    @property
    def version(self) -> tuple[int, int]:
        """The version that it was made for; (0, 0) when there is none."""
        try:
            lines = (self.path / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return (0, 0)
        for line in lines:
            key, _, value = line.partition("=")
            if key.strip() in ("version", "version_info"):
                major, minor = value.strip().split(".")[:2]
                return (int(major), int(minor))
        return (0, 0)

    @property
    def site_packages(self) -> Path:
        """Where its packages are."""
        return self.path / "lib" / "python{}.{}".format(*self.version) / "site-packages"

    def prepare(self) -> None:
        """Make it where it is missing or unusable, and mark it as unfinished until `finish`.

        Raises:
            SetupError: there is no usable Python, or `.venv` is something else.
        """
        usable = self._is_usable()
        if not usable:
            self._remove()
            python = find_python(str(self.root))
            print(f"Making .venv with {python} …", flush=True)
            self.path.mkdir(exist_ok=True)
            self.unfinished.touch()
            made = subprocess.run(
                [python, "-E", "-s", "-m", "venv", str(self.path)], capture_output=True, text=True, check=False
            )
            if made.returncode:
                words = (made.stderr or made.stdout).strip().splitlines() or ["no reason given"]
                raise SetupError(f"{python} could not make {self.path}: {words[-1]}\nMend that, then run make again.")
        elif self.unfinished.exists():
            self._remove_broken_packages()
        self.unfinished.touch()

    def finish(self) -> None:
        """Put the checkout on its path and the command into its `bin`; it is finished then."""
        (self.site_packages / "venom_tui_checkout.pth").write_text(f"{self.root}\n", encoding="utf-8")
        command = self.path / "bin" / "venom-tui"
        fresh = command.with_name(f".venom-tui-{os.getpid()}")
        fresh.write_text(self._shebang() + _COMMAND, encoding="utf-8")
        fresh.chmod(0o755)
        fresh.replace(command)
        self.unfinished.unlink(missing_ok=True)

    def compile_sources(self) -> None:
        """Compile the checkout, so that the first start is as quick as the others; a failure costs only that."""
        command = [str(self.python), "-E", "-s", "-m", "compileall", "-q", str(self.root / "venom_tui")]
        subprocess.run(command, capture_output=True, check=False)

    def _shebang(self) -> str:
        if len(str(self.python)) < _SHEBANG_LIMIT and " " not in str(self.python):
            return f"#!{self.python}\n"
        # A path that a first line cannot hold: the shell starts Python, which sees a string.
        return f"#!/bin/sh\n'''exec' \"{self.python}\" \"$0\" \"$@\"\n' '''\n"

    def _is_usable(self) -> bool:
        if not OLDEST <= self.version <= NEWEST or not os.access(self.python, os.X_OK):
            return False
        code = "import sys, pip; print('%d.%d' % sys.version_info[:2])"
        try:
            probe = subprocess.run(
                [self.python, "-E", "-s", "-c", code], capture_output=True, text=True, timeout=60, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        return probe.stdout.strip() == "{}.{}".format(*self.version)

    def _remove(self) -> None:
        if self.path.is_symlink() or not self.path.exists():
            self.path.unlink(missing_ok=True)
            return
        ours = (self.path / "pyvenv.cfg").exists() or self.unfinished.exists()
        if not self.path.is_dir() or (not ours and any(self.path.iterdir())):
            raise SetupError(f"{self.path} is not a virtual environment. Move it away, then run make again.")
        shutil.rmtree(self.path)

    def _remove_broken_packages(self) -> None:
        """Remove the records of packages that a killed set-up left incomplete, so that pip installs them again."""
        for info in self.site_packages.glob("*.dist-info"):
            if not _is_complete(info):
                shutil.rmtree(info)


def _is_complete(info: Path) -> bool:
    try:
        with (info / "RECORD").open(encoding="utf-8", newline="") as record:
            rows = [row for row in csv.reader(record) if len(row) == 3 and row[2]]
        return bool(rows) and all((info.parent / name).stat().st_size == int(size) for name, _, size in rows)
    except (OSError, ValueError):
        return False


@contextlib.contextmanager
def only_one(root: Path) -> Iterator[None]:
    """Keep a second set-up of the same checkout waiting until the first has ended."""
    folder = os.open(root, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another set-up of this checkout is running; waiting for it …", file=sys.stderr)
            fcntl.flock(folder, fcntl.LOCK_EX)
        except OSError:
            pass  # a file system without locks: a second set-up at the same moment is unlikely
        yield
    finally:
        os.close(folder)
