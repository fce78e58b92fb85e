"""Operations change hands: a process that ends gives them to one that goes on without a terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from venom_tui.core.operations.history import History
from venom_tui.core.operations.running import Ending, Running
from venom_tui.core.operations.runs import Runs
from venom_tui.core.operations.sharing import Sharing
from venom_tui.core.operations.watch import EVERY_S, Watch
from venom_tui.core.owner import Owner
from venom_tui.core.store.operations import OperationStore
from venom_tui.core.store.shared_operations import Request, SharedOperations
from venom_tui.core.types.operation import Operation, OperationState

Spawn = Callable[[Sequence[str]], Awaitable[None]]
"""Starts a process that adopts the operations of these ids."""

_TAKEN_WITHIN_S = 15.0
_OFTEN_S = 0.1


class HandOver:
    """Gives operations away, and adopts them."""

    def __init__(
        self, runs: Runs, sharing: Sharing, store: OperationStore, history: History, watch: Watch, owner: Owner
    ) -> None:
        self._runs = runs
        self._sharing = sharing
        self._store = store
        self._shared = SharedOperations(store.database)
        self._history = history
        self._watch = watch
        self._owner = owner

    def offers(self) -> list[Running]:
        """Return what could go on in another process."""
        able = (one for one in self._runs.all() if one.terms is not None and one.progress.operation.repeatable)
        return [one for one in able if one.joins is None and one.ending is None]

    async def give(self, spawn: Spawn) -> list[Operation]:
        """Give everything that can go on elsewhere to a process that `spawn` starts; return what was given.

        What may be done by two at once goes on here until the other one has joined; everything else is stopped, with
        what it has kept.

        Raises:
            VenomError: the process could not be started; everything goes on here.
        """
        offered = self.offers()
        if not offered:
            return []
        await self._runs.write_progress()
        for running in offered:
            await self._shared.ask(running.id, Request.HAND_OVER)
        await spawn([running.id for running in offered])
        self._watch.every_s = _OFTEN_S
        self._watch.notice()
        stopped = [self._runs.stop(one, Ending.GIVE) for one in offered if not self._overlaps(one)]
        try:
            async with asyncio.timeout(_TAKEN_WITHIN_S):
                await asyncio.gather(*stopped)
                await asyncio.wait({running.task for running in offered})
                await asyncio.gather(*(self.adopted(running.id, _TAKEN_WITHIN_S) for running in offered))
        except TimeoutError:
            for running in offered:
                await self._shared.answered(running.id, Request.HAND_OVER)
        finally:
            self._watch.every_s = EVERY_S
        return [running.progress.operation for running in offered if running.task.done()]

    def _overlaps(self, running: Running) -> bool:
        operation = running.progress.operation
        kind = self._sharing.kind(operation.kind)
        assert running.terms is not None
        return kind is not None and operation.state is OperationState.RUNNING and kind.overlaps(running.terms.arguments)

    async def adopt(self, operation_id: str, limit_s: float = _TAKEN_WITHIN_S) -> Running | None:
        """Take over an operation that is given away; None when it has ended, or nobody gives it."""
        deadline = asyncio.get_running_loop().time() + limit_s
        while asyncio.get_running_loop().time() < deadline:
            entry = await self._store.get(operation_id)
            terms = await self._shared.terms(operation_id)
            if entry is None or terms is None or entry.operation.state.final:
                return None
            operation, kind = entry.operation, self._sharing.kind(entry.operation.kind)
            if kind is None:
                return None
            (seen,) = await self._history.look([entry])
            if entry.request == Request.ADOPT or seen.state is OperationState.INTERRUPTED:
                taken = await self._shared.take(entry, self._owner, OperationState.QUEUED)
                if taken is not None:
                    return self._sharing.launch(taken, terms, lines=await self._store.log(operation_id))
            elif entry.request != Request.HAND_OVER:
                return None
            elif operation.state is OperationState.RUNNING and kind.overlaps(terms.arguments):
                running = self._sharing.running_of(operation, terms, lines=await self._store.log(operation_id))
                running.joins = entry
                self._runs.launch(running, self._sharing.work_of(operation, terms))
                return running
            await asyncio.sleep(_OFTEN_S)
        return None

    async def adopted(self, operation_id: str, limit_s: float) -> bool:
        """Wait until somebody has taken an operation that is nobody's; False when nobody did."""
        deadline = asyncio.get_running_loop().time() + limit_s
        while asyncio.get_running_loop().time() < deadline:
            entry = await self._store.get(operation_id)
            if entry is None:
                return False
            if entry.request != Request.ADOPT:
                return True
            await asyncio.sleep(_OFTEN_S)
        return False
