"""Sizes as people write them: `40GiB`, `40G` (the same), `40GB` (billions), `1.5T`, `1024`."""

from __future__ import annotations

import re

_SIZE = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,6})?)\s*(?:([kmgtp]?)(i?)b?)\Z", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_MOST_GPUS = 1024


def parse_size(text: str) -> int | None:
    """Return a number of bytes, or None for what is no size."""
    text = text.strip()
    found = _SIZE.match(text)
    if found is None:
        return None
    decimal = bool(found[2]) and not found[3] and text[-1:] in "bB"
    factor: int = (1000 if decimal else 1024) ** _POWERS[found[2].lower()]
    return round(float(found[1]) * factor)


def parse_sizes(text: str) -> tuple[int, dict[int, int]] | None:
    """Return a size for all GPUs and those of single ones: `1GiB, 0=4GiB`; None for what is none of that."""
    of_all, single = 0, {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        index, equals, size = part.partition("=")
        parsed = parse_size(size if equals else part)
        if parsed is None:
            return None
        if not equals:
            of_all = parsed
        elif not index.strip().isascii() or not index.strip().isdigit() or int(index) >= _MOST_GPUS:
            return None
        else:
            single[int(index)] = parsed
    return of_all, single
