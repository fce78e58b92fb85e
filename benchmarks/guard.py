"""The guard with eight GPUs at one look a second, beside nvitop: `python -m benchmarks.guard [--seconds N]`.

Both run in turn in pseudo-terminals of 120x50, over the same library that stands for the driver (tests/nvml): its
figures all change once a second, and each GPU has two processes, which are real ones. Both look at processes once a
second, too (nvitop's --interval 1; the guard by itself every two). CPU is that of the whole process with all its
threads, read from outside, as a share of one core; then the bytes that each writes. Then all stands still, the host's
own figures and the graphs too: nothing may be written. A stall is the CPU that one turn of the program's event loop
took, read by a probe that this benchmark puts into the process; the part of it that is the sampler's is to stay below
5 ms. nvitop is installed into ~/.cache/venom-tui/peers where it is not there yet, and left out, with the reason, where
that fails.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

from benchmarks.answer import probe
from benchmarks.figures import Figures, median
from benchmarks.meter import Meter
from benchmarks.peers import nvitop
from benchmarks.processes import pss_mb
from tests.nvml import FakeDriver, gpu

T = TypeVar("T")
F = TypeVar("F")
_COLUMNS, _ROWS = 120, 50
_STILL_S = 12.0


def main() -> int:
    """Measure both; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="of each window")
    parser.add_argument("--turns", type=int, default=3, help="windows of each program")
    parser.add_argument("--probe", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--still", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.probe is not None:
        _probe(options.probe, still=options.still)
        return 0
    figures = Figures("The guard with eight GPUs at one look a second")
    with tempfile.TemporaryDirectory(prefix="venom-bench-") as folder, _processes() as pids:
        driver = FakeDriver(Path(folder) / "driver")
        with _moving(driver, pids):
            _beside_nvitop(figures, driver, Path(folder), options.seconds, options.turns)
        driver.says(_eight(0, pids))
        _standing_still(figures, driver, Path(folder))
    return figures.status


# ---------------------------------------------------------------------- the programs


def _program(out: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.guard", "--probe", str(out), *more]


def _probe(out: Path, *, still: bool) -> None:
    """Run venom-tui in this process: note stalls, and what the sampler takes of the loop's thread."""
    from venom_tui.core.resources import history, host, pace, telemetry

    sampled: list[float] = []
    take = telemetry.Telemetry._take

    def noting(self: telemetry.Telemetry, *arguments: Any) -> None:
        began = time.thread_time()
        take(self, *arguments)
        sampled.append(time.thread_time() - began)

    try:
        with ExitStack() as patches:
            patches.enter_context(patch.object(telemetry.Telemetry, "_take", noting))
            patches.enter_context(patch.object(telemetry, "Pace", partial(pace.Pace, processes=1.0)))
            if still:
                for owner, name in ((host.HostSampler, "sample"), (telemetry._Disks, "read")):
                    patches.enter_context(patch.object(owner, name, _first(getattr(owner, name))))
                patches.enter_context(patch.object(history.History, "add", lambda *_: None))
            probe(out, ["--screen", "guard"])
    finally:
        out.with_suffix(".sampled").write_text(json.dumps(sampled), encoding="utf-8")


def _first(look: Callable[[T], F]) -> Callable[[T], F]:
    """Return what looks three times, and from then on says what it saw last."""
    known: list[F] = []

    def held(self: T) -> F:
        if len(known) < 3:
            known.append(look(self))
        return known[-1]

    return held


@contextmanager
def _processes() -> Iterator[list[int]]:
    """Let two processes for each GPU do nothing."""
    started = [subprocess.Popen(["sleep", "3600"]) for _ in range(16)]
    try:
        yield [process.pid for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()


@contextmanager
def _moving(driver: FakeDriver, pids: list[int]) -> Iterator[None]:
    """Let all figures change once a second."""
    stop = threading.Event()

    def move() -> None:
        tick = 0
        while True:
            driver.says(_eight(tick, pids))
            tick += 1
            if stop.wait(1.0):
                return

    thread = threading.Thread(target=move, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _eight(tick: int, pids: list[int]) -> list[str]:
    return [
        gpu(
            index,
            used=10_000 + 5_000 * index + 137 * (tick % 60),
            core=50 + (7 * tick + index) % 9,
            bus=30 + (tick + index) % 5,
            degrees=60 + (tick + index) % 3,
            milliwatts=350_000 + 3_700 * ((tick + index) % 4),
            sm=1700 + 15 * ((tick + index) % 7),
            minor=index,
            processes=f"{pids[2 * index]}:{4000 + tick % 60},{pids[2 * index + 1]}:900",
        )
        for index in range(8)
    ]


# ---------------------------------------------------------------------- what is measured


def _window(terminal: Meter, seconds: float) -> tuple[float, float]:
    """Return the share of one core and the bytes a second of a program over some seconds."""
    cpu, size, begun = terminal.cpu, terminal.size, time.monotonic()
    time.sleep(seconds)  # the window that is measured
    took = time.monotonic() - begun
    return (terminal.cpu - cpu) / took, (terminal.size - size) / took


def _beside_nvitop(figures: Figures, driver: FakeDriver, folder: Path, seconds: float, turns: int) -> None:
    peer, why_not = nvitop()
    ours: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    stalls: list[float] = []
    sampled: list[float] = []
    memory = 0.0
    for turn in range(turns):
        out, home = folder / f"probe{turn}", folder / f"home{turn}"
        with Meter(_program(out), columns=_COLUMNS, rows=_ROWS, home=home, env=driver.environ) as terminal:
            terminal.wait_for(r"^ . +7  H100 80GB")
            terminal.wait_for(r"smollm2-135m @ embedded|no model")
            time.sleep(2.0)  # the imports behind the first looks are not what looking costs
            begun = time.monotonic()
            ours.append(_window(terminal, seconds))
            ended = time.monotonic()
            memory = pss_mb(terminal.process.pid)
            terminal.send("ctrl+q")
            terminal.ended_at()
        stalls += [took for at, took in json.loads(out.read_text()) if begun <= at <= ended]
        sampled += json.loads(out.with_suffix(".sampled").read_text())
        if peer is not None:
            # What it says of functions that the driver lacks would be written over its own screen.
            argv = ["sh", "-c", 'exec "$0" "$@" 2>/dev/null', peer, "--monitor", "full", "--interval", "1"]
            with Meter(argv, columns=_COLUMNS, rows=_ROWS, home=folder / f"peer{turn}", env=driver.environ) as terminal:
                terminal.wait_for("Driver Version")
                time.sleep(3.0)  # it goes on to read processes after its first picture
                theirs.append(_window(terminal, seconds))
    figures.part(f"figures that all change once a second, {turns} windows of {seconds:g} s, medians")
    cpu, written = (median([one[part] for one in ours]) for part in (0, 1))
    if theirs:
        peer_cpu, peer_written = (median([one[part] for one in theirs]) for part in (0, 1))
        note = f"{100 * cpu:.2f} % of a core, nvitop {100 * peer_cpu:.2f} %"
        figures.most("CPU beside nvitop's", cpu / peer_cpu, 0.5, "times", note=note)
        note = f"{written:.0f} a second, nvitop {peer_written:.0f}"
        figures.most("bytes to the terminal beside nvitop's", written / peer_written, 1, "times", note=note)
    else:
        figures.tell("nvitop", f"left out: {why_not}")
        figures.tell("CPU", f"{100 * cpu:.2f} % of a core")
        figures.tell("bytes to the terminal", f"{written:.0f} a second")
    note = f"{len(sampled):,} looks, median {1000 * median(sampled):.2f}"
    figures.most("longest stall of the loop by the sampler, CPU", 1000 * max(sampled), 5, "ms", note=note)
    figures.tell("longest turn of the loop with painting, CPU", f"{1000 * max(stalls, default=0.0):.1f} ms")
    figures.tell("memory of the process, PSS", f"{memory:.0f} MB")


def _standing_still(figures: Figures, driver: FakeDriver, folder: Path) -> None:
    with Meter(
        _program(folder / "still", "--still"),
        columns=_COLUMNS,
        rows=_ROWS,
        home=folder / "still-home",
        env=driver.environ,
    ) as terminal:
        terminal.wait_for(r"^ . +7  H100 80GB")
        terminal.wait_for(r"smollm2-135m @ embedded|no model")
        terminal.wait_quiet(3.0, 60)
        share, written = _window(terminal, _STILL_S)
        terminal.send("ctrl+q")
        terminal.ended_at()
    looks = len(json.loads((folder / "still.sampled").read_text()))
    figures.part(f"nothing changes, {_STILL_S:g} s, {looks} looks since the start")
    figures.most("bytes to the terminal", written * _STILL_S, 0)
    figures.tell("CPU", f"{100 * share:.2f} % of a core")


if __name__ == "__main__":
    sys.exit(main())
