"""Whether a model fits: what it will cost in its parts, against what is free. None means unknown, never zero."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Verdict(StrEnum):
    """What an estimate says against what is free now."""

    FITS = "fits"
    FITS_AFTER_EVICTION = "fits_after_eviction"
    PARTLY_ON_CPU = "partly_on_cpu"
    DOES_NOT_FIT = "does_not_fit"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class FitQuestion:
    """How a model is to be loaded."""

    context_length: int | None = None
    """Tokens of context of each sequence; None: what its runtime would take, or 8,192."""
    kv_type: str = "f16"
    """Type of the KV cache: `f16`, `q8_0`, `q4_0`, …"""
    parallel: int = 1
    """Sequences at once, each with the whole context."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a loaded model takes, in bytes."""

    weights_bytes: int
    kv_bytes: int
    """The cache of keys and values, with the state of recurrent layers."""
    compute_bytes: int
    """Buffers of the calculation and of its results."""
    overhead_bytes: int
    """What the process and the GPU's context take besides."""

    @property
    def total_bytes(self) -> int:
        """All together."""
        return self.weights_bytes + self.kv_bytes + self.compute_bytes + self.overhead_bytes


@dataclass(frozen=True, slots=True)
class GpuFit:
    """What one GPU has for a model."""

    index: int
    uuid: str | None
    name: str | None
    total_bytes: int | None
    free_bytes: int | None
    """Free now, less what is to be kept free."""
    usable: bool | None
    """Whether this process may use it; None: that cannot be told."""
    reason: str = ""
    """Why it is not counted, or ""."""


@dataclass(frozen=True, slots=True)
class ContextFit:
    """One line of the table: the same model with another context."""

    context_length: int
    kv_bytes: int
    likely_bytes: int
    verdict: Verdict
    evicts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UtilizationRange:
    """Values of vLLM's gpu-memory-utilization that hold the model; `None` where there is none."""

    lowest: float | None
    """The least that holds weights, buffers and the cache of one sequence with the whole context."""
    highest: float | None
    """The most that starts with what is free now."""
    gpus: tuple[int, ...] = ()
    """Indices of the GPUs that it is about: as many as the tensor-parallel size."""
    starts: bool = False
    """Whether a value in between starts now."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How good estimates of an architecture have been, corrections left out and counted in."""

    architecture: str
    count: int
    median_percent: float
    """Median of how far the corrected estimates were off, in percent of what was measured."""
    worst_percent: float
    plain_median_percent: float
    """The same without corrections."""


@dataclass(frozen=True, slots=True)
class EstimateRecord:
    """An estimate beside what was then measured."""

    at: datetime
    architecture: str
    runtime: str
    model: str
    context_length: int
    kv_type: str
    parallel: int
    place: str
    """`gpu` or `cpu`."""
    plain_bytes: int
    """What was estimated without corrections."""
    likely_bytes: int
    """What was estimated."""
    actual_bytes: int
    """What was measured, or reported where nothing could be measured."""
    source: str
    """`measured` or `reported`."""

    @property
    def error_percent(self) -> float:
        """How far the estimate was off, in percent of what was measured; more than that is positive."""
        return 100.0 * (self.likely_bytes - self.actual_bytes) / self.actual_bytes


@dataclass(frozen=True, slots=True)
class FitReport:
    """What a model will cost and whether it fits now."""

    name: str
    runtime: str
    question: FitQuestion
    verdict: Verdict
    reason: str
    """One sentence on the verdict."""
    architecture: str | None = None
    context_length: int | None = None
    """The context that was counted with."""
    trained_context_length: int | None = None
    weights_bytes: int | None = None
    kv_bytes: int | None = None
    compute_bytes: int | None = None
    overhead_bytes: int | None = None
    low_bytes: int | None = None
    likely_bytes: int | None = None
    high_bytes: int | None = None
    correction_bytes: int = 0
    """What earlier loads of this architecture added to `likely_bytes`, or took from it."""
    batch: int | None = None
    """Tokens of a batch that were counted with: a sliding window holds `min(context, window + batch)`."""
    sliding_window: int | None = None
    place: str = "cpu"
    """`gpu` or `cpu`: what the verdict is about."""
    free_bytes: int | None = None
    """What is free for it where it would go."""
    evicts: tuple[str, ...] = ()
    """Names of the models that must leave first."""
    leaving: tuple[tuple[str, str], ...] = ()
    """The same with their runtimes: (runtime, name)."""
    loaded: bool = False
    """It is in memory already; what it holds counts as free for it."""
    gpus: tuple[GpuFit, ...] = ()
    chosen_gpus: tuple[int, ...] = ()
    """Indices of the GPUs that it would be on."""
    gpu_share: float | None = None
    """Part of the weights that would be on GPUs; None: unknown."""
    table: tuple[ContextFit, ...] = ()
    utilization: UtilizationRange | None = None
    """Only for vLLM."""
    quality: Quality | None = None
    source: str = ""
    """What the estimate was made from: `header of the file`, `what Ollama tells`, `config.json`, `size on disk`."""
    notes: tuple[str, ...] = ()
    """What was assumed."""
    unavailable: dict[str, str] = field(default_factory=dict)
    """Field -> why its value is not known."""


@dataclass(frozen=True, slots=True)
class FitBadge:
    """The verdict on a model in a list, with its usual context."""

    verdict: Verdict
    likely_bytes: int | None = None
    evicts: tuple[str, ...] = ()
    loaded: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that would fit this machine."""

    name: str
    """The name to pull it by."""
    provider: str
    """`ollama`, `huggingface` or `local`."""
    parameter_size: str
    size_bytes: int
    """What is fetched; estimated where `exact_size` is False."""
    likely_bytes: int
    verdict: Verdict
    context_length: int
    """The context that was counted with."""
    about: str
    """What it is good for, in a few words."""
    installed: bool = False
    runtime: str = ""
    """Id of the runtime that has it, where it is installed."""
    as_of: str = ""
    """Date of the facts of a model that is not here."""
    evicts: tuple[str, ...] = ()
