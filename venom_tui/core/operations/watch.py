"""Looks at what other processes write of operations: theirs are told as events, and what they ask of ours is done."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from venom_tui.core.errors import StoreError
from venom_tui.core.events import EventBus, OperationChanged
from venom_tui.core.operations.history import History
from venom_tui.core.operations.running import Ending, Running
from venom_tui.core.operations.runs import Runs
from venom_tui.core.owner import Owner
from venom_tui.core.store.operations import Entry, OperationStore
from venom_tui.core.store.shared_operations import Request
from venom_tui.core.types.operation import Operation, OperationState

_log = logging.getLogger(__name__)

EVERY_S = 0.5
"""Between two looks while another process of this machine runs something, or ours may be asked for something."""
_SELDOM_S = 5.0
"""While another machine does."""


class Watch:
    """Reads the open operations again and again, as long as there is something to see; `notice` begins that."""

    def __init__(
        self,
        runs: Runs,
        store: OperationStore,
        history: History,
        events: EventBus,
        owner: Owner,
    ) -> None:
        self._runs = runs
        self._store = store
        self._history = history
        self._events = events
        self._owner_text = owner.as_text()
        self._told: dict[str, Operation] = {}
        """Operations of others that were told as open."""
        self._answering: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self.answer: Callable[[Entry], Awaitable[None]] | None = None
        """Does what is asked of an operation of ours."""
        self.every_s = EVERY_S

    def notice(self) -> None:
        """Look now, and go on looking as long as there is something to see."""
        if self._closing:
            return
        self._wake.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look_on(), name="watch over operations")

    async def close(self) -> None:
        """Look no more."""
        self._closing = True
        tasks = [task for task in (self._task, *self._answering.values()) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _look_on(self) -> None:
        while True:
            self._wake.clear()
            try:
                wait_s = await self._look()
            except StoreError as failure:
                _log.warning("the operations of others could not be read: %s", failure.message)
                wait_s = _SELDOM_S
            except Exception:  # noqa: BLE001 (a defect must not blind us for good)
                _log.exception("a look at the operations of others failed")
                wait_s = _SELDOM_S
            if wait_s is None and not self._wake.is_set():
                return
            try:
                async with asyncio.timeout(wait_s or 0):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _look(self) -> float | None:
        """Look once; return when to look again, None when there is nothing to wait for."""
        running = self._runs.all()  # what begins only now is not among the rows that are read
        entries = await self._store.open_ones()
        theirs = [entry for entry in entries if entry.owner_text != self._owner_text]
        self._look_at_ours(running, [entry for entry in entries if entry.owner_text == self._owner_text])
        await self._tell(theirs, await self._history.look(theirs) if theirs else [])
        self._runs.look_for_room()
        near = any(not one.host and one.state is not OperationState.PAUSED for one in self._told.values())
        if near or self._runs.all():
            return self.every_s
        return _SELDOM_S if any(one.host for one in self._told.values()) else None

    def _look_at_ours(self, before: Sequence[Running], ours: Sequence[Entry]) -> None:
        seen = {entry.operation.id: entry for entry in ours}
        for running in before:
            entry = seen.get(running.id)
            if running.task.done():
                continue
            if entry is None:
                taken = running.progress.operation.repeatable and running.terms is not None
                if taken and running.joins is None and running.ending is None:
                    running.stop(Ending.LOSE)  # another process took it over
                continue
            self._runs.move(running.id, entry.operation.place)
            if entry.request not in ("", Request.HAND_OVER) and running.id not in self._answering:
                self._answering[running.id] = asyncio.create_task(self._answer(entry), name="answer a request")

    async def _answer(self, entry: Entry) -> None:
        try:
            if self.answer is not None:
                await self.answer(entry)
        except StoreError as failure:
            _log.warning("a request could not be followed: %s", failure.message)
        finally:
            del self._answering[entry.operation.id]

    async def _tell(self, entries: Sequence[Entry], seen: Sequence[Operation]) -> None:
        mine = {running.id for running in self._runs.all()}
        open_now: dict[str, Operation] = {}
        for entry, operation in zip(entries, seen, strict=True):
            if operation.id in mine:
                continue  # it is just changing hands
            if operation.state.final:
                for ended in await self._history.recover([entry]):
                    self._told.pop(ended.id, None)
                    self._events.emit(OperationChanged(ended))
                continue
            open_now[operation.id] = operation
            if self._told.get(operation.id) != operation:
                self._events.emit(OperationChanged(operation))
        gone = [key for key in self._told if key not in open_now and key not in mine]
        self._told = open_now
        for key in gone:
            entry_now = await self._store.get(key)
            if entry_now is not None and entry_now.operation.state.final:
                self._events.emit(OperationChanged(entry_now.operation))
