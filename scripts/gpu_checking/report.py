"""What the check prints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from venom_tui.core.types.device import Gpu

Look = Callable[[], Mapping[str, "Gpu"]]
"""Looks at the GPUs now; returns UUID -> GPU."""


class Report:
    """What is printed, and whether all of it was alike."""

    def __init__(self) -> None:
        self.different: list[str] = []

    def say(self, text: str = "") -> None:
        """Print a line."""
        print(text, flush=True)

    def begin(self, title: str) -> None:
        """Begin a group of pairs."""
        self.say(f"\n{title}\n  {'':<28} {'venom-tui':>24} {'nvidia-smi':>24}")

    def compare(self, name: str, ours: object, theirs: object, *, alike: bool, why: str = "") -> None:
        """Print a pair, and note where it differs."""
        verdict = "ok" if alike else "DIFFERS"
        self.say(f"  {name:<28} {ours!s:>24} {theirs!s:>24}  {verdict}{f'  {why}' if why else ''}")
        if not alike:
            self.different.append(name)
