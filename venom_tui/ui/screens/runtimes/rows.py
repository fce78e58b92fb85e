"""A line for each runtime: how it is, how it answers, what it has to do, who controls it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from textual.content import Content

from venom_tui.ui.screens.runtimes.view import Seen, View, control_of, latency, share_of_latency, sign_of, words_of
from venom_tui.ui.text import clean, literal, sparkline, truncate_middle
from venom_tui.ui.widgets.columns import Column, fit_columns, lay_out
from venom_tui.ui.widgets.live_rows import Row, still

_SPARK = 10
COLUMNS = (
    Column("", 1, worth=20),
    Column("runtime", 14, worth=19),
    Column("kind", 8, worth=6),
    Column("version", 10, worth=4),
    Column("ms", 5, worth=12, right=True),
    Column("10 min", _SPARK, worth=5),
    Column("runs", 4, worth=10, right=True),
    Column("waits", 5, worth=10, right=True),
    Column("cache", 5, worth=9, right=True),
    Column("control", 14, worth=8),
    Column("how it is", 28, worth=18, stretch=True),
)


def runtime_rows(view: View) -> Iterator[Row]:
    """Return the heads and a line for each runtime."""
    yield Row(still("heads"), _heads)
    for seen in view.runtimes:
        yield Row(seen.id, partial(_line, seen))


def _heads(width: int) -> Content:
    shown = fit_columns(COLUMNS, width - 2)
    return Content.assemble(" ", lay_out([Content.styled(one.title, "$text-muted") for one in COLUMNS], COLUMNS, shown))


def _line(seen: Seen, width: int) -> Content:
    status, load = seen.status, seen.figures.load
    shares = [share_of_latency(value) for value in seen.figures.latencies_ms]
    shown = fit_columns(COLUMNS, width - 2)
    cells = [
        sign_of(seen),
        literal(truncate_middle(clean(status.id), 14)),
        literal(status.kind),
        literal(truncate_middle(clean(status.version or "?"), 10)),
        Content(latency(seen)),
        Content.styled(sparkline(shares, _SPARK, 1.0), "$primary"),
        Content(_number(load.running)),
        Content(_number(load.waiting)),
        Content("?" if load.kv_share is None else f"{100 * load.kv_share:.0f} %"),
        literal(control_of(seen)),
        literal(words_of(seen), "" if seen.working is not None else "$text-muted"),
    ]
    return Content.assemble(" ", lay_out(cells, COLUMNS, shown))


def _number(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"
