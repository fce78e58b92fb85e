"""A server that this machine can start and stop, as config.toml says how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class ServerState(StrEnum):
    """What is known of its process. Whether it answers is its runtime's state."""

    STOPPED = "stopped"
    RUNS = "runs"
    ENDED = "ended"
    """It was started and has ended by itself."""
    ELSEWHERE = "elsewhere"
    """Another machine that shares the data directory runs it."""


@dataclass(frozen=True, slots=True)
class Server:
    """One server and who controls it."""

    id: str
    """Its runtime's id."""
    way: str
    """How it is started: `unit`, `command` or `profile`."""
    state: ServerState
    ours: bool = False
    """Whether what runs was started by venom-tui."""
    pid: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    detail: str = ""
    """One clause: how it ended, or who runs it."""
    command: tuple[str, ...] = ()
    """What is run, keys masked; () where that is decided at the start."""
    url: str = ""
    unit: str = ""
    log_path: str = ""
    """File of its log, "" where the system's journal has it."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """`start`, `stop`, `restart` -> why that cannot be done now."""


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
