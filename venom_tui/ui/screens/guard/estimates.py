"""How good estimates of memory have been: a line in the list, and all of it in a dialog."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from venom_tui.core.types.fit import EstimateRecord, Quality
from venom_tui.ui.screens.guard.view import View
from venom_tui.ui.text import clean, gib, literal, truncate_middle
from venom_tui.ui.widgets.live_rows import Row

KEY = "estimates"
_SHOWN = 12
"""Loads that are listed."""
_NAME = 24
"""Cells of a model's name with its runtime: what a line of the dialog has room for."""


def estimate_rows(view: View) -> Iterator[Row]:
    """Return a line on how good estimates have been; nothing before the first was measured."""
    if view.qualities:
        text = summary(view.qualities)
        yield Row(KEY, lambda width: literal(f" {text}", "$text-muted").truncate(width, ellipsis=True))


def summary(qualities: Sequence[Quality]) -> str:
    """Return in a sentence how good estimates have been."""
    count = sum(one.count for one in qualities)
    middle = median(one.median_percent for one in qualities)
    kinds = "1 architecture" if len(qualities) == 1 else f"{len(qualities)} architectures"
    return f"Estimates: {round(middle, 1):g} % off in the middle, {_loads(count)} of {kinds} measured"


def estimate_lines(qualities: Sequence[Quality], records: Sequence[EstimateRecord]) -> list[str]:
    """Return how good estimates have been, by architecture, and the newest loads, as lines of a dialog."""
    lines = [
        "Each load was estimated, then measured; the next estimates of an architecture are corrected by that.",
        "",
        f"{'architecture':<14} {'loads':>5} {'middle':>8} {'worst':>8} {'uncorrected':>12}",
    ]
    for one in qualities:
        figures = f"{one.median_percent:>6g} % {one.worst_percent:>6g} % {one.plain_median_percent:>10g} %"
        lines.append(f"{clean(one.architecture):<14} {one.count:>5} {figures}")
    lines += ["", f"{'estimated':>9} {'then':>6}  GiB, the newest first"]
    for record in reversed(records[-_SHOWN:]):
        how = f"{record.context_length:,} tokens, {record.kv_type}, {record.source} on {record.place.upper()}"
        name = truncate_middle(f"{clean(record.model)} @ {clean(record.runtime)}", _NAME)
        lines.append(f"{gib(record.likely_bytes):>9} {gib(record.actual_bytes):>6}  {name}, {how}")
    return lines


def _loads(count: int) -> str:
    return "1 load" if count == 1 else f"{count:,} loads"
