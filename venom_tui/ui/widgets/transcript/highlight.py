"""Colours code by Pygments. A lexer takes up to 50 ms to import, so code is plain until its lexer is there."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from venom_tui.ui.widgets.transcript.inline import Part

_LONGEST_NAME = 30
_MOST_LANGUAGES = 64

_STYLES = {
    "Keyword": "bold $primary",
    "Comment": "italic $text-muted",
    "String": "$success",
    "Number": "$warning",
    "Name.Function": "$secondary",
    "Name.Class": "bold $secondary",
    "Name.Builtin": "$primary",
    "Name.Decorator": "$warning",
    "Operator.Word": "bold $primary",
    "Generic.Deleted": "$error",
    "Generic.Inserted": "$success",
    "Generic.Heading": "bold",
}
"""Token type -> style; the longest matching name wins. Few colours, all of the theme."""


class Lexers:
    """The lexers that are there, and the languages whose lexer was asked for and is not."""

    def __init__(self) -> None:
        self._found: dict[str, Any] = {}
        self.wanted: set[str] = set()

    def get(self, language: str) -> Any:
        """Return the lexer of a language, or None: there is none, or it has to be loaded first."""
        if not language or len(language) > _LONGEST_NAME:
            return None
        language = language.lower()
        if language not in self._found:
            if len(self._found) + len(self.wanted) < _MOST_LANGUAGES:
                self.wanted.add(language)
            return None
        return self._found[language]

    def load(self, language: str) -> bool:
        """Load the lexer of a language, from any thread; return whether there is one."""
        from pygments.lexers import get_lexer_by_name
        from pygments.util import ClassNotFound

        lexer = None
        try:
            lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
            # The first use compiles its expressions.
            list(lexer.get_tokens("x = 1\n"))
        except (ClassNotFound, OSError):
            pass
        self._found[language] = lexer
        return lexer is not None

    def take_wanted(self) -> list[str]:
        """Return the languages to load, once."""
        wanted = sorted(self.wanted - self._found.keys())
        self.wanted.clear()
        return wanted


LEXERS = Lexers()
"""One set for all transcripts: what is loaded stays loaded."""


@lru_cache(maxsize=512)
def _style(token: Any) -> str:
    name = str(token)[6:]
    while name:
        if name in _STYLES:
            return _STYLES[name]
        # String is Literal.String to Pygments, and Number Literal.Number.
        short = name.removeprefix("Literal.")
        if short in _STYLES:
            return _STYLES[short]
        name = name.rpartition(".")[0]
    return ""


def highlighted(code: str, language: str, background: str) -> list[Part]:
    """Return code coloured where the language's lexer is there; `background` is added to every style."""
    lexer = LEXERS.get(language)
    if lexer is None:
        return [(code, background)]
    return [(text, _style(kind) + background) for kind, text in lexer.get_tokens(code)]
