"""Operations that any venom-tui can do from what is written of them: begun, joined, paused, resumed, done again.

What another process runs is asked for through the store; what another machine runs is left alone.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from venom_tui.core.errors import NotFound, OperationRefused
from venom_tui.core.events import EventBus, OperationChanged
from venom_tui.core.operations.history import History
from venom_tui.core.operations.progress import Progress
from venom_tui.core.operations.running import Ending, Kind, Running, Work
from venom_tui.core.operations.runs import Runs
from venom_tui.core.operations.watch import Watch
from venom_tui.core.owner import Owner
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.store.operations import Entry, OperationStore
from venom_tui.core.store.shared_operations import Request, SharedOperations, Terms
from venom_tui.core.types.operation import Operation, OperationState

_S = OperationState
_ANSWER_LIMIT_S = 10.0
"""So long another process may need to do what it is asked for."""
_LOOK_AGAIN_S = 5.0
_ENDINGS = {Request.CANCEL: Ending.CANCEL, Request.PAUSE: Ending.PAUSE, Request.STOP: Ending.STOP}


class Sharing:
    """The operations of the kinds that are registered."""

    def __init__(
        self,
        runs: Runs,
        store: OperationStore,
        history: History,
        watch: Watch,
        events: EventBus,
        owner: Owner,
        now: Callable[[], datetime],
    ) -> None:
        self._runs = runs
        self._store = store
        self._shared = SharedOperations(store.database, now)
        self._history = history
        self._watch = watch
        self._events = events
        self._owner = owner
        self._now = now
        self._kinds: dict[str, Kind] = {}
        self.background = False
        """Whether this process has no terminal."""

    def register(self, kind: Kind) -> None:
        """Take a kind of operation."""
        self._kinds[kind.name] = kind

    def kind(self, name: str) -> Kind | None:
        """Return a kind that is registered."""
        return self._kinds.get(name)

    async def get(self, operation_id: str) -> Operation:
        """Return an operation as it is true from here."""
        return await self._history.get(operation_id, self._runs.known())

    async def unfinished(self, kind: str) -> list[tuple[Operation, Terms]]:
        """Return what of a kind is open or can be done again, as it is true from here, oldest first."""
        before = self._runs.known()
        found = await self._shared.unfinished(kind)
        seen = await self._history.look([entry for entry, _ in found])
        known = before | self._runs.known()  # what ended meanwhile was read as it was before
        operations = [known.get(one.id, one) for one in seen]
        pairs = zip(operations, (terms for _, terms in found), strict=True)
        return [(operation, terms) for operation, terms in pairs if operation.state is not _S.SUCCEEDED]

    async def claimed(self, claim: str) -> Operation | None:
        """Return the open operation that has a claim, as it is true from here."""
        entry = await self._shared.claimed(claim)
        return None if entry is None else await self.get(entry.operation.id)

    async def amend(self, operation_id: str, arguments: Mapping[str, Any]) -> None:
        """Change what an open operation needs to be done; who does it already is not told."""
        await self._shared.amend(operation_id, arguments)

    # ------------------------------------------------------------------ begun

    async def submit(self, operation: Operation, terms: Terms, *, waiting: bool) -> Operation:
        """Begin an operation; one that is open with the same claim is returned instead, and goes on."""
        owner = None if waiting else self._owner
        while True:
            taken = await self._shared.begin(operation, owner, terms)
            if taken is None:
                entry = await self._entry(operation.id)
                if not waiting:
                    self.launch(entry.operation, terms)
                else:
                    self._watch.notice()
                return entry.operation
            known = self._runs.known().get(taken.operation.id)
            if known is not None:
                return known
            (seen,) = await self._history.look([taken])
            if not seen.state.final and seen.state is not _S.PAUSED:
                self._watch.notice()
                return seen  # another process does it
            joined = await self.resume(seen.id, waiting=waiting)
            if not joined.state.final:
                return joined

    def launch(self, operation: Operation, terms: Terms, *, lines: list[str] | None = None) -> Running:
        """Run an operation that is ours."""
        running = self.running_of(operation, terms, lines=lines)
        self._runs.launch(running, self.work_of(operation, terms))
        self._watch.notice()
        return running

    def running_of(self, operation: Operation, terms: Terms, *, lines: list[str] | None = None) -> Running:
        """Return an operation as this process is about to run it."""
        operation = replace(operation, background=self.background)
        # Its queue and what it holds are decided in the store, over all processes: who waited for them here as well
        # could wait for one that waits for it there.
        names = frozenset(filter(None, (terms.claim,)))
        key = ("shared", terms.claim or operation.id)
        return Running(key, self._runs.progress_of(operation, lines), names, terms)

    def work_of(self, operation: Operation, terms: Terms) -> Work:
        """Return the work of an operation."""
        kind = self._kinds[operation.kind]

        async def work(progress: Progress) -> None:
            now = await self._shared.terms(operation.id)  # it may have been amended while it waited
            await kind.work((now or terms).arguments, progress)

        return work

    async def _entry(self, operation_id: str) -> Entry:
        entry = await self._store.get(operation_id)
        if entry is None:
            raise NotFound(f"There is no operation {sanitize_line(operation_id, 40)!r}.")
        return entry

    # ------------------------------------------------------------------ followed

    async def follow(self, operation_id: str) -> AsyncGenerator[Operation, None]:
        """Yield an operation as it is now and whenever it is another one, until it has ended or is paused."""
        operation = await self.get(operation_id)
        with self._events.subscribe() as events:
            self._watch.notice()
            operation = await self.get(operation.id)
            yield operation
            while not operation.state.final and operation.state is not _S.PAUSED:
                try:
                    async with asyncio.timeout(_LOOK_AGAIN_S):
                        event = await anext(events)
                except TimeoutError:
                    told = await self.get(operation.id)
                except StopAsyncIteration:
                    return
                else:
                    if not isinstance(event, OperationChanged) or event.operation.id != operation.id:
                        continue
                    told = event.operation
                if told != operation:
                    operation = told
                    yield operation

    async def wait(self, operation_id: str, states: Sequence[OperationState] = ()) -> Operation:
        """Return an operation once it has ended, is paused, or is in one of these states."""
        operation = await self.get(operation_id)
        async for operation in self.follow(operation_id):
            if operation.state in states:
                break
        return operation

    # ------------------------------------------------------------------ stopped

    async def cancel(self, operation_id: str) -> Operation:
        """Cancel an operation, whoever runs it, and return it as it ended; one that has ended is left as it is."""
        return await self._stop(operation_id, Request.CANCEL)

    async def pause(self, operation_id: str) -> Operation:
        """Pause an operation, whoever runs it; what it has is kept."""
        operation = await self.get(operation_id)
        if operation.state.final or not operation.repeatable:
            why = f"has ended ({operation.state})" if operation.state.final else "cannot be paused"
            raise OperationRefused(f"The {_title(operation)} {why}.")
        if operation.state is _S.PAUSED:
            return operation
        return await self._stop(operation_id, Request.PAUSE)

    async def _stop(self, operation_id: str, request: Request) -> Operation:
        operation = await self.get(operation_id)
        running = self._runs.by_id(operation.id)
        if running is not None:
            return await self._runs.stop(running, _ENDINGS[request])
        if operation.state.final:
            return operation
        if operation.host:
            raise OperationRefused(
                f"The {_title(operation)} runs on {operation.host}.", hint="What another machine does is left alone."
            )
        entry = await self._entry(operation.id)
        if entry.owner is None and request is Request.CANCEL:
            ended = replace(operation, state=_S.CANCELLED, finished_at=self._now(), message="")
            if await self._shared.end(entry, ended):
                self._events.emit(OperationChanged(ended))
            return await self.get(operation.id)
        await self._shared.ask(operation.id, request)
        try:
            async with asyncio.timeout(_ANSWER_LIMIT_S):
                return await self.wait(operation.id)
        except TimeoutError:
            raise OperationRefused(
                f"The venom-tui that runs the {_title(operation)} did not answer within {_ANSWER_LIMIT_S:g} s.",
                hint="It does as soon as it can; if it hangs, end that process.",
            ) from None

    async def asked(self, entry: Entry) -> None:
        """Do what another process asks for an operation of ours."""
        running, ending = self._runs.by_id(entry.operation.id), _ENDINGS.get(Request(entry.request))
        if running is None or ending is None:
            return
        if ending is Ending.PAUSE and not running.progress.operation.repeatable:
            await self._shared.answered(running.id, entry.request)
            return
        if ending is Ending.STOP:
            running.progress.log("ended by `venom-tui stop`")
        await self._runs.stop(running, ending)

    async def stop_background(self) -> tuple[list[Operation], list[str]]:
        """End what processes without a terminal run, to be resumed some time.

        Returns:
            What was ended, and why anything goes on, a sentence for each.
        """
        found = [one for one in await self._history.look(await self._store.open_ones()) if one.background]
        running = [one for one in found if not (one.state.final or one.state is _S.PAUSED or one.host)]
        # All at once: who does not answer holds up nobody else's end.
        results = await asyncio.gather(*(self._interrupted(one.id) for one in running))
        return [one for one, _ in results if one is not None], [why for _, why in results if why]

    async def _interrupted(self, operation_id: str) -> tuple[Operation | None, str]:
        try:
            ended = await self._stop(operation_id, Request.STOP)
        except OperationRefused as failure:
            return None, f"{failure.message} {failure.hint}".strip()
        return (ended if ended.state is _S.INTERRUPTED else None), ""

    # ------------------------------------------------------------------ gone on with

    async def resume(self, operation_id: str, *, waiting: bool = False) -> Operation:
        """Go on with what was paused or interrupted, here; what runs is returned as it is, what failed is retried."""
        for _ in range(3):
            operation = await self.get(operation_id)
            if operation.state in (_S.FAILED, _S.CANCELLED):
                return await self.retry(operation.id, waiting=waiting)
            if operation.state not in (_S.PAUSED, _S.INTERRUPTED):
                if operation.state is _S.SUCCEEDED:
                    raise OperationRefused(f"The {_title(operation)} has succeeded: nothing is left to do.")
                return operation
            terms = await self._terms(operation)
            entry = await self._entry(operation.id)
            if not entry.operation.state.final and operation.state is _S.INTERRUPTED:
                await self._history.recover([entry])
                entry = await self._entry(operation.id)
            lines = await self._store.log(operation.id)
            taken = await self._shared.take(entry, self._owner, _S.QUEUED)
            if taken is None:
                continue  # somebody was faster
            if waiting:
                given = replace(taken, message="waits for the background")
                await self._shared.release(given, self._owner, Request.ADOPT)
                self._watch.notice()
                return given
            running = self.launch(replace(taken, message="", rate_bytes_per_s=None), terms, lines=lines)
            running.progress.log("resumed")
            return running.progress.operation
        raise OperationRefused(f"The {_title(operation)} cannot be resumed: the same is being done already.")

    async def retry(self, operation_id: str, *, waiting: bool = False) -> Operation:
        """Do what has ended once more, as a new operation; what was interrupted is resumed."""
        operation = await self.get(operation_id)
        if operation.state in (_S.INTERRUPTED, _S.PAUSED):
            return await self.resume(operation.id, waiting=waiting)
        if not operation.state.final:
            return operation
        terms = await self._terms(operation)
        again = Operation(
            uuid.uuid4().hex[:16],
            operation.kind,
            operation.target,
            _S.QUEUED,
            runtime=operation.runtime,
            provider=operation.provider,
            bytes_total=operation.bytes_total,
            cause=f"retry of {operation.id}",
            created_at=self._now(),
            repeatable=True,
        )
        return await self.submit(again, terms, waiting=waiting)

    async def _terms(self, operation: Operation) -> Terms:
        terms = await self._shared.terms(operation.id)
        if terms is None or operation.kind not in self._kinds:
            raise OperationRefused(
                f"A {operation.kind} cannot be done again from here.", hint="Begin it as it was begun before."
            )
        return terms

    async def move(self, operation_id: str, by: int) -> bool:
        """Move an operation that waits so many places back in its queue, or forward (negative)."""
        operation = await self.get(operation_id)
        if operation.host:
            raise OperationRefused(f"The {_title(operation)} waits on {operation.host}: it is left alone.")
        moved = await self._shared.move(operation.id, by)
        self._watch.notice()
        return moved


def _title(operation: Operation) -> str:
    return f"{operation.kind} of {operation.target}"
