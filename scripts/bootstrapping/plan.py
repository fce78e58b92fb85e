"""What the lock asks for, what of it is missing, and how many bytes that is on this machine.

`download_sizes.json` is written together with the lock (`make lock`): names, versions, wheels and their bytes.
"""

from __future__ import annotations

import json
import platform
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.bootstrap import SetupError

SIZES = Path(__file__).resolve().parents[1] / "download_sizes.json"
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)(?:\s*;\s*([^\\]+))?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Package:
    """A locked package and the bytes of its wheel for this machine (None: there is no wheel for it)."""

    name: str
    version: str
    download_bytes: int | None


def normalized(name: str) -> str:
    """Return a package's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(lock: Path) -> dict[str, str]:
    """Return name -> version of everything that a lock file wants on Linux and CPython."""
    found = {}
    for name, version, marker in _PIN.findall(lock.read_text(encoding="utf-8")):
        if "sys_platform == 'win32'" not in marker:
            found[normalized(name)] = version
    return found


def packages(locks: Sequence[Path], sizes: Path = SIZES, python: tuple[int, int] | None = None) -> list[Package]:
    """Return every package of the locks, with its size.

    Raises:
        SetupError: the sizes were not made with this lock.
    """
    table = json.loads(sizes.read_text(encoding="utf-8"))["packages"]
    here = Machine.here(python)
    result = []
    for lock in locks:
        for name, version in locked(lock).items():
            entry = table.get(name, {})
            if entry.get("version") != version:
                raise SetupError(
                    f"{sizes.name} does not know {name} {version}: `make lock` writes both files together."
                )
            result.append(Package(name, version, here.size_of(entry["wheels"])))
    return list({package.name: package for package in result}.values())


def missing(wanted: Iterable[Package], site_packages: Path) -> list[Package]:
    """Return the packages that are not in a site-packages folder in the locked version."""
    present = set()
    for info in site_packages.glob("*.dist-info"):
        name, _, version = info.name.removesuffix(".dist-info").rpartition("-")
        present.add((normalized(name), version))
    return [package for package in wanted if (package.name, package.version) not in present]


def human(count: int) -> str:
    """Return bytes as people compare them: decimal kilobytes or megabytes."""
    if count < 1e6:
        return f"{count / 1e3:.0f} kB"
    return f"{count / 1e6:.1f} MB" if count < 1e8 else f"{count / 1e6:.0f} MB"


@dataclass(frozen=True, slots=True)
class Machine:
    """What decides which wheel of a package is taken."""

    python: tuple[int, int]
    system: str
    """`manylinux`, `musllinux` or `macosx`."""
    architecture: str

    @classmethod
    def here(cls, python: tuple[int, int] | None = None) -> Machine:
        """Return this machine, with another Python's version where one is given."""
        system = "macosx" if sys.platform == "darwin" else "manylinux"
        if system == "manylinux" and platform.libc_ver()[0] != "glibc":
            system = "musllinux"
        return cls(python or sys.version_info[:2], system, platform.machine())

    def size_of(self, wheels: dict[str, int]) -> int | None:
        """Return the bytes of the wheel that pip takes here (the largest of equals), None when none fits."""
        name = self.choose(wheels)
        return wheels[name] if name else None

    def choose(self, wheels: dict[str, int]) -> str | None:
        """Return the wheel that is made most exactly for this machine, None when none fits."""
        fitting = [(self.rank(name), size, name) for name, size in wheels.items() if self.rank(name)]
        return max(fitting)[2] if fitting else None

    def rank(self, wheel: str) -> int:
        """Return 0 for a wheel that does not fit, else more for one made more exactly for this machine."""
        pythons, abi, systems = wheel.removesuffix(".whl").split("-")[-3:]
        exact = f"cp{self.python[0]}{self.python[1]}"
        if exact in pythons.split(".") and abi in (exact, "none", "abi3"):
            rank = 3
        elif abi == "abi3" and any(_minor(tag) <= self.python[1] for tag in pythons.split(".")):
            rank = 2
        elif "py3" in pythons.split(".") and abi == "none":
            rank = 1
        else:
            return 0
        if systems == "any":
            return rank * 2
        fits = any(
            tag.startswith((self.system, "linux")) and tag.endswith((self.architecture, "universal2"))
            for tag in systems.split(".")
        )
        return rank * 2 + 1 if fits else 0


def _minor(tag: str) -> int:
    return int(tag.removeprefix("cp3")) if re.fullmatch(r"cp3\d+", tag) else sys.maxsize
