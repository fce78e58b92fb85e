"""An answer of 8,000 tokens of mixed Markdown at 200 a second in the whole program: `python -m benchmarks.answer`.

venom-tui runs in a pseudo-terminal of 120x40 and asks a paced server (OpenAI's wire) on loopback. CPU is that of the
whole process with all its threads, read from outside; a stall is the CPU that one turn of its event loop took, read by
a probe that this benchmark puts into the process. Told for: the session list shown, the list folded (95 columns), a
session of 2,000 older messages. A peer, oterm, runs beside it where it can be installed (from PyPI, into
~/.cache/venom-tui/peers).

    --tokens 8000 --rate 200 --only shown|folded|older|peer
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from benchmarks.figures import Figures
from benchmarks.filled import write_session
from benchmarks.meter import Meter
from benchmarks.paced_server import MODEL, PacedServer
from benchmarks.peers import begin_chat_in_oterm, oterm
from benchmarks.processes import CpuTrack, pss_mb
from benchmarks.texts import MARK

PROMPT = "How is memory shared?"
_EDGE = 500
"""Tokens at the beginning and at the end that are compared."""
_NOTED_S = 0.001
_OLDER = 2_000


@dataclass(frozen=True)
class Case:
    """How the program is run."""

    name: str
    columns: int = 120
    older: int = 0


CASES = {
    "shown": Case("with the session list, 120x40"),
    "folded": Case("the session list folded, 95x40", columns=95),
    "older": Case(f"with {_OLDER:,} older messages, 120x40", older=_OLDER),
}


@dataclass(frozen=True)
class Measured:
    """What an answer cost. Times are seconds."""

    tokens: int
    cpu: float
    first: float
    """CPU of the first _EDGE tokens."""
    last: float
    lag: float | None
    """From the last token's sending until it stood on the screen."""
    bytes_written: int
    rest_cpu: float
    """Share of a core, from half a second after the answer on."""
    rest_bytes: int
    """Of writes that changed nothing on the screen: the header's memory figure may change."""
    pss_mb: float
    stalls: list[float]


def probe(out: Path, arguments: Sequence[str] = ()) -> None:
    """Run venom-tui in this process, and write what each turn of its event loop took where that is long."""
    import selectors

    from venom_tui.cli.main import main as run_program

    found: list[tuple[float, float]] = []
    main_thread = threading.get_ident()
    wait = selectors.EpollSelector.select
    began = time.thread_time()

    def select(self: selectors.EpollSelector, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        nonlocal began
        if threading.get_ident() != main_thread:
            return wait(self, timeout)
        took = time.thread_time() - began
        if took > _NOTED_S:
            found.append((time.monotonic(), took))
        ready = wait(self, timeout)
        began = time.thread_time()
        return ready

    try:
        with patch.object(selectors.EpollSelector, "select", select):
            run_program(list(arguments))
    finally:
        out.write_text(json.dumps(found), encoding="utf-8")


def measure(case: Case, tokens: int, rate: float) -> Measured:
    """Ask once and measure."""
    with PacedServer(tokens=tokens, rate=rate) as server, tempfile.TemporaryDirectory(prefix="venom-bench-") as folder:
        home = Path(folder)
        (home / "config").mkdir()
        (home / "config/config.toml").write_text(server.toml, encoding="utf-8")
        env = {"VENOM_ACTIVE_MODEL": "paced", "VENOM_ACTIVE_RUNTIME": "paced"}
        if case.older:
            env["VENOM_LAST_SESSION"] = write_session(home / "data", case.older, last="ZZOLD")
        out = home / "probe.json"
        argv = [sys.executable, "-m", "benchmarks.answer", "--probe", str(out)]
        with Meter(argv, columns=case.columns, home=home, env=env) as terminal:
            terminal.wait_for("paced @ paced")
            if case.older:
                terminal.wait_for("ZZOLD")
            terminal.wait_quiet(1.5)
            measured = follow(terminal, server, tokens, f"{PROMPT}\r")
            terminal.send("ctrl+q")
            terminal.ended_at()
        begin, end = server.sent()[0], server.sent()[-1]
        noted = json.loads(out.read_text(encoding="utf-8"))
    # From a second before the first token, in which the request is made, until a second after the last.
    stalls = [took for at, took in noted if begin - 1.0 <= at <= end + 1.0]
    return Measured(**{**measured.__dict__, "stalls": stalls})


def follow(terminal: Meter, server: PacedServer, tokens: int, typed: str) -> Measured:
    """Type a prompt and measure until two seconds after its answer."""
    track = CpuTrack([terminal.process.pid])
    stop = threading.Event()

    def sample() -> None:
        while not stop.wait(0.02):
            track.sample()

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    terminal.type(typed)
    time.sleep(1.0)  # the first tokens are on their way: what was sent is known from here on
    sent = server.wait_until_sent(tokens, timeout=120 + tokens / 20)
    rest_begin, rest_end = sent[-1] + 0.5, sent[-1] + 2.5
    # The window in which the program rests is to pass, for all that is read of it.
    time.sleep(max(0.0, rest_end + 0.2 - time.monotonic()))
    stop.set()
    sampler.join()
    edge = min(_EDGE, tokens // 2)
    shown = terminal.shown_at(MARK, since=sent[-1] - 0.02)
    return Measured(
        tokens=tokens,
        cpu=track.between(sent[0], sent[-1]),
        first=track.between(sent[0], sent[edge]) / edge,
        last=track.between(sent[-edge - 1], sent[-1]) / edge,
        lag=None if shown is None else shown - sent[-1],
        bytes_written=terminal.bytes_between(sent[0], sent[-1] + 0.5),
        rest_cpu=track.between(rest_begin, rest_end) / (rest_end - rest_begin),
        rest_bytes=sum(size for size, rows in terminal.writes_between(rest_begin, rest_end) if not rows),
        pss_mb=pss_mb(terminal.process.pid),
        stalls=[],
    )


def tell(figures: Figures, found: Measured) -> None:
    """Print what was measured beside the targets."""
    per_token = found.cpu / found.tokens * 1000
    figures.most("CPU per token", per_token, 0.4, "ms")
    note = f"{found.last * 1000:.3f} ms, {found.first * 1000:.3f} ms"
    figures.most(f"last {_EDGE} beside the first {_EDGE}", found.last / found.first, 1.3, "times", note=note)
    if found.lag is None:
        figures.holds("last token on the screen", False, "never")
    else:
        figures.most("last token on the screen after it was sent", found.lag, 0.1, "s")
    figures.most("bytes to the terminal per token", found.bytes_written / found.tokens, 100)
    worst = max(found.stalls, default=0.0) * 1000
    over = sum(1 for took in found.stalls if took > 0.02)
    figures.most("longest stall of the loop, CPU", worst, 50, "ms", note=f"{over} over 20 ms")
    figures.most("at rest half a second later, CPU", found.rest_cpu * 100, 1, "%")
    figures.most("at rest half a second later, idle bytes", found.rest_bytes, 0)
    figures.tell("memory of the process, PSS", f"{found.pss_mb:.0f} MB")


def tell_peer(figures: Figures, tokens: int, rate: float) -> None:
    """Print what the peer needs for the same."""
    figures.part(f"oterm, {tokens:,} tokens, 120x40")
    program, why_not = oterm()
    if program is None:
        print(f"  left out: {why_not}")
        return
    with PacedServer(tokens=tokens, rate=rate) as server, tempfile.TemporaryDirectory(prefix="venom-bench-") as folder:
        env = {"OLLAMA_URL": server.url, "OLLAMA_HOST": server.url, "OTERM_DATA_DIR": folder}
        with Meter([program], home=Path(folder), env=env) as terminal:
            begin_chat_in_oterm(terminal, MODEL)
            found = follow(terminal, server, tokens, f"{PROMPT}\r")
    figures.tell("CPU per token", f"{found.cpu / found.tokens * 1000:.2f} ms")
    figures.tell(f"last {_EDGE} beside the first {_EDGE}", f"{found.last / found.first:.2f} times")
    figures.tell("last token on the screen", "never" if found.lag is None else f"{found.lag:.2f} s after it was sent")
    figures.tell("bytes to the terminal per token", f"{found.bytes_written / found.tokens:.0f}")
    figures.tell("CPU at rest, half a second later", f"{found.rest_cpu * 100:.1f} %")


def main() -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=8000)
    parser.add_argument("--rate", type=float, default=200.0, help="tokens a second")
    parser.add_argument("--only", choices=[*CASES, "peer"], help="one of the cases")
    parser.add_argument("--probe", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.probe:
        probe(options.probe)
        return 0
    figures = Figures(f"An answer of {options.tokens:,} tokens at {options.rate:g} a second")
    for name, case in CASES.items():
        if options.only in (None, name):
            figures.part(case.name)
            tell(figures, measure(case, options.tokens, options.rate))
    if options.only in (None, "peer"):
        tell_peer(figures, min(options.tokens, 2000), options.rate)
    return figures.status


if __name__ == "__main__":
    sys.exit(main())
