"""Long texts of a prompt: the field shows a token for each, the text itself is kept beside.

A text field of 200 KB takes up to half a second for a key. So what is long is held here, and what the field shows of it
is one short token, which is expanded again wherever the prompt's text is meant. A paste may be anybody's text; what the
user wrote in the editor is the user's own: only that can name files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from venom_tui.ui.text import size

LONGEST = 4_000
"""Characters of a paste that the field shows as they are."""
MOST_LINES = 40
"""Lines of one."""
_REMEMBERED = 8
"""Prompts of which it is known how the field showed them."""


class Pastes:
    """The texts behind the tokens of one prompt."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._own: set[str] = set()
        """Tokens of texts that the user wrote."""
        self._former: dict[str, tuple[str, dict[str, str], set[str]]] = {}
        """What was written -> what the field showed of it, and the texts and tokens of that."""

    def hold(self, text: str, *, own: bool = False) -> str:
        """Return what the field shows of a text: a token for it where it is long, else the text.

        `own`: the user wrote it, in the editor.
        """
        if not _is_long(text):
            return text
        lines = text.count("\n") + 1
        told = f"{lines:,} lines, " if lines > 1 else ""
        kind = "written" if own else "pasted"
        token = f"[{kind} {len(self._texts) + 1}: {told}{size(len(text.encode('utf-8', 'replace')))}]"
        self._texts[token] = text
        if own:
            self._own.add(token)
        return token

    def expand(self, shown: str) -> str:
        """Return what the field shows with the texts in place of their tokens."""
        return self._expand(shown, self._texts)

    def naming(self, shown: str) -> str:
        """Return what can name files of what the field shows: the texts that the user wrote, the others as tokens."""
        return self._expand(shown, self._own)

    def _expand(self, shown: str, which: Iterable[str]) -> str:
        tokens = [token for token in which if token in shown]
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

    def replace(self, shown: str, text: str, *, own: bool = False) -> str:
        """Let another text be all that is held; return what the field shows of it.

        What the field has `shown` until now comes back as it was when its text is put there again: a file that was
        named beside a paste is still named there.
        """
        content = self.expand(shown)
        if self._texts or _is_long(content):  # what was typed, however long, comes back as it was, too
            self._former.pop(content, None)
            self._former[content] = shown, self._texts, self._own
            for oldest in list(self._former)[:-_REMEMBERED]:
                del self._former[oldest]
        self._texts, self._own = {}, set()
        if own or text not in self._former:
            return self.hold(text, own=own)
        former, texts, owned = self._former[text]
        self._texts, self._own = dict(texts), set(owned)
        return former


def _is_long(text: str) -> bool:
    return len(text) > LONGEST or text.count("\n") + 1 > MOST_LINES
