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
