"""A long session and the search over many messages in the whole program: `python -m benchmarks.sessions`.

Builds a data folder with 100,000 messages in some 980 sessions (the store's side of it is timed by `search.py`) and a
session of 2,000 messages of Markdown, then runs venom-tui on it in a pseudo-terminal of 120x40. Times are those from a
key to what it brings to the screen; `--messages` builds fewer.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figures, median, percentile
from benchmarks.filled import write_session
from benchmarks.meter import PROGRAM, Meter
from benchmarks.search import fill
from venom_tui.core.events import EventBus
from venom_tui.core.owner import Owner
from venom_tui.core.store.database import Database
from venom_tui.core.store.sessions import SessionStore

LONG = 2_000
_LAST = "ZZLAST"
"""The last word of the long session."""
_OTHER = "ZZOTHER"
_TITLE = "A long session"
_RUNS = 9
_PAGES = 40
_WORDS = ("zanzibar", "the zanzibar", "memory", "cont", "qqqqzzzz", "検索")


async def _fill(data_dir: Path, count: int) -> None:
    database = await Database.open(data_dir / "venom.db", announce=print)
    sessions = SessionStore(database, EventBus(), Owner.current())
    await fill(database, sessions, count)
    await sessions.close()
    await database.close()


def start(home: Path, session: str) -> tuple[Meter, float]:
    """Start venom-tui with a session; return it and the time until the end of the session stood on the screen."""
    terminal = Meter([PROGRAM], home=home, env={"VENOM_LAST_SESSION": session})
    terminal.start()
    time.sleep(0.4)  # looking at the screen while it starts would slow it down
    terminal.wait_for(f"{_LAST}|{_OTHER}")
    terminal.wait_quiet(1.0)
    shown = terminal.shown_at(f"{_LAST}|{_OTHER}")
    assert shown is not None
    return terminal, shown - terminal.started_at


def open_from_list(terminal: Meter, key: str, mark: str) -> tuple[float, float]:
    """Open a session of the list; return the time until its end stood on the screen, and the CPU that it took."""
    terminal.send("ctrl+s")
    time.sleep(0.1)  # the list has the focus then, which nothing on the screen tells where it had it before
    terminal.send(key)
    terminal.wait_quiet(0.4)
    used, sent = terminal.cpu, time.monotonic()
    terminal.send("enter")
    time.sleep(0.3)  # looking at the screen while the session comes would cost what is measured
    terminal.wait_for(mark)
    terminal.wait_quiet(0.4)
    shown = terminal.shown_at(mark, since=sent)
    assert shown is not None
    return shown - sent, terminal.cpu - used


def press(terminal: Meter, key: str, quiet: float = 0.15) -> float:
    """Press a key; return the time until the last thing that it brought to the screen."""
    sent = time.monotonic()
    terminal.send(key)
    time.sleep(quiet)  # less is no rest
    while time.monotonic() - terminal.quiet_at(sent) < quiet:
        time.sleep(0.02)  # the reader of the terminal is another thread: it gets its turn
    return terminal.quiet_at(sent) - sent


def find(terminal: Meter, words: str) -> float:
    """Paste words into the search; return the time until what it found stood on the screen."""
    terminal.send("ctrl+f")
    terminal.wait_for("Find in all sessions")
    terminal.wait_quiet(0.3)
    sent = time.monotonic()
    terminal.paste(words)
    time.sleep(0.5)  # as above
    shown = terminal.shown_at(lambda lines: _found(lines, words), since=sent)
    assert shown is not None, f"nothing was found:\n{terminal.text}"
    terminal.send("escape")
    terminal.wait_gone("Find in all sessions")
    terminal.wait_quiet(0.2)
    return shown - sent


def _found(lines: list[str], words: str) -> bool:
    """Return whether the search shows hits, or that there are none."""
    text = "\n".join(lines)
    hit = rf"(?:Session \d+|{_TITLE}) .*{words.split()[-1]}"
    return "No message holds these words" in text or bool(re.search(hit, text))


def main() -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000)
    options = parser.parse_args()
    figures = Figures(f"A session of {LONG:,} messages, and a search over {options.messages:,}")
    with tempfile.TemporaryDirectory(prefix="venom-bench-") as folder:
        home = Path(folder)
        asyncio.run(_fill(home / "data", options.messages))
        other = write_session(home / "data", 20, title="Another", last=_OTHER)
        long = write_session(home / "data", LONG, title=_TITLE, last=_LAST)
        terminal, from_start = start(home, other)
        try:
            _tell_opening(figures, terminal)
            _tell_scrolling(figures, terminal)
            figures.part("search, from a paste to the hits on the screen")
            for words in _WORDS:
                taken = [find(terminal, words) * 1000 for _ in range(5)]
                figures.most(words, median(taken), 100, "ms", note=f"worst of 5: {max(taken):.0f} ms")
        finally:
            terminal.close()
        terminal, from_start = start(home, long)
        terminal.close()
        figures.part("start with that session")
        figures.tell("from nothing to its last screenful", f"{from_start * 1000:.0f} ms")
    return figures.status


def _tell_opening(figures: Figures, terminal: Meter) -> None:
    figures.part("opened from the list, from enter to its last screenful")
    taken = []
    for _ in range(_RUNS):
        taken.append(open_from_list(terminal, "g", _LAST))
        open_from_list(terminal, "j", _OTHER)
    walls = [wall * 1000 for wall, _ in taken]
    figures.most("opening, median", median(walls), 500, "ms", note=f"worst {max(walls):.0f} ms of {_RUNS}")
    figures.tell("CPU of it", f"{median([cpu for _, cpu in taken]) * 1000:.0f} ms")


def _tell_scrolling(figures: Figures, terminal: Meter) -> None:
    figures.part("scrolling by page up; more than 400 messages up they are read from the store")
    open_from_list(terminal, "g", _LAST)
    taken = [press(terminal, "pageup") * 1000 for _ in range(_PAGES)]
    figures.most("page up, median", median(taken), 50, "ms")
    figures.most("page up, 95th percentile", percentile(taken, 0.95), 100, "ms", note=f"worst {max(taken):.0f} ms")


if __name__ == "__main__":
    sys.exit(main())
