"""Writes to the terminal without ever waiting for it.

The terminal is opened a second time, non-blocking: the flag belongs to the open file, and the one that was inherited is
shared with the shell. What the terminal does not take is kept, in order, and written when it takes more. Control
sequences are always accepted (they are small and few); a frame only when nothing is kept, so that what is kept never
grows: the display then skips the frame and draws the newest state when `on_drained` tells that all was taken.
"""

from __future__ import annotations

import asyncio
import errno
import os
import select
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

COSMETIC_LIMIT = 16_384
"""Bytes kept beyond which sequences that only decorate (bell, pointer shape) are left out."""

CONTROL_LIMIT = 8 * 1024 * 1024
"""Bytes kept beyond which even control sequences are left out; only a program gone wild gets there."""

_PIECE = 65_536


def open_again(descriptor: int) -> int:
    """Open the terminal behind `descriptor` once more, non-blocking, for reading and writing.

    Raises:
        OSError: it cannot be opened by any of its names.
    """
    flags = os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    device = os.fstat(descriptor).st_rdev
    names = [f"/proc/self/fd/{descriptor}"]
    try:
        names.append(os.ttyname(descriptor))
    except OSError:
        pass  # in a container the name may not exist
    if _controlling_terminal() == device:
        names.append("/dev/tty")  # also where the device belongs to another user (su)
    problem: OSError | None = None
    for name in names:
        try:
            return os.open(name, flags)
        except OSError as error:
            problem = error
    raise problem or OSError(errno.ENOTTY, "not a terminal")


def _controlling_terminal() -> int:
    try:
        fields = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        number = int(fields[4])
    except (OSError, ValueError, IndexError):
        return -1
    return os.makedev((number >> 8) & 0xFFF, (number & 0xFF) | ((number >> 12) & 0xFFF00))


class Output:
    """The writing side of the terminal, on the event loop.

    Args:
        descriptor: a non-blocking file descriptor; the caller closes it.
        on_drained: called when everything kept has been taken.
        on_lost: called once when the terminal is gone.
    """

    def __init__(
        self, descriptor: int, on_drained: Callable[[], None] | None = None, on_lost: Callable[[], None] | None = None
    ) -> None:
        self._descriptor = descriptor
        self._on_drained = on_drained
        self._on_lost = on_lost
        self._kept: deque[memoryview] = deque()
        self._kept_bytes = 0
        self._watching: asyncio.AbstractEventLoop | None = None
        self.lost = False
        self.bytes_written = 0

    @property
    def busy(self) -> bool:
        """Whether bytes are kept because the terminal did not take them."""
        return bool(self._kept)

    @property
    def kept_bytes(self) -> int:
        """Bytes that wait for the terminal."""
        return self._kept_bytes

    def write(self, data: bytes, *, cosmetic: bool = False) -> None:
        """Write `data` whole and in order, now or when the terminal takes it."""
        if self.lost or not data:
            return
        if self._kept_bytes > (COSMETIC_LIMIT if cosmetic else CONTROL_LIMIT):
            return
        self._kept.append(memoryview(data))
        self._kept_bytes += len(data)
        if len(self._kept) == 1 or self._watching is None:
            self._push()
        if self._kept:
            self._watch()

    def flush(self, limit_s: float) -> bool:
        """Wait until all is taken, at most `limit_s` seconds; return whether it is. For the end of the program."""
        deadline = time.monotonic() + limit_s
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        while self._kept and not self.lost:
            left = deadline - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000):
                return False
            self._push()
        return not self._kept

    def discard(self) -> None:
        """Give up on what is kept, and stop watching the terminal."""
        self._kept.clear()
        self._kept_bytes = 0
        self._unwatch()

    def _push(self) -> None:
        while self._kept:
            piece = self._kept[0]
            try:
                count = os.write(self._descriptor, piece[:_PIECE])
            except (BlockingIOError, InterruptedError):
                return
            except OSError:  # EIO: hung up
                self._lose()
                return
            self.bytes_written += count
            self._kept_bytes -= count
            if count == len(piece):
                self._kept.popleft()
            else:
                self._kept[0] = piece[count:]

    def _lose(self) -> None:
        self.lost = True
        self.discard()
        if self._on_lost is not None:
            self._on_lost()

    def _watch(self) -> None:
        if self._watching is None:
            try:
                loop = asyncio.get_running_loop()
                loop.add_writer(self._descriptor, self._writable)
            except (RuntimeError, PermissionError):  # no loop any more; a file, which never blocks
                return
            self._watching = loop

    def _unwatch(self) -> None:
        loop, self._watching = self._watching, None
        if loop is not None and not loop.is_closed():
            loop.remove_writer(self._descriptor)

    def _writable(self) -> None:
        self._push()
        if not self._kept:
            self._unwatch()
            if self._on_drained is not None and not self.lost:
                self._on_drained()
