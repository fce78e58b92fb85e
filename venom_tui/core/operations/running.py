"""An operation while this process runs it, and what a kind of operation is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from venom_tui.core.operations.progress import Progress
from venom_tui.core.store.operations import Entry
from venom_tui.core.store.shared_operations import Terms
from venom_tui.core.types.operation import OperationState

Work = Callable[[Progress], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of operation that can be done from what is written of it, by any venom-tui.

    `work` gets the arguments and the progress. Where it is cancelled it leaves what it has, so that it can go on later.
    """

    name: str
    work: Callable[[Mapping[str, Any], Progress], Awaitable[object]]
    overlaps: Callable[[Mapping[str, Any]], bool] = lambda arguments: False
    """Whether a second process may begin it before the first one has ended; it then tells `Progress.joined`."""


class Ending(Enum):
    """Why the work of an operation is stopped."""

    CANCEL = "cancel"
    PAUSE = "pause"
    STOP = "stop"
    """To be resumed some time."""
    GIVE = "give"
    """Another process will go on with it."""
    LOSE = "lose"
    """Another process does it already: nothing is written of it any more."""


FINAL: Mapping[Ending, OperationState] = {
    Ending.CANCEL: OperationState.CANCELLED,
    Ending.STOP: OperationState.INTERRUPTED,
}


@dataclass(slots=True, eq=False)
class Running:
    """An operation of this process."""

    key: tuple[str, ...]
    """What a second request is compared by."""
    progress: Progress
    names: frozenset[str]
    """What no other operation of this process may hold meanwhile."""
    terms: Terms | None = None
    """Given for what is shared with other processes."""
    joins: Entry | None = None
    """What another process still runs while this one begins."""
    ending: Ending | None = None
    waiters: int = 0
    task: asyncio.Task[object] = field(init=False)

    @property
    def id(self) -> str:
        """The operation's id."""
        return self.progress.operation.id

    @property
    def leaves(self) -> bool:
        """Whether its work is being stopped."""
        return self.ending is not None or self.task.cancelling() > 0

    def stop(self, ending: Ending) -> None:
        """Stop the work; the first reason counts."""
        if self.ending is None:
            self.ending = ending
            self.progress.given_up = ending is Ending.CANCEL
        self.task.cancel()
