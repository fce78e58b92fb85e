"""Looks at a simulated day as `guard --watch --json` does, as fast as it goes: `python -m tests.core.resources.day`.

Each look is one of another second: figures move, processes come and go, a GPU is lost and comes back, the driver goes
away. What this process holds is written to a file after each tenth of the looks.

    COUNT FOLDER OUT    (with the environment of a driver that lies in FOLDER)
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest

from tests.nvml import gpu, part
from venom_tui.cli import guard as command
from venom_tui.core import guard
from venom_tui.core.resources.history import History
from venom_tui.core.resources.pace import Pace
from venom_tui.core.settings import Settings, load_settings
from venom_tui.core.types.device import GuardSnapshot

_PARTS = 10


def said(second: int, own: int) -> list[str]:
    """Return what the driver says in a second of the day."""
    if second % 500 == 499:
        return ["fails 9"]
    lines = [
        gpu(0, used=1000 + second % 9000, core=second % 101, processes=f"{own}:900,{100_000 + second}:7,0:5"),
        gpu(1, mig=1, core="-", bus="-"),
        part("MIG-aaaa", used=second % 5000, processes=f"{200_000 + second}:12"),
        gpu(2, core=250 if second % 7 == 0 else 3, milliwatts="!" if second % 11 == 0 else 350_000),
    ]
    return [*lines, "lost" if second % 100 > 90 else gpu(3)]


def held() -> dict[str, int]:
    """Return what this process holds now."""
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return {
        "resident": resident,
        "objects": len(gc.get_objects()),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
    }


def main(count: int, folder: Path, out: Path) -> None:
    """Look so many times."""
    patch, notes = pytest.MonkeyPatch(), []
    seconds = iter(range(10**9))
    # Seconds of the day, not of the clock: ten minutes of history pass in a moment.
    add = History.add
    patch.setattr(History, "add", lambda self, _moment, snapshot: add(self, float(next(seconds)), snapshot))
    pace = Pace(fast=3600.0, slow=3600.0, grace=5.0, processes=0.0, no_driver=0.0)
    patch.setattr(guard, "Pace", lambda **_: pace)
    looks = guard.looks

    async def day(
        settings: Settings, _interval: float, _tell: guard.Tell | None = None
    ) -> AsyncGenerator[GuardSnapshot, None]:
        number = 0
        async with aclosing(looks(settings, 0.0)) as found:
            async for snapshot in found:
                yield snapshot
                number += 1
                _say(folder, said(number, os.getpid()))
                if number % (count // _PARTS) == 0:
                    notes.append(held())
                if number == count:
                    return

    patch.setattr(guard, "looks", day)
    asyncio.run(command._watch(load_settings(), 0.0, True))
    out.write_text(json.dumps(notes), encoding="utf-8")


def _say(folder: Path, lines: list[str]) -> None:
    written = folder / "gpus.new"
    written.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    written.replace(folder / "gpus")


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
