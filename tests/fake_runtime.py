"""A program that is started like a server: it answers as a vLLM after a while, writes a log, or fails as it is told.

    python -m tests.fake_runtime --port N [--after SECONDS] [--fail WORDS] [--status N] [--stubborn] [--child]
        [--busy]

Plain sockets and threads, nothing that takes long to import.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

METRICS = """# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="fake"} 2.0
vllm:num_requests_waiting{engine="0",model_name="fake"} 3.0
vllm:kv_cache_usage_perc{engine="0",model_name="fake"} 0.25
vllm:prompt_tokens_total{engine="0",model_name="fake"} 1200.0
vllm:generation_tokens_total{engine="0",model_name="fake"} 345.0
"""
ANSWERS = {
    "/v1/models": json.dumps(
        {"data": [{"id": "fake", "object": "model", "owned_by": "vllm", "root": "/models/fake", "max_model_len": 512}]}
    ),
    "/version": json.dumps({"version": "0.32.0"}),
    "/health": "",
    "/metrics": METRICS,
}
CHAT = [{"choices": [{"index": 0, "delta": {"content": word}}]} for word in ("Hello", " there")]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(ANSWERS.get(self.path))

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path != "/v1/chat/completions":
            self._answer(None)
            return
        self._answer("".join(f"data: {json.dumps(one)}\n\n" for one in CHAT) + "data: [DONE]\n\n", "text/event-stream")

    def _answer(self, text: str | None, kind: str = "application/json") -> None:
        body = (text or "").encode()
        self.send_response(404 if text is None else 200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its name)
        """Write nothing: the log is what the test looks at."""


class Listener(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Write nothing: whoever asks may go in the middle of an answer."""


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--after", type=float, default=0.0)
    parser.add_argument("--fail", default="")
    parser.add_argument("--status", type=int, default=1)
    parser.add_argument("--stubborn", action="store_true")
    parser.add_argument("--child", action="store_true")
    parser.add_argument("--busy", action="store_true")
    given, _ = parser.parse_known_args()
    print("INFO 11-25 17:06:16 [api_utils.py:286] non-default args: {}", flush=True)
    if not given.busy:
        ANSWERS["/metrics"] = METRICS.replace(" 2.0", " 0.0").replace(" 3.0", " 0.0").replace(" 0.25", " 0.0")
    if given.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if given.child:
        child = subprocess.Popen(["sleep", "600"])
        print(f"child {child.pid}", flush=True)
    begun = time.monotonic()
    while (past := time.monotonic() - begun) < given.after:
        share = int(100 * past / given.after)
        print(f"Loading safetensors checkpoint shards: {share:3}% Completed | 1/4", end="\r", flush=True)
        time.sleep(min(0.1, given.after - past))
    if given.fail:
        print(f"\n{given.fail}", flush=True)
        return int(given.status)
    server = Listener(("127.0.0.1", given.port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("\nINFO:     Application startup complete.", flush=True)
    while True:
        signal.pause()


if __name__ == "__main__":
    sys.exit(main())
