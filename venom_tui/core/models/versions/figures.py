"""What was measured while a version was active, and two of them beside each other. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from statistics import median

from venom_tui.core.store.versions import Activation
from venom_tui.core.types.fit import EstimateRecord
from venom_tui.core.types.version import Difference, ModelVersion, VersionFigures

Period = tuple[datetime, datetime | None]
_FIGURES = ("first_token_ms", "tokens_per_second", "memory_bytes")


def periods(version: ModelVersion, activations: Sequence[Activation]) -> list[Period]:
    """Return from when until when a version was active (None: until now); the activations come oldest first."""
    mine = [one for one in activations if (one.runtime, one.model) == (version.runtime, version.model)]
    ends = [*(one.at for one in mine[1:]), None]  # one more than there are of none
    return [(one.at, end) for one, end in zip(mine, ends, strict=False) if one.version == version.name]


def figures(
    version: ModelVersion,
    activations: Sequence[Activation],
    traces: Iterable[tuple[datetime, str]],
    loads: Iterable[EstimateRecord],
) -> VersionFigures:
    """Return a version's figures.

    Args:
        version: whose.
        activations: which version was active when, oldest first.
        traces: when requests to the model that answers for it began, and what was kept of them.
        loads: what loads were measured to take.
    """
    when = periods(version, activations)
    first: list[float] = []
    speeds: list[float] = []
    answers = 0
    for at, text in traces:
        if not _within(at, when):
            continue
        trace = json.loads(text)
        if trace.get("error"):
            continue
        answers += 1
        timings, usage = trace.get("timings") or {}, trace.get("usage") or {}
        _take(first, timings.get("model_to_first_token_ms"))
        _take(speeds, usage.get("tokens_per_second"))
    memory = [
        one.actual_bytes
        for one in loads
        if (one.runtime, one.model) == (version.runtime, version.answers) and _within(one.at, when)
    ]
    return VersionFigures(
        answers,
        median(first) if first else None,
        median(speeds) if speeds else None,
        memory[-1] if memory else None,
    )


def differences(first: VersionFigures, second: VersionFigures) -> tuple[Difference, ...]:
    """Return the figures of two versions with by how much the second differs."""
    found = []
    for name in _FIGURES:
        one, other = getattr(first, name), getattr(second, name)
        percent = None if one is None or other is None or one == 0 else 100 * (other - one) / one
        found.append(Difference(name, one, other, percent))
    return tuple(found)


def _within(at: datetime, when: Sequence[Period]) -> bool:
    return any(begin <= at and (end is None or at < end) for begin, end in when)


def _take(values: list[float], value: object) -> None:
    if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
        values.append(float(value))
