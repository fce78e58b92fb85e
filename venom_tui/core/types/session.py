"""Sessions and their messages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """Who speaks."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"
    PROGRAM = "program"
    """venom-tui itself: help, status. Never sent to a model."""


class MessageState(StrEnum):
    """How complete a message is."""

    STREAMING = "streaming"
    """Being written by a process that is alive."""
    COMPLETE = "complete"
    STOPPED = "stopped"
    """The user stopped it."""
    INTERRUPTED = "interrupted"
    """The process that wrote it died or was told to end."""
    FAILED = "failed"
    """The runtime failed; `error` says how."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer cost."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    tokens_per_second: float | None = None
    """Generation speed as the runtime measured it, else completion tokens over streaming time."""


@dataclass(frozen=True, slots=True)
class Timings:
    """When an answer came, in milliseconds."""

    submit_to_first_token_ms: float | None = None
    """From the submitted prompt, a model load included."""
    model_to_first_token_ms: float | None = None
    """From the request's start at the model."""
    total_ms: float | None = None
    load_ms: float | None = None
    """What loading the model took of it, when it had to be loaded."""


@dataclass(frozen=True, slots=True)
class Session:
    """A conversation. `id` of a temporary one begins with `tmp-` and is never stored."""

    id: str
    title: str
    created_at: datetime
    updated_at: datetime
    message_count: int = 0
    draft: str = ""
    """The unsent prompt."""
    temporary: bool = False
    system: str = ""
    """The system message of the session, or "" for the default."""
    streaming: bool = False
    """Whether an answer is being written now, by this or another living venom-tui."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a session, in the order of `seq`."""

    id: str
    session_id: str
    seq: int
    """1, 2, 3 … within the session."""
    role: Role
    content: str
    state: MessageState
    created_at: datetime
    request_id: str = ""
    """The request that wrote it, for answers."""
    model: str = ""
    runtime: str = ""
    thinking: str = ""
    error: str = ""
    finish_reason: str = ""
    """`stop`, `length`, `repetition`, `stopped`, `error`."""
    usage: Usage = Usage()
    timings: Timings = Timings()
    demonstration: bool = False
    """Written by the demonstration model."""


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One message that holds the words searched for."""

    session_id: str
    session_title: str
    message_id: str
    seq: int
    role: Role
    created_at: datetime
    snippet: str
    """A piece of the message around the hit."""
    matches: tuple[tuple[int, int], ...] = ()
    """Start and end of each hit within `snippet`, in characters."""
