"""Makes the report on one model: from what it is made of, how it is to be loaded, and what is free. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from venom_tui.core.models.fit.room import place_of, room_of
from venom_tui.core.resources.estimate.estimate import Estimate, estimate
from venom_tui.core.resources.estimate.shape import ModelShape
from venom_tui.core.resources.estimate.utilization import utilization
from venom_tui.core.resources.estimate.verdict import Judgement, Room, judge, least
from venom_tui.core.resources.limits import NO_RESERVE, Reserve
from venom_tui.core.types.device import GuardSnapshot, LoadedModel
from venom_tui.core.types.fit import ContextFit, FitQuestion, FitReport, Quality, UtilizationRange, Verdict

CONTEXTS = (4096, 8192, 32_768, 131_072)
_GIB = 1024**3

Correction = Callable[[ModelShape, str, str, int], int]
"""(shape, name, place, estimated bytes) -> by how much the estimate is to be changed."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A model that is asked about."""

    name: str
    runtime: str
    """Id of its runtime, "" where it is not installed."""
    kind: str
    shape: ModelShape
    context: int
    """Tokens of each sequence."""
    question: FitQuestion
    here: bool = True
    """Whether its runtime is on this machine."""


def unknown(name: str, runtime: str, question: FitQuestion, reason: str) -> FitReport:
    """Return the report on a model of which nothing is known."""
    fields = ("weights_bytes", "kv_bytes", "compute_bytes", "overhead_bytes", "low_bytes", "likely_bytes", "high_bytes")
    return FitReport(
        name, runtime, question, Verdict.UNKNOWN, f"{reason[:1].upper()}{reason[1:].rstrip('.')}.",
        unavailable=dict.fromkeys(fields, reason),
    )  # fmt: skip


def report(
    subject: Subject,
    snapshot: GuardSnapshot,
    correction: Correction,
    quality: Quality | None,
    reserve: Reserve = NO_RESERVE,
    leaving: Sequence[LoadedModel] | None = None,
) -> FitReport:
    """Return what a model will cost and whether that fits now; see `room_of` for `reserve` and `leaving`."""
    place = place_of(subject.kind, snapshot)
    found = _estimated(subject, subject.context, place, correction)
    itself = (subject.runtime, subject.name)
    room, loaded = room_of(snapshot, itself, place=place, reserve=reserve, leaving=leaving)
    judgement, share = _judged(subject, found, room)
    parts = found.parts
    return FitReport(
        name=subject.name,
        runtime=subject.runtime,
        question=subject.question,
        verdict=judgement.verdict,
        reason=judgement.reason,
        architecture=subject.shape.architecture,
        context_length=subject.context,
        trained_context_length=subject.shape.context_length,
        weights_bytes=parts.weights_bytes,
        kv_bytes=parts.kv_bytes,
        compute_bytes=parts.compute_bytes,
        overhead_bytes=parts.overhead_bytes,
        low_bytes=found.low_bytes,
        likely_bytes=found.likely_bytes,
        high_bytes=found.high_bytes,
        correction_bytes=found.correction_bytes,
        batch=found.batch,
        sliding_window=subject.shape.window or None,
        place=place,
        free_bytes=judgement.free_bytes,
        evicts=judgement.evicts,
        leaving=tuple((one.runtime, one.name) for one in judgement.leaving),
        loaded=loaded is not None,
        gpus=room.gpus,
        chosen_gpus=judgement.gpus,
        gpu_share=judgement.gpu_share,
        table=tuple(_row(subject, context, place, room, correction) for context in CONTEXTS),
        utilization=share,
        quality=quality,
        source=subject.shape.source,
        notes=_notes(subject, found),
        unavailable={} if subject.here else {"gpus": "its runtime is on another machine"},
    )


def verdict_of(
    subject: Subject, snapshot: GuardSnapshot, correction: Correction, reserve: Reserve = NO_RESERVE
) -> tuple[Verdict, int, tuple[str, ...]]:
    """Return verdict, likely bytes and who must leave: what a badge shows."""
    place = place_of(subject.kind, snapshot)
    found = _estimated(subject, subject.context, place, correction)
    room, _ = room_of(snapshot, (subject.runtime, subject.name), place=place, reserve=reserve)
    judgement, _ = _judged(subject, found, room)
    return judgement.verdict, found.likely_bytes, judgement.evicts


def _estimated(subject: Subject, context: int, place: str, correction: Correction) -> Estimate:
    question = subject.question
    plain = estimate(
        subject.shape, subject.kind, context=context, kv_type=question.kv_type, parallel=question.parallel, place=place
    )
    return plain.corrected(correction(subject.shape, subject.name, place, plain.likely_bytes))


def _judged(subject: Subject, found: Estimate, room: Room) -> tuple[Judgement, UtilizationRange | None]:
    if not subject.here:
        return Judgement(Verdict.UNKNOWN, "Its runtime is on another machine, whose memory is not known here."), None
    if subject.kind == "vllm" and found.place == "gpu":
        return _for_vllm(subject, found, room)
    return judge(found, room, splits=subject.kind != "vllm"), None


def _for_vllm(subject: Subject, found: Estimate, room: Room) -> tuple[Judgement, UtilizationRange]:
    heads = subject.shape.heads

    def starts(there: Room) -> bool:
        return utilization(found, there.gpus, heads).starts

    now = utilization(found, room.gpus, heads)
    free = max((gpu.free_bytes or 0 for gpu in room.gpus), default=None)
    numbers = ", ".join(map(str, now.gpus))
    if now.starts:
        where = f"GPU {numbers}" if len(now.gpus) == 1 else f"GPUs {numbers} (tensor-parallel-size {len(now.gpus)})"
        reason = f"It starts on {where} with gpu-memory-utilization {now.lowest:.2f} to {now.highest:.2f}."
        return Judgement(Verdict.FITS, reason, gpus=now.gpus, gpu_share=1.0, free_bytes=free), now
    leaving = least(room, starts)
    if leaving:
        later = utilization(found, room.without(leaving).gpus, heads)
        names = tuple(one.name for one in leaving)
        reason = f"It starts with {later.lowest:.2f} to {later.highest:.2f} once {', '.join(names)} left."
        return Judgement(Verdict.FITS_AFTER_EVICTION, reason, names, later.gpus, 1.0, free, leaving), later
    if now.highest is None:
        return Judgement(Verdict.UNKNOWN, "No GPU can be counted.", free_bytes=free), now
    needs = f"It needs {found.likely_bytes / _GIB:.1f} GiB"
    reason = f"{needs}; what is free on the GPUs does not hold it."
    return Judgement(Verdict.DOES_NOT_FIT, reason, free_bytes=free), now


def _row(subject: Subject, context: int, place: str, room: Room, correction: Correction) -> ContextFit:
    found = _estimated(subject, context, place, correction)
    judgement, _ = _judged(subject, found, room)
    return ContextFit(context, found.parts.kv_bytes, found.likely_bytes, judgement.verdict, judgement.evicts)


def _notes(subject: Subject, found: Estimate) -> tuple[str, ...]:
    shape, notes = subject.shape, list(subject.shape.notes)
    if shape.window:
        what = f"min(context, {shape.window:,} + {found.batch:,} of a batch)"
        notes.append(f"layers with a sliding window hold {what} tokens of each sequence")
    if shape.context_length is not None and subject.context > shape.context_length:
        notes.append(f"that is longer than the {shape.context_length:,} tokens that it was trained for")
    if found.host_bytes > _GIB // 10:
        notes.append(
            f"{found.host_bytes / _GIB:.1f} GiB of it stay in RAM: the table of tokens and what goes to the GPU"
        )
    if found.place == "cpu" and shape.repacked_bytes:
        size = f"{shape.repacked_bytes / _GIB:.1f} GiB"
        notes.append(f"{size} of the weights are laid out anew for the CPU; the file's own pages can be given back")
    if found.correction_bytes:
        sign = "more" if found.correction_bytes > 0 else "less"
        notes.append(f"{abs(found.correction_bytes) / _GIB:.2f} GiB {sign}, as earlier loads have shown")
    return tuple(notes)
