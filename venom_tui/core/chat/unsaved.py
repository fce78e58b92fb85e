"""Messages that a full disk kept out of the store: the chat goes on with them, and they are written later."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from venom_tui.core.errors import StoreError
from venom_tui.core.store.sessions import SessionStore
from venom_tui.core.types.content import Attachment
from venom_tui.core.types.session import Message, MessageState, Role

_log = logging.getLogger(__name__)


class UnsavedMessages:
    """Holds what could not be written, by session, in its order."""

    def __init__(self, sessions: SessionStore, now: Callable[[], datetime]) -> None:
        self._sessions = sessions
        self._now = now
        self._waiting: dict[str, list[Message]] = {}

    def of(self, session_id: str) -> Sequence[Message]:
        """Return the messages of a session that wait to be written."""
        return self._waiting.get(session_id, ())

    def merged(self, session_id: str, stored: Sequence[Message]) -> list[Message]:
        """Return what the store holds of a session with what waits beside it; that is the newer where both have it."""
        waiting = {message.id: message for message in self.of(session_id)}
        return [waiting.pop(message.id, message) for message in stored] + list(waiting.values())

    def add(self, message: Message) -> None:
        """Keep a message until it can be written."""
        self._waiting.setdefault(message.session_id, []).append(message)

    async def hold(self, session_id: str, role: Role, text: str, attachments: Sequence[Attachment] = ()) -> Message:
        """Make a message that cannot be written, as `SessionStore` would, and keep it."""
        stored = await self._sessions.messages(session_id, limit=1)
        seq = 1 + max((message.seq for message in (*stored, *self.of(session_id))), default=0)
        state, attached = MessageState.COMPLETE, tuple(attachments)
        message = Message(uuid.uuid4().hex, session_id, seq, role, text, state, self._now(), attachments=attached)
        self.add(message)
        return message

    async def begin_turn(
        self, session_id: str, text: str, request_id: str, attachments: Sequence[Attachment] = ()
    ) -> tuple[Message, Message]:
        """Make the messages of a turn that cannot be written, as `SessionStore.begin_turn` does; keep the prompt."""
        user = await self.hold(session_id, Role.USER, text, attachments)
        answer = replace(
            user,
            id=uuid.uuid4().hex,
            seq=user.seq + 1,
            role=Role.ASSISTANT,
            content="",
            attachments=(),
            state=MessageState.STREAMING,
            request_id=request_id,
        )
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

    async def save_all(self) -> None:
        """Write what waits in all sessions, as far as that can be done."""
        for session_id in tuple(self._waiting):
            try:
                await self.save(session_id)
            except StoreError as failure:
                _log.error("messages of session %s are lost: %s", session_id, failure.message)
