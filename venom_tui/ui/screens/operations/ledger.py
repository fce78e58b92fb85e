"""What the section knows of the operations: those that run, those that wait, and as much of the history as was read."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from venom_tui.core.types.operation import Operation, OperationState


class Group(Enum):
    """Under which title an operation stands."""

    RUNNING = "Running"
    QUEUED = "Queued"
    HISTORY = "History"


def group_of(operation: Operation) -> Group:
    """Return the group of an operation."""
    if operation.state.final:
        return Group.HISTORY
    return Group.QUEUED if operation.state is OperationState.QUEUED else Group.RUNNING


class Ledger:
    """Operations by their id, told by events and read in pages, newest first."""

    def __init__(self) -> None:
        self.complete = False
        """Whether nothing older is left to read."""
        self.ended: int | None = None
        """How many ended ones the store holds, as far as it was counted."""
        self.words: tuple[str, ...] = ()
        """What an operation must hold to be shown, in lower case."""
        self._known: dict[str, Operation] = {}
        self._open: set[str] = set()
        self._told: set[str] = set()
        """What events told since the last page was asked for: newer than anything that the page holds."""

    def __len__(self) -> int:
        return len(self._known)

    def get(self, operation_id: str | None) -> Operation | None:
        """Return an operation that is known."""
        return None if operation_id is None else self._known.get(operation_id)

    # ------------------------------------------------------------------ what is known

    def tell(self, operation: Operation) -> Operation | None:
        """Take an operation as an event tells it; return it as it was known before."""
        before = self._known.get(operation.id)
        self._put(operation)
        self._told.add(operation.id)
        if operation.state.final and self.ended is not None and (before is None or not before.state.final):
            self.ended += 1
        return before

    def ask(self) -> None:
        """Note that a page is asked for now."""
        self._told.clear()

    def take_newest(self, page: Sequence[Operation], limit: int) -> None:
        """Take the newest `limit` operations; those of their span that are not among them were removed elsewhere."""
        listed = {operation.id for operation in page} | self._told
        whole = len(page) < limit
        reaches_known = not whole and any(operation.id in self._known for operation in page)
        for operation in tuple(self._known.values()):
            # Where no row is known already, there may be a gap between the page and what is known: that is read again.
            if operation.id not in listed and not (reaches_known and _place(operation) > _place(page[-1])):
                self._drop(operation.id)
        self._add(page)
        self.complete = whole or (self.complete and reaches_known)

    def take_older(self, page: Sequence[Operation], limit: int) -> None:
        """Take the page after the oldest one that is known."""
        self._add(page)
        self.complete = len(page) < limit

    def forget_ended(self) -> None:
        """Forget the history: it was cleared."""
        for operation in tuple(self._known.values()):
            if operation.state.final:
                self._drop(operation.id)
        self.complete, self.ended = True, 0

    def _add(self, page: Sequence[Operation]) -> None:
        for operation in page:
            if operation.id not in self._told:
                self._put(operation)

    def _put(self, operation: Operation) -> None:
        self._known[operation.id] = operation
        if operation.state.final:
            self._open.discard(operation.id)
        else:
            self._open.add(operation.id)

    def _drop(self, operation_id: str) -> None:
        del self._known[operation_id]
        self._open.discard(operation_id)

    # ------------------------------------------------------------------ questions

    @property
    def oldest(self) -> Operation | None:
        """The operation after which the next page begins."""
        return max(self._known.values(), key=_place, default=None)

    @property
    def running(self) -> list[Operation]:
        """Those that run now, the first one first."""
        found = [self._known[key] for key in self._open]
        return sorted((one for one in found if one.state is OperationState.RUNNING), key=_place, reverse=True)

    def groups(self) -> dict[Group, list[str]]:
        """Return the ids of each group that pass the filter: what waits oldest first, all else newest first."""
        found: dict[Group, list[str]] = {group: [] for group in Group}
        for operation in sorted(self._known.values(), key=_place):
            if not self.words or self._matches(operation):
                found[group_of(operation)].append(operation.id)
        found[Group.QUEUED].sort(key=lambda key: (self._known[key].place, -_place(self._known[key])[0]))
        return found

    def _matches(self, operation: Operation) -> bool:
        parts = (operation.kind, operation.target, operation.state.value, operation.runtime, operation.error)
        text = " ".join((*parts, operation.cause, operation.provider, operation.message)).lower()
        return all(word in text for word in self.words)

    def in_front_of(self, operation: Operation) -> Operation | None:
        """Return what runs at the same runtime, for which a queued operation waits."""
        return next((one for one in self.running if one.runtime and one.runtime == operation.runtime), None)


def _place(operation: Operation) -> tuple[float, str]:
    """Return where an operation stands in the order of the store: newest first, those of one moment by their ids."""
    return (-operation.created_at.timestamp() if operation.created_at else 0.0, operation.id)
