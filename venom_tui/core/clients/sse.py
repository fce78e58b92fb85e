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
        # Pieces of a line that has not ended, joined when it does: a long line may come in very many.
        self._rest: list[bytes] = []
        self._data: list[bytes] = []
        self._held = 0

    def feed(self, part: bytes) -> list[bytes]:
        """Return the data of the events that are complete now.

        Raises:
            BadAnswer: a line, or the data of an event, is longer than LONGEST_LINE.
        """
        *lines, rest = part.split(b"\n")
        if lines and self._rest:
            lines[0] = b"".join((*self._rest, lines[0]))
            self._held -= sum(map(len, self._rest))
            self._rest.clear()
        events: list[bytes] = []
        for line in lines:
            event = self._take(line.removesuffix(b"\r"))
            if event is not None:
                events.append(event)
        if rest:
            self._rest.append(rest)
            self._held += len(rest)
        if self._held > LONGEST_LINE:
            raise BadAnswer(f"The server sent a line of more than {LONGEST_LINE // 2**20} MiB.")
        return events

    def _take(self, line: bytes) -> bytes | None:
        """Take a whole line; return the data of the event that it ends."""
        if line.startswith(b"data:"):
            self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            self._held += len(line)
        elif not line and self._data:
            event = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
            self._data.clear()
            self._held = 0
            return event
        return None

    def end(self) -> list[bytes]:
        """Return the data of an event that the end of the stream cut off before its empty line."""
        return self.feed(b"\n\n") if self._rest or self._data else []
