"""Runs operations: one queue per runtime, the same request joins the first, every state is committed.

Nothing here knows what an operation does: the caller gives the work as a coroutine function.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from venom_tui.core.errors import NotFound, StoreError, VenomError
from venom_tui.core.events import EventBus, OperationChanged, StoreTrouble
from venom_tui.core.owner import Owner
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.store.debounce import Debounce
from venom_tui.core.store.operations import OperationStore
from venom_tui.core.types.operation import Operation, OperationState

T = TypeVar("T")

_CLOSE_LIMIT_S = 5.0


class Progress:
    """What the work tells of itself while it runs."""

    def __init__(self, runner: OperationRunner, operation: Operation) -> None:
        self._runner = runner
        self.operation = operation

    def update(
        self,
        *,
        message: str | None = None,
        bytes_done: int | None = None,
        bytes_total: int | None = None,
        vram_before_bytes: int | None = None,
        vram_after_bytes: int | None = None,
    ) -> None:
        """Tell what is being done and how far it is; None leaves a field as it was."""
        told = {
            "message": None if message is None else sanitize_line(message),
            "bytes_done": bytes_done,
            "bytes_total": bytes_total,
            "vram_before_bytes": vram_before_bytes,
            "vram_after_bytes": vram_after_bytes,
        }
        changes = {name: value for name, value in told.items() if value is not None}
        self._runner.progressed(self, replace(self.operation, **changes))  # type: ignore[arg-type]


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
        self._queues: dict[str, asyncio.Lock] = {}
        self._running: dict[tuple[str, str, str], tuple[Progress, asyncio.Task[object]]] = {}
        self._progress: Debounce[Operation] = Debounce(self._save_progress)
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
            asyncio.CancelledError: it was cancelled.
        """
        key = (kind, target, runtime)
        found = self._running.get(key)
        if found is None:
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
            progress = Progress(self, operation)
            lock = self._queues.setdefault(runtime if queue is None else queue, asyncio.Lock())
            task: asyncio.Task[object] = asyncio.create_task(
                self._run(key, progress, work, lock), name=f"{kind} {operation.target}"
            )
            found = self._running[key] = (progress, task)
        return await self._wait(found[1])

    async def _wait(self, task: asyncio.Task[object]) -> T:  # type: ignore[type-var]
        task_waiters = getattr(task, "waiters", 0) + 1
        task.waiters = task_waiters  # type: ignore[attr-defined]
        try:
            return await asyncio.shield(task)  # type: ignore[return-value]
        except asyncio.CancelledError:
            if not task.done() and task.waiters == 1:  # type: ignore[attr-defined]
                task.cancel()
                await asyncio.wait({task})
            raise
        finally:
            task.waiters -= 1  # type: ignore[attr-defined]

    async def _run(
        self,
        key: tuple[str, str, str],
        progress: Progress,
        work: Callable[[Progress], Awaitable[object]],
        lock: asyncio.Lock,
    ) -> object:
        state, error = OperationState.SUCCEEDED, ""
        try:
            await self._save(progress)
            async with lock:
                progress.operation = replace(
                    progress.operation, state=OperationState.RUNNING, started_at=self._now()
                )
                await self._save(progress)
                return await work(progress)
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
            await self._save(progress)

    def progressed(self, progress: Progress, operation: Operation) -> None:
        """Take what the work tells (called by Progress)."""
        if operation != progress.operation:
            progress.operation = operation
            self._events.emit(OperationChanged(operation))
            self._progress.put(operation.id, operation)

    async def _save(self, progress: Progress) -> None:
        self._events.emit(OperationChanged(progress.operation))
        try:
            await self._store.save(progress.operation, self._owner)
        except StoreError as failure:
            # The work itself goes on or has ended as it has: only its record is missing, and that is said.
            self._events.emit(StoreTrouble(f"An operation could not be recorded. {failure.message}"))

    async def _save_progress(self, operations: dict[str, Operation]) -> None:
        for operation in operations.values():
            await self._store.save(operation, self._owner)

    # ------------------------------------------------------------------ the history

    async def list(self, limit: int | None = None) -> list[Operation]:
        """Return all operations, newest first; those of this process with their newest progress."""
        live = {progress.operation.id: progress.operation for progress, _ in self._running.values()}
        found = await self._store.list(limit)
        return [live.get(operation.id) or self._seen(operation, owner) for operation, owner in found]

    async def get(self, operation_id: str) -> Operation:
        """Return one operation.

        Raises:
            NotFound: there is none of this id.
        """
        found = await self._store.get(operation_id)
        if found is None:
            raise NotFound(
                f"There is no operation {sanitize_line(operation_id, 40)!r}.", hint="`operations list` shows all."
            )
        return self._seen(*found)

    def running(self) -> list[Operation]:
        """Return the operations of this process that have not ended."""
        return [progress.operation for progress, _ in self._running.values()]

    def _seen(self, operation: Operation, owner: Owner | None) -> Operation:
        """Return an operation as it is seen from here: an open one whose owner is dead is interrupted."""
        if operation.state.final:
            return operation
        alive = owner is not None and owner.alive(self._owner) is not False
        if alive:
            return operation
        return replace(operation, state=OperationState.INTERRUPTED, owner_alive=False)

    async def clear(self) -> int:
        """Remove the ended ones from the history; return how many."""
        return await self._store.clear()

    async def recover(self) -> int:
        """Mark as interrupted what a dead process was doing; return how many."""
        count = 0
        for operation, owner in await self._store.open_ones():
            seen = self._seen(operation, owner)
            if seen.state is OperationState.INTERRUPTED:
                await self._store.save(replace(seen, finished_at=self._now()), self._owner)
                count += 1
        return count

    async def expire(self, days: int) -> None:
        """Remove those that ended more than so many days ago; 0 keeps them for ever."""
        if days > 0:
            await self._store.expire(self._now() - timedelta(days=days))

    async def close(self) -> None:
        """Interrupt what runs and commit that."""
        self._closing = True
        tasks = [task for _, task in self._running.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CLOSE_LIMIT_S)
        await self._progress.close()
