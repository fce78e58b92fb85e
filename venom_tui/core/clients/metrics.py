"""Reads figures out of the text that Prometheus' servers write (`/metrics`)."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping

_LINE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{[^\n]*\})?[ \t]+(\S+)")
_MOST_LINES = 50_000


def read_metrics(text: str, wanted: Collection[str]) -> Mapping[str, tuple[float, ...]]:
    """Return name -> its values, one for each set of labels; what is no number is passed over."""
    found: dict[str, list[float]] = {}
    for line in text.split("\n", _MOST_LINES)[:_MOST_LINES]:
        name = line.partition("{")[0].partition(" ")[0]
        if name not in wanted or (match := _LINE.match(line)) is None:
            continue
        try:
            value = float(match[2])
        except ValueError:
            continue
        if math.isfinite(value) and 0 <= value < 1e18:
            found.setdefault(name, []).append(value)
    return {name: tuple(values) for name, values in found.items()}


def total(values: tuple[float, ...] | None) -> int | None:
    """Return the sum over all sets of labels as a whole number, None where there is none."""
    return None if not values else round(sum(values))


def highest_share(values: tuple[float, ...] | None) -> float | None:
    """Return the highest value as a share, 0 to 1; None where there is none."""
    return None if not values else min(1.0, max(values))
