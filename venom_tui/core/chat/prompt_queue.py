"""Sends the prompts that wait in a session, one after the other, each when the answer before it is complete.

The store holds them (see `store.prompt_queue`): a prompt that was entered is committed at once, so that neither a crash
nor a quit loses it. What this process knows besides is in which sessions the queue goes on by itself. It stops doing so
when an answer fails or is stopped, since the next prompt was meant for after a good one. Prompts of an earlier run do
not go out by themselves either; `go_on` lets them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from venom_tui.core.chat.turns import Turn, Turns
from venom_tui.core.errors import NotFound, VenomError
from venom_tui.core.events import EventBus, QueueChanged
from venom_tui.core.store.sessions import SessionStore
from venom_tui.core.types.session import MessageState, QueuedPrompt

_log = logging.getLogger(__name__)

Send = Callable[[QueuedPrompt], Awaitable[None]]
"""Begins the turn of a prompt, which leaves the queue with that; returns when its work has begun."""


class PromptQueue:
    """Keeps the queues going. `ended` must be called at the end of each turn."""

    def __init__(self, events: EventBus, sessions: SessionStore, turns: Turns, send: Send) -> None:
        self._events = events
        self._sessions = sessions
        self._turns = turns
        self._send = send
        self._going_on: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def paused(self, session_id: str) -> bool:
        """Return whether what waits in a session stays there until it is resumed."""
        return session_id not in self._going_on

    def changed(self, session_id: str) -> None:
        """Announce that the queue of a session is another."""
        self._events.emit(QueueChanged(session_id))

    def go_on(self, session_id: str) -> None:
        """Let a session's prompts go out; the first one now, when no answer is being written."""
        self._going_on.add(session_id)
        if self._closed or self._turns.busy(session_id):
            return
        task = asyncio.create_task(self._send_next(session_id), name=f"queue of {session_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def ended(self, turn: Turn) -> None:
        """Go on after a complete answer; pause after any other."""
        if self.paused(turn.session_id):
            return
        if turn.state is MessageState.COMPLETE:
            self.go_on(turn.session_id)
        else:
            self._pause(turn.session_id)

    def _pause(self, session_id: str) -> None:
        self._going_on.discard(session_id)
        self.changed(session_id)

    async def _send_next(self, session_id: str) -> None:
        try:
            # A prompt that venom-tui answers itself has no turn whose end could call for the next one.
            while not self._turns.busy(session_id):
                waiting = await self._sessions.queue.list(session_id)
                if not waiting:
                    self._going_on.discard(session_id)
                    return
                await self._send_one(waiting[0])
        except VenomError as failure:
            # Where another turn of the session began meanwhile, its end calls again.
            if not self._turns.busy(session_id):
                _log.warning("prompts go on waiting: %s", failure.message)
                self._pause(session_id)

    async def _send_one(self, prompt: QueuedPrompt) -> None:
        try:
            await self._send(prompt)
        except NotFound:
            _log.info("a prompt was sent or removed by another venom-tui")
        self.changed(prompt.session_id)

    async def close(self) -> None:
        """Send no more; what waits stays in the store."""
        self._closed = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
