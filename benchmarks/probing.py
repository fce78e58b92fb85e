"""Eight runtimes of which four hang, beside none: `python -m benchmarks.probing`.

Both start in turn (A B A B …) in pseudo-terminals of 120x40 with the catalog in front; medians. First paint is 50
characters on the screen. The servers answer from this process; those that hang take the connection and say nothing.

    --runs 7
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import Figures, median
from benchmarks.meter import PROGRAM, Meter
from tests.ollama import FakeOllama
from tests.openai import llamacpp, plain, vllm
from tests.servers import Script, Server, hangs

GOOD: dict[str, tuple[Script, str, str]] = {
    "box-ollama": (FakeOllama({"model-one:1b": {}}), "ollama", "model-one:1b"),
    "box-vllm": (vllm("model-two"), "vllm", "model-two"),
    "box-llamacpp": (llamacpp("model-three"), "llamacpp", "model-three"),
    "box-openai": (plain("model-four"), "openai", "model-four"),
}
"""Name of a runtime -> what answers, its kind, and the model that it has."""


@dataclass
class Runs:
    """Seconds that several runs took."""

    paint: list[float] = field(default_factory=list)
    listed: list[float] = field(default_factory=list)
    """From the start until all models stood on the screen."""
    end: list[float] = field(default_factory=list)


@contextmanager
def servers() -> Iterator[str]:
    """Run the servers beside this; give the text of config.toml that names them."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="servers", daemon=True)
    thread.start()
    begun: list[Server] = []

    def begin(script: Script) -> str:
        server = Server(script)
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(30)
        begun.append(server)
        return server.url

    tables = [(name, kind, begin(script)) for name, (script, kind, _) in GOOD.items()]
    tables += [(f"hangs-{number}", kind, begin(hangs)) for number, (_, kind, _) in enumerate(GOOD.values())]
    try:
        yield "".join(f'[runtimes.{name}]\nkind = "{kind}"\nurl = "{url}"\n' for name, kind, url in tables)
    finally:
        for server in begun:
            asyncio.run_coroutine_threadsafe(server.close(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)


def run(config: str, models: list[str], runs: Runs) -> bool:
    """Start and quit once; return whether it ended well and its log holds no complaint."""
    with tempfile.TemporaryDirectory(prefix="venom-bench-") as folder:
        home = Path(folder)
        (home / "config").mkdir()
        (home / "config" / "config.toml").write_text(config, encoding="utf-8")
        with Meter([PROGRAM, "--screen", "catalog"], home=home) as terminal:
            time.sleep(0.3)  # looking at the screen while it starts would slow it down
            for name in models:
                terminal.wait_for(name, 30)
            terminal.wait_quiet(0.3)
            sent = time.monotonic()
            terminal.send("ctrl+q")
            runs.end.append(terminal.ended_at() - sent)
            runs.paint.append(terminal.painted_at() - terminal.started_at)
            listed = terminal.shown_at(lambda lines: all(any(name in line for line in lines) for name in models))
            assert listed is not None
            runs.listed.append(listed - terminal.started_at)
            logs = "".join(path.read_text(encoding="utf-8") for path in (home / "data" / "logs").glob("*"))
            return terminal.wait_exit() == 0 and "Task" not in logs and "Traceback" not in logs


def main() -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7, help="starts of each kind")
    options = parser.parse_args()
    figures = Figures("Eight runtimes of which four hang, beside none")
    eight, none = Runs(), Runs()
    well = True
    with servers() as config:
        for _ in range(options.runs):
            well &= run(config, [model for _, _, model in GOOD.values()], eight)
            well &= run("", ["smollm2-135m"], none)
    paint = f"{median(eight.paint) * 1000:.0f} ms, {median(none.paint) * 1000:.0f} ms"
    figures.part(f"{options.runs} starts each")
    figures.most("first paint, beside none", median(eight.paint) / median(none.paint), 1.1, "times", note=paint)
    after = [listed - painted for listed, painted in zip(eight.listed, eight.paint, strict=True)]
    figures.most("models of the other four after that", median(after), 1.0, "s", note=f"worst {max(after):.2f} s")
    beside = f"beside none {median(none.end):.2f} s"
    figures.most("end, looks at those that hang given up", median(eight.end), 0.5, "s", note=beside)
    figures.holds("nothing left, nothing in the log", well, "exit status 0" if well else "see above")
    return figures.status


if __name__ == "__main__":
    sys.exit(main())
