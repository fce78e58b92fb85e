"""What was asked before: up and down go through it, those prompts only that hold the words which were typed."""

from __future__ import annotations

from collections.abc import Iterable


class PromptHistory:
    """Prompts, newest first, and a walk through them."""

    def __init__(self) -> None:
        self._prompts: list[str] = []
        self._matching: list[str] = []
        self._at = -1
        self._typed = ""
        self._shown: str | None = None

    def set(self, prompts: Iterable[str]) -> None:
        """Set the prompts, newest first; a walk goes on with those that it found."""
        self._prompts = list(dict.fromkeys(prompts))

    def add(self, text: str) -> None:
        """Add a prompt that was sent; the next walk begins with it."""
        self._prompts = [text, *(prompt for prompt in self._prompts if prompt != text)]
        self._shown = None

    def walking(self, shown: str) -> bool:
        """Return whether what the prompt shows is what was found last."""
        return self._shown is not None and shown == self._shown

    def earlier(self, shown: str) -> str | None:
        """Return the prompt before the one that is shown, None where there is none."""
        if not self.walking(shown):
            self._typed, self._at = shown, -1
            words = shown.casefold().split()
            self._matching = [
                prompt
                for prompt in self._prompts
                if prompt != shown and all(word in prompt.casefold() for word in words)
            ]
        return self._go(self._at + 1)

    def later(self, shown: str) -> str | None:
        """Return the prompt after the one that is shown, at last what was typed; None where nothing was looked for."""
        return self._go(self._at - 1) if self.walking(shown) else None

    def _go(self, at: int) -> str | None:
        if at >= len(self._matching):
            return None
        self._at = at
        if at < 0:
            self._shown = None
            return self._typed
        self._shown = self._matching[at]
        return self._shown
