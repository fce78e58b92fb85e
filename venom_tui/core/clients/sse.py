"""Server-sent events, decoded from bytes as they come."""

from __future__ import annotations

from venom_tui.core.errors import BadAnswer

LONGEST_LINE = 16 * 1024 * 1024
"""Bytes; a longer line is no answer of a model."""


class SseDecoder:
    """Takes bytes cut anywhere and returns the data of complete events.

    Lines end by LF or CRLF. Comments (`:`) and other fields than `data` are passed over. Several data lines of one
    event are joined by a newline (WHATWG HTML, section 9.2).
    """

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, part: bytes) -> list[bytes]:
        """Return the data of the events that are complete now.

        Raises:
            BadAnswer: a line is longer than LONGEST_LINE.
        """
        lines = (self._rest + part).split(b"\n") if self._rest else part.split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > LONGEST_LINE:
            raise BadAnswer(f"The server sent a line of more than {LONGEST_LINE // 2**20} MiB.")
        events: list[bytes] = []
        for line in lines:
            if line.endswith(b"\r"):
                line = line[:-1]
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif not line and self._data:
                events.append(self._data[0] if len(self._data) == 1 else b"\n".join(self._data))
                self._data = []
        return events

    def end(self) -> list[bytes]:
        """Return the data of an event that the end of the stream cut off before its empty line."""
        return self.feed(b"\n\n") if self._rest or self._data else []
