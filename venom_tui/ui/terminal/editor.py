"""Lets the user's own editor have the terminal for a while, to write a text."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.app import SuspendNotSupported

if TYPE_CHECKING:
    from venom_tui.ui.terminal.app import TerminalApp

USUAL = ("nano", "vim", "vi")
"""Editors that are looked for where no variable names one."""


class EditorFailed(Exception):
    """The editor did not give the text back; the exception's text is a sentence that says why."""


def command_of(environ: Mapping[str, str]) -> list[str]:
    """Return the editor's command as it is named by VISUAL or EDITOR, else a usual one.

    Raises:
        EditorFailed: there is none.
    """
    named = environ.get("VISUAL") or environ.get("EDITOR")
    if named:
        try:
            command = shlex.split(named)
        except ValueError:
            command = []
        if command and shutil.which(command[0], path=environ.get("PATH")):
            return command
        variable = "VISUAL" if environ.get("VISUAL") else "EDITOR"
        raise EditorFailed(f"{variable} is {named!r}, which is no command here.")
    for name in USUAL:
        if shutil.which(name, path=environ.get("PATH")):
            return [name]
    raise EditorFailed("There is no editor: set VISUAL or EDITOR to one.")


async def edit(app: TerminalApp[Any], text: str) -> str:
    """Return a text as the user leaves it in his editor; everything else goes on meanwhile, unseen.

    The file is one that only he can read. It is removed, except where the editor was killed: then it may hold the only
    copy.

    Raises:
        EditorFailed: there is no editor, or it did not end well.
    """
    command = command_of(os.environ)
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="venom-tui-"))
    file = folder / "prompt.md"
    keep = True
    try:
        await asyncio.to_thread(_write, file, text)
        status = await _run(app, [*command, str(file)])
        keep = status < 0
        if status < 0:
            raise EditorFailed(f"{command[0]} was killed; what it has saved is in {file}.")
        if status:
            raise EditorFailed(f"{command[0]} ended with status {status}: the prompt stays as it was.")
        return await asyncio.to_thread(_read, file)
    except OSError as error:
        raise EditorFailed(f"{command[0]}: {error.strerror or error}.") from None
    finally:
        if not keep:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _run(app: TerminalApp[Any], argv: list[str]) -> int:
    """Run a program in the terminal; return its exit status, negative where a signal ended it."""
    with _suspended(app), _keys_are_the_programs():
        process = await asyncio.create_subprocess_exec(*argv)
        try:
            return await process.wait()
        finally:
            if process.returncode is None:  # we are told to end
                process.terminate()


@contextmanager
def _suspended(app: TerminalApp[Any]) -> Iterator[None]:
    try:
        with app.suspend():
            yield
    except SuspendNotSupported:
        raise EditorFailed("This terminal cannot be given to an editor.") from None
    finally:
        app.terminal.invalidate()


@contextmanager
def _keys_are_the_programs() -> Iterator[None]:
    """Let the keys that interrupt mean nothing to us: the terminal sends their signals to the program and to us.

    A handler and not SIG_IGN, which the program would inherit.
    """
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGQUIT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _write(file: Path, text: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="utf-8", errors="replace", newline="\n") as out:
        out.write(text)


def _read(file: Path) -> str:
    """Return what is in the file; the newline that editors put at its end is none of the text."""
    return file.read_text(encoding="utf-8", errors="replace").removesuffix("\n")
