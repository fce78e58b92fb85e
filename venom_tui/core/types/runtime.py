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


SILENT = frozenset({RuntimeState.UNREACHABLE, RuntimeState.FAILED})
"""What such a runtime has and holds is not known."""
UNHEARD = SILENT | {RuntimeState.UNKNOWN}
"""Such a runtime cannot be asked for anything now: it does not answer, or was not asked yet."""


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

    @property
    def unanswering(self) -> bool:
        """Whether it does not answer, and is not one at a usual address that nobody named."""
        return self.state in SILENT and self.origin != "default"


@dataclass(frozen=True, slots=True)
class RuntimeLoad:
    """What a server says of its work now; None means that it does not tell."""

    running: int | None = None
    """Requests that are being answered."""
    waiting: int | None = None
    """Requests that wait for their turn."""
    kv_share: float | None = None
    """Share of its KV cache that is in use, 0 to 1."""
    prompt_tokens: int | None = None
    """Tokens of prompts that it has read since it began."""
    generated_tokens: int | None = None
    """Tokens that it has written since it began."""
    reason: str = ""
    """Why something is not known."""


@dataclass(frozen=True, slots=True)
class RuntimeFigures:
    """How a runtime has answered looks lately, and what it has to do."""

    latencies_ms: tuple[float | None, ...] = ()
    """The slowest answer of each ten seconds of the last ten minutes, the newest last; None: no answer."""
    looks: int = 0
    """How often it was asked since this program began."""
    answered: int = 0
    load: RuntimeLoad = RuntimeLoad(reason="not asked yet")
