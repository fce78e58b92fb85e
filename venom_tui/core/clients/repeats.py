"""Answers that Ollama gives up since the model repeats itself: it ends them without a last line, and without a word."""

from __future__ import annotations

from venom_tui.core.types.request import ChatChunk

_GIVES_UP_AFTER = 30
"""Times that one piece comes again before it does (seen with 0.33)."""


class Repeats:
    """Counts how often the last piece of an answer has come again."""

    def __init__(self) -> None:
        self._last = ""
        self._times = 0

    def take(self, chunk: ChatChunk) -> ChatChunk:
        """Take notice of a piece; return it."""
        text = (chunk.content or chunk.thinking).strip()
        self._times = self._times + 1 if text and text == self._last else 0
        self._last = text
        return chunk

    @property
    def given_up(self) -> bool:
        """Whether an end here is that of an answer which goes round in circles, not a cut."""
        return self._times >= _GIVES_UP_AFTER
