"""Puts a prompt together: the argument, then standard input."""

from __future__ import annotations

import os
import select
import sys

from venom_tui.cli.output import note
from venom_tui.core.errors import UsageError

_LONGEST_BYTES = 16 * 1024 * 1024
_SILENCE_S = 2.0
"""Seconds after which somebody is told that standard input is waited for."""


def read_prompt(argument: str | None, *, may_be_empty: bool = False) -> str:
    """Return the whole prompt.

    Standard input is read to its end unless it is a terminal or `-` is not needed; `-` as argument means it alone.

    Raises:
        UsageError: there is no prompt though there must be one, or standard input is no text.
    """
    parts = [] if argument in (None, "-") else [str(argument)]
    if sys.stdin is not None and not sys.stdin.isatty():
        parts.append(_standard_input(waited_for=not parts and not may_be_empty))
    prompt = "\n\n".join(part for part in parts if part.strip())
    if not prompt and not may_be_empty:
        raise UsageError("There is no prompt.", hint='Give one: `venom-tui chat "…"`, or send it to standard input.')
    return prompt


def _standard_input(*, waited_for: bool) -> str:
    descriptor = sys.stdin.fileno()
    if not waited_for and not select.select([descriptor], [], [], _SILENCE_S)[0]:
        # ssh and some launchers leave an open pipe there that never ends.
        note("venom-tui: reading the rest of the prompt from standard input until it ends (`< /dev/null` gives none).")
    found = bytearray()
    while piece := os.read(descriptor, 1024 * 1024):
        found += piece
        if len(found) > _LONGEST_BYTES:
            raise UsageError("Standard input is longer than 16 MiB.", hint="No model takes that much.")
    return _text(bytes(found)).strip("\n")


def _text(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UsageError("Standard input is no UTF-8 text.", hint="Only text can be sent to a model here.")
    return text
