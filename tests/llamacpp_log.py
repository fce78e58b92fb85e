"""What the llama.cpp of the embedded runtime says of its memory when it loads a model, and how Ollama adds that up."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from venom_tui.core.resources.estimate.cache import llamacpp_cells
from venom_tui.core.resources.estimate.estimate import Estimate, batch_of
from venom_tui.core.resources.estimate.shape import ModelShape

_LOAD = """
import json, os, sys, xllamacpp
told = json.loads(sys.argv[1])
params = xllamacpp.CommonParams()
params.model.path = told["path"]
params.hostnames, params.port, params.n_ctx, params.n_parallel = ["127.0.0.1"], 0, told["tokens"], told["parallel"]
params.kv_unified, params.use_jinja, params.warmup, params.verbosity = True, True, told["warmup"], 4
params.cpuparams.n_threads = 1
if told["kv_type"] != "f16":
    kind = getattr(xllamacpp.ggml_type, "GGML_TYPE_" + told["kv_type"].upper())
    params.cache_type_k = params.cache_type_v = kind
server = xllamacpp.Server(params)
sys.stderr.flush()
if told["warmup"]:
    with open("/proc/self/smaps_rollup", encoding="ascii") as told:
        print(next(int(line.split()[1]) * 1024 for line in told if line.startswith("Rss:")), flush=True)
os._exit(0)
"""
_LINE = re.compile(r"\S+ +(model|KV|compute|output|RS) +buffer size = +([\d.]+) MiB")
MIB = 1024**2


def reported(path: Path, context: int, *, parallel: int = 1, kv_type: str = "f16") -> dict[str, int]:
    """Load a model and return what llama.cpp reports in its log: `model`, `KV`, `compute`, `output`, `RS` -> bytes.

    Args:
        path: the GGUF file.
        context: tokens of each sequence.
        parallel: sequences that share one cache.
        kv_type: type of the cache.
    """
    return _buffers(_load(path, context, parallel, kv_type, warmup=False).stderr)


def reported_and_measured(path: Path, context: int, *, parallel: int = 1, kv_type: str = "f16") -> tuple[int, int]:
    """Load a model and calculate a first token; return all buffers that the log reports, and what the process takes.

    Both in bytes; the second is its resident set, with Python and the library in it, whoever else maps the same file.
    """
    done = _load(path, context, parallel, kv_type, warmup=True)
    return sum(_buffers(done.stderr).values()), int(done.stdout.split()[-1])


def as_ollama_adds_up(found: Estimate, shape: ModelShape, context: int) -> int:
    """Return what Ollama 0.33 will report: where a model has two caches, it counts the last of the log alone."""
    if not shape.window:
        return found.buffers_bytes
    cells = llamacpp_cells(shape.window, context, 1, batch_of("ollama", context), shared=False)
    full = sum(layer.key_elements + layer.value_elements for layer in shape.layers if not layer.window)
    return found.buffers_bytes - cells.full * full * 2


def _load(path: Path, context: int, parallel: int, kv_type: str, *, warmup: bool) -> subprocess.CompletedProcess[str]:
    told = {
        "path": str(path), "tokens": context * parallel, "parallel": parallel, "kv_type": kv_type, "warmup": warmup
    }  # fmt: skip
    command = [sys.executable, "-c", _LOAD, json.dumps(told)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done


def _buffers(log: str) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for kind, mib in _LINE.findall(log):
        found[kind] += round(float(mib) * MIB)
    return dict(found)
