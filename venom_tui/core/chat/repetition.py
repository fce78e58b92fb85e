"""Notices an answer that goes round in circles, as small models do."""

from __future__ import annotations

_SHORTEST_LOOP = 60
"""Characters that a loop must cover in all before it counts, so that `----` and `0000` in a table do not."""
_LONGEST_PERIOD = 240
_REPEATS = 4
_LINE_REPEATS = 4
_LINE_MIN = 12


def repeats_itself(text: str) -> bool:
    """Return whether `text` ends in a loop: the same piece four times in a row, or the same line four times lately.

    Looks at the last `_LONGEST_PERIOD * _REPEATS` characters only, so its cost does not grow with the answer.
    """
    tail = text[-_LONGEST_PERIOD * _REPEATS :]
    for period in range(1, min(_LONGEST_PERIOD, len(tail) // _REPEATS) + 1):
        repeats = max(_REPEATS, -(-_SHORTEST_LOOP // period))
        piece = tail[-period:]
        if len(tail) >= repeats * period and any(map(str.isalnum, piece)) and tail.endswith(piece * repeats):
            return True
    lines = [line.strip() for line in tail.split("\n")[:-1]]
    long_lines = [line for line in lines if len(line) >= _LINE_MIN]
    return bool(long_lines) and long_lines.count(long_lines[-1]) >= _LINE_REPEATS
