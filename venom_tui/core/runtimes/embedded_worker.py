"""The process that holds one model: llama.cpp's server from xllamacpp, for its parent and nobody else.

    python -m venom_tui.core.runtimes.embedded_worker

One line of JSON on stdin says what to load; the line `READY {"url": …}` on stdout says where it answers. It ends when
stdin is closed, on SIGTERM, and with its parent, however that dies. The API key comes by stdin too: arguments and the
environment of a process can be read by others.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
from typing import Any

_PR_SET_PDEATHSIG = 1
_END_LIMIT_S = 5
"""More than the parent waits (3 s) before it kills."""


def main() -> int:
    """Load, serve until told to end, and return the exit status."""
    parent = os.getppid()
    _end_with_parent(parent)
    # An interrupt or hang-up of the terminal is the parent's business, which ends this process in order.
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    line = sys.stdin.readline()
    if not line:
        return 0
    configuration: dict[str, Any] = json.loads(line)
    # A pipe and no Event: a handler that runs while this thread waits for an Event waits for its lock for ever.
    ended, end = os.pipe()
    signal.signal(signal.SIGTERM, lambda *_: os.write(end, b"."))
    # During the load the main thread is in C++ and hears nothing, so a closed stdin ends the process at once.
    loading = threading.Event()
    loading.set()
    threading.Thread(target=_watch_stdin, args=(end, loading), daemon=True).start()
    os.nice(int(configuration.get("nice", 0)))
    try:
        server = _load(configuration)
        loading.clear()
        sys.stdout.write("READY " + json.dumps({"url": server.listening_address}) + "\n")
        sys.stdout.flush()  # the parent may have been killed in this moment: then this raises
        os.read(ended, 1)
    finally:
        # llama.cpp may not come to an end, seen where the one who asked was killed: then the kernel ends this process.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(_END_LIMIT_S)
    del server
    return 0


def _load(configuration: dict[str, Any]) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = configuration["path"]
    params.model_alias = {configuration["alias"]}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [configuration["api_key"]]
    params.n_ctx = configuration["context"]
    params.n_parallel = configuration["parallel"]
    # One conversation may use the whole context; without this each slot gets its part only.
    params.kv_unified = True
    params.cpuparams.n_threads = configuration["threads"]
    params.cpuparams_batch.n_threads = configuration["threads"]
    params.use_jinja = True
    params.endpoint_metrics = params.endpoint_slots = params.endpoint_props = True
    params.ui = False
    # From 4 on it says what it allocates.
    params.verbosity = configuration.get("verbosity", 4)
    # A SIGTERM during an answer waits for the next ping of the stream; the default would be 30 s.
    params.sse_ping_interval = 1
    # Earlier turns stay in the KV cache; a longer prompt than the context is an error, never a silent shift.
    params.ctx_shift = False
    return xllamacpp.Server(params)


def _watch_stdin(end: int, loading: threading.Event) -> None:
    while sys.stdin.readline():
        pass
    if loading.is_set():
        os._exit(0)
    os.write(end, b".")


def _end_with_parent(parent: int) -> None:
    """Let the kernel send SIGTERM when the parent dies (Linux); stdin's end covers the rest."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
