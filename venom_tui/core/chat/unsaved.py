"""Messages that a full disk kept out of the store: the chat goes on with them, and they are written later."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime

from venom_tui.core.store.sessions import SessionStore
from venom_tui.core.types.session import Message, MessageState, Role


class UnsavedMessages:
    """Holds what could not be written, by session, in its order."""

    def __init__(self, sessions: SessionStore, now: Callable[[], datetime]) -> None:
        self._sessions = sessions
        self._now = now
        self._waiting: dict[str, list[Message]] = {}

    def of(self, session_id: str) -> Sequence[Message]:
        """Return the messages of a session that wait to be written."""
        return self._waiting.get(session_id, ())

    def add(self, message: Message) -> None:
        """Keep a message until it can be written."""
        self._waiting.setdefault(message.session_id, []).append(message)

    async def begin_turn(self, session_id: str, text: str, request_id: str) -> tuple[Message, Message]:
        """Make the messages of a turn that cannot be written, as `SessionStore.begin_turn` does; keep the prompt."""
        seq = 1 + max((m.seq for m in await self._sessions.messages(session_id, limit=1)), default=0)
        seq += 2 * len(self.of(session_id))
        made = self._now()
        user = Message(uuid.uuid4().hex, session_id, seq, Role.USER, text, MessageState.COMPLETE, made)
        answer = Message(
            uuid.uuid4().hex, session_id, seq + 1, Role.ASSISTANT, "", MessageState.STREAMING, made, request_id
        )
        self.add(user)
        return user, answer

    async def save(self, session_id: str) -> None:
        """Write what waits in a session, if anything does.

        Raises:
            StoreError: it still cannot be written; it goes on waiting.
        """
        waiting = self._waiting.get(session_id)
        if waiting:
            await self._sessions.adopt(session_id, waiting)
            del self._waiting[session_id]
