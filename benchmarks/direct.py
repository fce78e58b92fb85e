"""Direct mode beside the raw stream of the same server: `python -m benchmarks.direct`.

A turn of the core (session, route, commit of the prompt, request, stream, events) and the very request that it sends,
made by httpx alone, in turn (A B, B A, …) with a warm model. Told: how much later the first token is, and whether
tokens come as fast. Against the embedded llama.cpp with the demonstration model, and against a paced server on loopback
that sends 1,000 tokens a second, so that our own cost shows.

    --pairs 40 --only embedded|paced
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx

from benchmarks.figures import Figures, median
from benchmarks.paced_server import MODEL, PacedServer
from venom_tui.cli.running import settings_of
from venom_tui.core.core import Core
from venom_tui.core.types.request import GenerationParameters
from venom_tui.core.types.turn import TurnDelta, TurnEnded

PROMPT = "Write about the sea and the wind, and go on for as long as you can."
_RATE_PAIRS = 16
_SHORT = 24
"""Tokens of the answers of which only the first one is timed."""
_BREATH_S = 0.05
"""Between two requests: llama.cpp closes the connection a moment after an answer."""
_CONTENT = re.compile(rb'"content":\s?"(?!")')


@dataclass(frozen=True)
class Stream:
    """How an answer came: seconds until its first token, tokens a second from the first to the last, CPU a token."""

    first: float
    rate: float
    cpu: float


class Sent:
    """Keeps the last request of a chat that went through httpx, to be sent again."""

    def __init__(self) -> None:
        self.request: httpx.Request | None = None
        sent, send = self, httpx.AsyncClient.send

        async def look(client: httpx.AsyncClient, request: httpx.Request, **options: Any) -> httpx.Response:
            if request.url.path.endswith("/chat/completions"):
                sent.request = request
            return await send(client, request, **options)

        self._looks = patch.object(httpx.AsyncClient, "send", look)

    def watch(self) -> None:
        """Look at every request."""
        self._looks.start()

    def rest(self) -> None:
        """Look no more."""
        self._looks.stop()


async def direct(core: Core, tokens: int) -> Stream:
    """Ask through the core, in a new session."""
    session = await core.sessions.create()
    await asyncio.sleep(_BREATH_S)
    begun = time.perf_counter()
    request_id = await core.chat.send(session.id, PROMPT, parameters=GenerationParameters(max_tokens=tokens))
    first = last = cpu = 0.0
    count = 0
    async for event in core.chat.follow(request_id):
        if isinstance(event, TurnDelta):
            last = time.perf_counter()
            if not count:
                first, cpu = last, time.process_time()
            count += event.pieces
        elif isinstance(event, TurnEnded):
            assert not event.error, event.error
    return _stream(begun, first, last, count, time.process_time() - cpu)


async def raw(client: httpx.AsyncClient, request: httpx.Request) -> Stream:
    """Send the same request by httpx alone, and look at no more of its answer than which lines hold text."""
    await asyncio.sleep(_BREATH_S)
    begun = time.perf_counter()
    again = client.build_request("POST", request.url, headers=request.headers, content=request.content)
    response = await client.send(again, stream=True)
    first = last = cpu = 0.0
    count = 0
    async for part in response.aiter_bytes():
        found = len(_CONTENT.findall(part))
        if found:
            last = time.perf_counter()
            if not count:
                first, cpu = last, time.process_time()
            count += found
    await response.aclose()
    return _stream(begun, first, last, count, time.process_time() - cpu)


def _stream(begun: float, first: float, last: float, count: int, cpu: float) -> Stream:
    assert count, "the answer was empty"
    return Stream(first - begun, (count - 1) / max(last - first, 1e-9), cpu / count)


async def pairs(core: Core, sent: Sent, count: int, tokens: int) -> tuple[list[Stream], list[Stream]]:
    """Ask both ways in turn."""
    sent.watch()
    await direct(core, tokens)  # loads the model, and fills its cache with the prompt
    sent.rest()
    request = sent.request
    assert request is not None
    ours: list[Stream] = []
    theirs: list[Stream] = []
    async with httpx.AsyncClient(trust_env=False, timeout=600) as client:
        await raw(client, request)
        for number in range(count):
            if number % 2:
                theirs.append(await raw(client, request))
            ours.append(await direct(core, tokens))
            if not number % 2:
                theirs.append(await raw(client, request))
    return ours, theirs


@asynccontextmanager
async def opened(config: str, **environment: str) -> AsyncIterator[Core]:
    """Open a core on a fresh data folder."""
    with tempfile.TemporaryDirectory(prefix="venom-bench-") as folder:
        (Path(folder) / "config").mkdir()
        (Path(folder) / "config/config.toml").write_text(config, encoding="utf-8")
        given = {"VENOM_DATA_DIR": f"{folder}/data", "VENOM_CONFIG_DIR": f"{folder}/config", "VENOM_DISCOVERY": "0"}
        os.environ.update(given | environment)
        try:
            async with Core(settings_of({})) as core:
                await core.models.active()
                yield core
        finally:
            for name in environment:
                del os.environ[name]


def tell(figures: Figures, ours: list[Stream], theirs: list[Stream]) -> None:
    """Print what the first tokens say."""
    later = median([(one.first - other.first) * 1000 for one, other in zip(ours, theirs, strict=True)])
    direct_ms, raw_ms = (median([one.first * 1000 for one in streams]) for streams in (ours, theirs))
    note = f"{direct_ms:.1f} ms, {raw_ms:.1f} ms; {len(ours)} pairs"
    figures.most("first token later, median of the pairs", later, 5, "ms", note=note)


def tell_rate(figures: Figures, ours: list[Stream], theirs: list[Stream]) -> None:
    """Print what whole answers say."""
    # The fastest quarter of each: in the others the machine did something else, and a model takes all that it gets.
    direct_rate, raw_rate = (_fastest([one.rate for one in streams]) for streams in (ours, theirs))
    note = f"{direct_rate:.1f}, {raw_rate:.1f}; the fastest quarter of {len(ours)} each"
    figures.least("tokens a second beside the raw stream", direct_rate / raw_rate, 0.99, "times", note=note)
    costs = [median([one.cpu * 1000 for one in streams]) for streams in (ours, theirs)]
    figures.tell("CPU a token, raw", f"{costs[0]:.3f} ms, {costs[1]:.3f} ms")


def _fastest(rates: list[float]) -> float:
    best = sorted(rates)[-max(1, len(rates) // 4) :]
    return sum(best) / len(best)


async def embedded(figures: Figures, count: int) -> None:
    """Measure with the demonstration model."""
    figures.part("the embedded llama.cpp, demonstration model")
    async with opened("") as core:
        tell(figures, *await pairs(core, Sent(), count, _SHORT))
        tell_rate(figures, *await pairs(core, Sent(), _RATE_PAIRS, 256))


async def paced(figures: Figures, count: int) -> None:
    """Measure with servers that send 1,000 tokens a second."""
    figures.part("a paced server, 1,000 tokens a second")
    environment = {"VENOM_ACTIVE_MODEL": MODEL, "VENOM_ACTIVE_RUNTIME": "paced"}
    with PacedServer(tokens=_SHORT, rate=1000) as server:
        async with opened(server.toml, **environment) as core:
            tell(figures, *await pairs(core, Sent(), count, _SHORT))
    with PacedServer(tokens=4000, rate=1000) as server:
        async with opened(server.toml, **environment) as core:
            tell_rate(figures, *await pairs(core, Sent(), _RATE_PAIRS, 4000))


async def main() -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=40, help="answers each way")
    parser.add_argument("--only", choices=["embedded", "paced"])
    options = parser.parse_args()
    figures = Figures("Direct mode beside the raw stream")
    if options.only in (None, "embedded"):
        await embedded(figures, options.pairs)
    if options.only in (None, "paced"):
        await paced(figures, options.pairs)
    return figures.status


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
