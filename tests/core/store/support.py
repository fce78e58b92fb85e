"""What the tests of the store share: an open store, a clock that is set, processes that are dead."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from venom_tui.core.events import EventBus
from venom_tui.core.owner import Owner
from venom_tui.core.store.database import Database
from venom_tui.core.store.sessions import SessionStore
from venom_tui.core.types.request import RequestTrace, Route
from venom_tui.core.types.session import Message, MessageState, Timings, Usage

WORKERS = Path(__file__).with_name("workers.py")


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    time: datetime = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.time += timedelta(milliseconds=1)
        return self.time

    def forward(self, **by: float) -> None:
        """Move it, by the arguments of timedelta."""
        self.time += timedelta(**by)


@dataclass
class Store:
    """An open store."""

    database: Database
    sessions: SessionStore
    events: EventBus
    clock: Clock
    notices: list[str] = field(default_factory=list)

    async def say(self, session_id: str, *texts: str) -> list[Message]:
        """Add turns: prompt, answer, prompt, answer …"""
        added = []
        for number in range(0, len(texts), 2):
            user, answer = await self.sessions.begin_turn(session_id, texts[number], request_id=uuid.uuid4().hex)
            done = ended(answer, texts[number + 1])
            await self.sessions.finish(done, trace_of(done))
            added += [user, done]
        return added

    async def count(self, table: str) -> int:
        """Return how many rows a table has."""
        return int((await self.database.read(f"SELECT count(*) FROM {table}"))[0][0])


@asynccontextmanager
async def open_store(
    folder: Path, *, owner: Owner | None = None, clock: Callable[[], datetime] | None = None
) -> AsyncIterator[Store]:
    """Open the store of a folder and close it again."""
    notices: list[str] = []
    ticking = clock if isinstance(clock, Clock) else Clock()
    database = await Database.open(folder / "venom.db", announce=notices.append)
    events = EventBus()
    sessions = SessionStore(database, events, owner or Owner.current(), ticking)
    try:
        yield Store(database, sessions, events, ticking, notices)
    finally:
        await sessions.close()
        await database.close()


def ended(answer: Message, text: str, state: MessageState = MessageState.COMPLETE, **fields: Any) -> Message:
    """Return an answer as it has ended."""
    return replace(answer, content=text, state=state, **fields)


def trace_of(answer: Message) -> RequestTrace:
    """Return a trace of an answer's request."""
    route = Route("chat", "chat", "direct", "mode", "local", "embedded", "tiny", "the only one")
    return RequestTrace(
        answer.request_id,
        answer.session_id,
        answer.id,
        route,
        answer.created_at,
        Timings(12.5, 10.0, 99.0),
        Usage(3, 4, 5.5),
        "stop",
    )


def dead_owner() -> Owner:
    """Return a process of this machine that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return replace(Owner.current(), pid=process.pid, start_time=1)


def elsewhere() -> Owner:
    """Return a process of another machine."""
    return Owner("another-machine", "another-boot", 4711, 1, "other-host")


def start_worker(*arguments: str) -> subprocess.Popen[str]:
    """Start a process of `workers.py`."""
    command = [sys.executable, str(WORKERS), *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
