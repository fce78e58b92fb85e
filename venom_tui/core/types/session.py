"""Sessions and their messages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from venom_tui.core.types.content import Attachment, ToolCall


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
    estimated: bool = False
    """`completion_tokens` is the number of pieces that came: the server gave no count (stopped and cut answers)."""


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
    thinking_ms: float | None = None
    """From the first word of the thinking to the first one of the answer, or to the end where there is none."""


@dataclass(frozen=True, slots=True)
class Overflow:
    """Why a prompt did not fit into the context. What the server did not say is None, or ""."""

    prompt_tokens: int | None = None
    context_length: int | None = None
    server_message: str = ""


THINKING = ("on", "off", "low", "medium", "high")
"""Whether, or how much, a model that can thinks before it answers."""


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """What is chosen for all turns of a session; it goes before what is saved for the model that answers."""

    context_length: int | None = None
    """Tokens of context that the model is to be loaded with; the same in every request of the session."""
    think: str | None = None
    """One of `THINKING`."""
    schema: str = ""
    """JSON text of the schema that answers must fit; `{}` asks for any JSON, "" for text."""
    leave_out_oldest: bool = False
    """Whether the oldest turns are left out of a request that does not fit; each turn tells how many."""


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
    options: SessionOptions = SessionOptions()


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
    attachments: tuple[Attachment, ...] = ()
    """Files that went along with a prompt."""
    tool_calls: tuple[ToolCall, ...] = ()
    """Functions that the model wanted to have called; sanitized. `arguments` is JSON text: what is decoded from it is
    outside text again."""
    chosen: bool = False
    """Whether the user chose it among several answers to one prompt."""
    notices: tuple[str, ...] = ()
    """What the user should know of how an answer came about: a parameter that was left out, a prompt that was cut."""
    overflow: Overflow | None = None
    """Set where an answer failed because the prompt did not fit."""


@dataclass(frozen=True, slots=True)
class QueuedPrompt:
    """A prompt that was entered while an answer was written, and waits for its turn."""

    id: str
    session_id: str
    text: str
    attachments: tuple[Attachment, ...]
    created_at: datetime


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
