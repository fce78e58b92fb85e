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
class MigDevice:
    """A part of a GPU that acts as a GPU of its own."""

    index: int
    """Its place among those of its GPU."""
    uuid: str | None = None
    name: str | None = None
    gpu_instance: int | None = None
    compute_instance: int | None = None
    memory_total_bytes: int | None = None
    memory_used_bytes: int | None = None
    memory_free_bytes: int | None = None
    processes: tuple[GpuProcess, ...] = ()
    usable: bool | None = None
    """Whether this process may use it; None: that cannot be told."""
    unavailable: dict[str, str] = field(default_factory=dict)
    """Field -> why its value is not known."""


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
    vendor: str = "nvidia"
    """`nvidia` or `amd`."""
    usable: bool | None = None
    """Whether this process may use it, by the environment and by its rights; None: that cannot be told."""
    clock_core_mhz: int | None = None
    clock_core_max_mhz: int | None = None
    clock_memory_mhz: int | None = None
    clock_memory_max_mhz: int | None = None
    pcie_generation: int | None = None
    pcie_generation_max: int | None = None
    pcie_width: int | None = None
    """Lanes that are in use now: an idle GPU takes fewer, and a lower generation."""
    pcie_width_max: int | None = None
    pcie_received_bytes_per_s: int | None = None
    pcie_sent_bytes_per_s: int | None = None
    mig_devices: tuple[MigDevice, ...] = ()


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
class ModelOnGpu:
    """What a loaded model holds on one GPU, as measured."""

    index: int
    uuid: str | None
    memory_bytes: int | None


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in memory, as its runtime reports it and as it was measured."""

    name: str
    runtime: str
    reported_bytes: int | None = None
    """What its runtime says that it takes, on GPUs and in RAM together."""
    measured_bytes: int | None = None
    """Resident memory of its processes (PSS): what it takes of the host's memory."""
    vram_bytes: int | None = None
    """GPU memory: as measured where `vram_measured`, else as its runtime reports it."""
    context_length: int | None = None
    """Tokens of context that it was loaded with."""
    pid: int | None = None
    """The first of the processes that hold it."""
    expires_at: datetime | None = None
    """When its runtime unloads it if nobody asks it anything; None: unknown or never."""
    pinned: bool = False
    """Its runtime keeps it until told otherwise."""
    pids: tuple[int, ...] = ()
    """All processes of this machine that hold it, where they are known."""
    gpus: tuple[ModelOnGpu, ...] = ()
    """Where it lies, as measured."""
    vram_measured: bool = False
    reported_vram_bytes: int | None = None
    """What its runtime says that it takes on GPUs."""
    gpu_share: float | None = None
    """Which part of it lies on GPUs, 0 to 1: as measured, else as reported."""
    dead: str = ""
    """Why it cannot answer although its runtime lists it, or ""."""
    kind: str = ""
    """Kind of its runtime: `embedded`, `ollama`, `vllm`, `llamacpp`, `openai`."""
    endpoint: str = ""
    """Address of the server that holds it."""
    weights: str | None = None
    """File or folder of its weights, as its runtime names it."""
    kv_type: str | None = None
    """Type of its KV cache, as its process was started."""
    parallel: int | None = None
    """Sequences at once, as its process was started."""
    elsewhere: bool = False
    """Another program than this one holds it."""
    unavailable: dict[str, str] = field(default_factory=dict)
    """Field -> why its value is not known."""


@dataclass(frozen=True, slots=True)
class GuardSnapshot:
    """One look at the machine; newer ones replace older ones."""

    taken_at: datetime
    host: HostInfo
    gpus: tuple[Gpu, ...] = ()
    loaded: tuple[LoadedModel, ...] = ()
    limits: tuple[str, ...] = ()
    unavailable: dict[str, str] = field(default_factory=dict)
    """`gpus` -> why there are none; `nvidia` -> why NVIDIA's are missing where others are there."""
    driver_version: str | None = None
    """Of NVIDIA's driver."""
    cuda_version: str | None = None
    """The newest CUDA that the driver can run, `12.8`."""
