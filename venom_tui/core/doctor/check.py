"""One thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from venom_tui.core.sanitize import sanitize_line

_LONGEST = 2000


class State(StrEnum):
    """How it stands."""

    OK = "ok"
    WARN = "warn"
    """It works, less well than it could."""
    FAIL = "fail"
    """Something that venom-tui needs does not work."""


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, what was found, and what to do about it."""

    name: str
    state: State
    found: str
    next_step: str = ""


def ok(name: str, found: str) -> Check:
    """Return a check that found nothing wrong."""
    return _check(name, State.OK, found)


def warn(name: str, found: str, next_step: str) -> Check:
    """Return a check that found something that could be better."""
    return _check(name, State.WARN, found, next_step)


def fail(name: str, found: str, next_step: str) -> Check:
    """Return a check that found something that does not work."""
    return _check(name, State.FAIL, found, next_step)


def _check(name: str, state: State, found: str, next_step: str = "") -> Check:
    # Paths, names of files and what the environment says stand in these sentences.
    return Check(name, state, sanitize_line(found, _LONGEST), sanitize_line(next_step, _LONGEST))
