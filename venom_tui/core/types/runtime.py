"""A runtime: a server that holds models and answers prompts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class RuntimeState(StrEnum):
    """What is known of a runtime's health."""

    UNKNOWN = "unknown"
    IDLE = "idle"
    """Can be started and is not running: the embedded runtime before its first use."""
    STARTING = "starting"
    LOADING = "loading"
    READY = "ready"
    BUSY = "busy"
    UNREACHABLE = "unreachable"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RuntimeStatus:
    """One runtime and what it said last."""

    id: str
    kind: str
    """`embedded`, `ollama`, `vllm`, `llamacpp`, `openai`."""
    state: RuntimeState
    endpoint: str = ""
    """Base address without credentials, "" for the embedded runtime while it does not run."""
    version: str | None = None
    detail: str = ""
    """One clause for the screen: the reason of a failure, or what it is waiting for."""
    models: int | None = None
    """How many models it offers."""
    loaded: tuple[str, ...] = ()
    """Names of the models in memory."""
    pids: tuple[int, ...] = ()
    """Processes of this machine that serve it, where they are known."""
    latency_ms: float | None = None
    """How long its last answer to a look took."""
    seen_at: datetime | None = None
    """When it answered last."""
    origin: str = ""
    """How we know of it: `built in`, `environment`, `config.toml`, `found` (it answers on a usual port), `default`."""
    server_message: str = ""
    """The server's own words behind a failure."""
