"""Temporary sessions: in memory only, gone with the process. No row, trace or index entry of them is ever written."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeAlias

from venom_tui.core.errors import SessionNotFound
from venom_tui.core.store.message_table import Replacement, replacement
from venom_tui.core.types.session import Message, MessageState, Role, Session, SessionOptions

PREFIX = "tmp-"

# Inside the class `list` is the method.
Sessions: TypeAlias = list[Session]
Messages: TypeAlias = list[Message]


class TemporarySessions:
    """Holds temporary sessions and their messages."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._messages: dict[str, Messages] = {}
        self._replaces: dict[str, str] = {}

    def create(self, title: str, system: str, options: SessionOptions, now: datetime) -> Session:
        """Begin one."""
        key = PREFIX + uuid.uuid4().hex[:12]
        session = Session(key, title, now, now, system=system, temporary=True, options=options)
        self._sessions[session.id] = session
        self._messages[session.id] = []
        return session

    def has(self, session_id: str) -> bool:
        """Return whether it is there."""
        return session_id in self._sessions

    def list(self) -> Sessions:
        """Return all, newest first."""
        found = [self.get(session_id) for session_id in self._sessions]
        return sorted(found, key=lambda session: session.updated_at, reverse=True)

    def get(self, session_id: str) -> Session:
        """Return one.

        Raises:
            SessionNotFound: it is not there (any more).
        """
        session = self._sessions.get(session_id)
        if session is None:
            raise SessionNotFound(f"There is no temporary session {session_id}.", hint="It ended with its venom-tui.")
        messages = self._messages[session_id]
        streaming = any(message.state is MessageState.STREAMING for message in messages)
        return replace(session, message_count=len(messages), streaming=streaming)

    def change(self, session_id: str, **fields: str | datetime | SessionOptions) -> None:
        """Change title, draft, options or times."""
        self.get(session_id)
        changes: dict[str, Any] = {**fields}
        self._sessions[session_id] = replace(self._sessions[session_id], **changes)

    def delete(self, session_id: str) -> None:
        """Forget one."""
        self.get(session_id)
        del self._sessions[session_id], self._messages[session_id]

    def messages(self, session_id: str) -> Messages:
        """Return its messages in their order."""
        self.get(session_id)
        return list(self._messages[session_id])

    def next_seq(self, session_id: str) -> int:
        """Return the number of the next message."""
        return 1 + max((message.seq for message in self.messages(session_id)), default=0)

    def touch(self, session_id: str, now: datetime, *, title: str = "") -> None:
        """Note that it was used; one without a title gets one."""
        self.change(session_id, updated_at=now, title=self.get(session_id).title or title)

    def put(self, messages: Sequence[Message], *, replaces: str = "") -> None:
        """Add messages, or take their newer text; those of a deleted session are passed over.

        `replaces` is the id of the answer that the (one) message is to replace when it ends well.
        """
        for message in messages:
            kept = self._messages.get(message.session_id)
            if kept is None:
                continue
            if replaces:
                self._replaces[message.id] = replaces
            for place, old in enumerate(kept):
                if old.id == message.id:
                    kept[place] = message
                    break
            else:
                kept.append(message)

    def choose(self, message_id: str) -> str | None:
        """Mark an answer as the chosen one of its prompt; return its session, or None where it is no answer."""
        for session_id, kept in self._messages.items():
            place = next((place for place, message in enumerate(kept) if message.id == message_id), None)
            if place is None or kept[place].role is not Role.ASSISTANT:
                continue
            first = last = place
            while first and kept[first - 1].role is Role.ASSISTANT:
                first -= 1
            while last + 1 < len(kept) and kept[last + 1].role is Role.ASSISTANT:
                last += 1
            for number in range(first, last + 1):
                kept[number] = replace(kept[number], chosen=number == place)
            return session_id
        return None

    def finish(self, answer: Message) -> None:
        """Take the end of an answer; settle what becomes of the one that it was to replace."""
        self.put([answer])
        replaced = self._replaces.pop(answer.id, "")
        if not replaced:
            return
        settled = replacement(answer)
        gone = {Replacement.TAKEN: replaced, Replacement.DROPPED: answer.id}.get(settled)
        kept = self._messages.get(answer.session_id, [])
        kept[:] = [message for message in kept if message.id != gone]
