"""Options that several commands have, and the questions that they ask."""

from __future__ import annotations

import math
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from venom_tui.core.errors import Declined, NeedsYes, ReadOnly
from venom_tui.core.sanitize import sanitize
from venom_tui.core.settings import Settings, parse_size

T = TypeVar("T")


class Seconds(click.FloatRange):
    """A number of seconds in a range; `nan` is in none, and `inf` is no time at all."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        seconds = super().convert(value, param, ctx)
        if not math.isfinite(seconds):
            self.fail(f"{value} is no number of seconds.", param, ctx)
        return seconds


if TYPE_CHECKING:
    _Bytes = click.ParamType[int]
else:
    _Bytes = click.ParamType  # not generic in every version


class Size(_Bytes):
    """A number of bytes: `40GiB`, `40G` (the same), `40GB` (billions), `1.5T`, `1024`."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        size = parse_size(str(value))
        if size is None:
            self.fail(f"{value!r} is no size. Write 40GiB, 500MB or a number of bytes.", param, ctx)
        return size


PROVIDERS = ("ollama", "huggingface", "local")


def json_option(command: Any) -> Any:
    """Give a command the option --json, as its argument `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(command)


def runtime_option(command: Any) -> Any:
    """Give a command the option --runtime."""
    return click.option("--runtime", metavar="ID", help="Which runtime's model is meant, where several have the name.")(
        command
    )


def provider_option(command: Any) -> Any:
    """Give a command the option --provider."""
    return click.option(
        "--provider", type=click.Choice(PROVIDERS), help="Where the model came from, or is to be looked for."
    )(command)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is lost; --yes answers beforehand, and without a terminal the answer is no.

    Raises:
        Declined: the answer is no, or there is nobody to ask.
    """
    if yes:
        return
    if not somebody():
        raise Declined(f"{question} Without a terminal the answer is no.", hint="--yes says yes.")
    print(f"{sanitize(question)} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Declined("Nothing was changed.")


def somebody() -> bool:
    """Return whether there is somebody to ask."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


async def asked(work: Callable[[bool], Awaitable[T]], *, yes: bool) -> T:
    """Do something that may need a yes, and ask for that where somebody is there.

    Raises:
        NeedsYes: nobody is there.
        Declined: the answer is no.
    """
    try:
        return await work(yes)
    except NeedsYes as question:
        if not somebody():
            raise
        confirm(f"{question.message} Go on?", yes=False)
        return await work(True)


def check_writable(settings: Settings, consequence: str) -> None:
    """Refuse a change in read-only mode; `consequence` ends the sentence.

    Raises:
        ReadOnly: venom-tui runs read-only.
    """
    if settings.flag("VENOM_READ_ONLY"):
        raise ReadOnly(f"venom-tui runs read-only: {consequence}.", hint="Leave out --read-only and VENOM_READ_ONLY.")
