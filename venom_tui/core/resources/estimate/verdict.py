"""Whether an estimate fits what is free: on which GPUs, after whose leaving, partly in RAM, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from venom_tui.core.resources.estimate.estimate import Estimate
from venom_tui.core.types.fit import GpuFit, Verdict

_SPLIT = 1.02
"""Whole layers are laid on a GPU: several GPUs hold a little less than the sum of what is free on them."""
GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Held:
    """A model in memory that may leave for another."""

    name: str
    gpu_bytes: Mapping[int, int] = field(default_factory=dict)
    """Index of a GPU -> what it holds there."""
    ram_bytes: int = 0
    runtime: str = ""


@dataclass(frozen=True, slots=True)
class Room:
    """What is free now."""

    gpus: tuple[GpuFit, ...] = ()
    ram_bytes: int | None = None
    """Free RAM, less what is to be kept free; None: unknown."""
    held: tuple[Held, ...] = ()
    """Models that may leave, in the order in which they would."""

    def without(self, leaving: Sequence[Held]) -> Room:
        """Return the room that is there once some have left."""
        gpus = tuple(_freed(gpu, sum(one.gpu_bytes.get(gpu.index, 0) for one in leaving)) for gpu in self.gpus)
        ram = None if self.ram_bytes is None else self.ram_bytes + sum(one.ram_bytes for one in leaving)
        return Room(gpus, ram, tuple(one for one in self.held if one not in leaving))


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with what leads to it."""

    verdict: Verdict
    reason: str
    evicts: tuple[str, ...] = ()
    gpus: tuple[int, ...] = ()
    """Indices of the GPUs that it would be on."""
    gpu_share: float | None = None
    free_bytes: int | None = None
    """What is free where it would go, before anything leaves."""
    leaving: tuple[Held, ...] = ()
    """The models behind `evicts`."""


def judge(estimate: Estimate, room: Room, *, splits: bool = True) -> Judgement:
    """Return whether a model fits.

    Args:
        estimate: what it takes, on a GPU or in RAM.
        room: what is free.
        splits: whether its runtime lays a part of it into RAM where a GPU is too small, as llama.cpp does.
    """
    return _on_gpus(estimate, room, splits) if estimate.place == "gpu" else _in_ram(estimate, room)


# ---------------------------------------------------------------------- in RAM


def _in_ram(estimate: Estimate, room: Room) -> Judgement:
    free = room.ram_bytes
    if free is None:
        return Judgement(Verdict.UNKNOWN, "The free RAM is not known.")
    need = estimate.likely_bytes
    if need <= free:
        reason = f"{_gib(need)} of the {_gib(free)} GiB of free RAM."
        return Judgement(Verdict.FITS, reason + _tight(estimate, free), gpu_share=0.0, free_bytes=free)
    leaving = least(room, lambda r: r.ram_bytes is not None and need <= r.ram_bytes)
    if leaving:
        reason = f"{_gib(need)} GiB, {_gib(free)} are free; {_names(leaving)} must leave first."
        names = tuple(one.name for one in leaving)
        return Judgement(Verdict.FITS_AFTER_EVICTION, reason, names, gpu_share=0.0, free_bytes=free, leaving=leaving)
    return Judgement(Verdict.DOES_NOT_FIT, f"{_gib(need - free)} GiB of RAM are missing.", free_bytes=free)


# ---------------------------------------------------------------------- on GPUs


def _on_gpus(estimate: Estimate, room: Room, splits: bool) -> Judgement:
    counted = _counted(room)
    if not counted:
        return Judgement(Verdict.UNKNOWN, _why_none(room.gpus))
    free = max(gpu.free_bytes or 0 for gpu in counted)
    chosen = _choose(estimate, counted, splits)
    if chosen:
        return _fits(estimate, chosen)
    leaving = least(room, lambda r: bool(_choose(estimate, _counted(r), splits)))
    if leaving:
        there = _choose(estimate, _counted(room.without(leaving)), splits)
        reason = f"{_gib(estimate.likely_bytes)} GiB, {_gib(free)} are free; {_names(leaving)} must leave first."
        names = tuple(one.name for one in leaving)
        indices = tuple(gpu.index for gpu in there)
        return Judgement(Verdict.FITS_AFTER_EVICTION, reason, names, indices, 1.0, free, leaving)
    if splits:
        partly = _partly(estimate, counted, room.ram_bytes, free)
        if partly is not None:
            return partly
    missing = estimate.likely_bytes - (sum(gpu.free_bytes or 0 for gpu in counted) if splits else free)
    where = "on the GPU" if len(counted) == 1 else f"on {len(counted)} GPUs"
    reason = f"{_gib(max(missing, 0))} GiB are missing {where}"
    return Judgement(Verdict.DOES_NOT_FIT, f"{reason}{', and RAM is too small for the rest' if splits else ''}.",
                     free_bytes=free)  # fmt: skip


def _fits(estimate: Estimate, chosen: Sequence[GpuFit]) -> Judgement:
    free = sum(gpu.free_bytes or 0 for gpu in chosen)
    numbers = ", ".join(str(gpu.index) for gpu in chosen)
    where = f"GPU {numbers}" if len(chosen) == 1 else f"GPUs {numbers} together"
    reason = f"{_gib(_need(estimate, len(chosen)))} of the {_gib(free)} GiB that are free on {where}."
    return Judgement(
        Verdict.FITS, reason + _tight(estimate, free), gpus=tuple(g.index for g in chosen), gpu_share=1.0,
        free_bytes=free,
    )  # fmt: skip


def _partly(estimate: Estimate, counted: Sequence[GpuFit], ram: int | None, free: int) -> Judgement | None:
    """Return how a model lies partly on GPUs and partly in RAM, where it can."""
    if ram is None:
        return None
    content = estimate.parts.weights_bytes + estimate.parts.kv_bytes
    there = sum(max(0, (gpu.free_bytes or 0) - _apart(estimate)) for gpu in counted)
    share = min(1.0, there / content) if content else 0.0
    rest = round((1.0 - share) * content) + estimate.host_bytes + estimate.parts.compute_bytes
    if rest > ram:
        return None
    used = tuple(gpu.index for gpu in counted if (gpu.free_bytes or 0) > _apart(estimate))
    if share < 0.02:
        reason = f"Nothing of it fits on a GPU now; {_gib(rest)} GiB would lie in RAM and be calculated on the CPU."
        return Judgement(Verdict.PARTLY_ON_CPU, reason, gpus=(), gpu_share=0.0, free_bytes=free)
    reason = f"{share:.0%} of it on GPUs, {_gib(rest)} GiB in RAM: slower."
    return Judgement(Verdict.PARTLY_ON_CPU, reason, gpus=used, gpu_share=round(share, 2), free_bytes=free)


def _choose(estimate: Estimate, gpus: Iterable[GpuFit], splits: bool) -> Sequence[GpuFit]:
    """Return the GPUs that hold it: the one with the most free, or as few as are needed; () where they do not."""
    ordered = sorted(gpus, key=lambda gpu: -(gpu.free_bytes or 0))
    if ordered and estimate.likely_bytes <= (ordered[0].free_bytes or 0):
        return ordered[:1]
    content = (estimate.parts.weights_bytes + estimate.parts.kv_bytes) * _SPLIT
    for count in range(2, len(ordered) + 1) if splits else ():
        if content <= sum(max(0, (gpu.free_bytes or 0) - _apart(estimate)) for gpu in ordered[:count]):
            return ordered[:count]
    return ()


def _apart(estimate: Estimate) -> int:
    """Return what every GPU holds besides its part of weights and cache."""
    return max(0, estimate.likely_bytes - estimate.parts.weights_bytes - estimate.parts.kv_bytes)


def _need(estimate: Estimate, gpus: int) -> int:
    return estimate.likely_bytes + (gpus - 1) * _apart(estimate)


def _counted(room: Room) -> list[GpuFit]:
    return [gpu for gpu in room.gpus if gpu.usable is not False and not gpu.reason and gpu.free_bytes is not None]


def _why_none(gpus: Sequence[GpuFit]) -> str:
    reasons = dict.fromkeys(gpu.reason for gpu in gpus if gpu.reason)
    return f"No GPU can be counted: {'; '.join(reasons)}." if reasons else "There is no GPU that can be counted."


def _freed(gpu: GpuFit, size: int) -> GpuFit:
    if not size or gpu.free_bytes is None:
        return gpu
    free = gpu.free_bytes + size if gpu.total_bytes is None else min(gpu.total_bytes, gpu.free_bytes + size)
    return GpuFit(gpu.index, gpu.uuid, gpu.name, gpu.total_bytes, free, gpu.usable, gpu.reason)


# ---------------------------------------------------------------------- who leaves


def least(room: Room, enough: Callable[[Room], bool]) -> tuple[Held, ...]:
    """Return who must leave so that it is enough: one where one will do, else as many as it takes; () if never."""
    for one in room.held:
        if enough(room.without((one,))):
            return (one,)
    leaving: list[Held] = []
    for one in room.held:
        leaving.append(one)
        if enough(room.without(leaving)):
            break
    else:
        return ()
    # Who came in early may turn out not to be needed.
    for one in tuple(leaving):
        others = [other for other in leaving if other is not one]
        if others and enough(room.without(others)):
            leaving = others
    return tuple(leaving)


def _names(held: Sequence[Held]) -> str:
    names = [one.name for one in held]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _tight(estimate: Estimate, free: int) -> str:
    return " It may be too little: up to " + f"{_gib(estimate.high_bytes)} GiB." if estimate.high_bytes > free else ""


def _gib(size: int) -> str:
    return f"{size / GIB:.1f}" if size >= GIB / 20 or size == 0 else f"{size / GIB:.2f}"
