"""Values of a header, each looked at before it is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeGuard

_MOST = 2**40


class Values:
    """The values of one architecture, by their names without its prefix."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values
        architecture = values.get("general.architecture")
        self.architecture = architecture if isinstance(architecture, str) and architecture else None

    def raw(self, name: str) -> object:
        """Return a value as it is; None where it is not told."""
        return self._values.get(f"{self.architecture}.{name}")

    def number(self, name: str) -> int:
        """Return a whole number from 1 on; 0 where none is told."""
        return _number(self.raw(name))

    def largest(self, name: str) -> int:
        """Return a number, or the largest of an array."""
        value = self.raw(name)
        return max((_number(item) for item in value), default=0) if _is_list(value) else _number(value)

    def each(self, name: str, count: int) -> list[int] | None:
        """Return a number for each layer; None where it is not told, or not for each."""
        value = self.raw(name)
        if _is_list(value):
            numbers = [_number(item) for item in value[:count]]
            return numbers if len(numbers) == count else None
        return [_number(value)] * count if _number(value) else None


def missing_arrays(values: Mapping[str, object]) -> list[str]:
    """Return the keys of an architecture whose arrays were left out: Ollama writes null for them."""
    names = ("attention.head_count", "attention.head_count_kv", "feed_forward_length",
             "attention.sliding_window_pattern")  # fmt: skip
    prefix = f"{Values(values).architecture}."
    return [prefix + name for name in names if prefix + name in values and values[prefix + name] is None]


def _is_list(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _number(value: object) -> int:
    # JSON has no whole numbers of its own: some write 4096.0.
    if isinstance(value, float) and value.is_integer() and abs(value) < _MOST:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < _MOST:
        return 0
    return value
