"""One embedded llama.cpp: its process, its log, its end."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import signal
import sys
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from venom_tui.core.errors import LoadFailed
from venom_tui.core.runtimes.buffers import Buffers
from venom_tui.core.sanitize import sanitize_line

_LOG_LINES = 200
_TERM_WAIT_S = 3.0
_ERROR = re.compile(r"^[\d.]+ E +(?:[\w ]+: )?(.*)")
"""llama.cpp's log lines of level error: `0.00.003.738 E gguf_init_from_reader: invalid magic characters`."""


KILLED_HINT = "The kernel may have ended it for want of memory."


def how_it_ended(status: int | None) -> str:
    """Return the exit status of a process in words: `signal 9`, `status 1`."""
    return f"signal {-status}" if status is not None and status < 0 else f"status {status}"


@dataclass(frozen=True, slots=True)
class ChildOptions:
    """How a model is loaded."""

    path: Path
    alias: str
    context: int
    """Tokens; 0 takes what the model was trained for."""
    threads: int
    parallel: int = 1
    data_dir: Path | None = None
    """Data directory of the venom-tui that it is for; its environment says so to others on the machine."""
    nice: int = 5
    """The answer may wait for the screen, never the screen for the answer."""


class EmbeddedChild:
    """A child process with one model. `start` returns when it is loaded; `stop` returns when it is gone."""

    def __init__(self, options: ChildOptions) -> None:
        self.options = options
        self.url = ""
        self.api_key = secrets.token_urlsafe(24)
        self._process: asyncio.subprocess.Process | None = None
        self.buffers = Buffers()
        """What llama.cpp says that it has allocated."""
        self._log: deque[str] = deque(maxlen=_LOG_LINES)
        self._reader: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The child's pid while it runs."""
        return self._process.pid if self.alive and self._process is not None else None

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.returncode is None

    @property
    def log(self) -> list[str]:
        """The last lines that llama.cpp wrote, sanitized."""
        return list(self._log)

    async def start(self, timeout_s: float) -> None:
        """Load the model.

        Raises:
            LoadFailed: it did not load in time, or llama.cpp says why not.
            asyncio.CancelledError: the load was given up; the process is gone.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._launch()
        except TimeoutError:
            await self.stop()
            raise LoadFailed(
                f"{self.options.alias} was not loaded within {timeout_s:g} s.",
                hint="VENOM_LOAD_TIMEOUT_S allows more.",
                server_message=self._words(),
            ) from None
        except OSError as error:
            await self.stop()
            raise LoadFailed(f"llama.cpp could not be started: {error.strerror}.") from error
        except BaseException:
            await self.stop()
            raise

    async def _launch(self) -> None:
        options = self.options
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "venom_tui.core.runtimes.embedded_worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=None if options.data_dir is None else {**os.environ, "VENOM_DATA_DIR": str(options.data_dir)},
            # Its own session: an interrupt or hang-up of the terminal reaches only us, and we end it in order.
            start_new_session=True,
            limit=256 * 1024,
        )
        self._reader = asyncio.create_task(self._read_log(process), name=f"log of {options.alias}")
        configuration = {
            "path": str(options.path),
            "alias": options.alias,
            "api_key": self.api_key,
            "context": options.context,
            "parallel": options.parallel,
            "threads": options.threads,
            "nice": options.nice,
        }
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(configuration).encode() + b"\n")
        try:
            await process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            pass
        async for line in process.stdout:
            if line.startswith(b"READY "):
                self.url = json.loads(line[6:])["url"]
                return
        await process.wait()
        await self._reader
        raise LoadFailed(
            f"{options.alias} could not be loaded: its process ended ({how_it_ended(process.returncode)}).",
            hint=KILLED_HINT
            if process.returncode == -signal.SIGKILL
            else "The file may be damaged, or of a kind that this llama.cpp does not know.",
            server_message=self._words(),
        )

    async def _read_log(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        while True:
            try:
                line = await process.stderr.readline()
            except ValueError:  # a line longer than the limit: what is left of it follows
                continue
            if not line:
                return
            text = sanitize_line(line.decode("utf-8", "replace"), 500)
            self._log.append(text)
            self.buffers.take(text)

    def _words(self) -> str:
        """Return llama.cpp's own words: its error lines, each once, else the last lines of its log."""
        errors = [match[1] for line in self._log if (match := _ERROR.match(line))]
        if errors:
            return sanitize_line("; ".join(dict.fromkeys(errors)), 800)
        plain = [line for line in self._log if not line.startswith(("Traceback", "File "))]
        return sanitize_line(" ".join(plain[-3:]), 800)

    async def wait(self) -> int | None:
        """Return the exit status once the process has ended."""
        return None if self._process is None else await self._process.wait()

    async def stop(self) -> None:
        """End the process: stdin closed and SIGTERM, after 3 s SIGKILL."""
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            if process.stdin is not None:
                process.stdin.close()
            try:
                process.terminate()
            except ProcessLookupError:
                pass
            try:
                async with asyncio.timeout(_TERM_WAIT_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        if self._reader is not None:
            await asyncio.wait({self._reader}, timeout=1.0)
            self._reader.cancel()
