"""One JSON value a line, decoded from bytes as they come."""

from __future__ import annotations

from venom_tui.core.clients.sse import LONGEST_LINE
from venom_tui.core.errors import BadAnswer


class NdjsonDecoder:
    """Takes bytes cut anywhere and returns whole lines without their ends; empty ones are passed over."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._length = 0

    def feed(self, part: bytes) -> list[bytes]:
        """Return the lines that are complete now.

        Raises:
            BadAnswer: a line is longer than LONGEST_LINE.
        """
        *whole, rest = part.split(b"\n")
        if whole:
            whole[0] = b"".join((*self._rest, whole[0]))
            self._rest, self._length = [], 0
        if rest:
            self._rest.append(rest)
            self._length += len(rest)
        if self._length > LONGEST_LINE or any(len(line) > LONGEST_LINE for line in whole):
            raise BadAnswer(f"The server sent a line of more than {LONGEST_LINE // 2**20} MiB.")
        return [line for line in (line.strip() for line in whole) if line]

    def end(self) -> list[bytes]:
        """Return a last line that has no end."""
        return self.feed(b"\n")
