"""What a chat turn says while it runs. Each event carries its request, so that many turns may share a stream."""

from __future__ import annotations

from dataclasses import dataclass

from venom_tui.core.types.content import ToolCall
from venom_tui.core.types.request import Route
from venom_tui.core.types.session import Message


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """The user's message is committed and the answer has a row."""

    request_id: str
    session_id: str
    user: Message
    answer: Message


@dataclass(frozen=True, slots=True)
class TurnRouted:
    """It is decided which model answers."""

    request_id: str
    session_id: str
    route: Route


@dataclass(frozen=True, slots=True)
class TurnStatus:
    """What the turn is waiting for: `loading qwen3:14b`, `waiting for a free slot`."""

    request_id: str
    session_id: str
    text: str


@dataclass(frozen=True, slots=True)
class TurnNotice:
    """Something that the user should know of this turn: a parameter that is left out."""

    request_id: str
    session_id: str
    text: str


@dataclass(frozen=True, slots=True)
class TurnThinking:
    """A piece of the model's thinking, sanitized."""

    request_id: str
    session_id: str
    text: str
    pieces: int = 1
    """How many pieces of the stream it joins; runtimes send about one a token."""


@dataclass(frozen=True, slots=True)
class TurnDelta:
    """A piece of the answer, sanitized."""

    request_id: str
    session_id: str
    text: str
    pieces: int = 1
    """How many pieces of the stream it joins; runtimes send about one a token."""


@dataclass(frozen=True, slots=True)
class TurnToolCall:
    """The model wants to have a function called; sanitized. Nothing is run."""

    request_id: str
    session_id: str
    call: ToolCall


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The answer is final and committed; `message.state` says how it ended.

    `error_code`, `error`, `hint` and `server_message` are those of the VenomError behind a failed turn.
    `store_error` is set when the answer is complete but could not be written (a full disk).
    `prompt_tokens` and `context_length` are what is known of the prompt and of the context that it had to fit into;
    with `error_code` `context_overflow` they tell why it did not.
    """

    request_id: str
    session_id: str
    message: Message
    route: Route | None
    error_code: str = ""
    error: str = ""
    hint: str = ""
    server_message: str = ""
    store_error: str = ""
    prompt_tokens: int | None = None
    context_length: int | None = None


TurnEvent = TurnStarted | TurnRouted | TurnStatus | TurnNotice | TurnThinking | TurnDelta | TurnToolCall | TurnEnded
