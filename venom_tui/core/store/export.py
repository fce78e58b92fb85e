"""A session as Markdown for people, or as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from venom_tui.core.errors import UsageError
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.types.session import Message, MessageState, Role, Session

FORMAT_VERSION = 1
FORMATS = ("md", "json")

_SPEAKERS = {Role.USER: "You", Role.PROGRAM: "venom-tui", Role.SYSTEM: "System", Role.TOOL: "Tool"}


def export_text(session: Session, messages: Sequence[Message], format: str) -> str:  # noqa: A002 (the command's word)
    """Return the session in a format.

    Raises:
        UsageError: the format is neither `md` nor `json`.
    """
    if format == "md":
        return _markdown(session, messages)
    if format == "json":
        return _json(session, messages)
    raise UsageError(f"{sanitize_line(format, 20)!r} is no export format.", hint="There are md and json.")


def _json(session: Session, messages: Sequence[Message]) -> str:
    document = {
        "format": "venom-tui session",
        "version": FORMAT_VERSION,
        "session": asdict(session),
        "messages": [asdict(message) for message in messages],
    }
    return json.dumps(document, ensure_ascii=False, indent=2, default=datetime.isoformat) + "\n"


def _markdown(session: Session, messages: Sequence[Message]) -> str:
    parts = [f"# {session.title or 'Session'}\n\n{session.created_at.isoformat(timespec='seconds')}\n"]
    for message in messages:
        parts.append(f"## {_speaker(message)}\n\n{_body(message)}\n")
        if message.state not in (MessageState.COMPLETE, MessageState.STREAMING):
            parts.append(f"*{message.state.value}*\n")
        if message.error:
            parts.append(f"> {message.error}\n")
    return "\n".join(parts)


def _speaker(message: Message) -> str:
    if message.role is Role.ASSISTANT:
        return message.model or "Answer"
    return _SPEAKERS.get(message.role, message.role.value)


def _body(message: Message) -> str:
    """Return the text; an unclosed fence of a cut answer is closed, so that it does not swallow what follows."""
    text = message.content.rstrip("\n")
    fence = ""
    for line in text.split("\n"):
        mark = line.lstrip()
        for sign in ("`", "~"):
            length = len(mark) - len(mark.lstrip(sign))
            if length < 3:
                continue
            if not fence:
                fence = sign * length
            elif mark.startswith(fence) and not mark.lstrip(sign).strip():
                fence = ""
    return f"{text}\n{fence}" if fence else text
