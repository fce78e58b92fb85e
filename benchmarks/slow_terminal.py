"""Terminals that read slowly or not at all, while an answer streams: `python -m benchmarks.slow_terminal`.

1. Nobody reads the terminal for a minute: memory must stay flat, the answer must be committed, and a second after
   reading goes on the screen must show its end and be equal to a full repaint.
2. Nobody reads it and SIGTERM comes: the program ends in order, and what came of the answer is kept.
3. The terminal reads 32 KB a second: Esc must act within half a second.

    --seconds 60
"""

from __future__ import annotations

import argparse
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from benchmarks.figures import Figures, median
from benchmarks.meter import PROGRAM, Meter
from benchmarks.paced_server import MODEL, PacedServer
from benchmarks.processes import pss_mb
from benchmarks.texts import MARK

_RATE = 200.0
_SLOW = 32 * 1024
_HEADER = 0
"""The row that may change by itself: it tells the machine's memory."""
_SIDE = 26
"""Columns of the list of sessions, which tells how long ago they were."""


@contextmanager
def asking(tokens: int, *, rate: int = 0) -> Iterator[tuple[Meter, PacedServer, Path]]:
    """Run venom-tui beside a paced server, and ask."""
    with (
        PacedServer(tokens=tokens, rate=_RATE) as server,
        tempfile.TemporaryDirectory(prefix="venom-bench-") as folder,
    ):
        home = Path(folder)
        (home / "config").mkdir()
        (home / "config/config.toml").write_text(server.toml, encoding="utf-8")
        env = {"VENOM_ACTIVE_MODEL": MODEL, "VENOM_ACTIVE_RUNTIME": "paced"}
        with Meter([PROGRAM], home=home, env=env, rate=rate) as terminal:
            terminal.wait_for("paced @ paced")
            terminal.wait_quiet(1.0)
            terminal.type("How is memory shared?\r")
            terminal.wait_for("tok/s")
            yield terminal, server, home


def answer_of(home: Path) -> tuple[str, str]:
    """Return state and text of the answer as they are in the store."""
    with closing(sqlite3.connect(f"file:{home}/data/venom.db?mode=ro", uri=True)) as database:
        row = database.execute("SELECT state, content FROM messages WHERE role = 'assistant'").fetchone()
        return str(row[0]), str(row[1])


def nobody_reads(figures: Figures, seconds: float) -> None:
    """Measure a terminal that nobody reads."""
    figures.part(f"nobody reads the terminal for {seconds:.0f} s; an answer of {seconds * 2 / 3:.0f} s")
    with asking(int(seconds * 2 / 3 * _RATE)) as (terminal, _, home):
        terminal.pause()
        begin, held = time.monotonic(), []
        while time.monotonic() - begin < seconds:
            time.sleep(1.0)  # from one look at its memory to the next
            held.append(pss_mb(terminal.process.pid))
        state, text = answer_of(home)
        figures.holds("the answer is committed", state == "complete" and text.endswith(MARK), state)
        note = f"{held[0]:.1f} MB, at the end {held[-1]:.1f} MB, at most {max(held):.1f} MB"
        figures.most("memory grew by", max(held) - held[0], 6, "MB", note=note)
        terminal.resume()
        resumed = time.monotonic()
        time.sleep(1.0)  # so long it has until all must be right
        lines = [line[_SIDE:] for line in terminal.lines]
        shown = terminal.shown_at(MARK, since=resumed)
        figures.most("its end on the screen after", (shown or float("inf")) - resumed, 1, "s")
        terminal.send("ctrl+l")
        time.sleep(1.0)  # a repaint of what is there already can be told by nothing
        anew = [line[_SIDE:] for line in terminal.lines]
        differing = [row for row, (one, other) in enumerate(zip(lines, anew, strict=True)) if one != other]
        wrong = [row for row in differing if row != _HEADER]
        figures.holds("then equal to a full repaint", not wrong, f"rows that differ: {wrong or 'none'}")


def told_to_end(figures: Figures) -> None:
    """Measure SIGTERM while nobody reads."""
    figures.part("SIGTERM while nobody reads, in the middle of an answer")
    with asking(4000) as (terminal, server, home):
        terminal.pause()
        time.sleep(8.0)  # the answer is in its middle, and the pipe to the terminal full
        sent, count = time.monotonic(), len(server.sent())
        terminal.signal(signal.SIGTERM)
        figures.most("the process ends after", terminal.ended_at() - sent, 2, "s")
        state, text = answer_of(home)
        kept = len(text) / (count * 5)  # a token has some five characters
        figures.holds("what came of the answer is kept", state == "interrupted" and kept > 0.8, f"{state}, {kept:.0%}")
        terminal.resume()
        time.sleep(0.5)  # what was held back is read
        figures.holds("the terminal is as it was", terminal.restored, "modes and line discipline")


def slow_link(figures: Figures) -> None:
    """Measure Esc over a link of 32 KB a second."""
    figures.part("a terminal that reads 32 KB a second")
    taken = []
    for _ in range(5):
        with asking(8000, rate=_SLOW) as (terminal, _, home):
            time.sleep(3.0)  # the answer is in its middle, and the line busy
            sent = time.monotonic()
            terminal.send("escape")
            terminal.wait_for("stopped, ", 5)
            shown = terminal.shown_at("stopped, ", since=sent)
            assert shown is not None
            taken.append(shown - sent)
            assert answer_of(home)[0] == "stopped"
    figures.most("Esc: the answer is stopped, on the screen", median(taken), 0.5, "s", note=f"worst {max(taken):.2f} s")


def main() -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long nobody reads")
    options = parser.parse_args()
    figures = Figures("Slow terminals")
    nobody_reads(figures, options.seconds)
    told_to_end(figures)
    slow_link(figures)
    return figures.status


if __name__ == "__main__":
    sys.exit(main())
