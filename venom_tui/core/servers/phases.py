"""What a server that starts is doing, by what it writes into its log: vLLM's words and llama-server's."""

from __future__ import annotations

import re
from collections.abc import Sequence

_PHASES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"Application startup complete|Starting vLLM server on|server is listening", "opens its port"),
        (r"warming up the model|Graph capturing finished|init engine .* took", "warms up"),
        (r"Capturing (?:CUDA )?graphs?.*?(\d+)%", "captures graphs, {} %"),
        (r"Capturing (?:CUDA )?graph", "captures graphs"),
        (r"(?:GPU |CPU )?KV cache size: ([\d,]+) tokens", "makes a KV cache of {} tokens"),
        (r"torch\.compile takes|Compiling a graph|Dynamo bytecode", "compiles"),
        (r"Memory profiling|Available KV cache memory", "measures memory"),
        (r"Loading weights took|Model loading took", "has loaded the weights"),
        (r"Loading (?:safetensors|pt|checkpoint|gguf)[\w ]*shards:\s+(\d+)% Completed", "loads weights, {} %"),
        (r"load_tensors|Starting to load model|Loading model weights|loading model", "loads weights"),
        (r"Time spent downloading weights|Downloading|Fetching \d+ files:\s+\d+%", "downloads the model"),
        (r"Started a local Ray instance|Connecting to existing Ray|Initializing a Ray", "starts Ray"),
        (r"Initializing a V\d LLM engine|Initializing an LLM engine", "starts its engine"),
        (r"Resolved architecture: (\w+)", "reads the model ({})"),
        (r"non-default args:|vLLM API server version|llama_server|build: \d", "has begun"),
    )
)


def phase(lines: Sequence[str]) -> str:
    """Return what a server is doing, by the newest line of its log that tells; "" where none does."""
    for line in reversed(lines):
        for pattern, words in _PHASES:
            if (found := pattern.search(line)) is not None:
                return words.format(*found.groups())
    return ""
