"""The catalog with 10,000 models in the whole program: `python -m benchmarks.catalog`.

venom-tui runs in a pseudo-terminal of 120x40 beside an Ollama on loopback that is scripted: it lists 10,000 models,
with everything that 0.33 says of each, and describes every one of them. Times are those from what is sent to what it
brings to the screen; the first screenful counts from the moment at which the core has the models, and what came before
(4 MB of JSON are read) is told beside it. A stall is the CPU that one turn of the program's event loop took, read by
the probe of `answer.py`.

    --models 10000
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.answer import probe
from benchmarks.figures import Figures, median, percentile
from benchmarks.meter import Meter
from benchmarks.scripted_server import Answers, ServerProcess, serve
from venom_tui.ui.screens.catalog.order import SORTS

MODELS = 10_000
_FAMILIES = ("llama", "qwen3", "gemma3", "mistral", "phi4", "granite", "falcon", "smollm2", "deepseek", "command-r")
_QUANTS = ("Q4_K_M", "Q4_0", "Q5_K_M", "Q6_K", "Q8_0", "F16")
_FILTERS = ("qwen", "!gemma q8", "size:<8G cap:tools", "llama 7", "runtime:big params:>30B", "zzzz", "arch:phi4 !f16")
_KEY_S = 0.12
"""Seconds between two keys: each is on the screen before the next comes."""
_TURNS = 7
_IDLE_S = 6.0
_HEADER = 2
"""Lines that change by themselves."""
_ROWS = 25
"""Rows that make a screenful at 40 lines."""


def tags(count: int) -> list[dict[str, Any]]:
    """Return what `/api/tags` lists."""
    chance = random.Random(5)
    rows = []
    for number in range(count):
        family, quant = chance.choice(_FAMILIES), chance.choice(_QUANTS)
        size = chance.choice((0.5, 1.5, 3, 7, 8, 14, 32, 70, 120))
        space = chance.choice(("", "", "", "mine/", "hf.co/somebody/", "registry.example.net/team/"))
        name = f"{space}{family}-{number}:{size:g}b-instruct-{quant.lower()}"
        rows.append(
            {
                "name": name,
                "model": name,
                "modified_at": f"2026-{1 + number % 9:02}-11T16:31:26.070342705Z",
                "size": int(size * chance.uniform(0.5, 1.1) * 1e9),
                "digest": f"{chance.getrandbits(256):064x}",
                "details": {
                    "parent_model": "", "format": "gguf", "family": family, "families": [family],
                    "parameter_size": f"{size:g}B", "quantization_level": quant,
                    "context_length": chance.choice((8192, 32768, 131072)), "embedding_length": 4096,
                },
                "capabilities": chance.choice((["completion"], ["completion", "tools"], ["completion", "vision"])),
            }
        )  # fmt: skip
    return rows


class ManyModels(ServerProcess):
    """The scripted Ollama as a process; it lists nothing until `fill`."""

    def __init__(self, count: int) -> None:
        super().__init__("benchmarks.catalog", "--serve", "--models", str(count))

    def fill(self) -> None:
        """List the models from now on."""
        self.ask("/fill")

    def sent_at(self) -> list[float]:
        """Return when the last byte of each whole list was sent."""
        found: list[float] = self.ask("/sent")
        return found


def be_many_models(count: int) -> None:
    """Be the server."""
    whole = json.dumps({"models": tags(count)}).encode()
    sent: list[float] = []
    full = threading.Event()
    details = {"family": "llama", "parameter_size": "1B", "quantization_level": "Q4_0", "format": "gguf"}
    info = {"general.architecture": "llama", "llama.context_length": 32768, "llama.block_count": 32}
    show = {"details": details, "model_info": info, "capabilities": ["completion"], "template": "{{ .Prompt }}" * 200}
    show |= {"license": "MIT " * 800, "parameters": 'stop "</s>"', "modelfile": f"FROM /m/blobs/sha256-{0:064x}\n"}

    class Models(Answers):
        def do_GET(self) -> None:
            answers: dict[str, object] = {
                "/api/version": {"version": "0.33.0"},
                "/api/ps": {"models": []},
                "/sent": sent,
            }
            if self.path == "/fill":
                full.set()
            if self.path == "/api/tags" and full.is_set():
                self.say(whole)
                sent.append(time.monotonic())
            else:
                self.say(answers.get(self.path, {"models": []}))

        def do_POST(self) -> None:
            self.asked()
            self.say(show)

    serve(Models)


def _listed(lines: list[str]) -> bool:
    """Return whether a screenful of models is shown."""
    return sum(line.rstrip().endswith("big ollama") for line in lines) >= _ROWS


def noting_probe(out: Path) -> None:
    """Run venom-tui in this process as `probe` does, and note when its core says that it has other models."""
    from venom_tui.core.events import Event, EventBus, ModelsChanged

    told: list[float] = []
    emit = EventBus.emit

    def noting(self: EventBus, event: Event) -> None:
        if isinstance(event, ModelsChanged):
            told.append(time.monotonic())
        emit(self, event)

    try:
        with patch.object(EventBus, "emit", noting):
            probe(out)
    finally:
        out.with_suffix(".told").write_text(json.dumps(told), encoding="utf-8")


def first_rows(figures: Figures, terminal: Meter, server: ManyModels, count: int) -> tuple[float, float]:
    """Tell how long the rows take; return when they were sent, and when the first ones stood on the screen."""
    figures.part("going to the catalog")
    terminal.send("f3")
    terminal.wait_for(r"Models ─ 1 ─")
    terminal.wait_quiet(3.0)
    server.fill()
    begun = time.monotonic()
    time.sleep(0.5)  # nothing is asked of the terminal while the rows come: that would cost what is measured
    terminal.wait_for(rf"Models ─ {count + 1:,} ─")
    terminal.wait_quiet(2.0)
    shown = terminal.shown_at(_listed, since=begun)
    assert shown is not None, terminal.text
    sent = max(at for at in server.sent_at() if at <= shown)
    terminal.wait_quiet(2.0)
    taken = []
    for _ in range(_TURNS):
        terminal.send("f2")
        terminal.wait_gone("Models ─")
        terminal.wait_quiet(1.0)
        begun = time.monotonic()
        terminal.send("f3")
        time.sleep(0.4)  # as above
        at = terminal.shown_at(_listed, since=begun)
        assert at is not None, terminal.text
        taken.append((at - begun) * 1000)
    figures.most("opening the catalog again, worst", max(taken), 100, "ms", note=f"median {median(taken):.0f}")
    terminal.wait_quiet(2.0)
    return sent, shown


def _filtered(text: str) -> Callable[[list[str]], bool]:
    """Return what tells whether the list is filtered by a text."""
    words = " ".join(text.split())

    def holds(lines: list[str]) -> bool:
        title = f"─ filter: {words} ─" in lines[0] if words else "filter:" not in lines[0]
        return title and lines[1].startswith(f" / {text}".rstrip())

    return holds


class Keys:
    """Presses keys, and works out afterwards when each had brought to the screen what it should."""

    def __init__(self, terminal: Meter) -> None:
        self._terminal = terminal
        self._pressed: list[tuple[float, Callable[[list[str]], bool] | None]] = []

    def press(self, key: str, wanted: Callable[[list[str]], bool] | None = None, wait: float = _KEY_S) -> None:
        """Press a key; None: any change of the list will do."""
        self._pressed.append((time.monotonic(), wanted))
        if len(key) == 1:
            self._terminal.write(key.encode())
        else:
            self._terminal.send(key)
        time.sleep(wait)  # as fast as somebody types; how late the screen is, is read off its frames afterwards

    def taken(self) -> list[float]:
        """Return the milliseconds that each took."""
        found: list[float] = []
        before: list[str] = []
        waiting = list(self._pressed)
        for at, screen in self._terminal.frames():
            lines = screen.lines()[_HEADER:]
            pressed = [wanted for begun, wanted in waiting if begun <= at]
            # Where the screen is late, what comes of a key stands for the keys before it, too.
            seen = [n for n, wanted in enumerate(pressed, 1) if (lines != before if wanted is None else wanted(lines))]
            for begun, _ in waiting[: (seen[0] if pressed and pressed[0] is None else seen[-1]) if seen else 0]:
                found.append((at - begun) * 1000)
                waiting = waiting[1:]
            before = lines
        assert not waiting, f"nothing came of {len(waiting)} keys:\n{self._terminal.text}"
        return found


def keystrokes(figures: Figures, terminal: Meter) -> None:
    """Tell how long a key of the filter takes to the screen."""
    figures.part("a key, from the pty to the screen")
    keys = Keys(terminal)
    for words in _FILTERS:
        terminal.send("/")
        time.sleep(0.3)  # between two words, as somebody types; what is measured is the keys
        for length, letter in enumerate(words, 1):
            keys.press(letter, _filtered(words[:length]))
        for length in reversed(range(len(words))):
            keys.press("backspace", _filtered(words[:length]))
        terminal.send("escape")
        time.sleep(0.5)  # all models are listed again, before the next word is typed; not measured
    taken = keys.taken()
    note = f"50 are demanded; {len(taken)} keys"
    figures.most("of the filter, 95th percentile", percentile(taken, 0.95), 25, "ms", note=note)
    figures.tell("median, worst", f"{median(taken):.1f} ms, {max(taken):.1f} ms")
    keys = Keys(terminal)
    for _ in SORTS:
        keys.press("s", wait=0.4)
    taken = keys.taken()
    figures.most("sorting by the next column, worst", max(taken), 100, "ms", note=f"median {median(taken):.0f}")
    keys = Keys(terminal)
    for key in ["j"] * 20 + ["pagedown"] * 10 + ["G", "g"]:
        keys.press(key)
    figures.most("moving the cursor, 95th percentile", percentile(keys.taken(), 0.95), 25, "ms")


def idle(figures: Figures, terminal: Meter) -> None:
    """Tell what the catalog writes while nothing changes, and what that costs."""
    figures.part(f"nothing happens, {_IDLE_S:g} s")
    terminal.wait_quiet(1.0)
    begun, used = time.monotonic(), terminal.cpu
    time.sleep(_IDLE_S)  # the window that is measured
    end = time.monotonic()
    writes = [size for size, rows in terminal.writes_between(begun, end) if not any(rows)]
    changed = {row for _, rows in terminal.writes_between(begun, end) for row in rows}
    figures.most("bytes to the terminal", sum(writes), 0, note=f"header meanwhile: {len(changed)}" if changed else "")
    figures.tell("CPU", f"{(terminal.cpu - used) / (end - begun) * 100:.1f} %")


def measure(figures: Figures, count: int) -> None:
    """Run the program and tell all."""
    with ManyModels(count) as server, tempfile.TemporaryDirectory(prefix="venom-bench-") as folder:
        home, out = Path(folder), Path(folder) / "probe.json"
        (home / "config").mkdir()
        config = f'[runtimes.big]\nurl = "{server.url}"\nkind = "ollama"\n'
        (home / "config/config.toml").write_text(config, encoding="utf-8")
        argv = [sys.executable, "-m", "benchmarks.catalog", "--probe", str(out)]
        with Meter(argv, home=home) as terminal:
            terminal.wait_for("smollm2-135m @ embedded")
            terminal.wait_quiet(1.5)
            began = time.monotonic()
            sent, shown = first_rows(figures, terminal, server, count)
            keystrokes(figures, terminal)
            idle(figures, terminal)
            ended = time.monotonic()
            terminal.send("ctrl+q")
            terminal.ended_at()
        noted = json.loads(out.read_text(encoding="utf-8"))
        told = json.loads(out.with_suffix(".told").read_text(encoding="utf-8"))
    figures.part("the first screenful")
    had = max(at for at in told if sent <= at <= shown)
    note = f"{(had - sent) * 1000:.0f} ms after the last byte was sent"
    figures.most("rows on the screen after the core has them", (shown - had) * 1000, 100, "ms", note=note)
    stalls = [(took, at) for at, took in noted if began <= at <= ended]
    figures.part("the event loop, all the while")
    worst, at = max(stalls, default=(0.0, began))
    note = f"{at - began:.1f} s after the begin; {sum(took > 0.02 for took, _ in stalls)} over 20 ms"
    figures.most("longest stall, CPU", worst * 1000, 50, "ms", note=note)


def main() -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=MODELS)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--probe", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        be_many_models(options.models)
        return 0
    if options.probe:
        noting_probe(options.probe)
        return 0
    figures = Figures(f"The catalog with {options.models:,} models")
    measure(figures, options.models)
    return figures.status


if __name__ == "__main__":
    sys.exit(main())
