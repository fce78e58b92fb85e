"""How verdicts on memory are written: a sign, a colour and a word, in lists and in sentences."""

from __future__ import annotations

from collections.abc import Mapping

from textual.content import Content

from venom_tui.core.types.fit import FitBadge, Verdict
from venom_tui.ui.text import clean, signs, truncate_middle
from venom_tui.ui.widgets.columns import Column

_STYLES: Mapping[Verdict, str] = {
    Verdict.FITS: "$success",
    Verdict.FITS_AFTER_EVICTION: "$warning",
    Verdict.PARTLY_ON_CPU: "$warning",
    Verdict.DOES_NOT_FIT: "$error",
    Verdict.UNKNOWN: "$text-muted",
}
_SHORT: Mapping[Verdict, str] = {
    Verdict.FITS: "fits",
    Verdict.FITS_AFTER_EVICTION: "evicts",
    Verdict.PARTLY_ON_CPU: "partly",
    Verdict.DOES_NOT_FIT: "too large",
    Verdict.UNKNOWN: "?",
}
_LONG: Mapping[Verdict, str] = {
    Verdict.FITS: "fits",
    Verdict.FITS_AFTER_EVICTION: "fits after eviction",
    Verdict.PARTLY_ON_CPU: "partly on the CPU",
    Verdict.DOES_NOT_FIT: "does not fit",
    Verdict.UNKNOWN: "not known",
}
BADGE_WIDTH = 11
"""Cells of the widest badge."""

_NAMED, _NAME = 2, 32
"""Models that are named where several must leave, and cells of each name."""

FIT_COLUMN = Column("fit", BADGE_WIDTH, worth=8)


def sign_of(verdict: Verdict) -> str:
    """Return the sign of a verdict, "" for what needs none."""
    if verdict is Verdict.DOES_NOT_FIT:
        return signs().failed
    return signs().warning if verdict in (Verdict.FITS_AFTER_EVICTION, Verdict.PARTLY_ON_CPU) else ""


def badge(found: FitBadge | None) -> Content:
    """Return a badge for a list; nothing where it is not known yet."""
    if found is None:
        return Content()
    if found.loaded:
        return Content.styled("loaded", "$success")
    sign = sign_of(found.verdict)
    return Content.styled(f"{sign} {_SHORT[found.verdict]}" if sign else _SHORT[found.verdict], _STYLES[found.verdict])


def who_leaves(found: FitBadge | None) -> str:
    """Return who has to leave before a model fits, in words; "" where nobody has to. Two are named, others counted."""
    if found is None or found.loaded or found.verdict is not Verdict.FITS_AFTER_EVICTION or not found.evicts:
        return ""
    named = [truncate_middle(clean(name), _NAME) for name in found.evicts[:_NAMED]]
    more = len(found.evicts) - len(named)
    named += [f"{more:,} more"] if more else []
    who = f"{', '.join(named[:-1])} and {named[-1]}" if named[1:] else named[0]
    return f"fits after {who} {'leave' if named[1:] else 'leaves'}"


def verdict(found: Verdict) -> Content:
    """Return a verdict in words, with its sign."""
    sign = sign_of(found)
    return Content.styled(f"{sign} {_LONG[found]}" if sign else _LONG[found], _STYLES[found])
