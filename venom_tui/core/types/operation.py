"""Operations: everything that takes time and changes what the machine holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class OperationState(StrEnum):
    """Where an operation stands. The last four are final (`interrupted` can be resumed)."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"

    @property
    def final(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self in _FINAL


_FINAL = frozenset(
    {
        OperationState.SUCCEEDED,
        OperationState.FAILED,
        OperationState.CANCELLED,
        OperationState.INTERRUPTED,
    }
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One pull, load, unload, switch, activation or import, as it stands now or stood at its end."""

    id: str
    kind: str
    """`load`, `unload`, `switch`, `activate`, `pull`, `remove`, `copy`, `start`, `stop`, `restart`,
    `create`, `import`."""
    target: str
    """What it is about, as it was typed; sanitized."""
    state: OperationState
    runtime: str = ""
    provider: str = ""
    bytes_done: int | None = None
    bytes_total: int | None = None
    share: float | None = None
    """How much is done, 0 to 1, as far as the whole is known; never less than it was."""
    rate_bytes_per_s: float | None = None
    message: str = ""
    """What it is doing or waiting for."""
    retries: int = 0
    """How often something had to be begun again."""
    error: str = ""
    """Why it failed, with the server's own words."""
    server_message: str = ""
    """The server's own words alone."""
    error_code: str = ""
    """The code of the failure, from the fixed list of errors."""
    hint: str = ""
    """What to do about the failure: one next step."""
    cause: str = ""
    """Why it was begun: `user`, `first prompt`, `evicted for NAME`, …"""
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    vram_before_bytes: int | None = None
    vram_after_bytes: int | None = None
    repeatable: bool = False
    """Whether any venom-tui can do it from what is written of it: paused, resumed, retried, handed over."""
    background: bool = False
    """Whether a process without a terminal runs it."""
    owner_alive: bool = True
    """False when the process that ran it is gone."""
    host: str = ""
    """The machine that runs it, where that is another one."""
    place: float = 0.0
    """Where it stands in its queue: the lowest is next."""
