"""What the machine holds: GPUs, their processes, the host, its disks. None means unknown; `unavailable` says why."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process with memory on a GPU."""

    pid: int | None
    user: str | None
    command: str | None
    memory_bytes: int | None
    runtime: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU as the driver describes it."""

    index: int
    uuid: str | None = None
    name: str | None = None
    memory_total_bytes: int | None = None
    memory_used_bytes: int | None = None
    memory_free_bytes: int | None = None
    memory_reserved_bytes: int | None = None
    memory_kind: str = "dedicated"
    """`dedicated`, or `unified` where the GPU shares the host's RAM."""
    utilization_percent: int | None = None
    memory_utilization_percent: int | None = None
    temperature_c: int | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    mig_mode: bool | None = None
    processes: tuple[GpuProcess, ...] = ()
    unavailable: dict[str, str] = field(default_factory=dict)
    """Field -> why its value is not known."""
    stale_since: datetime | None = None
    """When the driver answered last, where it does not answer now: the figures are that old. None: they are fresh."""


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system that holds models or data."""

    path: str
    """The folder that was asked about."""
    label: str
    """What lies there: `data`, `models`."""
    total_bytes: int | None
    free_bytes: int | None


@dataclass(frozen=True, slots=True)
class HostInfo:
    """The machine itself."""

    name: str
    cpu_count: int | None
    """CPUs that this process may use."""
    cpu_percent: float | None
    """Load of these CPUs since the look before, 0 to 100."""
    ram_total_bytes: int | None
    ram_available_bytes: int | None
    swap_total_bytes: int | None
    swap_used_bytes: int | None
    load_1m: float | None
    disks: tuple[Disk, ...] = ()
    unavailable: dict[str, str] = field(default_factory=dict)
    """Field -> why its value is not known; `disks.LABEL` for a disk."""
    notes: tuple[str, ...] = ()
    """What a reader must know of the figures: the limits of a container."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in memory, as its runtime reports it and as it was measured."""

    name: str
    runtime: str
    reported_bytes: int | None = None
    measured_bytes: int | None = None
    """Resident memory of its process (PSS), for models in host memory."""
    vram_bytes: int | None = None
    context_length: int | None = None
    """Tokens of context that it was loaded with."""
    pid: int | None = None
    expires_at: datetime | None = None
    """When its runtime unloads it if nobody asks it anything; None: unknown or never."""
    pinned: bool = False
    """Its runtime keeps it until told otherwise."""


@dataclass(frozen=True, slots=True)
class GuardSnapshot:
    """One look at the machine; newer ones replace older ones."""

    taken_at: datetime
    host: HostInfo
    gpus: tuple[Gpu, ...] = ()
    loaded: tuple[LoadedModel, ...] = ()
    limits: tuple[str, ...] = ()
    unavailable: dict[str, str] = field(default_factory=dict)
    """`gpus` -> why there are none."""
