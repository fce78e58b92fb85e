"""Starts `chatter` beside the tests and reads what it tells."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]


def put_model(folder: Path, file: Path, name: str = "long") -> None:
    """Give the models folder of a test's folder a file."""
    models = folder / "data" / "models"
    models.mkdir(parents=True, exist_ok=True)
    (models / f"{name}.gguf").symlink_to(file)


class Beside:
    """A process of `chatter`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        assert process.stdout is not None
        self._out = process.stdout

    async def line(self, beginning: str) -> str:
        """Return what follows `beginning` in the next line that begins so."""
        async with asyncio.timeout(60):
            while raw := await self._out.readline():
                self.lines.append(raw.decode().rstrip("\n"))
                if self.lines[-1].startswith(beginning):
                    return self.lines[-1].removeprefix(beginning).strip()
        raise AssertionError(f"it ended without {beginning!r}: {self.lines[-3:]}")

    async def kill(self) -> None:
        """Kill it; what it told until then is in `lines`."""
        self.process.kill()
        rest = (await self._out.read()).decode()
        self.lines += [line for line in rest.split("\n")[:-1] if line]
        await self.process.wait()

    async def tell(self, text: str = "") -> None:
        """Send it a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode() + b"\n")
        await self.process.stdin.drain()

    def children(self) -> list[psutil.Process]:
        """Return the processes that it began."""
        return psutil.Process(self.process.pid).children(recursive=True)


@asynccontextmanager
async def beside(folder: Path, what: str = "chat") -> AsyncIterator[Beside]:
    """Run it; at the end it is killed where it still runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.core.chatter", str(folder), what),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        limit=2**20,
    )
    started = Beside(process)
    try:
        yield started
    finally:
        if process.returncode is None:
            await started.kill()
        if process.stdin is not None:
            process.stdin.close()


async def all_gone(processes: list[psutil.Process]) -> bool:
    """Wait until processes have ended; return whether they did within 20 s."""
    _, alive = await asyncio.to_thread(psutil.wait_procs, processes, 20)
    return not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
