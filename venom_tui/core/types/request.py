"""A request to a model: how it was routed and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from venom_tui.core.types.content import Image, ToolCall
from venom_tui.core.types.session import Timings, Usage


@dataclass(frozen=True, slots=True)
class Route:
    """Which model a prompt goes to, and why."""

    kind: str
    """`static` (venom-tui answers), `chat`, later `tool` and `complex`."""
    intent: str
    """`help`, `status`, `quit`, … for static ones, else `chat`."""
    mode: str
    """`direct`, `normal`, `complex`."""
    source: str
    """What decided: `rule`, `mode`, `model`, `undecided`."""
    target: str
    """`local` or `cloud`; `program` where no model is asked."""
    runtime: str
    model: str
    reason: str
    sensitive: bool = False
    demonstration: bool = False


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message as it goes to a runtime."""

    role: str
    content: str
    images: tuple[Image, ...] = ()
    thinking: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_name: str = ""
    """For `tool` messages: the function whose result this is."""
    tool_call_id: str = ""


@dataclass(frozen=True, slots=True)
class GenerationParameters:
    """How to generate. None leaves the choice to the runtime. Names are the generic ones of the parameter adapter."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repeat_penalty: float | None = None
    max_tokens: int | None = None
    """Most tokens of an answer."""
    seed: int | None = None
    stop: tuple[str, ...] | None = None
    context_length: int | None = None
    """Tokens of context that the model is to be loaded with, where the runtime loads it for us."""
    think: str | None = None
    """`on`, `off`, `low`, `medium` or `high`."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """Everything that a runtime client needs for one answer."""

    model: str
    messages: tuple[ChatMessage, ...]
    parameters: GenerationParameters = field(default_factory=GenerationParameters)
    schema: dict[str, object] | None = None
    """JSON schema that the answer must fit; {} asks for any JSON."""
    tools: tuple[dict[str, object], ...] = ()
    """Functions that the model may call, each as OpenAI's `{"type": "function", "function": {…}}`."""


@dataclass(frozen=True, slots=True)
class ChatChunk:
    """One piece of a streamed answer, decoded from the wire and not yet sanitized."""

    content: str = ""
    thinking: str = ""
    finish_reason: str = ""
    """Set on the last piece with text or on its own: `stop`, `length`, `tool_calls`."""
    usage: Usage | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    """Calls that are whole with this piece."""
    load_ms: float | None = None
    """What loading the model took of the time, where the server says so."""


@dataclass(frozen=True, slots=True)
class RequestTrace:
    """What is kept of a request for the waterfall and the statistics."""

    request_id: str
    session_id: str
    message_id: str
    route: Route
    started_at: datetime
    timings: Timings
    usage: Usage
    finish_reason: str
    error: str = ""
