"""A server that takes a minute to start: `python -m benchmarks.server_start`.

Types into the prompt and goes from section to section, first while nothing runs and then while a server starts whose
log goes on all the time; prints how long a key takes to the screen in both. Then kills a server that answers and tells
how soon that stands on the screen, and what the section of the runtimes writes while nothing changes.

    --seconds 60 --keys 60
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.figures import Figures, percentile
from benchmarks.meter import PROGRAM, Meter
from tests.real.servers.process import free_port

ROOT = Path(__file__).resolve().parents[1]
_KEY_S = 0.12
_IDLE_S = 10.0
_WORSE = 1.5
_JITTER_MS = 10.0
"""Milliseconds by which two rounds differ anyway on a machine with two cores."""


def configure(home: Path, seconds: float) -> None:
    """Write a config.toml with a server that starts slowly, and one that starts at once."""
    program = [sys.executable, str(ROOT / "tests" / "fake_runtime.py")]
    lines = []
    for name, after in (("slow", seconds), ("quick", 0.0)):
        port = free_port()
        command = [*program, "--port", str(port), "--after", str(after)]
        lines.append(
            f'[runtimes.{name}]\nurl = "http://127.0.0.1:{port}"\nkind = "vllm"\ncommand = {json.dumps(command)}\n'
        )
    (home / "config").mkdir()
    (home / "config/config.toml").write_text("\n".join(lines), encoding="utf-8")


def keystrokes(terminal: Meter, count: int) -> list[float]:
    """Type letters into the prompt and take them back; return the milliseconds of each to the screen."""
    terminal.send("f2")
    time.sleep(0.5)  # the section is there: drawing it would count as the first key
    pressed = []
    for number in range(count):
        pressed.append(time.monotonic())
        if number % 20 < 10:
            terminal.write(b"x")
        else:
            terminal.send("backspace")
        time.sleep(_KEY_S)  # as fast as somebody types
    taken = []
    for number, begun in enumerate(pressed):
        length = number % 20 + 1 if number % 20 < 10 else 19 - number % 20
        at = terminal.shown_at(partial(_stands, length), since=begun)
        assert at is not None, terminal.text
        taken.append((at - begun) * 1000)
    return taken


def _stands(length: int, lines: list[str]) -> bool:
    return _typed(lines) == length


def _typed(lines: list[str]) -> int:
    line = next((line for line in reversed(lines) if line.lstrip().startswith(">")), "")
    return line.count("x") if "x" in line and "ask" not in line else 0


def sections(terminal: Meter, rounds: int) -> list[float]:
    """Go through the sections; return the milliseconds of each until it is there."""
    wanted = {"f3": "Models ─", "f4": "── (?:Running|History)|Nothing was run yet", "f5": "Host ·", "f6": "how it is"}
    taken = []
    for _ in range(rounds):
        for key, words in wanted.items():
            begun = time.monotonic()
            terminal.send(key)
            time.sleep(0.5)  # looking at the screen while the section comes would cost what is measured
            at = terminal.shown_at(words, since=begun)
            assert at is not None, f"{key}: {terminal.text}"
            taken.append((at - begun) * 1000)
    return taken


def start(terminal: Meter, name: str, words: str) -> None:
    """Start a server from the section of the runtimes."""
    choose(terminal, name)
    terminal.write(b"s")
    terminal.wait_for(words, 30)


def choose(terminal: Meter, name: str) -> None:
    """Go to a server in the section of the runtimes."""
    terminal.send("f6")
    terminal.wait_for("how it is")
    terminal.send("home")
    terminal.wait_quiet(0.3)
    for _ in range(5):
        if f"── {name} ─" in terminal.text:
            break
        terminal.send("down")
        time.sleep(0.3)  # at the last row nothing changes that could be waited for


def measure(figures: Figures, seconds: float, count: int) -> None:
    """Run the program and tell all."""
    with tempfile.TemporaryDirectory(prefix="venom-bench-") as folder:
        home = Path(folder)
        configure(home, seconds)
        with Meter([PROGRAM], home=home, env={"VENOM_DISCOVERY": "0"}) as terminal:
            terminal.wait_for("@ embedded")
            sections(terminal, 1)  # imported, and painted once
            keys, screens = keystrokes(terminal, count), sections(terminal, 4)
            start(terminal, "slow", "loads weights")
            begun = time.monotonic()
            busy_keys, busy_screens = keystrokes(terminal, count), sections(terminal, 4)
            figures.part(
                f"while a server starts for {seconds:g} s (measured for {time.monotonic() - begun:.0f} s of it)"
            )
            assert "loads weights" in terminal.text, terminal.text
            for what, calm, busy in (("a key", keys, busy_keys), ("a section", screens, busy_screens)):
                limit = _WORSE * median(calm) + _JITTER_MS
                note = f"without a start {median(calm):.1f}; worst {max(busy):.0f}, without {max(calm):.0f}"
                figures.most(f"{what}, median", median(busy), limit, "ms", note=note)
                worst = _WORSE * percentile(calm, 0.95) + _JITTER_MS
                note = f"without a start {percentile(calm, 0.95):.1f}"
                figures.most(f"{what}, 95th percentile", percentile(busy, 0.95), worst, "ms", note=note)
            killed(figures, terminal, home)
            idle(figures, terminal)
            terminal.send("ctrl+q")
            terminal.ended_at()
        for path in (home / "data" / "servers").glob("*.json"):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(json.loads(path.read_text(encoding="utf-8"))["server"]["pid"], signal.SIGKILL)


def killed(figures: Figures, terminal: Meter, home: Path) -> None:
    """Tell how soon the end of a server stands on the screen."""
    start(terminal, "quick", "serves fake")
    path = next((home / "data" / "servers").glob("quick.json"))
    pid = json.loads(path.read_text(encoding="utf-8"))["server"]["pid"]
    begun = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    terminal.wait_for("SIGKILL", 20)
    at = terminal.shown_at("SIGKILL", since=begun)
    assert at is not None
    figures.part("a server is killed")
    figures.most("until it stands on the screen", (at - begun) * 1000, 5000, "ms")
    start(terminal, "quick", "serves fake")


def idle(figures: Figures, terminal: Meter) -> None:
    """Tell what the section writes while a server runs and nothing changes."""
    choose(terminal, "slow")  # its start tells how long it has taken so far
    terminal.write(b"x")
    terminal.wait_for("is lost")
    terminal.write(b"y")
    terminal.wait_gone("◐", 30)
    choose(terminal, "quick")
    terminal.wait_quiet(1.0, 90)
    begun, used = time.monotonic(), terminal.cpu
    time.sleep(_IDLE_S)  # the window that is measured
    end = time.monotonic()
    changed = [rows for _, rows in terminal.writes_between(begun, end)]
    figures.part(f"nothing is pressed, {_IDLE_S:g} s")
    figures.tell("bytes to the terminal", f"{terminal.bytes_between(begun, end):,}, {len(changed)} writes")
    figures.tell("CPU", f"{(terminal.cpu - used) / (end - begun) * 100:.1f} %")


def main() -> int:
    """Measure; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the server takes to start")
    parser.add_argument("--keys", type=int, default=60, help="keys that are pressed each time")
    given = parser.parse_args()
    figures = Figures("A server that takes long to start")
    measure(figures, given.seconds, given.keys)
    return figures.status


if __name__ == "__main__":
    sys.exit(main())
