"""Start, rest, memory and end of venom-tui beside a bare Textual application: `python -m benchmarks.start`.

Both run in turn (A B A B …) in pseudo-terminals of 120x40 with the same Python; medians. The bare one is `floor.py`:
Header, Footer, one DataTable of 20 rows, the stock driver. First paint is 50 characters on the screen.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import Figures, median
from benchmarks.meter import FLOOR, PROGRAM, Meter
from benchmarks.processes import cpu_seconds, pss_mb
from tests.terminal.harness import REPOSITORY

READY = r"smollm2-135m @ embedded"
"""What the header says once it is known which model answers."""
PROMPT = "What is the capital of France?"
_AFTER_ANSWER = r"tok/s · [\d,]+ \+ [\d,]+ tokens"


@dataclass
class Runs:
    """What several runs of a program took."""

    paint: list[float] = field(default_factory=list)
    paint_cpu: list[float] = field(default_factory=list)
    ready: list[float] = field(default_factory=list)
    start_cpu: list[float] = field(default_factory=list)
    end: list[float] = field(default_factory=list)


def start_and_quit(argv: list[str], runs: Runs, *, ready: str | None) -> None:
    """Start a program, let it come to rest, quit it."""
    with Meter(argv) as terminal:
        time.sleep(0.3)  # looking at the screen while it starts would slow it down
        terminal.wait_for(ready or "row 19")
        terminal.wait_quiet(0.6)
        runs.start_cpu.append(terminal.cpu)
        sent = time.monotonic()
        terminal.send("ctrl+q")
        runs.end.append(terminal.ended_at() - sent)
        runs.paint.append(terminal.painted_at() - terminal.started_at)
        runs.paint_cpu.append(terminal.cpu_at(terminal.painted_at()))
        if ready is not None and (at := terminal.shown_at(ready)) is not None:
            runs.ready.append(at - terminal.started_at)


def quit_loaded(ends: list[float], firsts: list[float]) -> float:
    """Ask at once after the start, quit when the answer is there; return the memory after it."""
    with Meter([PROGRAM]) as terminal:
        terminal.wait_for("ask, or / for a command")
        terminal.type(f"{PROMPT}\r")
        terminal.wait_for(_AFTER_ANSWER, 60)
        terminal.wait_quiet(1.2)
        memory = pss_mb(terminal.process.pid)
        word = _first_word(terminal.lines)
        sent = time.monotonic()
        terminal.send("ctrl+q")
        ends.append(terminal.ended_at() - sent)
        first = terminal.shown_at(lambda lines: _first_word(lines) == word)
        assert first is not None
        firsts.append(first - terminal.started_at)
        return memory


def _first_word(lines: list[str]) -> str:
    """Return the first word of the answer on the screen, "" where none is there yet."""
    titles = [number for number, line in enumerate(lines) if re.match(r" *smollm2-135m$", line[27:])]
    for line in lines[titles[-1] + 1 :] if titles else []:
        text = line[27:].strip()
        if text:
            return "" if "esc stops" in text else text.split()[0]
    return ""


def rest(argv: list[str], seconds: float, *, ready: str | None) -> tuple[float, list[tuple[int, list[str]]], float]:
    """Let a program rest; return its CPU share, each write with the rows that it changed, and its memory."""
    with Meter(argv) as terminal:
        terminal.wait_for(ready or "row 19")
        terminal.wait_quiet(3.0)
        begin, before = time.monotonic(), terminal.cpu
        time.sleep(seconds)  # the window that is measured
        end = time.monotonic()
        share = (terminal.cpu - before) / (end - begin)
        memory = pss_mb(terminal.process.pid)
        writes = terminal.writes_between(begin, end)
        terminal.send("ctrl+q")
        terminal.ended_at()
        return share, writes, memory


def core_alone(seconds: float) -> float:
    """Return the CPU share of a process that has the core open and no screen: what sampling needs."""
    with tempfile.TemporaryDirectory(prefix="venom-bench-") as folder:
        command = [sys.executable, "-c", "from benchmarks.start import hold_core; hold_core()", folder]
        process = subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        time.sleep(3.0)  # the first looks are over, as in `rest`
        begin, before = time.monotonic(), cpu_seconds(process.pid)
        time.sleep(seconds)  # the window that is measured
        share = (cpu_seconds(process.pid) - before) / (time.monotonic() - begin)
        process.stdin.close()
        process.wait()
        return share


def hold_core() -> None:
    """Open the core in the folder that is the last argument, until standard input ends."""
    import os

    folder = Path(sys.argv[-1])
    for name in ("DATA", "CONFIG"):
        (folder / name).mkdir()
        os.environ[f"VENOM_{name}_DIR"] = str(folder / name)
    os.environ["VENOM_DISCOVERY"] = "0"

    from venom_tui.cli.running import settings_of
    from venom_tui.core.core import Core

    async def hold() -> None:
        async with Core(settings_of({})) as core:
            await core.models.active()
            print("open", flush=True)
            await asyncio.to_thread(sys.stdin.read)

    asyncio.run(hold())


def version_cost(runs: int) -> tuple[float, float, list[str]]:
    """Return the times of `venom-tui --version` and of Python alone, and which large modules the first imports."""
    ours: list[float] = []
    bare: list[float] = []
    for _ in range(runs):
        for command, times in (([PROGRAM, "--version"], ours), ([sys.executable, "-c", "pass"], bare)):
            begun = time.monotonic()
            subprocess.run(command, check=True, capture_output=True)
            times.append(time.monotonic() - begun)
    code = "import sys; from venom_tui.cli.main import main; main(['--version']); print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True, capture_output=True, text=True)
    loaded = set(shown.stdout.split())
    return median(ours), median(bare), sorted(loaded & {"textual", "httpx", "rich", "click", "asyncio", "sqlite3"})


def main() -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=11, help="starts of each program")
    parser.add_argument("--rest", type=float, default=20.0, help="seconds at rest")
    parser.add_argument("--quick", action="store_true", help="3 runs, 5 seconds")
    options = parser.parse_args()
    if options.quick:
        options.runs, options.rest = 3, 5.0
    figures = Figures("Start, rest and end beside a bare Textual application")
    ours, floor = Runs(), Runs()
    for _ in range(options.runs):
        start_and_quit([PROGRAM], ours, ready=READY)
        start_and_quit(FLOOR, floor, ready=None)
    loaded_ends: list[float] = []
    firsts: list[float] = []
    memories = [quit_loaded(loaded_ends, firsts) for _ in range(max(3, options.runs // 2))]
    _tell_start(figures, ours, floor, firsts)
    _tell_end(figures, ours, floor, loaded_ends)
    _tell_rest(figures, options.rest, memories)
    figures.part("venom-tui --version")
    version, bare, large = version_cost(max(5, options.runs))
    figures.tell("time; Python alone", f"{version * 1000:.0f} ms; {bare * 1000:.0f} ms")
    figures.holds("large modules imported", not large, ", ".join(large) or "none")
    return figures.status


def _tell_start(figures: Figures, ours: Runs, floor: Runs, firsts: list[float]) -> None:
    figures.part(f"Start, {len(ours.paint)} runs each")
    _beside(figures, "first paint, floor", ours.paint, floor.paint, 1.3)
    figures.tell("CPU until then, floor", f"{median(ours.paint_cpu):.2f} s, {median(floor.paint_cpu):.2f} s")
    figures.tell("CPU until all is at rest, floor", f"{median(ours.start_cpu):.2f} s, {median(floor.start_cpu):.2f} s")
    figures.tell("core ready, a prompt would be answered", f"{median(ours.ready) * 1000:.0f} ms")
    figures.tell("first token of an answer, from cold", f"{median(firsts) * 1000:.0f} ms, the model's load included")


def _tell_end(figures: Figures, ours: Runs, floor: Runs, loaded: list[float]) -> None:
    figures.part("End, ctrl+q to the end of the process")
    _beside(figures, "nothing loaded, floor", ours.end, floor.end, 1.3)
    _beside(figures, "a model loaded, floor", loaded, floor.end, 1.3)


def _beside(figures: Figures, name: str, ours: list[float], floor: list[float], limit: float) -> None:
    note = f"{median(ours) * 1000:.0f} ms, {median(floor) * 1000:.0f} ms"
    figures.most(name, median(ours) / median(floor), limit, "times", note=note)


def _tell_rest(figures: Figures, seconds: float, memories: list[float]) -> None:
    figures.part(f"At rest, {seconds:.0f} s with the core open")
    share, writes, memory = rest([PROGRAM], seconds, ready=READY)
    floor_share, _, floor_memory = rest(FLOOR, seconds, ready=None)
    sampling = core_alone(seconds)
    idle = [count for count, changed in writes if not changed]
    figures.most("bytes that changed nothing on the screen", sum(idle), 0, "bytes")
    for count, changed in writes:
        figures.tell("  a write", f"{count} bytes: {' | '.join(changed)[:80]}")
    # What is shown costs something beyond the sampling only when it changes.
    allowed = (floor_share + sampling) * 1.1 + 0.0002 * len(writes)
    note = f"floor {floor_share * 100:.2f} %, core without a screen {sampling * 100:.2f} %"
    figures.most("CPU, of one core", share * 100, allowed * 100, "%", note=note)
    figures.part("Memory of our process, PSS")
    figures.most("before a chat", memory, 60, "MB", note=f"floor {floor_memory:.1f} MB")
    figures.most("after one chat", median(memories), 60, "MB")


if __name__ == "__main__":
    sys.exit(main())
