"""Several venom-tui on one database, within this process; and a kind of operation whose work the test holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from venom_tui.core.events import EventBus
from venom_tui.core.operations.runner import Kind, OperationRunner, Progress, Terms
from venom_tui.core.owner import Owner
from venom_tui.core.store.database import Database
from venom_tui.core.store.operations import OperationStore
from venom_tui.core.store.shared_operations import SharedOperations
from venom_tui.core.types.operation import Operation, OperationState

S = OperationState
LIMIT_S = 20.0


class Works:
    """The works of one kind: each goes on until it is told how to end."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        """Targets, in the order in which they were begun."""
        self.running: set[str] = set()
        self.most = 0
        """How many ran at once at most."""
        self.ends: dict[str, asyncio.Event] = {}
        self.failures: dict[str, Exception] = {}
        self.progress: dict[str, Progress] = {}
        self.changed = asyncio.Event()
        self.on_begin: Callable[[str], object] = lambda name: None
        """Called with each target as it begins."""

    async def __call__(self, arguments: Mapping[str, Any], progress: Progress) -> None:
        name = arguments["name"]
        self.on_begin(name)
        self.begun.append(name)
        self.running.add(name)
        self.most = max(self.most, len(self.running))
        self.progress[name] = progress
        self.changed.set()
        progress.joined.set()
        try:
            await self.ends.setdefault(name, asyncio.Event()).wait()
        finally:
            self.running.discard(name)
        if name in self.failures:
            raise self.failures[name]

    def end(self, *names: str) -> None:
        """Let works end."""
        for name in names:
            self.ends.setdefault(name, asyncio.Event()).set()

    async def until_begun(self, name: str, times: int = 1) -> None:
        """Wait until a work was begun so often."""
        async with asyncio.timeout(LIMIT_S):
            while self.begun.count(name) < times:
                self.changed.clear()
                await self.changed.wait()


class Venom:
    """One venom-tui: its runner, its events, the works that it does."""

    def __init__(self, database: Database, owner: Owner, *, overlaps: bool = False) -> None:
        self.database = database
        self.owner = owner
        self.events = EventBus()
        self.time: datetime | None = None
        self.store = OperationStore(database, self.now)
        self.shared = SharedOperations(database, self.now)
        self.runner = OperationRunner(self.store, self.events, owner, self.now)
        self.works = Works()
        self.runner.register(Kind("pull", self.works, lambda arguments: overlaps))

    def now(self) -> datetime:
        return self.time or datetime.now(UTC)

    async def pull(self, name: str, *, queue: str = "net", waiting: bool = False) -> Operation:
        """Begin a pull."""
        terms = Terms(queue, f"pull {name}", {"name": name})
        return await self.runner.submit("pull", name, terms, waiting=waiting)

    async def states(self) -> dict[str, OperationState]:
        """The states as this one sees them, by target."""
        return {one.target: one.state for one in await self.runner.list()}

    async def until(self, name: str, state: OperationState) -> Operation:
        """Wait until this one sees an operation in a state."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                for one in await self.runner.list():
                    if one.target == name and one.state is state:
                        return one
                await asyncio.sleep(0.02)


def living(name: str) -> Owner:
    """An owner that lives (it is this process), and that is not the others."""
    return replace(Owner.current(), host=name)


@asynccontextmanager
async def venoms(folder: Path, *owners: Owner | str, overlaps: bool = False) -> AsyncIterator[list[Venom]]:
    """Open one database for several of them."""
    async with AsyncExitStack() as stack:
        found = []
        for owner in owners:
            database = await Database.open(folder / "venom.db", announce=pytest.fail)
            stack.push_async_callback(database.close)
            venom = Venom(database, living(owner) if isinstance(owner, str) else owner, overlaps=overlaps)
            stack.push_async_callback(venom.runner.close)
            found.append(venom)
        yield found
