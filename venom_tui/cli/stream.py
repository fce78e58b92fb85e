"""Writes a streamed answer to stdout without ever keeping the event loop waiting for whoever reads it."""

from __future__ import annotations

import asyncio
import os
import queue
import sys
import threading

from venom_tui.cli.failures import writing


class TextStream:
    """A thread that writes to stdout. One that is stuck there ends with the process."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._pieces: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._done = asyncio.Event()
        self._failure: OSError | None = None
        self._last = "\n"
        self._descriptor = sys.stdout.fileno()
        self._encoding = sys.stdout.encoding or "utf-8"
        self._thread = threading.Thread(target=self._write_all, name="stdout", daemon=True)
        sys.stdout.flush()
        self._thread.start()

    def write(self, text: str) -> None:
        """Write text soon.

        Raises:
            OSError: what was written before could not be: BrokenPipeError when nobody reads any more.
        """
        if self._failure is not None:
            raise self._failure
        if text:
            self._last = text[-1]
            self._pieces.put(text)

    @property
    def behind(self) -> bool:
        """Whether something that was written before still waits: whoever reads is slow."""
        return not self._pieces.empty()

    async def end(self) -> None:
        """End the last line and wait until all is written.

        Raises:
            OSError: it could not be.
        """
        if self._last != "\n":
            self.write("\n")
        self._pieces.put(None)
        await self._done.wait()
        if self._failure is not None:
            raise self._failure

    def _write_all(self) -> None:
        try:
            while (text := self._pieces.get()) is not None:
                data = memoryview(text.encode(self._encoding, "backslashreplace"))
                with writing():
                    while data:
                        data = data[os.write(self._descriptor, data) :]
        except OSError as failure:
            self._failure = failure
        try:
            self._loop.call_soon_threadsafe(self._done.set)
        except RuntimeError:
            return  # The loop has ended meanwhile.
