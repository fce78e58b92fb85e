"""What the parts of the runtimes' screen share: one look at all of them, and the words for their states."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from textual.content import Content

from venom_tui.core.types.operation import Operation, OperationState
from venom_tui.core.types.runtime import RuntimeFigures, RuntimeState, RuntimeStatus
from venom_tui.core.types.server import Server, ServerState
from venom_tui.ui.text import clean, relative_time, signs

VERBS = ("start", "stop", "restart")
NOT_CONTROLLED = "not controlled from here: config.toml names no unit, command or profile for it"
BOUND = "this venom-tui; it ends with it"
_WORST_MS = 3000.0
_LEAST_SHARE = 0.1
_STEADY_MS = 20
"""Milliseconds below which the latency is told no more exactly: it is another one at each look."""
_GONE = (RuntimeState.UNREACHABLE, RuntimeState.FAILED, RuntimeState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Seen:
    """One runtime, with all that is known of it."""

    status: RuntimeStatus
    figures: RuntimeFigures
    server: Server | None = None
    refused: Mapping[str, str] = field(default_factory=dict)
    """Verbs that cannot be done now, and why."""
    operation: Operation | None = None
    """What is done with it, or was done last."""
    log: Sequence[str] = ()
    """The end of its log."""

    @property
    def id(self) -> str:
        """Its id."""
        return self.status.id

    @property
    def working(self) -> Operation | None:
        """What is done with it now."""
        return None if self.operation is None or self.operation.state.final else self.operation

    def why_not(self, verb: str) -> str:
        """Return why a verb cannot be done, "" when it can."""
        if self.status.kind == "embedded":
            if verb == "stop":
                return "" if self.status.loaded else "it holds no model"
            alone = "the embedded llama.cpp starts with the first prompt and ends with this program"
            return alone if verb == "start" else ""
        if self.server is None:
            return NOT_CONTROLLED
        return self.refused.get(verb, "")


@dataclass(frozen=True, slots=True)
class View:
    """One look at all of them."""

    runtimes: tuple[Seen, ...]
    now: datetime

    def get(self, runtime_id: str | None) -> Seen | None:
        """Return one of them."""
        return next((one for one in self.runtimes if one.id == runtime_id), None)

    def age(self, then: datetime) -> str:
        """Return how long ago a moment was, no more exactly than by the minute."""
        seconds = (self.now - then).total_seconds()
        return "less than a minute" if seconds < 60 else relative_time(then, self.now)


def sign_of(seen: Seen) -> Content:
    """Return the sign of its state."""
    mark, state = signs(), seen.status.state
    starts = state in _GONE and seen.server is not None and seen.server.state is ServerState.RUNS
    if starts or seen.working is not None or state in (RuntimeState.STARTING, RuntimeState.LOADING):
        return Content.styled(mark.loading, "$primary")
    if state is RuntimeState.FAILED or (seen.server is not None and seen.server.state is ServerState.ENDED):
        return Content.styled(mark.failed, "$error")
    if state is RuntimeState.BUSY:
        return Content.styled(mark.warning, "$warning")
    if state is RuntimeState.READY:
        return Content.styled(mark.loaded, "$success")
    return Content.styled(mark.installed, "$text-muted")


def words_of(seen: Seen) -> str:
    """Return in a clause how it is."""
    if seen.working is not None:
        return _without_name(clean(seen.working.message or f"{seen.working.kind} waits"), seen)
    server, status = seen.server, seen.status
    if (failed := last_failure(seen)) is not None:
        return _without_name(sentence_of(failed), seen)
    if status.state in _GONE and server is not None:
        if server.state is ServerState.RUNS:
            return f"runs and does not answer: {clean(status.detail)}"
        if server.state is not ServerState.STOPPED or server.detail:
            return clean(server.detail)
        return "stopped"
    return clean(status.detail)


def control_of(seen: Seen) -> str:
    """Return who controls it, in a word."""
    if seen.status.kind == "embedded":
        return "here"
    if seen.server is None:
        return "-"
    return f"{seen.server.way}{' (ours)' if seen.server.ours else ''}"


def controller_of(seen: Seen, view: View) -> str:
    """Return who controls it, as a clause."""
    server = seen.server
    if seen.status.kind == "embedded":
        return BOUND
    if server is None:
        return NOT_CONTROLLED
    how = {"unit": f"systemd, unit {server.unit}", "command": "a command", "profile": "a profile of vLLM"}[server.way]
    if server.state is not ServerState.RUNS:
        return f"{how}; {clean(server.detail) or 'does not run'}"
    whose = "started by venom-tui" if server.ours else "not started by venom-tui"
    process = "" if server.pid is None else f" as process {server.pid}"
    since = "" if server.started_at is None else f", for {view.age(server.started_at)}"
    return f"{how}; {whose}{process}{since}"


def latency(seen: Seen) -> str:
    """Return how long its last answer took, in milliseconds; steady while it is small."""
    value = seen.status.latency_ms
    if value is None:
        return "-" if seen.status.kind == "embedded" else "?"
    return f"<{_STEADY_MS}" if value < _STEADY_MS else f"{round(value, -1 if value < 1000 else -2):.0f}"


def share_of_latency(value: float | None) -> float | None:
    """Return a latency as a share of the worst that is drawn, by its order of magnitude: steady for equal answers."""
    if value is None:
        return None
    if value < _STEADY_MS:
        return _LEAST_SHARE
    return min(1.0, _LEAST_SHARE + (1 - _LEAST_SHARE) * math.log(value / _STEADY_MS) / math.log(_WORST_MS / _STEADY_MS))


def _without_name(text: str, seen: Seen) -> str:
    """Return a sentence without the name that stands before it already."""
    return text.removeprefix(f"{seen.id} ")


def sentence_of(failed: Operation) -> str:
    """Return why an operation failed, without the server's own words."""
    return clean(failed.error.removesuffix(failed.server_message).rstrip(" ."))


def last_failure(seen: Seen) -> Operation | None:
    """Return what was done with it last, where that failed and nothing better is known since."""
    last = seen.operation
    ready = seen.status.state is RuntimeState.READY
    return last if last is not None and last.state is OperationState.FAILED and not ready else None
