"""A server as a process of a test: started, watched until it answers, and ended with everything that it started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

_MARK = "VENOM_TEST_SERVER"
_WRAPPER = (
    "import ctypes, os, signal, sys\n"
    "ctypes.CDLL(None).prctl(1, signal.SIGTERM)\n"  # PR_SET_PDEATHSIG: it ends with the test run
    "os.execvp(sys.argv[1], sys.argv[1:])\n"
)
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TMPDIR")


class ServerFailed(AssertionError):
    """A server ended or did not answer; the text holds the end of its log."""


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Server:
    """A server that runs, or ran. Holds nothing of an event loop: tests of any loop may use it."""

    url: str
    """Where it answers, without a slash at the end."""
    process: subprocess.Popen[bytes]
    log_path: Path
    home: Path
    """Its HOME; everything that it writes is below."""
    mark: str
    begun: float = field(default_factory=time.monotonic)

    @property
    def pid(self) -> int:
        """The process of the server itself."""
        return self.process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    @property
    def log(self) -> str:
        """All that it has said so far, on stdout and stderr."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def log_tail(self, lines: int = 30) -> str:
        """Return the end of what it said."""
        return "\n".join(self.log.splitlines()[-lines:])

    def client(self, timeout: float = 60) -> httpx.AsyncClient:
        """Return a plain client of it: `async with server.client() as http`."""
        return httpx.AsyncClient(base_url=self.url, timeout=timeout, trust_env=False)

    def children(self) -> list[psutil.Process]:
        """Return the processes below it, at any depth."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(self.pid).children(recursive=True)
        return []

    def pids_of(self, name: str) -> list[int]:
        """Return the processes below it whose command line begins with a program of that name."""
        found = []
        for child in self.children():
            with contextlib.suppress(psutil.Error):
                if Path((child.cmdline() or [""])[0].strip()).name == name:
                    found.append(child.pid)
        return found

    async def until_log(self, text: str, seconds: float = 30) -> None:
        """Wait until it has said something.

        Raises:
            ServerFailed: it ended before, or the time is over.
        """
        await self._until(lambda: text in self.log, seconds, f"{text!r} in its log")

    async def until_ready(self, path: str, seconds: float) -> None:
        """Wait until a GET of that path answers 200.

        Raises:
            ServerFailed: it ended before, or the time is over.
        """

        def answers() -> bool:
            with contextlib.suppress(httpx.HTTPError):
                return httpx.get(self.url + path, timeout=5, trust_env=False).status_code == 200
            return False

        await self._until(answers, seconds, f"a 200 of {path}")

    async def _until(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not await asyncio.to_thread(condition):
            if not self.running:
                raise ServerFailed(f"the server ended with {self.process.returncode}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise ServerFailed(f"no {what} within {seconds:.0f} s:\n{self.log_tail()}")
            await asyncio.sleep(0.05)

    def terminate(self) -> None:
        """Ask it to end, as a service manager does."""
        self.process.terminate()

    def kill(self) -> None:
        """End it at once; what it started may stay until `stop`."""
        self.process.kill()

    def stop(self, seconds: float = 10) -> None:
        """End it and everything that it started; return when all of that is gone."""
        before = self.children()
        if self.running:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
        left = {process for process in [*before, *self._marked(), *self.children()] if process.is_running()}
        if self.running:
            self.process.kill()
        self.process.wait(10)
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(list(left), timeout=10)

    def _marked(self) -> list[psutil.Process]:
        """Return the processes of this server that changed parents: of its session, or with its mark.

        vLLM's give themselves a title, which is written over their environment.
        """
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, ProcessLookupError):
                ours = os.getsid(process.pid) == self.pid or process.environ().get(_MARK) == self.mark
                if ours and process.pid != self.pid:
                    found.append(process)
        return found


def start(command: Sequence[str], *, url: str, home: Path, environment: Mapping[str, str], log: str) -> Server:
    """Start a server; it may not answer yet.

    Args:
        command: the program, by its path, and its arguments.
        url: where it will answer.
        home: its HOME, made here; also its working folder and where its log is written.
        environment: its whole environment, but for PATH, the language, HOME and TMPDIR.
        log: the name of the log file.
    """
    home.mkdir(parents=True, exist_ok=True)
    mark = uuid.uuid4().hex
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    log_path = home / log
    with log_path.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _WRAPPER, *command],
            env={**passed, "HOME": str(home), _MARK: mark, **environment},
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Server(url=url, process=process, log_path=log_path, home=home, mark=mark)


def kill_pid(pid: int) -> None:
    """End a process at once and wait until it is gone (a zombie counts as gone)."""
    os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
