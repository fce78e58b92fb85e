"""Servers of the benchmarks: a process each, so that their cost is not the program's, and answers that are scripted.

with ServerProcess("benchmarks.catalog", "--serve") as server: … server.url …
"""

from __future__ import annotations

import contextlib
import http.server
import json
import subprocess
import sys
import urllib.request
from types import TracebackType
from typing import Any, Self

from tests.terminal.harness import REPOSITORY


class ServerProcess:
    """A module that is a server when it is run with these options, and prints its port first."""

    def __init__(self, module: str, *options: str) -> None:
        self._command = [sys.executable, "-m", module, *options]
        self.url = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()

    def ask(self, path: str) -> Any:
        """Return what the server answers to a GET, as JSON."""
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(self.url + path) as response:
            return json.load(response)


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers in JSON over connections that stay open."""

    protocol_version = "HTTP/1.1"

    def asked(self) -> bytes:
        """Read the body of what is asked."""
        return self.rfile.read(int(self.headers["content-length"]))

    def say(self, value: object) -> None:
        """Answer with a value, or with bytes that are JSON already."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle(self) -> None:
        """Serve a connection."""
        with contextlib.suppress(ConnectionError):  # the program gave a question up
            super().handle()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name of the base class)
        """Say nothing."""


def serve(answers: type[Answers]) -> None:
    """Be a server on loopback for good; prints the port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), answers)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()
