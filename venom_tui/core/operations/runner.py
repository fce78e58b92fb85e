"""Runs operations: queues, the same request joins the first, every state is committed.

Nothing here knows what an operation does: the caller gives the work as a coroutine function (`run`), or as one of the
kinds that any venom-tui can do from what is written of it (`submit`).
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias, TypeVar, cast

from venom_tui.core.errors import Interrupted
from venom_tui.core.events import EventBus
from venom_tui.core.operations.handover import HandOver, Spawn
from venom_tui.core.operations.history import History, Operations, Sentences
from venom_tui.core.operations.progress import Progress
from venom_tui.core.operations.running import Kind, Running
from venom_tui.core.operations.runs import Runs
from venom_tui.core.operations.sharing import Sharing
from venom_tui.core.operations.watch import Watch
from venom_tui.core.owner import Owner
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.store.operations import Lines, OperationStore
from venom_tui.core.store.shared_operations import Terms
from venom_tui.core.types.operation import Operation, OperationState

__all__ = ["Kind", "OperationRunner", "Progress", "Terms"]

T = TypeVar("T")
Unfinished: TypeAlias = list[tuple[Operation, Terms]]  # Inside the class `list` is the method.


class OperationRunner:
    """Owns all running operations of this process, and knows of those of others."""

    def __init__(
        self,
        store: OperationStore,
        events: EventBus,
        owner: Owner,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._owner = owner
        self._now = now
        self._history = History(store, owner, now)
        self._runs = Runs(store, events, owner, now, self._history)
        self._watch = Watch(self._runs, store, self._history, events, owner)
        self._sharing = Sharing(self._runs, store, self._history, self._watch, events, owner, now)
        self._watch.answer = self._sharing.asked
        self._hand_over = HandOver(self._runs, self._sharing, store, self._history, self._watch, owner)
        self._last_place = 0.0

    # ------------------------------------------------------------------ begun

    async def run(
        self,
        kind: str,
        target: str,
        work: Callable[[Progress], Awaitable[T]],
        *,
        runtime: str = "",
        provider: str = "",
        cause: str = "user",
        queue: str | tuple[str, ...] | None = None,
        machine: str = "",
        holds: Sequence[str] = (),
    ) -> T:
        """Run `work` as an operation and return its result; the same kind, target and runtime asked twice run once.

        One that is just being stopped is not joined: it is waited for, and the work begins anew.
        `queue` names what must not run at the same time (one name or several), by default the runtime; `machine` a
        queue of which one runs at a time over all processes of this machine; `holds` what it changes: it runs beside
        nothing that holds the same, in any process. A caller that is cancelled cancels the operation only when nobody
        else waits for it.

        Raises:
            VenomError: the work failed; the operation's row says why.
            Interrupted: it was cancelled by `cancel`, or venom-tui is closing.
        """
        self._refuse_when_closing()
        key = (kind, target, runtime)
        while (running := self._runs.find(key)) is not None and running.leaves:
            await asyncio.wait({running.task})  # nobody who asks now wants to hear that it was cancelled
            self._refuse_when_closing()
        if running is None:
            operation = self._new(kind, target, runtime=runtime, provider=provider, cause=cause)
            names = queue if isinstance(queue, tuple) else (runtime if queue is None else queue,)
            here = f"{self._owner.machine_id} {self._owner.host}"
            shared = Terms(f"{machine} on {here}" if machine else "", "", {"holds": list(holds)} if holds else {})
            terms = shared if machine or holds else None
            running = Running(key, self._runs.progress_of(operation), frozenset(names) | shared.holds, terms)
            self._runs.launch(running, work)
            self._watch.notice()
        return cast("T", await self._runs.wait(running))

    def register(self, kind: Kind) -> None:
        """Take a kind of operation, which `submit`, `resume` and `retry` can then begin."""
        self._sharing.register(kind)

    async def submit(
        self,
        kind: str,
        target: str,
        terms: Terms,
        *,
        runtime: str = "",
        provider: str = "",
        cause: str = "user",
        bytes_total: int | None = None,
        waiting: bool = False,
    ) -> Operation:
        """Begin an operation of a registered kind and return it as soon as it is written; see `follow`, `wait`.

        One that is open with the same claim is returned instead, whichever process runs it, and goes on where it was
        paused. Nobody has to wait for it. With `waiting` it is left to a process that is started next (`adopt`).

        Raises:
            StoreError: it could not be written, and was not begun.
            Interrupted: venom-tui is closing.
        """
        self._refuse_when_closing()
        operation = self._new(
            kind,
            target,
            runtime=runtime,
            provider=provider,
            cause=cause,
            bytes_total=bytes_total,
            repeatable=True,
            message="waits for the background" if waiting else "",
        )
        return await self._sharing.submit(operation, terms, waiting=waiting)

    async def unfinished(self, kind: str) -> Unfinished:
        """Return what of a kind is open or can be done again (not what was begun anew since), with its terms."""
        return await self._sharing.unfinished(kind)

    async def claimed(self, claim: str) -> Operation | None:
        """Return the open operation that has a claim, whichever process runs it."""
        return await self._sharing.claimed(claim)

    async def amend(self, operation_id: str, arguments: Mapping[str, Any]) -> None:
        """Change what an open operation needs to be done; who does it already is not told."""
        await self._sharing.amend(operation_id, arguments)

    def _new(self, kind: str, target: str, *, cause: str, **facts: object) -> Operation:
        created = self._now()
        self._last_place = max(created.timestamp(), self._last_place + 1e-6)
        return Operation(
            uuid.uuid4().hex[:16],
            kind,
            sanitize_line(target),
            OperationState.QUEUED,
            cause=sanitize_line(cause),
            created_at=created,
            place=self._last_place,
            **facts,  # type: ignore[arg-type]  # fields of one dataclass
        )

    @property
    def owner(self) -> Owner:
        """This process."""
        return self._owner

    @property
    def closing(self) -> bool:
        """Whether what runs is being interrupted, and nothing new is begun."""
        return self._runs.closing

    def _refuse_when_closing(self) -> None:
        if self.closing:
            raise Interrupted("venom-tui is closing: nothing new is begun.")

    # ------------------------------------------------------------------ what there is

    async def list(self, limit: int | None = None, *, before: Operation | None = None) -> Operations:
        """Return all operations, newest first; those of this process as they stand now.

        A page: at most `limit` of those that follow `before`, the last one of the page that was read already.
        """
        return await self._history.list(limit, self._runs.known(), before)

    async def count_ended(self) -> int:
        """Return how many operations have ended: what `clear` would remove."""
        return await self._store.count_ended()

    async def get(self, operation_id: str) -> Operation:
        """Return one operation by its id, or by a beginning of it that no other id has.

        Raises:
            NotFound: there is none of this id.
        """
        return await self._history.get(operation_id, self._runs.known())

    async def log(self, operation_id: str) -> Lines:
        """Return what was noted while an operation ran, each line with its time (UTC)."""
        lines = self._runs.lines(operation_id)
        return await self._store.log(operation_id) if lines is None else lines

    def running(self) -> Operations:
        """Return the operations of this process that have not ended."""
        return [running.progress.operation for running in self._runs.all()]

    async def follow(self, operation_id: str) -> AsyncGenerator[Operation, None]:
        """Yield an operation as it is and whenever it is another one, until it has ended or is paused; of any process.

        Raises:
            NotFound: there is none of this id.
        """
        async for operation in self._sharing.follow(operation_id):
            yield operation

    async def wait(self, operation_id: str) -> Operation:
        """Return an operation once it has ended or is paused.

        Raises:
            NotFound: there is none of this id.
        """
        return await self._sharing.wait(operation_id)

    def noticed(self) -> None:
        """Take notice that another process may have written something."""
        self._watch.notice()

    # ------------------------------------------------------------------ what becomes of them

    async def cancel(self, operation_id: str) -> Operation:
        """Cancel an operation, whichever process runs it, and return it as it ended; an ended one stays as it is.

        Raises:
            NotFound: there is none of this id.
            OperationRefused: another machine runs it, or its process does not answer.
        """
        return await self._sharing.cancel(operation_id)

    async def pause(self, operation_id: str) -> Operation:
        """Pause an operation, whichever process runs it; what it has so far is kept, and `resume` goes on from there.

        Raises:
            NotFound: there is none of this id.
            OperationRefused: it cannot be paused, another machine runs it, or its process does not answer.
        """
        return await self._sharing.pause(operation_id)

    async def resume(self, operation_id: str, *, waiting: bool = False) -> Operation:
        """Go on here with what was paused or interrupted, and return it; what failed or was cancelled is retried.

        Raises:
            NotFound: there is none of this id.
            OperationRefused: it has succeeded, or cannot be done from what is written of it.
        """
        self._refuse_when_closing()
        return await self._sharing.resume(operation_id, waiting=waiting)

    async def retry(self, operation_id: str, *, waiting: bool = False) -> Operation:
        """Do once more here what has ended, as a new operation, and return that one; see `resume`.

        Raises:
            NotFound: there is none of this id.
            OperationRefused: it cannot be done from what is written of it.
        """
        self._refuse_when_closing()
        return await self._sharing.retry(operation_id, waiting=waiting)

    async def move(self, operation_id: str, by: int) -> bool:
        """Move one that waits so many places back in its queue, or forward (negative); False when it is not moved.

        Raises:
            NotFound: there is none of this id.
            OperationRefused: it waits on another machine.
        """
        return await self._sharing.move(operation_id, by)

    async def clear(self) -> int:
        """Remove the ended ones from the history; return how many."""
        return await self._store.clear()

    # ------------------------------------------------------------------ other processes

    def can_go_on(self) -> Operations:
        """Return what this process runs and another one could go on with."""
        return [running.progress.operation for running in self._hand_over.offers()]

    async def hand_over(self, spawn: Spawn) -> Operations:
        """Give that to the process that `spawn` starts, which calls `adopt`; return what was given.

        Raises:
            VenomError: the process could not be started; everything goes on here.
        """
        return await self._hand_over.give(spawn)

    async def adopt(self, operation_id: str) -> bool:
        """Take over an operation that another process gives away; False when there is nothing to take over."""
        self._sharing.background = True
        return await self._hand_over.adopt(operation_id) is not None

    async def until_idle(self) -> None:
        """Wait until nothing runs here any more."""
        await self._runs.until_idle()

    async def adopted(self, operation_id: str, limit_s: float = 15.0) -> bool:
        """Wait until an operation that was left to another process is that one's; False when nobody took it."""
        return await self._hand_over.adopted(operation_id, limit_s)

    async def stop_background(self) -> tuple[Operations, Sentences]:
        """End what processes without a terminal run; return what was ended, and why anything goes on."""
        return await self._sharing.stop_background()

    async def recover(self) -> int:
        """Mark as interrupted what a dead process was doing; return how many."""
        return len(await self._history.recover())

    async def expire(self, days: int) -> None:
        """Remove those that ended more than so many days ago; 0 keeps them for ever."""
        await self._history.expire(days)

    async def close(self) -> None:
        """Interrupt what runs and commit that; take nothing new."""
        self._runs.closing = True
        await self._watch.close()
        await self._runs.close()
