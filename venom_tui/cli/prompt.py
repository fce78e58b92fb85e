"""Puts a prompt together: the argument, then standard input, then files."""

from __future__ import annotations

import os
import re
import select
import sys
from collections.abc import Sequence
from pathlib import Path

from venom_tui.cli.output import note
from venom_tui.core.errors import UsageError
from venom_tui.core.sanitize import sanitize_line

_LONGEST_BYTES = 16 * 1024 * 1024
_SILENCE_S = 2.0
"""Seconds after which somebody is told that standard input is waited for."""


def read_prompt(argument: str | None, files: Sequence[Path]) -> str:
    """Return the whole prompt.

    Standard input is read to its end unless it is a terminal or `-` is not needed; `-` as argument means it alone.

    Raises:
        UsageError: there is no prompt, a file cannot be read, or something is no text.
    """
    parts = [] if argument in (None, "-") else [str(argument)]
    if sys.stdin is not None and not sys.stdin.isatty():
        parts.append(_standard_input(waited_for=not parts))
    parts += [_attached(file) for file in files]
    prompt = "\n\n".join(part for part in parts if part.strip())
    if not prompt:
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
    return _text(bytes(found), "Standard input").strip("\n")


def _attached(file: Path) -> str:
    name = sanitize_line(file.name, 120)
    try:
        if file.stat().st_size > _LONGEST_BYTES:
            raise UsageError(f"{name} is larger than 16 MiB.", hint="No model takes that much.")
        with file.open("rb") as opened:
            found = opened.read(_LONGEST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{sanitize_line(str(file))} cannot be read: {error.strerror}.") from None
    if len(found) > _LONGEST_BYTES:
        raise UsageError(f"{name} is longer than 16 MiB.", hint="No model takes that much.")
    text = _text(found, name).rstrip("\n")
    # A fence longer than any in the text, so that nothing in it can end it.
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"File {name}:\n{fence}\n{text}\n{fence}"


def _text(data: bytes, name: str) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UsageError(f"{name} is no UTF-8 text.", hint="Only text can be sent to a model here.")
    return text
