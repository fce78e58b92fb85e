"""Search over 100,000 messages, opening a long session, and deleting: `python -m benchmarks.search [messages]`.

Builds a store in a temporary folder with texts of about 300 characters (word frequencies as in natural language), then
times what a user waits for. Prints milliseconds: median, 95th percentile, worst.
"""

from __future__ import annotations

import asyncio
import bisect
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import accumulate
from pathlib import Path

import aiosqlite

from venom_tui.core.events import EventBus
from venom_tui.core.owner import Owner
from venom_tui.core.store import rows
from venom_tui.core.store.database import Database
from venom_tui.core.store.sessions import SessionStore
from venom_tui.core.types.session import Message, MessageState, Role

MESSAGES = 100_000
LONG_SESSION = 2_000
SCREENFUL = 60
RUNS = 40
_WORDS_A_MESSAGE = (20, 80)
_VOCABULARY = 20_000


class Words:
    """A vocabulary whose word of rank n is drawn with a weight of 1/n, as in natural language."""

    def __init__(self, seed: int = 7) -> None:
        self._random = random.Random(seed)
        letters = "etaoinshrdlucmfwypvbgkjqxz"
        made: dict[str, None] = dict.fromkeys(("the", "and", "of", "a", "to", "model", "memory", "context"))
        while len(made) < _VOCABULARY:
            made["".join(self._random.choices(letters, range(26, 0, -1), k=self._random.randint(3, 9)))] = None
        self.words = list(made)
        self._weights = list(accumulate(1 / (rank + 1) for rank in range(_VOCABULARY)))

    def text(self) -> str:
        """Return a text of some 300 characters."""
        total = self._weights[-1]
        count = self._random.randint(*_WORDS_A_MESSAGE)
        drawn = (bisect.bisect(self._weights, self._random.random() * total) for _ in range(count))
        return " ".join(self.words[index] for index in drawn)


async def fill(database: Database, sessions: SessionStore, count: int) -> tuple[str, list[str]]:
    """Write `count` messages; return the id of a session of LONG_SESSION messages and all ids."""
    words, ids = Words(), []
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    sizes = [LONG_SESSION] + [100] * max(0, (count - LONG_SESSION) // 100)
    for number, size in enumerate(sizes):
        session = await sessions.create(title=f"Session {number}")
        ids.append(session.id)
        values = []
        for seq in range(1, size + 1):
            text = words.text()
            if number % 97 == 3 and seq == 5:
                text += " zanzibar"
            if number % 97 == 4 and seq == 6:
                text += " 日本語のテキスト検索"
            role = Role.USER if seq % 2 else Role.ASSISTANT
            message = Message(
                f"{number}-{seq}", session.id, seq, role, text, MessageState.COMPLETE, begin + timedelta(seconds=seq)
            )
            values.append(rows.message_values(message))

        async def insert(db: aiosqlite.Connection, values: list[tuple[object, ...]] = values) -> None:
            places = ", ".join("?" * len(values[0]))
            await db.executemany(f"INSERT INTO messages ({rows.MESSAGE_COLUMNS}) VALUES ({places})", values)

        await database.write(insert)
    return ids[0], ids


async def timed(name: str, work: Callable[[], Awaitable[object]], runs: int = RUNS) -> float:
    """Run `work` and print its milliseconds; return the median."""
    taken: list[float] = []
    found: object = None
    for _ in range(runs):
        begun = time.perf_counter()
        found = await work()
        taken.append((time.perf_counter() - begun) * 1000)
    taken.sort()
    median, p95 = taken[len(taken) // 2], taken[min(len(taken) - 1, int(len(taken) * 0.95))]
    size = f"{len(found)} found" if isinstance(found, list) else ""
    print(f"{name:<44}{median:>9.2f}{p95:>9.2f}{taken[-1]:>9.2f}  {size}", flush=True)
    return median


async def main(count: int = MESSAGES) -> None:
    """Build the store and print the table."""
    with tempfile.TemporaryDirectory(prefix="venom-bench-") as folder:
        path = Path(folder) / "data" / "venom.db"
        database = await Database.open(path, announce=print)
        sessions = SessionStore(database, EventBus(), Owner.current())
        begun = time.perf_counter()
        long_session, ids = await fill(database, sessions, count)
        seconds, size = time.perf_counter() - begun, path.stat().st_size / 1e6
        print(f"{count:,} messages in {len(ids):,} sessions, built in {seconds:.1f} s, {size:.0f} MB\n")
        print(f"{'milliseconds':<44}{'median':>9}{'p95':>9}{'worst':>9}")
        for name, text in (
            ("rare word", "zanzibar"),
            ("common word", "the"),
            ("two common words", "the and"),
            ("common and rare word", "the zanzibar"),
            ("four words", "the model of memory"),
            ("beginning, one letter", "s"),
            ("beginning, two letters", "th"),
            ("beginning, four letters", "cont"),
            ("no hit", "qqqqzzzz"),
            ("no hit, two words", "the qqqqzzzz"),
            ("inside Japanese text", "検索"),
            ("Japanese, no hit", "東京"),
        ):
            await timed(f"search: {name} ({text})", partial(sessions.search, text))
        await timed(
            f"last {SCREENFUL} of {LONG_SESSION:,} messages", lambda: sessions.messages(long_session, limit=SCREENFUL)
        )
        await timed(f"all {LONG_SESSION:,} messages", lambda: sessions.messages(long_session), 10)
        await timed(f"list of {len(ids):,} sessions", sessions.list, 10)
        await timed("list of 50 sessions", lambda: sessions.list(50), 10)
        victims = iter(ids[1:])
        await timed("delete a session of 100", lambda: sessions.delete(next(victims)), 5)
        await timed("delete the session of 2,000", lambda: sessions.delete(long_session), 1)
        await sessions.close()
        await database.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else MESSAGES))
