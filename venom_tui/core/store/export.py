"""A session as Markdown for people, or as JSON for programs; the JSON can be read back."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from venom_tui.core.errors import UsageError
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.store.rows import attachment_of, options_of, overflow_of
from venom_tui.core.types.content import ToolCall
from venom_tui.core.types.session import Message, MessageState, Role, Session, Timings, Usage

FORMAT_NAME = "venom-tui session"
FORMAT_VERSION = 3
"""2: messages with attachments and calls of functions, sessions with options. 3: messages with what was told of them.
What an earlier one had not is empty."""
FORMATS = ("md", "json")

_SPEAKERS = {Role.USER: "You", Role.PROGRAM: "venom-tui", Role.SYSTEM: "System", Role.TOOL: "Tool"}


def export_text(session: Session, messages: Sequence[Message], kind: str) -> str:
    """Return the session as Markdown or JSON.

    Raises:
        UsageError: the kind is neither `md` nor `json`.
    """
    if kind == "md":
        return _markdown(session, messages)
    if kind == "json":
        return _json(session, messages)
    raise UsageError(f"{sanitize_line(kind, 20)!r} is no export format.", hint="There are md and json.")


def _json(session: Session, messages: Sequence[Message]) -> str:
    document = {
        "format": FORMAT_NAME,
        "version": FORMAT_VERSION,
        "session": asdict(session),
        "messages": [asdict(message) for message in messages],
    }
    return json.dumps(document, ensure_ascii=False, indent=2, default=datetime.isoformat) + "\n"


def parse_json(text: str) -> tuple[Session, list[Message]]:
    """Return what `export_text` wrote as `json`.

    Raises:
        UsageError: it is something else, or of a newer format.
    """
    try:
        document = json.loads(text)
        version = document["version"] if document["format"] == FORMAT_NAME else None
        if version in range(1, FORMAT_VERSION + 1):
            return _session(document["session"]), [_message(fields) for fields in document["messages"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError("This is no exported session.", server_message=str(error)) from None
    if version is None:
        raise UsageError("This is no exported session.")
    raise UsageError(f"This session was exported in format {version!r}; formats up to {FORMAT_VERSION} can be read.")


def _session(fields: dict[str, Any]) -> Session:
    fields = _timed(fields, "created_at", "updated_at")
    return Session(**fields | {"options": options_of(fields.get("options", {}))})


def _message(fields: dict[str, Any]) -> Message:
    fields = _timed(fields, "created_at")
    fields |= {"usage": Usage(**fields["usage"]), "timings": Timings(**fields["timings"])}
    fields["attachments"] = tuple(attachment_of(one) for one in fields.get("attachments", ()))
    fields["tool_calls"] = tuple(ToolCall(**call) for call in fields.get("tool_calls", ()))
    fields["notices"] = tuple(fields.get("notices", ()))
    fields["overflow"] = overflow_of(fields.get("overflow"))
    return Message(**fields | {"role": Role(fields["role"]), "state": MessageState(fields["state"])})


def _timed(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    return {**fields, **{name: datetime.fromisoformat(fields[name]) for name in names}}


def _markdown(session: Session, messages: Sequence[Message]) -> str:
    parts = [f"# {session.title or 'Session'}\n\n{session.created_at.isoformat(timespec='seconds')}\n"]
    if session.system:
        parts.append(f"## System\n\n{session.system}\n")
    for message in messages:
        parts.append(f"## {_speaker(message)}\n\n{_body(message)}\n")
        parts.extend(f"- {what}\n" for what in _beside(message))
        if message.state not in (MessageState.COMPLETE, MessageState.STREAMING):
            parts.append(f"*{message.state.value}*\n")
        if message.error:
            parts.append(f"> {message.error}\n")
    return "\n".join(parts)


def _speaker(message: Message) -> str:
    if message.role is Role.ASSISTANT:
        return message.model or "Answer"
    return _SPEAKERS.get(message.role, message.role.value)


def _beside(message: Message) -> list[str]:
    """Return what stands beside a text: the names of attached files, and the functions that a model called for."""
    files = [f"{_code(one.name)}, {one.media_type}, {one.size_bytes:,} bytes" for one in message.attachments]
    return files + [f"called {_code(call.name)} with {_code(call.arguments)}" for call in message.tool_calls]


def _code(text: str) -> str:
    return "`" + " ".join(text.split()).replace("`", "'") + "`"


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


def write_new(path: Path, text: str) -> None:
    """Write a file of mode 0600 that is not there yet; half a file is not left behind.

    Raises:
        UsageError: it is there, or it cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
        except OSError:
            path.unlink()
            raise
    except FileExistsError:
        raise UsageError(f"{path} exists already.", hint="Choose another name.") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.", hint="Choose another place.") from None
