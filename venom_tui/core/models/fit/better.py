"""Better models that fit this machine: what is here already, well-known ones, and what the hub offers. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from venom_tui.core.models.fit.known import AS_OF, KNOWN, KnownModel
from venom_tui.core.resources.estimate.estimate import estimate
from venom_tui.core.resources.estimate.verdict import Room, judge
from venom_tui.core.types.fit import Candidate, FitReport, Verdict
from venom_tui.core.types.model import ModelInfo

CONTEXT = 8192
_SHOWN = 8
_FOR_EACH_CPU = 0.8
"""Billions of parameters that work for each token, for each CPU: with more an answer is too slow to read along."""
_LEAST, _MOST = 1.8, 9.0
_GOOD = (Verdict.FITS, Verdict.FITS_AFTER_EVICTION)


def known_candidates(
    room: Room, *, kind: str, place: str, ollama: bool, names: Sequence[str], cpus: int | None = None
) -> list[Candidate]:
    """Return the well-known models that fit, the best for this machine first.

    Args:
        room: what is free.
        kind: of the runtime that they would be for.
        place: where it lays them.
        ollama: whether Ollama answers: they are then named as its library does.
        names: the models that are here, in lower case: these are not offered again.
        cpus: how many CPUs may be used, where the place is RAM.
    """
    slowest = min(_MOST, max(_LEAST, _FOR_EACH_CPU * (cpus or 1)))
    found = []
    for model in KNOWN:
        if place == "cpu" and model.works_with > slowest:
            continue
        if any(name.startswith(model.ollama) or model.hub.split(":")[0].lower() in name for name in names):
            continue
        candidate = _candidate(model, room, kind, place, ollama)
        if candidate.verdict in _GOOD:
            found.append((model, candidate))
    return [candidate for _, candidate in sorted(found, key=lambda pair: _rank(*pair))][:_SHOWN]


def _rank(model: KnownModel, candidate: Candidate) -> tuple[int, float]:
    """Return what candidates are sorted by: what needs nobody to leave, and the strongest of it."""
    return _GOOD.index(candidate.verdict), -model.parameters


def _candidate(model: KnownModel, room: Room, kind: str, place: str, ollama: bool) -> Candidate:
    context = min(CONTEXT, model.context)
    found = estimate(model.shape, kind, context=context, place=place)
    judgement = judge(found, room)
    return Candidate(
        name=model.ollama if ollama else model.hub,
        provider="ollama" if ollama else "huggingface",
        parameter_size=f"{model.parameters:.1f}B",
        size_bytes=model.size_bytes,
        likely_bytes=found.likely_bytes,
        verdict=judgement.verdict,
        context_length=context,
        about=model.about,
        as_of=AS_OF,
        evicts=judgement.evicts,
    )


def installed_candidate(model: ModelInfo, made: FitReport) -> Candidate:
    """Return a model that is here as one that would fit, by the report on it."""
    about = ", ".join((model.capabilities or ())[:3]) or (model.architecture or "")
    return Candidate(
        name=model.name,
        provider=model.provider,
        parameter_size=model.parameter_size or "?",
        size_bytes=model.size_bytes or 0,
        likely_bytes=made.likely_bytes or 0,
        verdict=made.verdict,
        context_length=made.context_length or 0,
        about=about,
        installed=True,
        runtime=model.runtime,
        evicts=made.evicts,
    )
