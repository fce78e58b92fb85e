"""What commands print: JSON for programs, plain lines for people.

Text is sanitized once more on its way out. JSON keeps every character, those that could drive a terminal escaped.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from pathlib import PurePath
from typing import Any

from venom_tui.cli.failures import writing
from venom_tui.core.sanitize import sanitize

_ESCAPED = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufeff\ud800-\udfff]")
_STYLES = {"bold": "1", "dim": "2", "ok": "32", "warn": "33", "fail": "31"}
_GAP = "  "


def data_of(value: Any) -> Any:
    """Return a value of the core as what JSON knows: dataclasses as objects, times as ISO 8601 with their zone."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: data_of(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {str(key): data_of(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [data_of(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, PurePath) else value


def json_text(value: Any) -> str:
    """Return a value as JSON on one line."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = json.dumps(data_of(value), ensure_ascii=not utf8, allow_nan=False)
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def show(value: Any, lines: Callable[[], Iterable[str]], *, as_json: bool) -> None:
    """Print a result: as JSON where that was asked for, else the lines for people."""
    if as_json:
        put(json_text(value))
    else:
        for line in lines():
            put(line)


def put(text: str) -> None:
    """Print a line of a result."""
    with writing():
        print(text)


def note(text: str) -> None:
    """Say something on stderr that is no part of the result."""
    print(sanitize(text), file=sys.stderr, flush=True)


def paint(text: str, style: str) -> str:
    """Return sanitized text in a style, plain where stdout is no terminal or the user wants no colour."""
    text = sanitize(text)
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table; on a terminal its last column is cut to the width that is left."""
    cells = [[" ".join(sanitize(cell).split()) for cell in row] for row in rows]
    widths = [max(width(row[column]) for row in (headings, *cells)) for column in range(len(headings))]
    if sys.stdout.isatty():
        left = shutil.get_terminal_size().columns - sum(widths[:-1]) - len(_GAP) * (len(widths) - 1)
        for row in cells:
            row[-1] = cut(row[-1], max(8, left))
    lines = [
        _GAP.join(_padded(cell, wide) for cell, wide in zip(row, widths, strict=True)) for row in (headings, *cells)
    ]
    return [paint(lines[0].rstrip(), "bold"), *(line.rstrip() for line in lines[1:])]


def pairs(rows: Iterable[tuple[str, str]]) -> list[str]:
    """Return lines of names and values, the values in one column."""
    found = [(name, sanitize(value)) for name, value in rows]
    widest = max((len(name) for name, _ in found), default=0)
    return [f"{paint(name, 'dim')}{' ' * (widest - len(name))}{_GAP}{value}" for name, value in found]


def width(text: str) -> int:
    """Return how many cells of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def cut(text: str, cells: int) -> str:
    """Return a text that takes no more than so many cells."""
    if width(text) <= cells:
        return text
    while text and width(text) > cells - 1:
        text = text[:-1]
    return text + "…"


def _padded(text: str, cells: int) -> str:
    return text + " " * (cells - width(text))


def size(value: int | None) -> str:
    """Return a number of bytes for people, "?" for unknown."""
    if value is None:
        return "?"
    for unit, factor in (("TiB", 1024**4), ("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if value >= factor:
            return f"{value / factor:.1f} {unit}"
    return f"{value} B"


def when(value: datetime | None) -> str:
    """Return a moment in this machine's time zone, "" for none."""
    return "" if value is None else f"{value.astimezone():%Y-%m-%d %H:%M}"


def or_unknown(value: object) -> str:
    """Return a value as text, "?" for unknown."""
    return (
        "?" if value is None else f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    )
