"""Between rows of the database and the dataclasses that travel."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any

import aiosqlite

from venom_tui.core.types.content import Attachment, AttachmentKind, ToolCall
from venom_tui.core.types.request import RequestTrace, Route
from venom_tui.core.types.session import Message, MessageState, Overflow, Role, Session, SessionOptions, Timings, Usage


def time_text(moment: datetime) -> str:
    """Return a time as it is stored: UTC, microseconds, so that text order is time order."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f+00:00")


def parse_time(text: str) -> datetime:
    """Return a stored time."""
    return datetime.fromisoformat(text)


def session_of(row: aiosqlite.Row) -> Session:
    """Return the session of a row of `sessions` with `message_count` and `streaming`."""
    return Session(
        id=row["id"],
        title=row["title"],
        created_at=parse_time(row["created_at"]),
        updated_at=parse_time(row["updated_at"]),
        message_count=row["message_count"],
        draft=row["draft"],
        system=row["system"],
        streaming=bool(row["streaming"]),
        options=options_of(json.loads(row["options"])),
    )


def options_of(values: Mapping[str, Any]) -> SessionOptions:
    """Return stored options; what this venom-tui does not know is passed over."""
    known = {field.name for field in fields(SessionOptions)}
    return SessionOptions(**{name: value for name, value in values.items() if name in known})


def options_text(options: SessionOptions) -> str:
    """Return options as they are stored: only what was chosen."""
    unset = SessionOptions()
    chosen = {name: value for name, value in asdict(options).items() if value != getattr(unset, name)}
    return json.dumps(chosen, separators=(",", ":"))


def message_of(row: aiosqlite.Row, attachments: tuple[Attachment, ...] = ()) -> Message:
    """Return the message of a row of `messages`."""
    measures: dict[str, Any] = json.loads(row["measures"])
    return Message(
        id=row["id"],
        session_id=row["session_id"],
        seq=row["seq"],
        role=Role(row["role"]),
        content=row["content"],
        state=MessageState(row["state"]),
        created_at=parse_time(row["created_at"]),
        request_id=row["request_id"],
        model=row["model"],
        runtime=row["runtime"],
        thinking=row["thinking"],
        error=row["error"],
        finish_reason=row["finish_reason"],
        usage=Usage(**measures.get("usage", {})),
        timings=Timings(**measures.get("timings", {})),
        demonstration=bool(row["demonstration"]),
        attachments=attachments,
        tool_calls=tuple(ToolCall(**call) for call in json.loads(row["tool_calls"])),
        chosen=bool(row["chosen"]),
        notices=tuple(measures.get("notices", ())),
        overflow=overflow_of(measures.get("overflow")),
    )


def overflow_of(values: Mapping[str, Any] | None) -> Overflow | None:
    """Return stored numbers of a prompt that did not fit; None where it did."""
    return None if values is None else Overflow(**values)


MESSAGE_COLUMNS = (
    "id, session_id, seq, role, content, thinking, state, created_at, request_id, model, runtime, demonstration, "
    "error, finish_reason, measures, tool_calls, chosen, owner, replaces"
)


def message_values(message: Message, *, owner: str = "", replaces: str = "") -> tuple[object, ...]:
    """Return a message as the values of `MESSAGE_COLUMNS`."""
    return (
        message.id,
        message.session_id,
        message.seq,
        message.role.value,
        message.content,
        message.thinking,
        message.state.value,
        time_text(message.created_at),
        message.request_id,
        message.model,
        message.runtime,
        int(message.demonstration),
        message.error,
        message.finish_reason,
        measures_text(message),
        calls_text(message),
        int(message.chosen),
        owner,
        replaces,
    )


def calls_text(message: Message) -> str:
    """Return the calls of a message as they are stored."""
    return json.dumps([asdict(call) for call in message.tool_calls], ensure_ascii=False, separators=(",", ":"))


ATTACHMENT_COLUMNS = "message_id, place, name, kind, media_type, size_bytes, data"


def attachment_values(message_id: str, place: int, attachment: Attachment) -> tuple[object, ...]:
    """Return an attachment as the values of `ATTACHMENT_COLUMNS`."""
    a = attachment
    return message_id, place, a.name, a.kind.value, a.media_type, a.size_bytes, a.data


def attachment_of(values: Mapping[str, Any] | aiosqlite.Row) -> Attachment:
    """Return an attachment of a row of `attachments`, or of its fields."""
    return Attachment(
        name=values["name"],
        kind=AttachmentKind(values["kind"]),
        media_type=values["media_type"],
        size_bytes=values["size_bytes"],
        data=values["data"],
    )


def measures_text(message: Message) -> str:
    """Return usage and timings as they are stored, with what was told of the answer where there is something."""
    measures: dict[str, Any] = {"usage": asdict(message.usage), "timings": asdict(message.timings)}
    if message.notices:
        measures["notices"] = message.notices
    if message.overflow is not None:
        measures["overflow"] = asdict(message.overflow)
    return json.dumps(measures, ensure_ascii=False, separators=(",", ":"))


def trace_text(trace: RequestTrace) -> str:
    """Return a trace as it is stored."""
    return json.dumps(asdict(trace), default=lambda moment: time_text(moment), separators=(",", ":"))


def trace_of(text: str) -> RequestTrace:
    """Return a stored trace."""
    fields: dict[str, Any] = json.loads(text)
    return RequestTrace(
        **{
            **fields,
            "route": Route(**fields["route"]),
            "started_at": parse_time(fields["started_at"]),
            "timings": Timings(**fields["timings"]),
            "usage": Usage(**fields["usage"]),
        }
    )
