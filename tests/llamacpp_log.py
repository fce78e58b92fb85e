"""What the llama.cpp of the embedded runtime says of its memory when it loads a model."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

_LOAD = """
import json, os, sys, xllamacpp
told = json.loads(sys.argv[1])
params = xllamacpp.CommonParams()
params.model.path = told["path"]
params.hostnames, params.port, params.n_ctx, params.n_parallel = ["127.0.0.1"], 0, told["tokens"], told["parallel"]
params.kv_unified, params.use_jinja, params.warmup, params.verbosity = True, True, False, 4
params.cpuparams.n_threads = 1
if told["kv_type"] != "f16":
    kind = getattr(xllamacpp.ggml_type, "GGML_TYPE_" + told["kv_type"].upper())
    params.cache_type_k = params.cache_type_v = kind
server = xllamacpp.Server(params)
sys.stderr.flush()
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
    told = {"path": str(path), "tokens": context * parallel, "parallel": parallel, "kv_type": kv_type}
    done = subprocess.run(
        [sys.executable, "-c", _LOAD, json.dumps(told)], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, int] = defaultdict(int)
    for kind, mib in _LINE.findall(done.stderr):
        found[kind] += round(float(mib) * MIB)
    return dict(found)
