"""An answer of mixed Markdown that streams into the transcript: `python -m benchmarks.transcript`.

Runs an application with a title, the transcript and a status line in a pseudo-terminal, feeds tokens at a fixed rate,
prints: CPU per token (of the whole process, the feeder included) at the beginning, in the middle and at the end, bytes
to the terminal per token, how late the last token was on the screen, the longest stall of the event loop, and what
happens once the answer is there. Opening a session is timed with `--older`.

    --tokens 8000 --rate 200 --older 0 --fps 10 --size 120x40 --sidebar --scrolled --stock --fast
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import json
import os
import pty
import re
import select
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.texts import MARK, answer, older_messages

_STEP = 250
"""Tokens between two readings of the CPU clock."""


# ---------------------------------------------------------------------- the program in the terminal


def child(options: argparse.Namespace) -> None:
    """Run the application; write what it measured to options.out."""
    from venom_tui.ui.terminal.environment import prepare

    prepare()
    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.containers import Horizontal
    from textual.widgets import Static

    from venom_tui.ui.terminal.app import TerminalApp
    from venom_tui.ui.theme import DARK
    from venom_tui.ui.widgets.transcript import Entry, Transcript

    class Bench(TerminalApp[None]):
        CSS = "#title, #status { height: 1; } #side { width: 26; }"
        AUTO_FOCUS = "Transcript"
        BINDINGS: ClassVar[list[BindingType]] = [("ctrl+q", "quit", "Quit")]

        def compose(self) -> ComposeResult:
            yield Static("title", id="title")
            with Horizontal():
                if options.sidebar:
                    yield Static("\n".join(f"  session {n}" for n in range(60)), id="side")
                yield Transcript(fps=options.fps)
            yield Static("status", id="status")

        def on_mount(self) -> None:
            self.register_theme(DARK)
            self.theme = "venom-dark"
            self.run_worker(self._work(), exit_on_error=True)

        async def _work(self) -> None:
            found: dict[str, Any] = {}
            transcript = self.query_one(Transcript)
            await asyncio.sleep(0.5)
            if options.older:
                entries = [
                    Entry(f"o{n}", role, "you" if role == "user" else "model", text)
                    for n, (role, text) in enumerate(older_messages(options.older))
                ]
                await asyncio.sleep(0.2)
                start = time.process_time()
                transcript.set_entries(entries)
                found["opened"] = time.process_time() - start
                await asyncio.sleep(0.5)
                found["opened_painted"] = time.process_time() - start
            tokens = answer(options.tokens)
            transcript.append(Entry("q", "user", "you", "How is memory shared?"))
            transcript.begin(Entry("a", "assistant", "qwen3:14b", ""))
            if options.scrolled:
                transcript.scroll_home(animate=False)
            await asyncio.sleep(0.5)
            found.update(await feed(tokens, options.rate, transcript.write, transcript.set_status))
            transcript.end(Entry("a", "assistant", "qwen3:14b", "".join(tokens), notes=("first token 0.21 s",)))
            await asyncio.sleep(0.5)
            idle = time.process_time()
            await asyncio.sleep(2.0)
            found["idle"] = (time.process_time() - idle) / 2
            status = Path("/proc/self/status").read_text()
            found["rss_mb"] = int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024
            Path(options.out).write_text(json.dumps(found))
            self.exit()

    Bench(plain_output=options.stock).run()


async def feed(tokens: list[str], rate: float, write: Any, status: Any) -> dict[str, Any]:
    """Write tokens at a rate; return times of the process's CPU clock and the loop's stalls."""
    begin, cpu = time.monotonic(), time.process_time()
    marks, worst, before = [0.0], 0.0, cpu
    for number, token in enumerate(tokens, 1):
        due = begin + number / rate
        wait = due - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        now = time.process_time()
        # A stall is CPU that held the loop: being late because others hold the machine is not ours.
        worst = max(worst, min(now - before, time.monotonic() - due))
        before = now
        write(token)
        if number % int(rate) == 0:
            status(f"answering · {number / rate:.0f} s · esc stops")
        if number % _STEP == 0:
            marks.append(now - cpu)
    return {"begin": begin, "end": time.monotonic(), "marks": marks, "cpu": time.process_time() - cpu, "stall": worst}


# ---------------------------------------------------------------------- the terminal


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run the program in a pseudo-terminal and return what was measured on both sides."""
    columns, rows = (int(part) for part in options.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out.json")
        pid, master = pty.fork()
        if pid == 0:
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", LANG="C.UTF-8")
            arguments = [argument for argument in sys.argv[1:] if argument != "--fast"]
            extra = ["--tokens", str(options.tokens), "--rate", str(options.rate), "--out", str(out)]
            os.execv(sys.executable, [sys.executable, "-m", "benchmarks.transcript", *arguments, *extra])
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        chunks: list[tuple[float, bytes]] = []
        while True:
            if select.select([master], [], [], 0.2)[0]:
                try:
                    data = os.read(master, 65536)
                except OSError:
                    break
                if not data:
                    break
                chunks.append((time.monotonic(), data))
        os.waitpid(pid, 0)
        if not out.exists():
            tail = b"".join(data for _, data in chunks)[-3000:]
            raise SystemExit(f"The program failed:\n{tail.decode(errors='replace')}")
        found: dict[str, Any] = json.loads(out.read_text())
    found["bytes"] = sum(len(data) for at, data in chunks if found["begin"] <= at <= found["end"] + 0.4)
    found["idle_bytes"] = sum(len(data) for at, data in chunks if found["end"] + 0.5 < at < found["end"] + 2.3)
    seen = b""
    for at, data in chunks:
        seen = (seen + data)[-70_000:]
        if at > found["begin"] and MARK.encode() in seen:
            found["lag"] = at - found["end"]
            break
    return found


def report(found: dict[str, Any], options: argparse.Namespace) -> str:
    """Return the figures as text."""
    marks: list[float] = found["marks"]
    tokens: int = options.tokens
    span = 500 // _STEP

    def per_token(first: int, last: int) -> float:
        return (marks[last] - marks[first]) / ((last - first) * _STEP) * 1000

    count = len(marks) - 1
    middle = max(0, count // 2 - span // 2)
    lag = f"{found['lag'] * 1000:.0f} ms" if "lag" in found else "never shown"
    first = per_token(0, min(span, count))
    mid = per_token(middle, min(middle + span, count))
    last = per_token(max(0, count - span), count)
    title = (
        f"{tokens} tokens at {options.rate:g}/s, {options.size}, {options.fps} frames/s, {options.older} older messages"
    )
    for name in ("sidebar", "scrolled", "stock"):
        title += f", {name}" if getattr(options, name) else ""
    whole = f"all: {found['cpu'] / tokens * 1000:.3f} ms"
    lines = [
        title,
        f"  CPU per token   first 500: {first:.3f} ms   middle: {mid:.3f} ms   last 500: {last:.3f} ms   {whole}",
        f"  bytes per token {found['bytes'] / tokens:.0f}",
        f"  last token      {lag} after it was written",
        f"  longest stall   {found['stall'] * 1000:.0f} ms of CPU",
        f"  at rest         {found['idle'] * 100:.2f} % CPU, {found['idle_bytes']} bytes",
        f"  memory          {found['rss_mb']:.0f} MB RSS",
    ]
    if options.older:
        opened, painted = found["opened"] * 1000, found["opened_painted"] * 1000
        lines.append(
            f"  opening         {opened:.0f} ms of CPU, {painted:.0f} ms with painting and half a second of rest"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=8000)
    parser.add_argument("--rate", type=float, default=200.0, help="tokens a second")
    parser.add_argument("--older", type=int, default=0, help="messages that are in the session already")
    parser.add_argument("--fps", type=int, default=10)
    parser.add_argument("--size", default="120x40")
    parser.add_argument("--sidebar", action="store_true", help="beside a column of text")
    parser.add_argument("--scrolled", action="store_true", help="while the reader looks at the beginning")
    parser.add_argument("--stock", action="store_true", help="with Textual's own driver and display")
    parser.add_argument("--fast", action="store_true", help="1,500 tokens instead of 8,000")
    parser.add_argument("--out", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fast:
        options.tokens = 1500
    if options.out:
        child(options)
    else:
        print(report(run(options), options))


if __name__ == "__main__":
    main()
