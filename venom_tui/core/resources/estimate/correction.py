"""What earlier loads teach: how far estimates of an architecture were off, and by how much the next is changed."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from venom_tui.core.types.fit import EstimateRecord, Quality

_LAST = 20
"""So many of the newest loads count: drivers and runtimes change."""
_MOST = 0.25
"""A correction is at most this part of the estimate: what is further off is no fault of the estimate."""


def correction_bytes(
    records: Sequence[EstimateRecord], architecture: str, model: str, place: str, plain_bytes: int
) -> int:
    """Return by how much an estimate is to be changed: what was off in the middle of the last loads.

    Loads of the model itself count where there are any, else those of its architecture. It is taken in bytes and not as
    a factor, since weights and cache are counted exactly: what is off is what comes besides, which does not grow with
    the model.

    Args:
        records: what was estimated and then measured, in any order.
        architecture: of the model.
        model: its name.
        place: `gpu` or `cpu`.
        plain_bytes: the estimate that is to be corrected.
    """
    found = _of(records, architecture, place)
    found = [record for record in found if record.model == model] or found
    if not found:
        return 0
    off = median(record.actual_bytes - record.plain_bytes for record in found)
    most = _MOST * plain_bytes
    return round(max(-most, min(most, off)))


def quality(records: Sequence[EstimateRecord], architecture: str, place: str | None = None) -> Quality | None:
    """Return how good estimates of an architecture have been; None where none was measured."""
    found = _of(records, architecture, place)
    if not found:
        return None
    off = [abs(record.error_percent) for record in found]
    plain = [100 * abs(record.plain_bytes - record.actual_bytes) / record.actual_bytes for record in found]
    return Quality(architecture, len(found), round(median(off), 1), round(max(off), 1), round(median(plain), 1))


def _of(records: Sequence[EstimateRecord], architecture: str, place: str | None) -> list[EstimateRecord]:
    found = [
        record
        for record in records
        if record.architecture == architecture and place in (None, record.place) and record.actual_bytes > 0
    ]
    found.sort(key=lambda record: record.at)
    return found[-_LAST:]
