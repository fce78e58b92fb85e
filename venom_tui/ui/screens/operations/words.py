"""How operations are written: one line in the list, their facts beside it. Pure functions over `Operation`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from textual.content import Content

from venom_tui.core.types.operation import Operation, OperationState
from venom_tui.ui.text import GIB, MIB, clean, duration, gib, literal, relative_time, signs, size, truncate_middle
from venom_tui.ui.widgets.columns import Column, fit_columns, lay_out
from venom_tui.ui.widgets.figures import bar_of

_S = OperationState
_PULLING = frozenset({"pull", "import", "copy"})
_NARROW = 94
"""Cells below which the line of a running operation has no room for everything."""
_LONGEST_WAIT = timedelta(days=2)
"""Beyond that an estimate of what is left says nothing."""


# ------------------------------------------------------------------ one line


def line(operation: Operation, width: int, now: datetime, in_front: Operation | None) -> Content:
    """Return the line of an operation; `in_front` is what a queued one waits for."""
    room = width - 2
    progress = share_of(operation) is not None and operation.state in (_S.RUNNING, _S.PAUSED)
    columns = _progress_columns(room) if progress else _history_columns(room)
    shown = fit_columns(columns, room)
    widths = dict(shown)
    target = truncate_middle(clean(operation.target), widths.get(2, 0))
    cells = [sign(operation), literal(operation.kind), literal(target)]
    if progress:
        cells += _progress_cells(operation, widths.get(3, 0), now)
    elif operation.state.final:
        cells += [_outcome(operation), _age(operation, now)]
    elif operation.state is _S.QUEUED:
        cells += [_waiting(operation, in_front), _age(operation, now)]
    else:
        cells += [_doing(operation), literal(_elapsed(operation, now), "$text-muted")]
    return Content.assemble(" ", lay_out(cells, columns, shown))


def second_line(operation: Operation, width: int) -> Content:
    """Return what a running operation with a bar is doing, under its line, and where."""
    moved = operation.rate_bytes_per_s
    # Where the line has no room for the rate it stands here.
    narrow = "" if moved is None or width - 2 >= _NARROW else rate(moved)
    words = [narrow, operation.message, _where(operation)]
    text = literal(" · ".join(filter(None, words)), "$text-muted")
    return Content.assemble(" " * 14, text.truncate(max(0, width - 15), ellipsis=True))


def has_second_line(operation: Operation) -> bool:
    """Return whether there is more to say than what fits beside the bar."""
    return operation.state is _S.RUNNING and share_of(operation) is not None and bool(operation.message)


def _where(operation: Operation) -> str:
    if operation.host:
        return f"on {operation.host}"
    retries = f"begun again {operation.retries} times" if operation.retries > 1 else ""
    retries = retries or ("begun again once" if operation.retries else "")
    place = "in the background" if operation.background else ""
    if operation.repeatable and not place:
        place = "goes on when this terminal closes"
    return " · ".join(filter(None, (retries, place)))


@lru_cache(maxsize=8)
def _history_columns(room: int) -> tuple[Column, ...]:
    return (
        Column("", 1, worth=9),
        Column("what", 8, worth=7),
        Column("target", max(16, min(44, room * 32 // 100)), worth=10),
        Column("outcome", 16, worth=8, stretch=True),
        Column("when", 9, worth=6, right=True),
    )


@lru_cache(maxsize=8)
def _progress_columns(room: int) -> tuple[Column, ...]:
    narrow = room < _NARROW
    bar_width = 8 if narrow else 14 if room < 136 else 30
    return (
        Column("", 1, worth=9),
        Column("what", 8, worth=7),
        Column("target", 14 if narrow else 16, worth=10, stretch=True),
        Column("bar", bar_width, worth=7),
        Column("share", 4, worth=9, right=True),
        Column("bytes", 18, worth=6, right=True),
        Column("rate", 8, worth=3, right=True),
        Column("left", 13, worth=5, right=True),
        Column("since", 9, worth=2, right=True),
    )


def sign(operation: Operation) -> Content:
    """Return the sign of an operation's state."""
    marks = signs()
    match operation.state:
        case _S.RUNNING:
            return Content.styled(marks.pulling if operation.kind in _PULLING else marks.loading, "$busy")
        case _S.PAUSED:
            return Content.styled(marks.paused, "$warning")
        case _S.FAILED:
            return Content.styled(marks.failed, "$error")
        case _S.INTERRUPTED:
            return Content.styled(marks.warning, "$warning")
        case _S.CANCELLED:
            return Content.styled(marks.dash, "$text-muted")
        case _S.SUCCEEDED:
            return Content.styled(marks.installed, "$success")
    return Content(" ")


def _outcome(operation: Operation) -> Content:
    took = took_s(operation)
    far = _how_far(operation)
    match operation.state:
        case _S.SUCCEEDED:
            parts = [] if took is None else [duration(took)]
            return Content(" · ".join([*parts, *_gains(operation)]) or "done")
        case _S.FAILED:
            why = literal(operation.error or "no reason was given")
            # How long it took says less than the words for which there is little room.
            return Content.assemble(
                (f"failed{far}" if share_of(operation) is not None else "failed", "$error"), "  ", why
            )
        case _S.INTERRUPTED:
            return Content.assemble((f"interrupted{far}", "$warning"), "  its venom-tui ended")
    return Content(f"cancelled{far}")


def _how_far(operation: Operation) -> str:
    """Return how far it came, else how long it took."""
    share, took = share_of(operation), took_s(operation)
    if share is not None:
        return f" at {percent(share)}"
    return "" if took is None else f" after {duration(took)}"


def _gains(operation: Operation) -> list[str]:
    """Return what a successful operation changed, in numbers."""
    gains = []
    vram = vram_change(operation)
    if vram:
        gains.append(f"VRAM {vram}")
    amount = operation.bytes_total or operation.bytes_done
    if amount:
        gains.append(size(amount))
    return gains


def _waiting(operation: Operation, in_front: Operation | None) -> Content:
    parts = [] if not operation.bytes_total else [size(operation.bytes_total)]
    if operation.message:
        parts.append(operation.message)
    elif in_front is not None:
        parts.append(f"after {in_front.kind} of {in_front.target}")
    else:
        parts.append("waits for its turn")
    return literal("   ".join(parts))


def _doing(operation: Operation) -> Content:
    state = "paused" if operation.state is _S.PAUSED else operation.message or "running"
    amount = operation.bytes_done or operation.bytes_total
    return literal(state if not amount else f"{state} · {size(amount)}")


def _age(operation: Operation, now: datetime) -> Content:
    then = operation.finished_at or operation.created_at
    if then is None:
        return Content.styled("?", "$text-muted")
    # Seconds would be another text at each look: a screen on which nothing happens must not be written to.
    recent = (now - then).total_seconds() < 60
    return Content.styled("< 1 m" if recent else relative_time(then, now), "$text-muted")


def _progress_cells(operation: Operation, bar_width: int, now: datetime) -> list[Content]:
    share = share_of(operation) or 0.0
    left = left_s(operation)
    paused = operation.state is _S.PAUSED
    style = "$warning" if paused else "$busy"
    return [
        bar_of(bar_width, share, style=style),
        Content(percent(share)),
        Content(amounts(operation.bytes_done or 0, operation.bytes_total or 0)),
        Content("" if paused or operation.rate_bytes_per_s is None else rate(operation.rate_bytes_per_s)),
        Content("paused" if paused else "" if left is None else f"{_whole(left)} left"),
        literal(_elapsed(operation, now), "$text-muted"),
    ]


# ------------------------------------------------------------------ figures


def share_of(operation: Operation) -> float | None:
    """Return how much is done, 0 to 1; None where that is not known."""
    if operation.share is not None:
        return operation.share
    if operation.bytes_done is None or not operation.bytes_total:
        return None
    return min(1.0, max(0.0, operation.bytes_done / operation.bytes_total))


def percent(share: float) -> str:
    """Return a share as whole percents; 100 % only when all is done."""
    return f"{int(share * 100)} %"


def amounts(done: int, total: int) -> str:
    """Return `5.7 of 13.3 GiB`, both in the unit that fits the whole."""
    if total >= GIB:
        return f"{gib(done)} of {gib(total)} GiB"
    return f"{done / MIB:.0f} of {max(1.0, total / MIB):.0f} MiB"


def rate(bytes_per_s: float) -> str:
    """Return `61 MB/s`, as networks are measured."""
    for unit, scale in (("GB/s", 1e9), ("MB/s", 1e6), ("kB/s", 1e3)):
        if bytes_per_s >= scale * 0.9995:
            value = bytes_per_s / scale
            return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"
    return f"{bytes_per_s:.0f} B/s"


def left_s(operation: Operation) -> float | None:
    """Return how long it will go on at the present rate; None where that cannot be told."""
    if not operation.rate_bytes_per_s or operation.bytes_done is None or operation.bytes_total is None:
        return None
    seconds = max(0, operation.bytes_total - operation.bytes_done) / operation.rate_bytes_per_s
    return seconds if 0 < seconds < _LONGEST_WAIT.total_seconds() else None


def took_s(operation: Operation) -> float | None:
    """Return how long an ended operation ran; None when it never began."""
    if operation.started_at is None or operation.finished_at is None:
        return None
    return max(0.0, (operation.finished_at - operation.started_at).total_seconds())


def vram_change(operation: Operation) -> str:
    """Return `3.1 → 12.4 GiB`, or "" where nothing was measured."""
    before, after = operation.vram_before_bytes, operation.vram_after_bytes
    if before is None and after is None:
        return ""
    shown = ["?" if value is None else gib(value) for value in (before, after)]
    return f"{shown[0]} → {shown[1]} GiB" if signs().dash == "─" else f"{shown[0]} to {shown[1]} GiB"


def _elapsed(operation: Operation, now: datetime) -> str:
    since = operation.started_at or operation.created_at
    if since is None:
        return ""
    return _whole(max(0.0, (now - since).total_seconds()))


def _whole(seconds: float) -> str:
    """Return a length of time in whole seconds: tenths would be another text at each look."""
    return f"{seconds:.0f} s" if seconds < 59.5 else duration(seconds)


# ------------------------------------------------------------------ all facts

_Fact = Callable[[Operation, datetime], str]


def _clock(then: datetime | None, now: datetime) -> str:
    if then is None:
        return ""
    here = then.astimezone()
    today = now.astimezone()
    if here.date() == today.date():
        return f"{here:%H:%M:%S}"
    return f"{here:%d %b %H:%M:%S}" if here.year == today.year else f"{here:%d %b %Y %H:%M:%S}"


def _amount(operation: Operation) -> str:
    share = share_of(operation)
    if share is not None:
        return f"{amounts(operation.bytes_done or 0, operation.bytes_total or 0)} ({percent(share)})"
    return "" if operation.bytes_total is None else f"? of {size(operation.bytes_total)}"


def _took(operation: Operation, now: datetime) -> str:
    took = took_s(operation)
    if took is not None:
        return duration(took)
    return "" if operation.state.final or operation.started_at is None else f"{_elapsed(operation, now)} so far"


_FACTS: tuple[tuple[str, _Fact], ...] = (
    ("state", lambda one, _: one.state.value),
    ("runtime", lambda one, _: one.runtime),
    ("provider", lambda one, _: one.provider),
    ("cause", lambda one, _: one.cause),
    ("retries", lambda one, _: str(one.retries or "")),
    ("on", lambda one, _: one.host or ("the background" if one.background and not one.state.final else "")),
    ("asked for", lambda one, now: _clock(one.created_at, now)),
    ("begun", lambda one, now: _clock(one.started_at, now)),
    ("ended", lambda one, now: _clock(one.finished_at, now)),
    ("took", _took),
    ("bytes", lambda one, _: _amount(one)),
    ("VRAM", lambda one, _: vram_change(one)),
)


def title(operation: Operation) -> str:
    """Return how an operation is called."""
    return clean(f"{operation.kind} {operation.target}")


def facts(operation: Operation, now: datetime) -> list[tuple[str, str]]:
    """Return (name, value) of what is known of an operation."""
    found = [(name, clean(value(operation, now))) for name, value in _FACTS]
    return [(name, value) for name, value in found if value]


def pane(operation: Operation, now: datetime, width: int) -> Content:
    """Return the words and the facts of an operation for the pane below the list, whose text is `width` cells wide.

    What went wrong and what can be done stands first: a low terminal shows no more than that.
    """
    lines = [Content()]
    for name, value in facts(operation, now):
        if name == "state":
            continue
        fact = Content.assemble((f"{name} ", "$text-muted"), value)
        if lines[-1].cell_length + fact.cell_length + 3 > width and lines[-1].plain:
            lines.append(fact)
        else:
            lines[-1] = Content.assemble(lines[-1], "   ", fact) if lines[-1].plain else fact
    words = [literal(text, style) for text, style in _words(operation)]
    return Content("\n").join([*words, *lines] if operation.error else [*lines, *words])


def _words(operation: Operation) -> list[tuple[str, str]]:
    """Return what is said of an operation in sentences, with the style of each."""
    if operation.error:
        failed = (operation.error, "$error" if operation.state is _S.FAILED else "")
        return [failed, *([(f"Next: {operation.hint}", "")] if operation.hint else [])]
    if operation.state is _S.INTERRUPTED:
        kept = " What it had is kept." if operation.repeatable else ""
        return [(f"The venom-tui that ran it ended before it was done.{kept}", "$warning")]
    return [(operation.message, "")] if operation.message else []


def full(operation: Operation, now: datetime, log: Sequence[str] = ()) -> list[str]:
    """Return all facts as lines of a dialog, and the log."""
    lines = [f"{name:<10} {value}" for name, value in [*facts(operation, now), ("id", operation.id)]]
    for text, _ in _words(operation):
        lines += ["", text]
    return [*lines, *(["", *log] if log else [])]
