"""Turns stored messages into what the transcript shows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from venom_tui.core.sanitize import sanitize
from venom_tui.core.types.alternatives import going_on
from venom_tui.core.types.content import ToolCall
from venom_tui.core.types.session import Message, MessageState, Role
from venom_tui.ui.text import duration, signs, size
from venom_tui.ui.widgets.transcript import Call, Entry

DEMONSTRATION_NOTE = "demonstration model, 135M, often wrong"


def entries_of(messages: Sequence[Message], *, retry_key: str = "^r") -> list[Entry]:
    """Return the entries of messages that follow each other; several answers to one prompt are told apart.

    Args:
        messages: the messages, in their order.
        retry_key: the key that asks again, as it is written.
    """
    entries: list[Entry] = []
    for group in answer_groups(messages):
        for message in group:
            entry = entry_of(message, retry_key=retry_key)
            entries.append(entry if len(group) < 2 else _told_apart(entry, message, group))
    return entries


def answer_groups(messages: Iterable[Message]) -> Iterator[list[Message]]:
    """Yield messages in their order; those that are answers to one prompt together, all others alone."""
    for is_answer, found in groupby(messages, lambda message: message.role is Role.ASSISTANT):
        if is_answer:
            yield list(found)
        else:
            yield from ([message] for message in found)


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
        title=title_of(message),
        body=message.content,
        thinking=message.thinking,
        thought_s=None if message.timings.thinking_ms is None else message.timings.thinking_ms / 1000,
        calls=tuple(map(call_of, message.tool_calls)),
        notes=(*notes(message, retry_key), *message.notices),
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


def title_of(message: Message) -> str:
    """Return who wrote an answer."""
    if not message.model:
        return "answer"
    return message.model if message.runtime in ("", "embedded") else f"{message.model} @ {message.runtime}"


def _told_apart(entry: Entry, message: Message, group: Sequence[Message]) -> Entry:
    goes_on = going_on(group) is message
    place = f"{group.index(message) + 1} of {len(group)}"
    tag = f"{signs().loaded} {place}, goes on" if goes_on else f"{signs().installed} {place}"
    return replace(entry, tag=tag, tagged_well=goes_on)


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
        lines.append("ended by the limit of tokens, its own or the context's")
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
        about = "~" if usage.estimated else ""
        parts.append(f"{asked}{about}{usage.completion_tokens:,} tokens")
    return " · ".join(parts)
