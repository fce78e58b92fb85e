"""The operations that this process runs: their tasks, their turn, and what is written of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import replace
from datetime import datetime

from venom_tui.core.errors import Interrupted, StoreError, VenomError
from venom_tui.core.events import EventBus, OperationChanged, StoreTrouble
from venom_tui.core.operations.history import History
from venom_tui.core.operations.progress import Progress
from venom_tui.core.operations.queues import Queues
from venom_tui.core.operations.running import FINAL, Ending, Running, Work
from venom_tui.core.owner import Owner
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.store.debounce import Debounce
from venom_tui.core.store.operations import OperationStore, log_text
from venom_tui.core.store.shared_operations import Request, SharedOperations
from venom_tui.core.types.operation import Operation, OperationState

_log = logging.getLogger(__name__)

_CLOSE_LIMIT_S = 5.0
_HEARTBEAT_S = 30.0
_AGAIN_S = 2.0
"""After that long something that the store refused is tried again."""
_WRITTEN_WITHIN_S = 1.0
"""The longest that progress waits to be written: another process is to show it within two seconds."""
_TURN_LIMIT_S = 5.0
"""After that long it is asked again whether there is room, also when nothing was noticed."""

_HELD: ContextVar[frozenset[str]] = ContextVar("held queues", default=frozenset())
"""The queues that the operation around this code holds: what it begins itself there need not, and must not, wait."""


class Runs:
    """Owns the tasks. Every change of state is committed before it counts, and told as an event."""

    def __init__(
        self,
        store: OperationStore,
        events: EventBus,
        owner: Owner,
        now: Callable[[], datetime],
        history: History,
    ) -> None:
        self._store = store
        self._shared = SharedOperations(store.database, now)
        self._events = events
        self._owner = owner
        self._now = now
        self._history = history
        self._queues = Queues()
        self._running: dict[tuple[str, ...], Running] = {}
        self._ending: dict[str, Running] = {}
        """What has ended and is being written."""
        self._unrecorded: dict[str, tuple[Operation, list[str]]] = {}
        self._progress: Debounce[Running] = Debounce(self._save_progress, longest_s=_WRITTEN_WITHIN_S)
        self._heart: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        self.closing = False

    # ------------------------------------------------------------------ what there is

    def all(self) -> list[Running]:
        """Return what has not ended."""
        return list(self._running.values())

    def find(self, key: tuple[str, ...]) -> Running | None:
        """Return what runs under a key."""
        return self._running.get(key)

    def by_id(self, operation_id: str) -> Running | None:
        """Return what runs under an id."""
        return next((running for running in self._running.values() if running.id == operation_id), None)

    def lines(self, operation_id: str) -> list[str] | None:
        """Return the log of an operation of this process that is not all written."""
        running = self._ending.get(operation_id) or self.by_id(operation_id)
        return None if running is None else list(running.progress.lines)

    def known(self) -> dict[str, Operation]:
        """Return the operations of which this process knows more than the store."""
        unrecorded = {key: operation for key, (operation, _) in self._unrecorded.items()}
        mine = (*self._ending.values(), *self._running.values())
        return unrecorded | {one.id: one.progress.operation for one in mine if one.joins is None}

    # ------------------------------------------------------------------ running

    def progress_of(self, operation: Operation, lines: list[str] | None = None) -> Progress:
        """Return the progress of an operation that is about to run."""
        return Progress(operation, self._progressed, now=self._now, lines=lines or ())

    def launch(self, running: Running, work: Work) -> None:
        """Begin to run an operation."""
        self._running[running.key] = running
        running.task = asyncio.create_task(
            self._run(running, work), name=f"{running.progress.operation.kind} {running.progress.operation.target}"
        )
        # Where nobody waits for it, its failure is told by its row.
        running.task.add_done_callback(lambda task: task.cancelled() or task.exception())
        if self._heart is None or self._heart.done():
            self._heart = asyncio.create_task(self._beat(), name="heartbeat of operations")

    def move(self, operation_id: str, place: float) -> None:
        """Take notice that an operation that waits has another place in its queue."""
        running = self.by_id(operation_id)
        if running is not None and running.progress.operation.place != place:
            running.progress.operation = replace(running.progress.operation, place=place)
            self._queues.move(operation_id, place)
            self.look_for_room()
            self._events.emit(OperationChanged(running.progress.operation))

    async def wait(self, running: Running) -> object:
        """Return the result; a caller that is cancelled cancels the operation when nobody else waits for it."""
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

    async def until_idle(self) -> None:
        """Wait until nothing runs any more."""
        while tasks := {running.task for running in (*self._running.values(), *self._ending.values())}:
            await asyncio.wait(tasks)

    async def stop(self, running: Running, ending: Ending) -> Operation:
        """Stop an operation and return what became of it."""
        running.stop(ending)
        await asyncio.wait({running.task})
        return running.progress.operation

    async def _run(self, running: Running, work: Work) -> object:
        progress = running.progress
        state, failure = OperationState.INTERRUPTED, None
        try:
            if not await self._stand_in_line(running):
                await self._save(running)
            held = _HELD.get()
            async with self._queues.turn(running.id, running.names - held, progress.operation.place):
                _HELD.set(held | running.names)  # of this task only
                result = await self._work(running, work)
            state = OperationState.SUCCEEDED
        except asyncio.CancelledError:
            state = OperationState.INTERRUPTED if self.closing else OperationState.CANCELLED
            state = FINAL.get(running.ending, state) if running.ending else state
            raise
        except VenomError as error:
            state, failure = OperationState.FAILED, error
            raise
        except Exception as error:
            failure = VenomError(f"venom-tui made a mistake ({type(error).__name__}: {error})")
            state = OperationState.FAILED
            _log.exception("a %s failed with a defect", progress.operation.kind)
            raise
        finally:
            self._running.pop(running.key, None)
            self._progress.drop(running.id)
            if running.ending is not Ending.LOSE and running.joins is None:
                self._ending[running.id] = running
                try:
                    await self._end(running, state, failure)
                finally:
                    del self._ending[running.id]
            self.look_for_room()
        return result

    async def _work(self, running: Running, work: Work) -> object:
        progress = running.progress
        if running.joins is not None:
            return await self._join(running, work)
        if running.terms is not None:
            await self._turn(running)
        progress.operation = replace(
            progress.operation,
            state=OperationState.RUNNING,
            started_at=progress.operation.started_at or self._now(),
            message="",
        )
        await self._save(running)
        return await work(progress)

    async def _stand_in_line(self, running: Running) -> bool:
        """Write an operation that only this process can do where others see it wait; False where the store fails."""
        operation, terms = running.progress.operation, running.terms
        if terms is not None and not operation.repeatable:  # others were written when they were submitted
            try:
                await self._shared.begin(operation, self._owner, terms)
            except StoreError:
                running.terms = None  # what others do cannot be known; it is done all the same
        return running.terms is not None

    async def _turn(self, running: Running) -> None:
        """Wait until no other process runs something of this queue."""
        progress = running.progress
        while True:
            begun = replace(progress.operation, started_at=progress.operation.started_at or self._now())
            try:
                before = await self._shared.start(begun, self._owner)
            except StoreError as failure:
                # Without the store nobody can tell whether another process is at it: nothing is begun.
                self._events.emit(StoreTrouble(f"{_title(progress.operation)} waits. {failure.message}"))
                await asyncio.sleep(_AGAIN_S)
                continue
            if before is None:
                running.ending = running.ending or Ending.LOSE
                raise asyncio.CancelledError
            if not before:
                return
            if not await self._history.recover(before):
                progress.update(message=f"waits for the {_title(before[0].operation)}")
                await self._until_room(running)

    async def _until_room(self, running: Running) -> None:
        """Wait until nothing stands before an operation in its queue, as far as a look tells."""
        while True:
            self._room.clear()
            if not await self._shared.before(running.id):
                return
            try:
                async with asyncio.timeout(_TURN_LIMIT_S):
                    await self._room.wait()
            except TimeoutError:
                return

    def look_for_room(self) -> None:
        """Let what waits look whether it is its turn."""
        self._room.set()

    async def _join(self, running: Running, work: Work) -> object:
        """Begin what another process still runs, and take it over once the work says that it goes on here."""
        assert running.joins is not None
        progress, entry = running.progress, running.joins
        progress.joins = True
        working = asyncio.ensure_future(work(progress))
        joined = asyncio.create_task(progress.joined.wait())
        try:
            await asyncio.wait({working, joined}, return_when=asyncio.FIRST_COMPLETED)
            taken = await self._shared.take(entry, self._owner, OperationState.RUNNING)
            if taken is None:
                running.ending = running.ending or Ending.LOSE
                raise asyncio.CancelledError
            running.joins = None
            here = progress.operation
            progress.operation = replace(
                here,
                state=OperationState.RUNNING,
                bytes_done=max(here.bytes_done or 0, taken.bytes_done or 0),
                share=max(here.share or 0.0, taken.share or 0.0),
                retries=taken.retries,
                place=taken.place,
            )
            progress.log("went over to this process")
            await self._save(running)
            return await working
        finally:
            joined.cancel()
            if not working.done():
                working.cancel()
                await asyncio.wait({working})

    # ------------------------------------------------------------------ the record

    async def _end(self, running: Running, state: OperationState, failure: VenomError | None) -> None:
        progress, ending = running.progress, running.ending
        operation = replace(progress.operation, rate_bytes_per_s=None)
        if ending in (Ending.PAUSE, Ending.GIVE) and state is not OperationState.SUCCEEDED and failure is None:
            waits = ending is Ending.GIVE
            progress.operation = replace(
                operation,
                state=OperationState.QUEUED if waits else OperationState.PAUSED,
                message="changes hands" if waits else "paused",
            )
            progress.log("given to another process" if waits else "paused")
            await self._release(running, Request.ADOPT if waits else None)
            return
        words = "" if failure is None else " ".join(filter(None, (failure.message, failure.server_message)))
        progress.log(f"{state}{': ' if words else ''}{words}")
        progress.operation = replace(
            operation,
            state=state,
            error=sanitize_line(words, 2000),
            server_message="" if failure is None else failure.server_message,
            error_code="" if failure is None else failure.code,
            hint="" if failure is None else failure.hint,
            finished_at=self._now(),
        )
        await self._save(running)

    async def _save(self, running: Running) -> None:
        operation = running.progress.operation
        self._events.emit(OperationChanged(operation))
        try:
            await self._store.save(operation, self._owner, running.progress.lines)
            await self._record_missed()
        except StoreError as failure:
            # The work itself goes on or has ended as it has: only its record is missing, and that is said.
            if operation.state.final:
                self._unrecorded[operation.id] = (operation, running.progress.lines)
            self._events.emit(StoreTrouble(f"An operation could not be recorded. {failure.message}"))

    async def _release(self, running: Running, request: Request | None) -> None:
        operation, lines = running.progress.operation, running.progress.lines
        self._events.emit(OperationChanged(operation))
        try:
            await self._shared.release(operation, self._owner, request, log_text(lines))
        except StoreError as failure:
            self._unrecorded[operation.id] = (operation, lines)
            self._events.emit(StoreTrouble(f"An operation could not be recorded. {failure.message}"))

    async def write_progress(self) -> None:
        """Write the progress that still waits, where that is possible."""
        try:
            await self._progress.flush()
        except StoreError as failure:
            _log.warning("progress was not written: %s", failure.message)

    async def _record_missed(self) -> None:
        """Write the ends that could not be written when they came."""
        for operation, lines in tuple(self._unrecorded.values()):
            if operation.state.final:
                await self._store.save(operation, self._owner, lines)
            else:
                await self._shared.release(operation, self._owner, None, log_text(lines))
            self._unrecorded.pop(operation.id, None)

    def _progressed(self, operation: Operation) -> None:
        running = self.by_id(operation.id)
        if running is None or running.joins is not None:
            return  # another process still tells of it
        self._events.emit(OperationChanged(operation))
        self._progress.put(operation.id, running)

    async def _save_progress(self, changed: dict[str, Running]) -> None:
        for running in changed.values():
            progress = running.progress
            ours = await self._store.save(progress.operation, self._owner, progress.lines)
            if not ours and running.terms is not None and self.by_id(running.id) is running:
                running.stop(Ending.LOSE)

    async def _beat(self) -> None:
        """Show other machines, which cannot look at our process, that what runs here is alive."""
        slept = 0.0
        while self._running or self._unrecorded:
            step = min(_HEARTBEAT_S, _AGAIN_S)
            await asyncio.sleep(step)
            slept += step
            try:
                await self._record_missed()
                if slept >= _HEARTBEAT_S:
                    slept = 0.0
                    await self._store.beat([running.id for running in self.all()], self._now())
            except StoreError as failure:
                _log.warning("no heartbeat was written: %s", failure.message)

    async def close(self) -> None:
        """Interrupt what runs and commit that; take nothing new."""
        self.closing = True
        tasks: dict[asyncio.Task[object], Running] = {running.task: running for running in self._running.values()}
        for task in tasks:
            task.cancel()
        tasks |= {running.task: running for running in self._ending.values()}
        if tasks:
            _, stuck = await asyncio.wait(tasks, timeout=_CLOSE_LIMIT_S)
            for task in stuck:
                # Work that does not let itself be cancelled: its end is recorded here; a later one changes nothing.
                running = tasks[task]
                operation = running.progress.operation
                _log.error("%s %s did not end within %s s", operation.kind, operation.target, _CLOSE_LIMIT_S)
                running.progress.operation = replace(
                    operation, state=OperationState.INTERRUPTED, finished_at=self._now()
                )
                await self._save(running)
        if self._heart is not None:
            self._heart.cancel()
            await asyncio.wait({self._heart})
        await self._progress.close()
        try:
            await self._record_missed()
        except StoreError as failure:
            _log.error("operations were not recorded: %s", failure.message)


def _title(operation: Operation) -> str:
    return f"{operation.kind} of {operation.target}"
