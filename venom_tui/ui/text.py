"""How things are written on the screen: sizes in GiB, times, bars, signs. Pure functions; nothing here is markup."""

from __future__ import annotations

import locale
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from rich.cells import cell_len, split_graphemes
from textual.content import Content

_HARMFUL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufeff]")

GIB = 1024**3
MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Signs:
    """One sign for each state, so that colour never carries a meaning alone."""

    loaded: str = "●"
    installed: str = "○"
    loading: str = "◐"
    warning: str = "▲"
    failed: str = "✕"
    paused: str = "⏸"
    pinned: str = "⚑"
    pulling: str = "↓"
    remote: str = "☁"
    unknown: str = "?"
    dash: str = "─"
    bar: str = "▌"
    pointer: str = "▸"
    unfolded: str = "▾"
    ellipsis: str = "…"
    bullet: str = "•"
    todo: str = "☐"
    done: str = "☑"
    live: str = "▍"
    elbow: str = "╰"
    vertical: str = "│"
    cross: str = "┼"
    eighths: str = " ▏▎▍▌▋▊▉█"
    others: str = "▒"
    empty: str = "░"
    spark: str = "▁▂▃▄▅▆▇█"


ASCII_SIGNS = Signs(
    loaded="*",
    installed="o",
    loading="~",
    warning="!",
    failed="x",
    paused="=",
    pinned="#",
    pulling="v",
    remote="@",
    dash="-",
    bar="|",
    pointer=">",
    unfolded="v",
    ellipsis="~",
    bullet="-",
    todo="[ ]",
    done="[x]",
    live=">",
    elbow="`",
    vertical="|",
    cross="+",
    eighths=" ########",
    others="+",
    empty=".",
    spark="_.-:=+*#",
)
_UNICODE_SIGNS = Signs()
_chosen = _UNICODE_SIGNS


def use_ascii(ascii_only: bool) -> None:
    """Choose the set of signs for the whole program."""
    global _chosen  # one terminal, one set
    _chosen = ASCII_SIGNS if ascii_only else _UNICODE_SIGNS


def signs() -> Signs:
    """Return the signs in use."""
    return _chosen


@lru_cache(maxsize=1)
def locale_is_utf8() -> bool:
    """Return whether the terminal's locale can show more than ASCII."""
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        value = os.environ.get(name)
        if value:
            return "utf-8" in value.lower() or "utf8" in value.lower()
    # Nothing is set: Python itself has settled for UTF-8 mode or the C locale.
    return "utf" in locale.getpreferredencoding(False).lower()


def clean(text: str) -> str:
    """Return one line of text without what drives a terminal: control characters, bidi overrides, line separators.

    The core sanitizes outside text where it enters. This is for what comes into being later: `&#x202e;` in Markdown.
    """
    if text.isascii() and text.isprintable():
        return text
    return _HARMFUL.sub("", text)


def literal(text: str, style: str = "") -> Content:
    """Return outside text as content of one line: nothing in it is markup, nothing in it drives the terminal."""
    text = clean(text.expandtabs(4))
    return Content.styled(text, style) if style else Content(text)


def gib(value: int | float) -> str:
    """Return bytes as GiB with one decimal, without the unit."""
    return f"{value / GIB:.1f}"


def size(value: int | None) -> str:
    """Return bytes with a fitting binary unit, or `?`."""
    if value is None:
        return "?"
    # What would round up to 1024 of a unit is shown in the next one.
    if value >= 1023.5 * MIB:
        return f"{value / GIB:.1f} GiB"
    if value >= 1023.5 * 1024:
        return f"{value / MIB:.0f} MiB"
    return f"{value / 1024:.0f} KiB" if value >= 1024 else f"{value} B"


def tokens(value: int | None) -> str:
    """Return a number of tokens as the field writes it: `512`, `2.1k`, `40k`; `?` where it is not known."""
    if value is None:
        return "?"
    if value < 1000:
        return str(value)
    thousands = value / 1024
    return f"{thousands:.1f}".removesuffix(".0") + "k" if thousands < 9.95 else f"{round(thousands):,}k"


def duration(seconds: float) -> str:
    """Return a length of time: `0.21 s`, `4 s`, `2 m 05 s`, `3 h 07 m`."""
    seconds = max(0.0, seconds)
    # The limits are where rounding would reach the next form.
    if seconds < 0.995:
        return f"{seconds:.2f} s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} m {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} m"


_HOURS_S = 12 * 3600
"""Seconds that are told in hours, whatever the day."""


def relative_time(then: datetime, now: datetime) -> str:
    """Return how long ago a moment is: `4 s`, `2 m`, `3 h` (also last night), `yesterday`, then the date."""
    seconds = (now - then).total_seconds()
    if seconds < 60:
        return f"{max(0, int(seconds))} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} m"
    here, today = then.astimezone(), now.astimezone()
    days = (today.date() - here.date()).days
    if days == 0 or seconds < _HOURS_S:
        return f"{int(seconds // 3600)} h"
    if days == 1:
        return "yesterday"
    return f"{here:%d %b}" if here.year == today.year else f"{here:%d %b %Y}"


def truncate_middle(text: str, width: int) -> str:
    """Return `text` in at most `width` cells, the middle left out: both ends of a model's name matter."""
    if cell_len(text) <= width:
        return text
    if width <= 1:
        return signs().ellipsis[:width]
    room = width - 1
    # The end carries the tag or the quantization: it gets the larger half.
    tail_width = (room + 1) // 2
    spans = split_graphemes(text)[0]
    head, used = "", 0
    for _, end, cells in spans:
        if used + cells > room - tail_width:
            break
        head, used = text[:end], used + cells
    tail, used = "", 0
    for begin, _, cells in reversed(spans):
        if used + cells > tail_width:
            break
        tail, used = text[begin:], used + cells
    return head.rstrip() + signs().ellipsis + tail


def bar(width: int, ours: float, others: float = 0.0) -> str:
    """Return a bar of `width` cells: our share (0 to 1) in eighths, other people's after it, the rest empty."""
    if width <= 0:
        return ""
    sign = signs()
    ours, others = min(max(ours, 0.0), 1.0), min(max(others, 0.0), 1.0)
    eighths = round(ours * width * 8)
    full, part = divmod(eighths, 8)
    text = sign.eighths[8] * full
    if part and full < width:
        text += sign.eighths[part]
    filled = min(width, max(len(text), round((ours + others) * width)))
    text += sign.others * (filled - len(text))
    return (text + sign.empty * (width - len(text)))[:width]


def sparkline(values: Sequence[float | None], width: int, most: float) -> str:
    """Return the newest `width` values as one line of blocks, the newest at the right; unknown ones are blanks."""
    sign = signs().spark
    shown = list(values)[-width:]
    text = ""
    for value in shown:
        if value is None or most <= 0:
            text += " "
        else:
            text += sign[min(len(sign) - 1, int(min(max(value / most, 0.0), 1.0) * len(sign)))]
    return text.rjust(width)
