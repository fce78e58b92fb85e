"""Turns stored messages into what the transcript shows."""

from __future__ import annotations

import json

from venom_tui.core.sanitize import sanitize
from venom_tui.core.types.content import ToolCall
from venom_tui.core.types.session import Message, MessageState, Role
from venom_tui.ui.text import duration, size
from venom_tui.ui.widgets.transcript import Call, Entry

DEMONSTRATION_NOTE = "demonstration model, 135M, often wrong"


def entry_of(message: Message, *, retry_key: str = "^r") -> Entry:
    """Return the entry of a message."""
    if message.role is Role.USER:
        files = tuple(f"{one.name} · {one.kind.value}, {size(one.size_bytes)}" for one in message.attachments)
        return Entry(key=message.id, role="user", title="you", body=message.content, plain=True, files=files)
    if message.role is Role.PROGRAM:
        return Entry(key=message.id, role="program", title="venom-tui", body=message.content)
    return Entry(
        key=message.id,
        role="assistant",
        title=_title(message),
        body=message.content,
        thinking=message.thinking,
        thought_s=None if message.timings.thinking_ms is None else message.timings.thinking_ms / 1000,
        calls=tuple(map(call_of, message.tool_calls)),
        notes=notes(message, retry_key),
        state=message.state.value,
        error=message.error,
    )


def call_of(call: ToolCall) -> Call:
    """Return how a call that a model wants is shown."""
    return Call(call.name, _pretty(call.arguments))


def _pretty(arguments: str) -> str:
    """Return JSON over several lines; what is none stays as the model wrote it."""
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments.strip()
    # What was escaped in the JSON is outside text again.
    return "" if value == {} else sanitize(json.dumps(value, indent=2, ensure_ascii=False))


def _title(message: Message) -> str:
    if not message.model:
        return "answer"
    return message.model if message.runtime in ("", "embedded") else f"{message.model} @ {message.runtime}"


def notes(message: Message, retry_key: str) -> tuple[str, ...]:
    """Return the dimmed lines under an answer: what was measured, how it ended, and how far to trust it."""
    lines: list[str] = []
    measured = _measured(message)
    if measured:
        lines.append(measured)
    if message.state is MessageState.INTERRUPTED:
        lines.append(f"interrupted, {retry_key} asks again")
    elif message.state is MessageState.STOPPED:
        lines.append(f"stopped, {retry_key} asks again")
    elif message.finish_reason == "length":
        lines.append("ended by the limit of tokens")
    elif message.finish_reason == "repetition":
        lines.append("stopped because it repeated itself")
    if message.demonstration:
        lines.append(DEMONSTRATION_NOTE)
    return tuple(lines)


def _measured(message: Message) -> str:
    parts: list[str] = []
    timings, usage = message.timings, message.usage
    if timings.submit_to_first_token_ms is not None:
        parts.append(f"first token {duration(timings.submit_to_first_token_ms / 1000)}")
        if timings.load_ms is not None and timings.load_ms >= 100:
            parts.append(f"of it {duration(timings.load_ms / 1000)} loading")
    if usage.tokens_per_second is not None:
        parts.append(f"{usage.tokens_per_second:.0f} tok/s")
    if usage.completion_tokens is not None:
        asked = "" if usage.prompt_tokens is None else f"{usage.prompt_tokens:,} + "
        parts.append(f"{asked}{usage.completion_tokens:,} tokens")
    return " · ".join(parts)
