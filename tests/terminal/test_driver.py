"""Our driver on a real pseudo-terminal: told to end, hung up, not read, stopped and continued."""

from __future__ import annotations

import re
import signal
import sys
from pathlib import Path

import pytest

from tests.terminal.harness import Terminal
from tests.terminal.repaint import Repaint, check_repaint

APP = [sys.executable, "-m", "tests.terminal.apps.stalled"]
ORDERLY = ["saved", "ended"]


class Stalled(Terminal):
    """The application of `apps/stalled.py` in a terminal, and what it noted."""

    def __init__(self, folder: Path, *arguments: str, rate: int = 0) -> None:
        self.notes_file = folder / "notes"
        super().__init__([*APP, str(self.notes_file), *arguments], columns=80, rows=24, rate=rate)

    @property
    def notes(self) -> list[str]:
        """What the application noted so far."""
        return self.notes_file.read_text().splitlines() if self.notes_file.exists() else []

    def wait_note(self, pattern: str, timeout: float = 20.0) -> re.Match[str]:
        """Wait for a note; return the last one that matches."""
        found: list[re.Match[str]] = []

        def noted() -> bool:
            found[:] = [match for note in self.notes if (match := re.fullmatch(pattern, note))]
            return bool(found)

        self.wait_until(noted, timeout, f"the note {pattern!r}")
        return found[-1]

    def wait_ticks(self, more: int) -> dict[str, float]:
        """Wait until the application noted that it changed its screen so many times more; return that note."""
        now = int(self.wait_note(r"lag .* ticks (\d+) .*")[1])
        self.wait_until(lambda: int(self.wait_note(r"lag .* ticks (\d+) .*")[1]) >= now + more, 30, "changes")
        return self.measured()

    def measured(self) -> dict[str, float]:
        """The newest figures: lag in seconds, ticks, memory in KiB, bytes kept."""
        words = self.wait_note(r"(lag .*)")[1].split()
        return {name: float(value) for name, value in zip(words[::2], words[1::2], strict=True)}


@pytest.mark.parametrize("unread", [False, True], ids=["read", "unread"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_in_order(tmp_path: Path, number: signal.Signals, unread: bool) -> None:
    with Stalled(tmp_path) as terminal:
        terminal.wait_for("tick 5")
        if unread:
            terminal.pause()
            terminal.wait_ticks(40)
        terminal.signal(number)
        assert terminal.wait_exit() == 0
        assert terminal.notes[-3:] == [f"quit {number.name}", *ORDERLY]
        terminal.resume()
        terminal.wait_until(lambda: terminal.restored, what="the terminal's restoration")
        assert terminal.processes() == []


@pytest.mark.parametrize("unread", [False, True], ids=["read", "unread"])
def test_a_hang_up_ends_it_in_order(tmp_path: Path, unread: bool) -> None:
    with Stalled(tmp_path) as terminal:
        terminal.wait_for("tick 5")
        if unread:
            terminal.pause()
            terminal.wait_ticks(40)
        terminal.hangup()
        assert terminal.wait_exit() == 0
        assert terminal.notes[-2:] == ORDERLY
        assert terminal.notes[-3] in ("quit SIGHUP", "quit hangup")
        assert len([note for note in terminal.notes if note.startswith("quit")]) == 1


def test_a_terminal_that_is_not_read_holds_up_nothing(tmp_path: Path) -> None:
    with Stalled(tmp_path) as terminal:
        terminal.wait_for("tick 5")
        before = terminal.wait_ticks(20)
        terminal.pause()
        during = terminal.wait_ticks(60)
        assert during["lag"] < 2, "the loop goes on"
        assert during["kept"] < 100_000, "frames are dropped, not kept"
        assert during["memory"] < before["memory"] + 20_000
        terminal.type("x")
        check_newest_state(terminal)
        terminal.wait_for("^▊ *x")
        terminal.send("ctrl+q")
        assert terminal.wait_exit() == 0
        assert terminal.restored


def test_a_slow_terminal_costs_frames_only(tmp_path: Path) -> None:
    with Stalled(tmp_path, rate=20_000) as terminal:
        terminal.wait_for("tick")
        during = terminal.wait_ticks(60)
        assert during["lag"] < 2
        assert during["kept"] < 100_000
        check_newest_state(terminal)


def check_newest_state(terminal: Stalled) -> None:
    """Let the application stand still, read again, and see that its last state is shown, all of it."""
    terminal.send("escape")
    last = int(terminal.wait_note(r"escape at tick (\d+)")[1])
    terminal.resume()
    terminal.wait_until(lambda: (shown := ticks_shown(terminal)) is not None and shown >= last, 30, "the newest state")
    check_repaint(terminal)


def ticks_shown(terminal: Terminal) -> int | None:
    found = re.search(r"tick (\d+)", terminal.text)
    return int(found[1]) if found else None


def test_stopped_and_continued(tmp_path: Path) -> None:
    with Stalled(tmp_path) as terminal:
        terminal.wait_for("tick 5")
        terminal.send("escape")
        terminal.wait_note("escape .*")
        for number in (signal.SIGTSTP, signal.SIGSTOP):
            terminal.signal(number)
            terminal.wait_until(lambda: state(terminal) == "T", what="the stop")
            if number is signal.SIGTSTP:
                terminal.wait_until(lambda: terminal.restored, what="the shell's terminal")
            terminal.screen.feed(b"\x1b[5;5Hwhat the shell wrote")
            fresh = Repaint(terminal)
            terminal.signal(signal.SIGCONT)
            fresh.wait_equal()
            assert terminal.modes[1049]
            assert not terminal.cooked
            terminal.type("y")
        terminal.wait_for("^▊ *yy")
        terminal.send("ctrl+q")
        assert terminal.wait_exit() == 0
        assert terminal.restored


def state(terminal: Terminal) -> str:
    """The state of the process: R, S, T for stopped …"""
    return Path(f"/proc/{terminal.process.pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_size_of_nothing_and_a_hundred_resizes_end_in_the_last_size(tmp_path: Path) -> None:
    with Stalled(tmp_path) as terminal:
        terminal.wait_for("tick 5")
        terminal.send("escape")
        terminal.wait_note("escape .*")
        for number in range(100):
            terminal.resize(20 + number % 60, 5 + number % 20)
        terminal.resize(0, 0)
        terminal.resize(64, 18)
        terminal.wait_until(lambda: len(terminal.lines[-1]) > 30 and "Quit" in terminal.lines[-1], what="the footer")
        check_repaint(terminal)
        shown = terminal.screen.cells()
        for _ in range(10):  # there and back at once: the program may see the last size only, which it has already
            repaint = Repaint(terminal)
            terminal.resize(61, 12)
            terminal.resize(64, 18)
            repaint.wait_equal(shown)


def test_without_answers_to_its_questions_it_works(tmp_path: Path) -> None:
    with Stalled(tmp_path) as terminal:
        terminal._answers = False
        terminal.wait_for("tick 5")
        terminal.send("ctrl+q")
        assert terminal.wait_exit() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_stock_driver_ends_in_order_too(tmp_path: Path, number: signal.Signals) -> None:
    with Stalled(tmp_path, "plain") as terminal:
        terminal.wait_for("tick 5")
        terminal.signal(number)
        assert terminal.wait_exit() == 0
        assert terminal.notes[-3:] == [f"quit {number.name}", *ORDERLY]
        assert terminal.restored
