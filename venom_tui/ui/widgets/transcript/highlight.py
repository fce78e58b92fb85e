"""Colours code by Pygments, which is imported with the first code block that names a language it knows."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from textual.content import Content

_LONGEST = 20_000
"""Characters; longer code stays plain rather than stop the screen."""

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


@lru_cache(maxsize=32)
def _lexer(language: str) -> Any:
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


@lru_cache(maxsize=256)
def _style(token: str) -> str:
    name = token
    while name:
        if name in _STYLES:
            return _STYLES[name]
        # String is Literal.String to Pygments, and Number Literal.Number.
        short = name.removeprefix("Literal.")
        if short in _STYLES:
            return _STYLES[short]
        name = name.rpartition(".")[0]
    return ""


@lru_cache(maxsize=64)
def highlighted(code: str, language: str) -> Content:
    """Return code with tabs expanded, coloured where the language is known."""
    code = code.expandtabs(4)
    lexer = _lexer(language.lower()) if language and len(language) < 30 and len(code) <= _LONGEST else None
    if lexer is None:
        return Content(code)
    return Content.assemble(*((text, _style(str(kind)[6:])) for kind, text in lexer.get_tokens(code)))
