"""What a real Ollama said to `/api/pull`, replayed line by line, and the progress that follows from it.

`tests/data/ollama_pulls.json` holds all recordings of pulls, shortened: a line of progress is
[seconds, number of the digest, total, completed].
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.servers import Exchange, Script, Server, head, serving
from venom_tui.core.clients.http import HttpPool
from venom_tui.core.clients.ollama import OllamaClient
from venom_tui.core.downloads.ollama import OllamaPull, pull
from venom_tui.core.downloads.patience import Patience
from venom_tui.core.operations.progress import Progress
from venom_tui.core.types.operation import Operation, OperationState

PULLS: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "data" / "ollama_pulls.json").read_text("utf-8")
)
TOTAL = 260_014_226
"""Bytes of all layers of the model of the recordings."""
AT_ONCE = Patience(tries=0)
_REASONS = {200: "OK", 400: "Bad Request", 500: "Internal Server Error"}


def lines_of(name: str) -> list[tuple[float, dict[str, Any]]]:
    """Return the lines of a recording with their times."""
    told = PULLS[name]
    found: list[tuple[float, dict[str, Any]]] = []
    for row in told["lines"]:
        if isinstance(row[1], dict):
            found.append((row[0], row[1]))
            continue
        at, number, total, completed = row
        digest = told["digests"][number]
        line = {"status": f"pulling {digest[7:19]}", "digest": digest, "total": total}
        found.append((at, line if completed is None else line | {"completed": completed}))
    return found


def replays(name: str, *, speed: float = 0.0, ends: bool = True) -> Script:
    """Return a script that says what was recorded; `speed` 1 takes as long as it took, 0 no time."""
    told = PULLS[name]

    async def script(exchange: Exchange) -> None:
        status = told["status"]
        await exchange.write(head(f"{status} {_REASONS[status]}", told["type"]))
        before = 0.0
        for at, line in lines_of(name):
            if speed:
                await asyncio.sleep((at - before) / speed)
                before = at
            await exchange.write(json.dumps(line).encode() + b"\n")
        if not ends:
            await exchange.gone()

    return script


class Followed:
    """A pull's progress, as it was told."""

    def __init__(self, **before: Any) -> None:
        self.seen: list[Operation] = []
        operation = Operation("id", "pull", "big", OperationState.RUNNING, **before)
        self.progress = Progress(operation, self.seen.append)
        self.failure: Exception | None = None

    @property
    def now(self) -> Operation:
        """The operation as it stands."""
        return self.progress.operation

    @property
    def log(self) -> list[str]:
        """The lines of the log, without their times."""
        return [line.partition(" ")[2] for line in self.progress.lines]

    def never_steps_back(self) -> bool:
        """Return whether nothing that is shown ever became less."""
        pairs = list(itertools.pairwise(self.seen))
        return all((a.bytes_done or 0) <= (b.bytes_done or 0) and (a.share or 0) <= (b.share or 0) for a, b in pairs)


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(seconds):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)


@asynccontextmanager
async def ollama_of(*scripts: Script) -> AsyncIterator[tuple[OllamaClient, Server]]:
    """Run a server of these scripts; return a client of it as well."""
    pool = HttpPool()
    async with serving(*scripts) as server:
        try:
            yield OllamaClient(pool, server.url, who="Ollama"), server
        finally:
            await pool.close()


async def pulled(
    *scripts: Script,
    patience: Patience = AT_ONCE,
    total: int | None = None,
    layers: int | None = None,
    folder: str | None = None,
    **before: Any,
) -> Followed:
    """Pull from such a server and return what was told; a failure is kept in it."""
    followed = Followed(**before)
    async with ollama_of(*scripts) as (client, _), asyncio.timeout(60):
        wanted = OllamaPull("library/big", True, total, layers, folder)
        try:
            await pull(client, wanted, followed.progress, patience)
        except Exception as failure:  # noqa: BLE001 (the test looks at it)
            followed.failure = failure
    return followed
