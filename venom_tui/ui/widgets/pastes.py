"""Long pastes of a prompt: the field shows a token for each, the text itself is kept beside.

A text field of 200 KB takes up to half a second for a key. So what is long is held here, and what the field shows of it
is one short token, which is expanded again wherever the prompt's text is meant.
"""

from __future__ import annotations

import re

from venom_tui.ui.text import size

LONGEST = 4_000
"""Characters of a paste that the field shows as they are."""
MOST_LINES = 40
"""Lines of one."""


class Pastes:
    """The texts behind the tokens of one prompt."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def hold(self, text: str) -> str:
        """Return what the field shows of a pasted text: a token for it where it is long, else the text."""
        lines = text.count("\n") + 1
        if len(text) <= LONGEST and lines <= MOST_LINES:
            return text
        told = f"{lines:,} lines, " if lines > 1 else ""
        token = f"[pasted {len(self._texts) + 1}: {told}{size(len(text.encode('utf-8', 'replace')))}]"
        self._texts[token] = text
        return token

    def expand(self, shown: str) -> str:
        """Return what the field shows with the texts in place of their tokens."""
        tokens = [token for token in self._texts if token in shown]
        if not tokens:
            return shown
        # In one go: a token that is written within a pasted text is text.
        return re.sub("|".join(map(re.escape, tokens)), lambda found: self._texts[found[0]], shown)

    def span(self, line: str, column: int, *, before: bool) -> tuple[int, int] | None:
        """Return where the token stands that ends (`before`) or begins at a column of a line, or holds it."""
        for token in self._texts:
            at = line.find(token)
            while at >= 0:
                end = at + len(token)
                if at < column < end or column == (end if before else at):
                    return at, end
                at = line.find(token, end)
        return None

    def clear(self) -> None:
        """Forget all texts."""
        self._texts.clear()
