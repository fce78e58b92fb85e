"""Runs operations: one queue per runtime, the same request joins the first, every state is committed.

Nothing here knows what an operation does: the caller gives the work as a coroutine function.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar, cast

from venom_tui.core.errors import Interrupted, StoreError, VenomError
from venom_tui.core.events import EventBus, OperationChanged, StoreTrouble
from venom_tui.core.operations.history import History, Operations
from venom_tui.core.operations.progress import Progress
from venom_tui.core.owner import Owner
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.store.debounce import Debounce
from venom_tui.core.store.operations import OperationStore
from venom_tui.core.types.operation import Operation, OperationState

__all__ = ["OperationRunner", "Progress"]

T = TypeVar("T")
_log = logging.getLogger(__name__)

_CLOSE_LIMIT_S = 5.0
_HEARTBEAT_S = 30.0

_HELD: ContextVar[frozenset[str]] = ContextVar("held queues", default=frozenset())
"""The queues that the operation around this code holds: what it begins itself there need not, and must not, wait."""


@dataclass(slots=True)
class _Running:
    progress: Progress
    task: asyncio.Task[object]
    waiters: int = 0


class OperationRunner:
    """Owns all running operations of this process."""

    def __init__(
        self,
        store: OperationStore,
        events: EventBus,
        owner: Owner,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._events = events
        self._owner = owner
        self._now = now
        self._history = History(store, owner, now)
        self._queues: dict[str, asyncio.Lock] = {}
        self._running: dict[tuple[str, str, str], _Running] = {}
        self._unrecorded: dict[str, Operation] = {}
        self._progress: Debounce[Operation] = Debounce(self._save_progress)
        self._heart: asyncio.Task[None] | None = None
        self._closing = False

    async def run(
        self,
        kind: str,
        target: str,
        work: Callable[[Progress], Awaitable[T]],
        *,
        runtime: str = "",
        provider: str = "",
        cause: str = "user",
        queue: str | None = None,
    ) -> T:
        """Run `work` as an operation and return its result; the same kind, target and runtime asked twice run once.

        `queue` names what must not run at the same time, by default the runtime. A caller that is cancelled cancels the
        operation only when nobody else waits for it.

        Raises:
            VenomError: the work failed; the operation's row says why.
            Interrupted: it was cancelled by `cancel`, or venom-tui is closing.
        """
        if self._closing:
            raise Interrupted("venom-tui is closing: nothing new is begun.")
        key = (kind, target, runtime)
        running = self._running.get(key)
        if running is None:
            operation = Operation(
                uuid.uuid4().hex[:16],
                kind,
                sanitize_line(target),
                OperationState.QUEUED,
                runtime=runtime,
                provider=provider,
                cause=sanitize_line(cause),
                created_at=self._now(),
            )
            progress = Progress(operation, self._progressed)
            task: asyncio.Task[object] = asyncio.create_task(
                self._run(key, progress, work, runtime if queue is None else queue), name=f"{kind} {operation.target}"
            )
            running = self._running[key] = _Running(progress, task)
            self._beat()
        return cast("T", await self._wait(running))

    async def _wait(self, running: _Running) -> object:
        task = running.task
        running.waiters += 1
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            me = asyncio.current_task()
            if task.done() and (me is None or not me.cancelling()):
                operation = running.progress.operation
                raise Interrupted(f"The {operation.kind} of {operation.target} was {operation.state}.") from None
            if not task.done() and running.waiters == 1:
                task.cancel()
                await asyncio.wait({task})
            raise
        finally:
            running.waiters -= 1

    async def _run(
        self,
        key: tuple[str, str, str],
        progress: Progress,
        work: Callable[[Progress], Awaitable[object]],
        queue: str,
    ) -> object:
        state, error = OperationState.INTERRUPTED, ""
        try:
            await self._save(progress.operation)
            if queue in _HELD.get():
                result = await self._work(progress, work)
            else:
                async with self._queues.setdefault(queue, asyncio.Lock()):
                    _HELD.set(_HELD.get() | {queue})  # of this task only
                    result = await self._work(progress, work)
            state = OperationState.SUCCEEDED
        except asyncio.CancelledError:
            state = OperationState.INTERRUPTED if self._closing else OperationState.CANCELLED
            raise
        except VenomError as failure:
            state = OperationState.FAILED
            error = " ".join(filter(None, (failure.message, failure.server_message)))
            raise
        except Exception as failure:
            state, error = OperationState.FAILED, f"venom-tui made a mistake ({type(failure).__name__}: {failure})"
            raise
        finally:
            self._running.pop(key, None)
            progress.operation = replace(
                progress.operation, state=state, error=sanitize_line(error, 2000), finished_at=self._now()
            )
            self._progress.drop(progress.operation.id)
            await self._save(progress.operation)
        return result

    async def _work(self, progress: Progress, work: Callable[[Progress], Awaitable[object]]) -> object:
        progress.operation = replace(progress.operation, state=OperationState.RUNNING, started_at=self._now())
        await self._save(progress.operation)
        return await work(progress)

    def _progressed(self, operation: Operation) -> None:
        self._events.emit(OperationChanged(operation))
        self._progress.put(operation.id, operation)

    # ------------------------------------------------------------------ the record

    async def _save(self, operation: Operation) -> None:
        self._events.emit(OperationChanged(operation))
        try:
            await self._store.save(operation, self._owner)
            await self._record_missed()
        except StoreError as failure:
            # The work itself goes on or has ended as it has: only its record is missing, and that is said.
            if operation.state.final:
                self._unrecorded[operation.id] = operation
            self._events.emit(StoreTrouble(f"An operation could not be recorded. {failure.message}"))

    async def _record_missed(self) -> None:
        """Write the ends that could not be written when they came."""
        for operation in tuple(self._unrecorded.values()):
            await self._store.save(operation, self._owner)
            self._unrecorded.pop(operation.id, None)

    async def _save_progress(self, operations: dict[str, Operation]) -> None:
        for operation in operations.values():
            await self._store.save(operation, self._owner)

    def _beat(self) -> None:
        if self._heart is None or self._heart.done():
            self._heart = asyncio.create_task(self._beat_while_running(), name="heartbeat of operations")

    async def _beat_while_running(self) -> None:
        """Show other machines, which cannot look at our process, that what runs here is alive."""
        while self._running:
            await asyncio.sleep(_HEARTBEAT_S)
            try:
                await self._store.beat(
                    [running.progress.operation.id for running in self._running.values()], self._now()
                )
            except StoreError as failure:
                _log.warning("no heartbeat was written: %s", failure.message)

    # ------------------------------------------------------------------ the history

    async def list(self, limit: int | None = None, *, before: Operation | None = None) -> Operations:
        """Return all operations, newest first; those of this process as they stand now.

        A page: at most `limit` of those that follow `before`, the last one of the page that was read already.
        """
        return await self._history.list(limit, self._known(), before)

    async def count_ended(self) -> int:
        """Return how many operations have ended: what `clear` would remove."""
        return await self._store.count_ended()

    async def get(self, operation_id: str) -> Operation:
        """Return one operation by its id, or by a beginning of it that no other id has.

        Raises:
            NotFound: there is none of this id.
        """
        return await self._history.get(operation_id, self._known())

    def _known(self) -> dict[str, Operation]:
        """Return the operations of which this process knows more than the store."""
        return {**self._unrecorded, **{found.id: found for found in self.running()}}

    def running(self) -> Operations:
        """Return the operations of this process that have not ended."""
        return [running.progress.operation for running in self._running.values()]

    async def cancel(self, operation_id: str) -> bool:
        """Cancel an operation of this process and wait for its end; False when none of this id runs here."""
        for running in self._running.values():
            if running.progress.operation.id == operation_id:
                running.task.cancel()
                await asyncio.wait({running.task})
                return True
        return False

    async def clear(self) -> int:
        """Remove the ended ones from the history; return how many."""
        return await self._store.clear()

    async def recover(self) -> int:
        """Mark as interrupted what a dead process was doing; return how many."""
        return await self._history.recover()

    async def expire(self, days: int) -> None:
        """Remove those that ended more than so many days ago; 0 keeps them for ever."""
        await self._history.expire(days)

    async def close(self) -> None:
        """Interrupt what runs and commit that; take nothing new."""
        self._closing = True
        tasks = {running.task: running for running in self._running.values()}
        for task in tasks:
            task.cancel()
        if tasks:
            _, stuck = await asyncio.wait(tasks, timeout=_CLOSE_LIMIT_S)
            for task in stuck:
                # Work that does not let itself be cancelled: its end is recorded here; a later one changes nothing.
                operation = tasks[task].progress.operation
                _log.error("%s %s did not end within %s s", operation.kind, operation.target, _CLOSE_LIMIT_S)
                await self._save(replace(operation, state=OperationState.INTERRUPTED, finished_at=self._now()))
        if self._heart is not None:
            self._heart.cancel()
            await asyncio.wait({self._heart})
        await self._progress.close()
        try:
            await self._record_missed()
        except StoreError as failure:
            _log.error("operations were not recorded: %s", failure.message)
