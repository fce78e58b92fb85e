"""The screen equals a full repaint after any changes: texts, scrolls, dialogs, toasts, themes, sizes, suspensions.

`apps/changes.py` makes the changes, one a key, chosen by a seed.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from pathlib import Path

import pytest

from tests.terminal.harness import Terminal
from tests.terminal.repaint import Repaint, check_repaint

SOAK = bool(os.environ.get("VENOM_SOAK"))
STEPS, CHECK_EVERY = (1500, 5) if SOAK else (60, 6)
SIZES = [(120, 40), (80, 24), (60, 30), (200, 60), (100, 31)]


def changes(seed: int, *arguments: str, columns: int = 120, rows: int = 40) -> Terminal:
    app = [sys.executable, "-m", "tests.terminal.apps.changes", str(seed), *arguments]
    return Terminal(app, columns=columns, rows=rows)


def step(terminal: Terminal, number: int) -> None:
    """Let the application change its screen once more, and wait until it says so."""
    terminal.send("f8")
    terminal.wait_for(rf"step {number} done")


@pytest.mark.parametrize("seed", range(6 if SOAK else 2))
def test_after_any_changes(seed: int) -> None:
    chance = random.Random(seed)
    with changes(seed) as terminal:
        terminal.wait_for("step 0 done")
        for number in range(1, STEPS + 1):
            if number % (2 * CHECK_EVERY) == 1:
                disturb(terminal, chance)
            step(terminal, number)
            if number % CHECK_EVERY == 0:
                check_repaint(terminal)
        terminal.send("ctrl+q")
        assert terminal.wait_exit() == 0
        assert terminal.restored


def disturb(terminal: Terminal, chance: random.Random) -> None:
    """Do from outside what makes a shadow of the screen untrue."""
    match chance.choice(["resize", "stop", "mouse"]):
        case "resize":
            for columns, rows in chance.sample(SIZES, 3):
                terminal.resize(columns, rows)
            terminal.wait_until(lambda: "Quit" in terminal.lines[-1], what="the footer")
        case "stop":
            terminal.signal(signal.SIGTSTP)
            terminal.wait_until(lambda: is_stopped(terminal.process.pid), what="the stop")
            repaint = Repaint(terminal)
            terminal.signal(signal.SIGCONT)
            repaint.wait_equal()
        case _:
            x, y = chance.randint(1, terminal.columns), chance.randint(1, terminal.rows - 3)  # not the footer's keys
            terminal.type(f"\x1b[<0;{x};{y}M\x1b[<32;{x + 9};{y + 2}M\x1b[<0;{x + 9};{y + 2}m")


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_the_terminal_scrolls_by_itself() -> None:
    """Else the tests above would not see what can go wrong with it."""
    with changes(1) as terminal:
        terminal.wait_for("step 0 done")
        number = 0
        while b"\x1b[M" not in terminal.output and b"\x1b[1M" not in terminal.output and number < 200:
            number += 1
            step(terminal, number)
        check_repaint(terminal)
        assert number < 200
