"""The lines of `/api/pull`, added up.

Seen on a real 0.33: layers come one after the other, so that what is known of the whole grows; one that is smaller than
a tick may get no line at all, or one without `completed`; `completed` steps back where a part is fetched again; a part
that is retried shows as a thousand equal lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from venom_tui.core.sanitize import sanitize_line


@dataclass(slots=True)
class _Layer:
    total: int
    first: int
    """What was there when it was first heard of."""
    done: int


class Layers:
    """What one pull has told so far.

    Args:
        total: bytes of all layers, where they are known from the registry.
        count: how many layers there are.
    """

    def __init__(self, total: int | None = None, count: int | None = None) -> None:
        self._expected = total
        self._count = count
        self._layers: dict[str, _Layer] = {}
        self.status = ""
        """What the server does, in its words."""
        self.finished = False
        """Whether it has said `success`."""
        self.steps_back = 0

    def take(self, line: Mapping[str, Any]) -> bool:
        """Take a line; return whether it tells that more bytes are there than before."""
        status = line.get("status")
        self.status = sanitize_line(status, 80) if isinstance(status, str) else ""
        self.finished = self.finished or self.status == "success"
        total, done = _count(line.get("total")), _count(line.get("completed")) or 0
        if total is None:
            return False
        # Models that are no GGUF come as one aggregate without a digest.
        key = line["digest"] if isinstance(line.get("digest"), str) else self.status
        layer = self._layers.get(key)
        if layer is None:
            self._layers[key] = _Layer(total, done, done)
            return True
        layer.total = max(layer.total, total)
        if done < layer.done:
            self.steps_back += 1
        more = done > layer.done
        layer.done = done
        layer.first = min(layer.first, done)
        return more

    @property
    def fetching(self) -> bool:
        """Whether bytes are what is waited for; else the server checks or writes, which has no progress."""
        return self.status.startswith("pulling") and not self.finished

    @property
    def known(self) -> bool:
        """Whether a layer was heard of."""
        return bool(self._layers)

    @property
    def done(self) -> int:
        """Bytes that are there; all of them at the end, also of layers that got no line."""
        heard = sum(layer.done for layer in self._layers.values())
        return self.total if self.finished else heard

    @property
    def moved(self) -> int:
        """Bytes that came during this pull."""
        return sum(layer.done - layer.first for layer in self._layers.values())

    @property
    def total(self) -> int:
        """Bytes of all layers, as far as they are known."""
        return max(self._expected or 0, sum(layer.total for layer in self._layers.values()))

    @property
    def whole(self) -> bool:
        """Whether `total` is all there is."""
        return self.finished or self._expected is not None

    @property
    def words(self) -> str:
        """What is going on, for people."""
        if self.finished:
            return ""
        if not (self.fetching and self._layers):
            return self.status
        of = f" of {self._count}" if self._count is not None and self._count >= len(self._layers) else ""
        return f"layer {len(self._layers)}{of}"


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
