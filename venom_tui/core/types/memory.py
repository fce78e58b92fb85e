"""What a load or a switch would do to the memory of this machine, and what an unload gave back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from venom_tui.core.types.device import LoadedModel
from venom_tui.core.types.fit import FitReport
from venom_tui.core.types.limits import LimitState

OURS, OTHERS, PINNED = range(3)
"""Tiers: who leaves first. Ours that nobody pinned, then what others loaded, then what somebody pinned."""


@dataclass(frozen=True, slots=True)
class Consent:
    """What was said yes to before it was asked."""

    yes: bool = False
    """To a load over a limit that asks."""
    force: bool = False
    """To one that the guard refuses, too."""

    @property
    def agreed(self) -> bool:
        """Whether nothing has to be asked."""
        return self.yes or self.force


@dataclass(frozen=True, slots=True)
class Present:
    """A model that is in memory when something begins."""

    held: LoadedModel
    ours: bool
    pin_is_ours: bool

    @property
    def whose(self) -> str:
        """Say whose it is."""
        return _whose(ours=self.ours, pinned=self.held.pinned)


@dataclass(frozen=True, slots=True)
class Eviction:
    """A model that would have to leave."""

    name: str
    runtime: str
    held_bytes: int | None
    """What it holds where the room is needed; None: not known."""
    ours: bool
    """Whether venom-tui loaded it; else somebody else did."""
    pinned: bool = False
    """Whether somebody wants it kept."""
    answering: int = 0
    """Answers of this program that it is writing now."""
    loaded_at: datetime | None = None
    """When venom-tui loaded it, or pinned it later."""
    context_length: int | None = None
    why: str = ""
    """What it would leave for, as one clause."""

    @property
    def asks_apart(self) -> bool:
        """Whether a yes to evictions does not cover it: others loaded it, or it is pinned."""
        return not self.ours or self.pinned

    @property
    def tier(self) -> int:
        """Return what kind of a yes it needs, and when it would leave among others."""
        return PINNED if self.pinned else (OURS if self.ours else OTHERS)

    @property
    def whose(self) -> str:
        """Say whose it is."""
        return _whose(ours=self.ours, pinned=self.pinned)


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """What a load or a switch needs and would do; made before it, and compared with how things stand when it begins."""

    kind: str
    """`load` or `switch`."""
    name: str
    runtime: str
    must_load: bool
    """False: it is in memory already."""
    before: tuple[str, str] | None = None
    """Runtime and name of the model that answered when this was made."""
    fit: FitReport | None = None
    evicts: tuple[Eviction, ...] = ()
    """Who would leave, in this order."""
    broken: tuple[LimitState, ...] = ()
    """Limits that would be broken all the same."""
    questions: tuple[str, ...] = ()
    """What needs a yes, besides what asks apart; each a sentence."""
    limit_questions: tuple[str, ...] = ()
    """Those of them that are about limits, but for the number of embedded models: a prompt does not say yes to them."""
    refusal: str = ""
    """Why the guard refuses it, with the numbers; "" where it does not."""
    warnings: tuple[str, ...] = ()
    made_at: datetime | None = None

    @property
    def asks(self) -> bool:
        """Whether it needs a yes."""
        return bool(self.questions)

    @property
    def apart(self) -> tuple[Eviction, ...]:
        """Those that need a yes of their own."""
        return tuple(one for one in self.evicts if one.asks_apart)

    @property
    def quiet(self) -> bool:
        """Whether nobody has to be asked."""
        return not (self.questions or self.apart or self.refusal)


@dataclass(frozen=True, slots=True)
class Freed:
    """What came back when a model left."""

    name: str
    runtime: str
    expected_bytes: int | None
    """What it held: as measured, else as its runtime reported; None: not known."""
    freed_bytes: int | None
    """What was seen to be free again; None: that could not be measured."""
    still_held: tuple[str, ...] = ()
    """Who holds the rest, each a clause."""
    waited_s: float = 0.0
    reason: str = ""
    """Why something is not known, or why nothing was done."""

    @property
    def text(self) -> str:
        """Return it as a sentence."""
        if self.reason and self.expected_bytes is None:
            return f"{self.name} left; {self.reason}."
        if self.expected_bytes is None:
            return f"{self.name} left; what it held is not known."
        expected = _gib(self.expected_bytes)
        if self.freed_bytes is None:
            return f"{self.name} left; {expected} GiB should be free again ({self.reason or 'not measured'})."
        words = f"{self.name} left: {_gib(self.freed_bytes)} GiB came back of {expected} expected"
        return f"{words}; {', '.join(self.still_held)}." if self.still_held else f"{words}."


def _whose(*, ours: bool, pinned: bool) -> str:
    loaded = "loaded by venom-tui" if ours else "loaded by others"
    return f"{loaded}, pinned" if pinned else loaded


def _gib(size: int) -> str:
    return f"{size / 1024**3:.2f}"
