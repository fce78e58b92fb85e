"""Makes outside text harmless to a terminal: control sequences, control characters and bidi overrides are removed.

Applied once, where text enters the core (model output, names, server errors, file names). What is left holds no C0 but
newline and tab, no DEL, no C1, no bidi control, no surrogate; lines end in one newline. Markup is not this module's
business: the UI renders outside text as `Content`, never as a parsed string.

The text is read once from left to right, as a terminal reads it, and what was removed is never looked at again: taking
one sequence away cannot make another one of its neighbours. A sequence ends at a newline at the latest, so that one
that was never finished costs its own line and not the rest of an answer.
"""

from __future__ import annotations

import re

_KINDS = "PX^_]"
"""What follows ESC in DCS, SOS, PM, APC and OSC, which carry a string up to BEL or ST."""
_C1_STRINGS = "\x90\x98\x9d\x9e\x9f"
"""The same five as single C1 characters."""
_STOP = "\x07\x18\x1a\x1b\x9c\n"
"""What a string cannot hold: its terminators, what aborts it, and a newline."""
_LONGEST = 4096
"""Characters that are looked at for the terminator of a string that a C1 character began."""

_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"
_DROPPED = rf"\x00-\x08\x0b-\x1f\x7f-\x9f{_BIDI}\ufeff\ud800-\udfff"
_SUSPECT = re.compile(rf"[{_DROPPED}\u2028\u2029]")

_ESC_STRING = rf"\x1b[{re.escape(_KINDS)}][^{_STOP}]*"
# In text that was decoded wrongly, C1 characters are pieces of letters and quotes; only a string that is whole is one.
_C1_STRING = rf"[{_C1_STRINGS}][^{_STOP}{_C1_STRINGS}]{{0,{_LONGEST}}}"
_CSI = r"(?:\x1b\[|\x9b)[0-?]{0,256}[ -/]{0,16}"
_OTHER = r"\x1b[ -/]{1,16}"

_CONTROL = (
    rf"{_ESC_STRING}(?:[\x07\x18\x1a\x9c]|\x1b\\)?"
    rf"|{_C1_STRING}(?:[\x07\x9c]|\x1b\\)"
    rf"|{_CSI}[@-~]?"
    rf"|{_OTHER}[0-~]?"
    r"|\x1b[0-~]"
    rf"|[{_DROPPED}]"
)
_ALL = re.compile(_CONTROL)
_SO_FAR = re.compile(rf"(?P<open>(?:{_ESC_STRING}\x1b?|{_C1_STRING}\x1b?|{_CSI}|{_OTHER}|\x1b)\Z)|{_CONTROL}")
"""The same, for a text that goes on: what its end leaves open is set apart."""


def sanitize(text: str) -> str:
    """Return `text` without control sequences, control characters and bidi overrides; lines end in one newline.

    A sequence that the text's end cuts is removed as well. Idempotent: sanitizing twice gives the same as once.
    """
    if not _SUSPECT.search(text):
        return text
    return _ALL.sub("", _with_newlines(text))


def sanitize_line(text: str, limit: int = 400) -> str:
    """Return `text` sanitized and on one line, cut to `limit` characters: for names, titles and errors."""
    if text.isascii() and text.isprintable() and "  " not in text:
        line = text.strip()  # as below, and mostly this
    else:
        line = " ".join(sanitize(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


class StreamSanitizer:
    """Sanitizes a text that arrives in pieces, also where a piece's border cuts a sequence in two.

    The pieces that come out, joined, equal `sanitize` of the pieces that went in, joined.
    """

    def __init__(self) -> None:
        self._return = False
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return what is certain of the text so far; an unfinished sequence or a lone CR waits for the next piece."""
        if not self._held and not self._return and not _SUSPECT.search(piece):
            return piece
        if self._return:
            piece = "\r" + piece
        self._return = piece.endswith("\r")
        text = self._held + _with_newlines(piece.removesuffix("\r"))
        self._held = ""
        return _SO_FAR.sub(self._take, text)

    def _take(self, match: re.Match[str]) -> str:
        begun = match["open"]
        if begun:
            # What such a string holds is lost in any case, so only its ends are kept.
            is_string = len(begun) > 2 and begun[0] == "\x1b" and begun[1] in _KINDS
            self._held = begun[:2] + ("\x1b" if begun[-1] == "\x1b" else "") if is_string else begun
        return ""

    def end(self) -> str:
        """Return what is left at the end of the text."""
        text = self._held + ("\n" if self._return else "")
        self._held, self._return = "", False
        return sanitize(text)


def _with_newlines(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("\u2028", "\n").replace("\u2029", "\n")
