"""One runtime in detail: its facts, the history of its answers, why something is not known, the end of its log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from textual.content import Content

from venom_tui.core.types.runtime import SILENT, RuntimeState
from venom_tui.ui.screens.runtimes.view import (
    VERBS,
    Seen,
    View,
    controller_of,
    last_failure,
    latency,
    sentence_of,
    share_of_latency,
    words_of,
)
from venom_tui.ui.text import clean, literal, signs
from venom_tui.ui.widgets.figures import bar_of, graph
from venom_tui.ui.widgets.live_rows import Row, still
from venom_tui.ui.widgets.sections import rule

_NAME = 10
_GRAPH = 60
_BAR = 24
_LEAST_LOG = 3
"""Lines of a log that are worth a title."""


def detail_rows(seen: Seen, view: View, height: int) -> list[Row]:
    """Return what is known of a runtime in so many rows; the end of its log takes what is left."""
    rows = [*_facts(seen, view), *_work(seen), *_latencies(seen, 3 if height >= 24 else 1)]
    if (failed := last_failure(seen)) is not None:
        rows += _failure(failed.server_message or sentence_of(failed), failed.hint)
    room = height - len(rows) - 1
    if seen.log and room >= _LEAST_LOG:
        rows.append(Row(still("log"), partial(rule, "Log", right="l all of it")))
        rows += [Row(still(f"log {number}"), partial(_plain, line)) for number, line in enumerate(seen.log[-room:])]
    return rows


def fact_lines(seen: Seen, view: View) -> list[str]:
    """Return all that is known of a runtime, as lines of a dialog."""
    load = seen.figures.load
    lines = [f"{name:<{_NAME}} {value}" for name, value in _named(seen, view)]
    figures = [
        ("running", load.running),
        ("waiting", load.waiting),
        ("read", load.prompt_tokens),
        ("written", load.generated_tokens),
    ]
    lines += [f"{name:<{_NAME}} {'?' if value is None else f'{value:,}'}" for name, value in figures]
    missed = seen.figures.looks - seen.figures.answered
    lines.append(f"{'looks':<{_NAME}} {seen.figures.looks:,}, {missed:,} of them not answered")
    if load.reason:
        lines += ["", f"Queue and cache: {clean(load.reason)}."]
    lines.append("")
    lines += [f"{verb:<{_NAME}} {_can(seen, verb)}" for verb in VERBS]
    if seen.server is not None and seen.server.command:
        lines += ["", "It runs", " ".join(clean(part) for part in seen.server.command)]
    if (failed := last_failure(seen)) is not None:
        lines += ["", f"The last {failed.kind} failed: {clean(failed.error)}", clean(failed.hint)]
    return lines


def _can(seen: Seen, verb: str) -> str:
    why = seen.why_not(verb)
    return f"N/A: {clean(why)}" if why else "can be done"


def _named(seen: Seen, view: View) -> Iterator[tuple[str, str]]:
    status = seen.status
    begins = seen.working is not None and seen.working.kind != "stop" and status.state in SILENT
    yield "state", f"{RuntimeState.STARTING.value if begins else status.state.value}: {words_of(seen)}"
    yield "endpoint", clean(status.endpoint) or "none: a process of this venom-tui"
    yield "kind", f"{status.kind}{f' {clean(status.version)}' if status.version else ', version unknown'}"
    yield "known by", clean(status.origin) or "?"
    yield "control", controller_of(seen, view)
    names = ", ".join(clean(name) for name in status.loaded)
    known = status.state is RuntimeState.READY or status.kind == "embedded"  # a process of ours: we know
    yield "serves", names or ("nothing" if known else "?")
    if status.seen_at is not None and status.state in SILENT:
        yield "answered", f"{view.age(status.seen_at)} ago"
    if status.server_message:
        yield "it said", clean(status.server_message)
    if seen.server is not None and seen.server.log_path:
        yield "log", clean(seen.server.log_path)


def _facts(seen: Seen, view: View) -> Iterator[Row]:
    for name, value in _named(seen, view):
        if name != "log":
            yield Row(still(f"fact {name}"), partial(_fact, name, literal(value)))


def _work(seen: Seen) -> Iterator[Row]:
    load = seen.figures.load
    if load.running is None and load.waiting is None and load.kv_share is None:
        yield Row(still("fact queue"), partial(_fact, "queue", literal(f"?   {load.reason}", "$text-muted")))
        return
    queue = f"{_known(load.running)} running, {_known(load.waiting)} waiting"
    if load.generated_tokens is not None:
        queue += f" · {_known(load.prompt_tokens)} tokens read, {_known(load.generated_tokens)} written"
    yield Row(still("fact queue"), partial(_fact, "queue", literal(queue)))
    if load.kv_share is None:
        cache = literal(f"?   {load.reason}", "$text-muted")
    else:
        cache = Content.assemble(bar_of(_BAR, load.kv_share), f"  {100 * load.kv_share:.0f} % in use")
    yield Row(still("fact cache"), partial(_fact, "KV cache", cache))


def _latencies(seen: Seen, rows: int) -> Iterator[Row]:
    figures = seen.figures
    if not figures.looks:
        return
    shares = [share_of_latency(value) for value in figures.latencies_ms]
    words = "no answer" if seen.status.latency_ms is None else f"{latency(seen)} ms"
    rows = rows if figures.answered else 1
    for number in range(rows):
        sides = ("answers", words) if number == 0 else ("", "")
        yield Row(still(f"answers {number}"), partial(_graph_row, shares, sides, (number, rows)))


def _graph_row(shares: Sequence[float | None], sides: tuple[str, str], place: tuple[int, int], width: int) -> Content:
    number, rows = place
    drawn = graph(shares, max(8, min(_GRAPH, width - _NAME - 44)), rows)[number]
    line = Content.assemble((f" {sides[0]:<{_NAME}} ", "$text-muted"), (drawn, "$primary"), "  ", sides[1])
    return line.truncate(width, ellipsis=True)


def _failure(error: str, hint: str) -> Iterator[Row]:
    yield Row(still("failed"), partial(_fact, f"{signs().failed} failed", literal(error, "$error")))
    if hint:
        yield Row(still("failed hint"), partial(_fact, "", literal(hint)))


def _fact(name: str, value: Content, width: int) -> Content:
    return Content.assemble((f" {name:<{_NAME}} ", "$text-muted"), value).truncate(width, ellipsis=True)


def _plain(text: str, width: int) -> Content:
    return literal(f" {text}", "$text-muted").truncate(width, ellipsis=True)


def _known(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"
