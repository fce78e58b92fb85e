"""What downloads cost, and how soon a long history is on the screen: `python -m benchmarks.downloads`.

- A pull of an Ollama that is replayed and reports 1 GB/s, a line each 60 ms as the real one does: CPU of the whole TUI
  with the operations in front, and what goes to the terminal meanwhile; the same with nothing running.
- A file from a Hugging Face hub on loopback by `venom-tui models pull`, beside `curl | sha256sum` of the same file:
  CPU of all processes, and the rate. Ours also writes the file; what starting the program takes is told and counts.
- The terminal of a pull goes away: how soon another venom-tui shows it and can cancel it.
- 10,000 operations in the history: from the key to the first rows.

    --gib 2 --operations 10000 --only ollama|hub|handover|history
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import resource
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.figures import Figures, median
from benchmarks.meter import PROGRAM, Meter
from benchmarks.scripted_server import Answers, ServerProcess, serve
from tests.hub import Handler, Hub, Repository
from tests.ui.screens.operations.support import write_many

_MODULE = "benchmarks.downloads"
_RATE = 1_000_000_000
_TOTAL = 60_000_000_000
_LINE_S = 0.06
_PULLED_S = 10.0
_IDLE_S = 6.0
_GIB = 1024**3
_ROUNDS = 3
_TURNS = 7
_DIGEST = f"sha256:{'a' * 64}"


# ---------------------------------------------------------------------- Ollama


def replay() -> None:
    """Be an Ollama with its registry: a pull reports 1 GB/s."""
    layer = {"mediaType": "application/vnd.ollama.image.model", "digest": _DIGEST, "size": _TOTAL}
    manifest = {"schemaVersion": 2, "config": {**layer, "size": 200, "digest": f"sha256:{'b' * 64}"}, "layers": [layer]}
    says: dict[str, object] = {
        "/api/version": {"version": "0.33.0"},
        "/api/tags": {"models": []},
        "/api/ps": {"models": []},
    }

    class Pulls(Answers):
        def do_GET(self) -> None:
            self.say(says.get(self.path, manifest if "/manifests/" in self.path else {}))

        def do_HEAD(self) -> None:
            self.send_response(404)
            self.send_header("content-length", "0")
            self.end_headers()

        def do_POST(self) -> None:
            self.asked()
            if self.path != "/api/pull":
                self.say({})
                return
            self.send_response(200)
            self.send_header("content-type", "application/x-ndjson")
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            begun = time.monotonic()
            self._line({"status": "pulling manifest"})
            while (done := int((time.monotonic() - begun) * _RATE)) < _TOTAL:
                status = {"status": f"pulling {'a' * 12}", "digest": _DIGEST, "total": _TOTAL, "completed": done}
                self._line(status)
                time.sleep(_LINE_S)  # the pace of a real Ollama

        def _line(self, value: object) -> None:
            body = json.dumps(value).encode() + b"\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(body), body))

    serve(Pulls)


def of_ollama(figures: Figures) -> None:
    """Tell what a pull of Ollama costs, and what nothing costs."""
    with ServerProcess(_MODULE, "--replay") as server, tempfile.TemporaryDirectory(prefix="venom-bench-") as folder:
        env = {"OLLAMA_HOST": server.url, "VENOM_OLLAMA_REGISTRY": server.url}
        with Meter([PROGRAM], home=Path(folder), env=env) as terminal:
            terminal.wait_for("@ ")
            terminal.wait_quiet(1.5)
            terminal.send("f4")
            terminal.wait_for("Nothing was run yet")
            terminal.wait_quiet(1.5)
            _quiet(figures, terminal, "operations in front, nothing running")
            terminal.send("p")
            terminal.wait_for("show what it costs")
            terminal.type("big\r")
            terminal.wait_for(r"\bpull it")
            terminal.send("enter")
            terminal.wait_for(r"of 55\.9 GiB")
            time.sleep(2.0)  # opening the row and the first rate are not what a running pull costs
            figures.part(f"a pull of Ollama that reports 1 GB/s, {_PULLED_S:g} s")
            begun, used = time.monotonic(), terminal.cpu
            time.sleep(_PULLED_S)  # the window that is measured
            ended, cpu = time.monotonic(), terminal.cpu - used
            figures.most("CPU of one core", cpu / (ended - begun) * 100, 5, "%")
            figures.most("to the terminal", terminal.bytes_between(begun, ended) / (ended - begun), 600, "B/s")
            assert re.search(r"1\.0 GB/s|9\d\d MB/s", terminal.text), terminal.text
            terminal.send("x")
            terminal.wait_for("cancelled")
            terminal.wait_quiet(1.5)
            _quiet(figures, terminal, "the pull is cancelled")
            terminal.send("ctrl+q")
            terminal.ended_at()


def _quiet(figures: Figures, terminal: Meter, title: str) -> None:
    """Tell what is written and used while nothing happens."""
    figures.part(f"{title}, {_IDLE_S:g} s")
    begun, used = time.monotonic(), terminal.cpu
    time.sleep(_IDLE_S)  # the window that is measured
    ended = time.monotonic()
    writes = terminal.writes_between(begun, ended)
    header = {row for _, rows in writes for row in rows}
    note = f"header meanwhile: {len(header)}" if header else ""
    figures.most("bytes to the terminal", sum(size for size, rows in writes if not _is_header(rows)), 0, note=note)
    figures.tell("CPU", f"{(terminal.cpu - used) / (ended - begun) * 100:.1f} %")


def _is_header(rows: list[str]) -> bool:
    """Return whether a write changed the header's live figures alone."""
    return bool(rows) and all("RAM" in row and "·" in row for row in rows)


# ---------------------------------------------------------------------- Hugging Face


class Sending(Handler):
    """Sends files as fast as the kernel does, so that the server is not what is measured."""

    def _pour(self, name: str, content: bytes | Path, begin: int, end: int) -> None:
        if isinstance(content, bytes):
            super()._pour(name, content, begin, end)
            return
        self.wfile.flush()
        with content.open("rb") as file:
            while begin < end and (sent := os.sendfile(self.connection.fileno(), file.fileno(), begin, end - begin)):
                begin += sent


class FastHub(Hub):
    """A hub with `Sending`."""

    handler = Sending


def serve_hub(path: Path, rate: float) -> None:
    """Be a hub with one repository of one file; a rate of 0 is as fast as it goes."""
    repository = Repository("org/big", {"big-Q8_0.gguf": path}, facts={"tags": ["gguf"]})
    repository.etag("big-Q8_0.gguf")
    with Hub(repository) if rate else FastHub(repository) as hub:
        hub.faults.rate = rate
        print(hub.url.rpartition(":")[2], flush=True)
        threading.Event().wait()


def of_hub(figures: Figures, gib: float) -> None:
    """Tell what a pull from a hub costs beside curl."""
    size = int(gib * _GIB)
    with tempfile.TemporaryDirectory(prefix="venom-bench-") as folder:
        big = Path(folder) / "big-Q8_0.gguf"
        _write(big, size)
        figures.part(f"a file of {gib:g} GiB from a hub on loopback, best of {_ROUNDS}")
        with ServerProcess(_MODULE, "--hub", str(big)) as server:
            curl, ours = [], []
            for number in range(_ROUNDS):
                url = f"{server.url}/cdn/org/big/big-Q8_0.gguf"
                curl.append(_run(f"curl -s {shlex.quote(url)} | sha256sum", {}))
                home = Path(folder) / f"home{number}"
                ours.append(_pull(server.url, home))
            start = _run(f"{shlex.quote(PROGRAM)} models list", {"VENOM_DATA_DIR": f"{folder}/none", **_OFF})
    wall, cpu = (min(one[at] for one in curl) for at in (0, 1))
    our_wall, our_cpu = (min(one[at] for one in ours) for at in (0, 1))
    figures.tell("curl | sha256sum", f"{cpu:.2f} s CPU, {size / wall / 1e6:,.0f} MB/s")
    figures.tell("venom-tui models pull", f"{our_cpu:.2f} s CPU, {size / our_wall / 1e6:,.0f} MB/s")
    figures.tell("starting and ending alone", f"{start[1]:.2f} s CPU, {start[0]:.2f} s")
    figures.most("CPU, times that of curl | sha256sum", our_cpu / cpu, 1.5)
    figures.least("rate, times that of curl | sha256sum", wall / our_wall, 0.9)


_OFF = {"VENOM_DISCOVERY": "0", "OLLAMA_HOST": "http://127.0.0.1:1"}


def _write(path: Path, size: int) -> None:
    piece = os.urandom(1024 * 1024)
    with path.open("wb") as file:
        for at in range(0, size, len(piece)):
            file.write(piece[: size - at])
    os.sync()


def _pull(url: str, home: Path) -> tuple[float, float]:
    command = f"{shlex.quote(PROGRAM)} models pull org/big --provider huggingface"
    home.mkdir()
    places = {"VENOM_DATA_DIR": str(home), "VENOM_CONFIG_DIR": str(home), "HF_HUB_CACHE": str(home / "hub")}
    taken = _run(command, {**places, "HF_ENDPOINT": url, **_OFF})
    (blob,) = (home / "hub/models--org--big/blobs").iterdir()
    blob.unlink()
    return taken


def _run(command: str, env: dict[str, str]) -> tuple[float, float]:
    """Run a shell's command; return its seconds, and the CPU seconds of all its processes."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    environ = {**os.environ, **env, "NO_PROXY": "*"}
    subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], env=environ, check=True, capture_output=True)
    wall, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


# ---------------------------------------------------------------------- from one terminal to another

_PROGRESS = r"↓ +pull +org/big +\S+ +\d+ %"


def of_handover(figures: Figures) -> None:
    """Tell how soon a pull whose terminal is gone is shown by another venom-tui."""
    figures.part("the terminal of a pull goes away")
    with tempfile.TemporaryDirectory(prefix="venom-bench-") as folder:
        big, home = Path(folder) / "big-Q8_0.gguf", Path(folder) / "home"
        _write(big, 256 * 1024 * 1024)
        with ServerProcess(_MODULE, "--hub", str(big), "--rate", "4e6") as server:
            env = {"HF_ENDPOINT": server.url, "HF_HUB_CACHE": str(home / "hub"), **_OFF}
            program = [PROGRAM, "--screen", "operations"]
            with Meter(program, home=home, env=env) as first:
                first.wait_for("Nothing was run yet")
                first.send("p")
                first.wait_for("show what it costs")
                first.type("org/big\r")
                first.wait_for(r"\bpull it")
                first.send("enter")
                first.wait_for(_PROGRESS)
                begun = time.monotonic()
                first.hangup()
                left = first.ended_at() - begun
            begun = time.monotonic()
            with Meter(program, home=home, env=env) as second:
                second.wait_for(_PROGRESS)
                shown = second.shown_at(_PROGRESS)
                second.wait_quiet(0.3)
                cancelling = time.monotonic()
                second.send("x")
                second.wait_for("org/big +cancelled")
                cancelled = second.shown_at("org/big +cancelled", since=cancelling)
                second.send("ctrl+q")
                second.ended_at()
    assert shown is not None
    assert cancelled is not None
    figures.most("another shows it, from its own start on", (shown - begun) * 1000, 2000, "ms")
    figures.tell("and cancels it", f"{(cancelled - cancelling) * 1000:.0f} ms")
    figures.tell("the first one ends, all handed over", f"{left * 1000:.0f} ms")


# ---------------------------------------------------------------------- a long history


def of_history(figures: Figures, count: int) -> None:
    """Tell how soon a long history is on the screen."""
    figures.part(f"the operations, {count:,} in the history")
    with tempfile.TemporaryDirectory(prefix="venom-bench-") as folder:
        home = Path(folder)
        asyncio.run(write_many(home / "data", count))
        with Meter([PROGRAM], home=home) as terminal:
            terminal.wait_for("@ ")
            terminal.wait_quiet(1.5)
            first = _opened(terminal)
            taken = [_opened(terminal) for _ in range(_TURNS)]
            terminal.send("f4")
            terminal.wait_for(r"old-0\b")
            terminal.wait_quiet(1.0)
            begun = time.monotonic()
            terminal.send("G")
            terminal.wait_for(rf"old-{count - 1}\b")
            at = terminal.shown_at(rf"old-{count - 1}\b", since=begun)
            terminal.send("ctrl+q")
            terminal.ended_at()
    assert at is not None
    figures.most("from the key to the rows, the first time", first * 1000, 100, "ms", note="reads, and imports")
    note = f"median {median(taken) * 1000:.0f}"
    figures.most("from the key to the rows, later, worst", max(taken) * 1000, 100, "ms", note=note)
    figures.tell("to the last one: all are read", f"{(at - begun) * 1000:.0f} ms")


def _opened(terminal: Meter) -> float:
    begun = time.monotonic()
    terminal.send("f4")
    terminal.wait_for(r"old-0\b")
    at = terminal.shown_at(r"old-0\b", since=begun)
    assert at is not None
    terminal.wait_quiet(1.0)
    terminal.send("f2")
    terminal.wait_gone(r"old-0\b")
    terminal.wait_quiet(1.0)
    return at - begun


def main() -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=2)
    parser.add_argument("--operations", type=int, default=10_000)
    parser.add_argument("--only", choices=["ollama", "hub", "handover", "history"])
    parser.add_argument("--replay", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--hub", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--rate", type=float, default=0.0, help=argparse.SUPPRESS)
    options: Any = parser.parse_args()
    if options.replay or options.hub:
        replay() if options.replay else serve_hub(options.hub, options.rate)
        return 0
    figures = Figures("Downloads and their history")
    if options.only in (None, "ollama"):
        of_ollama(figures)
    if options.only in (None, "hub"):
        of_hub(figures, options.gib)
    if options.only in (None, "handover"):
        of_handover(figures)
    if options.only in (None, "history"):
        of_history(figures, options.operations)
    return figures.status


if __name__ == "__main__":
    sys.exit(main())
