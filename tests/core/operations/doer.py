"""A venom-tui that does what a test wants, to be killed: `python -m tests.core.operations.doer FOLDER NAME…`

It asks for a pull of each name and waits for their ends. What its works do stands in FOLDER/journal, a line each:
`begin NAME PID`, `end NAME PID`, `done NAME PID`, and `twice NAME PID` where another one that lives is at the same; how
far they came in FOLDER/NAME.part, so that they go on from there.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from venom_tui.core.errors import DownloadFailed
from venom_tui.core.events import EventBus
from venom_tui.core.operations.runner import Kind, OperationRunner, Progress, Terms
from venom_tui.core.owner import Owner
from venom_tui.core.store.database import Database
from venom_tui.core.store.operations import OperationStore
from venom_tui.core.types.operation import Operation

STEPS = 40
STEP_S = 0.03


class Journal:
    """What works did, in the order in which they did it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / "journal"

    def write(self, what: str, name: str) -> None:
        """Note something."""
        with self._path.open("a", encoding="ascii") as file:
            file.write(f"{what} {name} {os.getpid()}\n")

    def lines(self) -> list[tuple[str, str, int]]:
        """Return what was noted."""
        if not self._path.exists():
            return []
        found = (line.split() for line in self._path.read_text().splitlines())
        return [(what, name, int(pid)) for what, name, pid in found]

    def part(self, name: str) -> Path:
        """Return where it stands how far a work is."""
        return self.folder / f"{name}.part"

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Note it when somebody who lives is at the same; who is killed lets go of it, as the kernel sees to."""
        with (self.folder / f"{name}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.write("twice", name)
            yield

    async def work(self, arguments: Mapping[str, Any], progress: Progress) -> None:
        """Do a work, from where it was left."""
        name = arguments["name"]
        part, new = self.part(name), self.folder / f"{name}.new-{os.getpid()}"
        done = int(part.read_text()) if part.exists() else 0
        with self.alone(name):
            self.write("begin", name)
            try:
                while done < STEPS:
                    if (self.folder / "server is down").exists():
                        raise DownloadFailed("The server is gone.", hint="Start it again.", server_message="no route")
                    await asyncio.sleep(STEP_S)
                    done += 1
                    new.write_text(str(done))
                    new.replace(part)  # killed in between, it would have begun from a file without a number
                    progress.update(bytes_done=done, bytes_total=STEPS, message=f"step {done}")
                self.write("done", name)
            finally:
                self.write("end", name)


async def ask(runner: OperationRunner, name: str, *, waiting: bool = False) -> Operation:
    """Ask for a pull."""
    return await runner.submit("pull", name, Terms("net", f"pull {name}", {"name": name}), waiting=waiting)


async def main(folder: Path, names: list[str]) -> None:
    """Ask for pulls, tell their ids, and wait for them."""
    database = await Database.open(folder / "venom.db", announce=print)
    runner = OperationRunner(OperationStore(database), EventBus(), Owner.current())
    runner.register(Kind("pull", Journal(folder).work))
    asked = [await ask(runner, name) for name in names]
    print("asked", *(one.id for one in asked), flush=True)
    for one in asked:
        ended = await runner.wait(one.id)
        print("ended", one.id, ended.state, flush=True)
    await runner.close()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2:]))
