"""The one place where a failure becomes what is printed and an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from venom_tui.core.errors import ContextOverflow, Interrupted, UsageError, VenomError

if TYPE_CHECKING:
    import click

    from venom_tui.core.types.turn import TurnEnded

_NOT_DELIVERED = 1


class OutputFailed(OSError):
    """Standard output takes nothing more: a full disk behind it."""


@contextmanager
def writing() -> Iterator[None]:
    """Name failures of standard output inside the block as such; a pipe that nobody reads any more stays what it is."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as failure:
        raise OutputFailed(failure.errno, failure.strerror) from failure


def guarded(work: Callable[[], int], *, as_json: bool) -> int:
    """Run a command and return its exit status; whatever fails is told in the form that was asked for."""
    _give_streams()
    try:
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                # A terminal or file that cannot show a character gets a substitute, never a crash.
                stream.reconfigure(errors="backslashreplace")
        status = work()
        with writing():
            sys.stdout.flush()
    except BrokenPipeError:
        _forget_output()
        return _NOT_DELIVERED
    except OutputFailed as failure:
        _forget_output()
        return tell(VenomError(f"The output could not be written: {failure.strerror}."), as_json=as_json)
    except KeyboardInterrupt:
        return tell(Interrupted("Interrupted."), as_json=as_json)
    except VenomError as failure:
        return tell(failure, as_json=as_json)
    except Exception as defect:  # noqa: BLE001 (the last one who can say something)
        return tell(told(defect), as_json=as_json)
    return status


def _give_streams() -> None:
    """Let what was started without an output (`>&-`) write to nowhere; a file that it opens must not become that."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (open as long as the process)


def told(error: Exception) -> VenomError:
    """Return an exception that is no VenomError as one: wrong arguments, or a defect, whose trace goes to the log."""
    if "click" in sys.modules and (failure := _usage(error)) is not None:
        return failure
    import logging

    logging.getLogger(__name__).error("a command failed with a defect of venom-tui", exc_info=error)
    return VenomError(
        f"venom-tui made a mistake ({type(error).__name__}).",
        hint="logs/venom-tui.log in the data directory has the details.",
    )


def _usage(error: Exception) -> VenomError | None:
    """Return what click says as an error of ours; None for what is not click's."""
    from click import Abort, ClickException
    from click.exceptions import NoArgsIsHelpError

    if isinstance(error, Abort):
        return Interrupted("Interrupted.")
    if isinstance(error, NoArgsIsHelpError) and error.ctx is not None:
        return _incomplete(error.ctx)
    if isinstance(error, ClickException):
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "venom-tui"
        return UsageError(_sentence(error.format_message()), hint=f"`{path} --help` says what there is.")
    return None


def _incomplete(context: click.Context) -> UsageError:
    """Say what may follow a noun that stands alone."""
    names = ", ".join(getattr(context.command, "commands", ()))
    return UsageError(
        f"`{context.command_path}` needs one of: {names}.",
        hint=f"`{context.command_path} --help` says what each does.",
    )


def failure_of_turn(ended: TurnEnded) -> VenomError:
    """Return the failure of a turn as the error that it was in the core."""
    if not ended.error_code:
        return Interrupted("The answer was interrupted.", hint=f"What came is kept in session {ended.session_id}.")
    kind = next((kind for kind in error_kinds() if kind.code == ended.error_code), VenomError)
    failure = kind(ended.error, hint=ended.hint, server_message=ended.server_message)
    if isinstance(failure, ContextOverflow):
        failure.prompt_tokens, failure.context_length = ended.prompt_tokens, ended.context_length
    return failure


def error_kinds(root: type[VenomError] = VenomError) -> Iterator[type[VenomError]]:
    """Yield all kinds of errors that a command may end with, by code; these are the fixed list of docs/cli.md.

    What has no code of its own is told as the kind that it derives from.
    """
    if "code" in root.__dict__:
        yield root
    for kind in root.__subclasses__():
        yield from error_kinds(kind)


def tell(failure: VenomError, *, as_json: bool) -> int:
    """Print a failure, the object on stdout where JSON was asked for and the sentence on stderr; return its status."""
    try:
        if as_json:
            from venom_tui.cli.output import json_text

            print(json_text({"error": failure.as_dict()}), flush=True)
        print(_words(failure), file=sys.stderr, flush=True)
    except BrokenPipeError:
        _forget_output()
    return failure.exit_code


def _words(failure: VenomError) -> str:
    from venom_tui.core.sanitize import sanitize

    lines = [f"venom-tui: {failure.message}"]
    if failure.server_message and failure.server_message not in failure.message:
        lines.append(f"  It said: {failure.server_message}")
    if failure.hint:
        lines.append(f"  {failure.hint}")
    return sanitize("\n".join(lines))


def _sentence(text: str) -> str:
    from venom_tui.core.sanitize import sanitize_line

    line = sanitize_line(text)
    return line if line.endswith((".", "?")) else line + "."


def _forget_output() -> None:
    """Nobody reads what we write: let the end of the process not stumble over what is still buffered."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
