"""Pulls that are open or can be gone on with, of any process: what they still need, and what they forbid."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from venom_tui.core.errors import ModelInUse
from venom_tui.core.operations.runner import OperationRunner, Terms
from venom_tui.core.types.operation import Operation, OperationState

PULL = "pull"
_S = OperationState
_FETCHES = frozenset({_S.RUNNING, _S.QUEUED})
_OPEN = _FETCHES | {_S.PAUSED, _S.INTERRUPTED}
_WORDS = {
    _S.RUNNING: "is being fetched",
    _S.QUEUED: "waits to be fetched",
    _S.PAUSED: "is a download that is paused",
    _S.INTERRUPTED: "is a download that was interrupted",
    _S.FAILED: "is a download that failed",
    _S.CANCELLED: "is a download that was cancelled",
}


@dataclass(frozen=True, slots=True)
class UnfinishedPull:
    """A pull that has not succeeded."""

    operation: Operation
    terms: Terms

    @property
    def fetches(self) -> bool:
        """Whether it goes on by itself."""
        return self.operation.state in _FETCHES

    @property
    def open(self) -> bool:
        """Whether somebody means to go on with it."""
        return self.operation.state in _OPEN

    @property
    def words(self) -> str:
        """What is with it, as a clause."""
        return f"{self.operation.target} {_WORDS[self.operation.state]}"

    @property
    def why_kept(self) -> str:
        """Why what it has fetched so far stays."""
        state = self.operation.state
        if state in _FETCHES:
            return f"{self.words}, and needs it"
        rest = "" if state is _S.PAUSED else "; clearing the history of operations gives it up"
        return f"{self.words}, and goes on from it{rest}"

    @property
    def hint(self) -> str:
        """What can be done where it stands in the way."""
        brief = self.operation.id[:8]
        if self.operation.state is _S.INTERRUPTED:
            return f"Go on with it (`venom-tui operations resume {brief}`), or clear the history of operations."
        return f"Wait until it has ended, or cancel it first (`venom-tui operations cancel {brief}`)."


class UnfinishedPulls:
    """Reads them from the store."""

    def __init__(self, operations: OperationRunner) -> None:
        self._operations = operations

    async def all(self) -> list[UnfinishedPull]:
        """Return them, oldest first."""
        return [UnfinishedPull(operation, terms) for operation, terms in await self._operations.unfinished(PULL)]

    async def open_for(self, holds: Collection[str]) -> UnfinishedPull | None:
        """Return a pull that somebody means to go on with and that changes some of this; what runs comes first."""
        found = [one for one in await self.all() if one.open and not one.terms.holds.isdisjoint(holds)]
        return min(found, key=lambda one: one.operation.state is not _S.RUNNING, default=None)

    async def refuse(self, name: str, holds: Collection[str], what: str) -> None:
        """Refuse a change beside a pull.

        Args:
            name: what would be changed.
            holds: what the change would hold.
            what: what is not done to it: `removed`, `copied`.

        Raises:
            ModelInUse: a pull changes some of this, or is to go on.
        """
        if (found := await self.open_for(holds)) is not None:
            raise ModelInUse(f"{name} is not {what}: {found.words}.", hint=found.hint)
