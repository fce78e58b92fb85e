"""A program in a pseudo-terminal, with the moments at which it showed something.

The bytes are kept with the time at which they were read; what was on the screen, and when, is worked out afterwards, so
that it costs nothing while something is measured.
"""

from __future__ import annotations

import os
import re
import select
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.processes import cpu_seconds
from tests.terminal.emulator import Screen
from tests.terminal.harness import REPOSITORY, Terminal

PROGRAM = str(REPOSITORY / ".venv/bin/venom-tui")
FLOOR = [sys.executable, str(REPOSITORY / "benchmarks/floor.py")]
PAINTED_CELLS = 50
"""Characters on the screen that make a first paint."""

sys.setswitchinterval(0.0005)  # the thread that reads and takes the time must not wait for anything else here


def _holds(pattern: str) -> Callable[[list[str]], bool]:
    """Return whether rows hold a regular expression (^ and $ match at rows)."""
    expression = re.compile(pattern, re.MULTILINE)
    return lambda lines: expression.search("\n".join(lines)) is not None


class Meter(Terminal):
    """A terminal that tells when things happened: seconds of `time.monotonic`."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        columns: int = 120,
        rows: int = 40,
        env: Mapping[str, str | None] | None = None,
        home: Path | None = None,
        rate: int = 0,
    ) -> None:
        super().__init__(argv, columns=columns, rows=rows, env=env, home=home, rate=rate, cwd=REPOSITORY)
        self._used: list[float] = []
        """The program's CPU seconds at each arrival."""

    def _available(self, most: int) -> bytes:
        data = super()._available(most)
        if data:
            try:
                self._used.append(cpu_seconds(self.process.pid))
            except OSError:  # it has ended
                self._used.append(0.0)
        return data

    @property
    def cpu(self) -> float:
        """CPU seconds of the program itself, without its children."""
        return cpu_seconds(self.process.pid)

    def cpu_at(self, moment: float) -> float:
        """Return the CPU seconds that the program had used when something was read at this moment."""
        return next(used for used, (at, _) in zip(self._used, self.arrivals, strict=False) if at >= moment)

    @property
    def size(self) -> int:
        """Bytes read so far."""
        return self.arrivals[-1][1] if self.arrivals else 0

    def bytes_between(self, begin: float, end: float) -> int:
        """Return how many bytes were read between two moments."""
        return self._read_until(end) - self._read_until(begin)

    def _read_until(self, moment: float) -> int:
        return max((size for at, size in self.arrivals if at <= moment), default=0)

    def frames(self, since: float = 0.0) -> Iterator[tuple[float, Screen]]:
        """Yield each moment from `since` on at which something was read, with the screen as it was then."""
        screen, shown, log = Screen(self.columns, self.rows), 0, self.output
        for at, size in list(self.arrivals):
            if at >= since:
                screen.feed(log[shown:size])
                shown = size
                yield at, screen

    def shown_at(self, wanted: str | Callable[[list[str]], bool], since: float = 0.0) -> float | None:
        """Return the first moment from `since` on at which the screen held a regular expression, or met a test."""
        is_met = _holds(wanted) if isinstance(wanted, str) else wanted
        return next((at for at, screen in self.frames(since) if is_met(screen.lines())), None)

    def writes_between(self, begin: float, end: float) -> list[tuple[int, list[str]]]:
        """Return the size of each write between two moments with the rows that it changed."""
        lines: list[str] = []
        writes: list[tuple[int, list[str]]] = []
        last = 0
        for at, screen in self.frames(max((at for at, _ in self.arrivals if at < begin), default=0.0)):
            if at > end:
                break
            shown, size = screen.lines(), self._read_until(at)
            if at >= begin:
                writes.append((size - last, [line for line, other in zip(shown, lines, strict=True) if line != other]))
            lines, last = shown, size
        return writes

    def painted_at(self) -> float:
        """Return the moment of the first paint."""
        at = self.shown_at(lambda lines: len("".join("".join(lines).split())) >= PAINTED_CELLS)
        assert at is not None, "nothing was painted"
        return at

    def quiet_at(self, since: float) -> float:
        """Return the moment of the last thing that was read from `since` on, as far as reading has come."""
        return max((at for at, _ in self.arrivals if at >= since), default=since)

    def wait_bytes(self, wanted: bytes, since: int = 0, timeout: float = 30.0) -> None:
        """Wait until these bytes were read, at `since` or later; cheaper than looking at the screen."""
        with self._changed:
            found = self._changed.wait_for(lambda: self._log.find(wanted, since) >= 0, timeout)
        assert found, f"{wanted!r} did not come; the screen:\n{self.text}"

    def click(self, text: str) -> None:
        """Click on a text that stands on the screen."""
        for y, line in enumerate(self.lines):
            if (x := line.find(text)) >= 0:
                self.write(f"\x1b[<0;{x + 2};{y + 1}M\x1b[<0;{x + 2};{y + 1}m".encode())
                return
        raise AssertionError(f"{text!r} is not on the screen:\n{self.text}")

    def ended_at(self, timeout: float = 30.0) -> float:
        """Wait for the end of the program; return its moment."""
        descriptor = os.pidfd_open(self.process.pid)
        try:
            ready = select.select([descriptor], [], [], timeout)[0]
            at = time.monotonic()
        finally:
            os.close(descriptor)
        assert ready, f"the program did not end; the screen:\n{self.text}"
        self.process.wait()
        return at
