"""Makes outside text harmless to a terminal: control sequences, control characters and bidi overrides are removed.

Applied once, where text enters the core (model output, names, server errors, file names). What is left holds no C0 but
newline and tab, no DEL, no C1, no bidi control; line ends are "\\n". Markup is not this module's business: the UI renders
outside text as `Content`, never as a parsed string.
"""

from __future__ import annotations

import re

_STRING_KINDS = "PX^_]"
"""DCS, SOS, PM, APC and OSC carry a string up to ST (or BEL); these are their 7-bit final characters."""

_C1_STRINGS = "\x90\x98\x9e\x9f\x9d"
"""The same five as single C1 characters."""

_SEQUENCE = re.compile(
    # A string sequence with its terminator; a newline does not end it, a new ESC that is no ST does.
    rf"(?:\x1b[{re.escape(_STRING_KINDS)}]|[{_C1_STRINGS}])[^\x07\x1b\x9c]*(?:\x07|\x9c|\x1b\\)"
    # CSI: parameters, intermediates, one final character.
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    # The other escape sequences: intermediates and one final character.
    r"|\x1b[ -/]*[0-Z\\^-~]"
)

_OPEN_STRING = re.compile(rf"(?:\x1b[{re.escape(_STRING_KINDS)}]|[{_C1_STRINGS}])[^\x07\x1b\x9c]*\x1b?\Z")
_OPEN_OTHER = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*\Z|\x1b[ -/]*\Z")
_OPEN = re.compile(f"{_OPEN_STRING.pattern}|{_OPEN_OTHER.pattern}")

_LONGEST_SEQUENCE = 4096
"""Characters that an unfinished sequence may grow to before only its introducer is taken for one."""

_BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_INVISIBLE = "\ufeff\u2028\u2029"

_DROPPED = {
    ord(character): None
    for character in (
        *(chr(code) for code in range(32) if chr(code) not in "\n\t"),
        *(chr(code) for code in range(127, 160)),
        *_BIDI,
        *_INVISIBLE,
        *(chr(code) for code in range(0xD800, 0xE000)),
    )
}
_SUSPECT = re.compile("[" + "".join(re.escape(chr(code)) for code in _DROPPED) + "]")


def sanitize(text: str) -> str:
    """Return `text` without control sequences, control characters and bidi overrides; line ends become "\\n".

    Idempotent: sanitizing twice gives the same as once.
    """
    if not _SUSPECT.search(text):
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _SEQUENCE.sub("", text).translate(_DROPPED)


def sanitize_line(text: str, limit: int = 400) -> str:
    """Return `text` sanitized and on one line, cut to `limit` characters: for names, titles and errors."""
    line = " ".join(sanitize(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


class StreamSanitizer:
    """Sanitizes a text that arrives in pieces, also where a piece's border cuts a sequence in two.

    The pieces that come out, joined, equal `sanitize` of the pieces that went in, joined (up to `_LONGEST_SEQUENCE`).
    """

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return what is certain of the text so far; an unfinished sequence or a lone CR waits for the next piece."""
        if not self._held and not _SUSPECT.search(piece):
            return piece
        text = self._held + piece
        self._held = ""
        text = _SEQUENCE.sub("", text)
        match = _OPEN.search(text)
        if match and len(text) - match.start() <= _LONGEST_SEQUENCE:
            text, self._held = text[: match.start()], text[match.start() :]
        elif text.endswith("\r"):
            text, self._held = text[:-1], "\r"
        return sanitize(text)

    def end(self) -> str:
        """Return what is left at the end of the text; an unfinished sequence loses its control characters."""
        held, self._held = self._held, ""
        return sanitize(held)
