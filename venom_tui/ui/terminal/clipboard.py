"""Copies text to where a terminal can reach it: tmux's buffer, the terminal's clipboard (OSC 52), else a file.

Over SSH the clipboard is on the other machine, and only the terminal can put something into it. It never says whether
it did: what was sent that way is "not confirmed". tmux confirms its own buffer, and passes the text on to its terminal.
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

TERMINAL_LIMIT_BYTES = 56_244
"""Bytes that are sent to a terminal at most: 74,992 characters of base64. Some take no more, and say nothing either."""
_SCREEN_PIECE = 250
"""Characters that GNU screen passes through at once."""
_TMUX_S = 3.0
"""Seconds that tmux may take."""


@dataclass(frozen=True, slots=True)
class Copied:
    """Where a text is now."""

    where: Literal["tmux", "terminal", "file"]
    size_bytes: int
    confirmed: bool
    """Whether whoever took it said so."""
    passed_on: bool = False
    """Whether tmux sent it to its terminal, too."""
    path: Path | None = None
    """The file, where it is in one."""


class Clipboard:
    """Copies text.

    Args:
        write: sends a control sequence to the terminal.
        file: where a text is written that no terminal takes; it replaces the one before.
        environ: the environment; tmux and screen tell there that they are around us.
    """

    def __init__(self, write: Callable[[str], None], file: Path, environ: Mapping[str, str] | None = None) -> None:
        self._write = write
        self._file = file
        self._environ = os.environ if environ is None else environ

    async def copy(self, text: str) -> Copied:
        """Copy a text to the best place that there is.

        Raises:
            OSError: it is too long for the terminal, and the file cannot be written.
        """
        data = text.encode("utf-8", "replace")
        if self._environ.get("TMUX"):
            for arguments in (("-w", "-"), ("-",)):  # tmux before 3.2 knows no -w
                if await self._load_tmux(arguments, data):
                    return Copied("tmux", len(data), confirmed=True, passed_on=len(arguments) > 1)
        if len(data) > TERMINAL_LIMIT_BYTES or self._environ.get("TERM") in ("linux", "dumb"):
            await asyncio.to_thread(_write_private, self._file, data)
            return Copied("file", len(data), confirmed=True, path=self._file)
        self._write(self._wrapped(f"\x1b]52;c;{base64.b64encode(data).decode('ascii')}\x07"))
        return Copied("terminal", len(data), confirmed=False)

    async def _load_tmux(self, arguments: tuple[str, ...], data: bytes) -> bool:
        quiet = asyncio.subprocess.DEVNULL
        try:
            process = await asyncio.create_subprocess_exec(
                "tmux",
                "load-buffer",
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=quiet,
                stderr=quiet,
                env=dict(self._environ),
            )
        except OSError:  # there is no tmux here: its environment came along to another machine
            return False
        try:
            async with asyncio.timeout(_TMUX_S):
                await process.communicate(data)
        except TimeoutError:
            return False
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        return process.returncode == 0

    def _wrapped(self, sequence: str) -> str:
        """Return a sequence so that what is around us lets it through to the terminal."""
        if self._environ.get("TMUX"):
            doubled = sequence.replace("\x1b", "\x1b\x1b")
            return f"\x1bPtmux;{doubled}\x1b\\"
        if self._environ.get("STY"):
            pieces = [sequence[at : at + _SCREEN_PIECE] for at in range(0, len(sequence), _SCREEN_PIECE)]
            return "".join(f"\x1bP{piece}\x1b\\" for piece in pieces)
        return sequence


def _write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read; it is whole or not there."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
