"""Models that hub and library offer now and that fit this machine: asked only when the user opens that."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Sequence

from venom_tui.core.errors import VenomError
from venom_tui.core.models.fit.remote import RemoteModel
from venom_tui.core.models.fit.reporting import Correction, Subject, verdict_of
from venom_tui.core.resources.limits import NO_RESERVE, Reserve
from venom_tui.core.types.device import GuardSnapshot
from venom_tui.core.types.fit import Candidate, FitQuestion, Verdict
from venom_tui.core.types.offer import Offer, Offers

CONTEXT = 8192
MOST = 8
"""Models whose headers are read; each costs a request or two."""
_AT_ONCE = 3
_BYTES_A_PARAMETER = 0.6
"""Of four-bit weights, roughly: what cannot fit by this is not looked at."""
_LEAST = 0.9e9
"""Parameters of a model that is better than a demonstration."""
_COUNT = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)([mb])", re.IGNORECASE)

Find = Callable[[str, str], Awaitable[RemoteModel]]
"""(name, provider) -> what it is made of."""


def wanted(found: Sequence[Offers], room_bytes: int, kinds: Collection[str]) -> list[tuple[Offer, str]]:
    """Return the offers that could fit, each with the name of the size that could, most wanted first.

    Args:
        found: what each provider offers, most wanted first.
        room_bytes: about what a model may take.
        kinds: of runtimes that are here; GGUF files can be used without any.
    """
    lists = [[one for offer in each.offers if (one := _named(offer, room_bytes, kinds))] for each in found]
    # In turn, so that one provider does not take all places.
    longest = max((len(each) for each in lists), default=0)
    return [each[place] for place in range(longest) for each in lists if place < len(each)][:MOST]


def _named(offer: Offer, room_bytes: int, kinds: Collection[str]) -> tuple[Offer, str] | None:
    if offer.installed or offer.gated:
        return None
    if offer.provider == "ollama" and "ollama" not in kinds:
        return None
    if offer.provider == "huggingface" and not offer.gguf and "vllm" not in kinds:
        return None
    sizes = [(count, text) for text in (offer.parameter_size or "").split() if (count := _parameters(text))]
    each = _BYTES_A_PARAMETER if offer.gguf else 2.0
    fitting = [pair for pair in sizes if pair[0] >= _LEAST and pair[0] * each <= room_bytes]
    if not fitting:
        return None
    return offer, f"{offer.name}:{max(fitting)[1]}" if offer.provider == "ollama" else offer.name


def _parameters(text: str) -> float:
    """Return `8.0B` as a number, 0 for what is no number."""
    found = _COUNT.fullmatch(text)
    return float(found[1]) * (1e9 if found[2].lower() == "b" else 1e6) if found else 0.0


async def candidates(
    offers: Sequence[tuple[Offer, str]],
    find: Find,
    snapshot: GuardSnapshot,
    correction: Correction,
    reserve: Reserve = NO_RESERVE,
) -> list[Candidate]:
    """Return those of `offers` that fit, by what their headers say; the largest first. One that fails is left out.

    `reserve` says what is kept free, and which loaded models stay.
    """
    turns = asyncio.Semaphore(_AT_ONCE)

    async def look(offer: Offer, name: str) -> Candidate | None:
        async with turns:
            try:
                model = await find(name, offer.provider)
            except VenomError:
                return None
        context = min(CONTEXT, model.shape.context_length or CONTEXT)
        question = FitQuestion(context, "auto" if model.kind == "vllm" else "f16")
        subject = Subject(model.name, "", model.kind, model.shape, context, question)
        verdict, likely, evicts = verdict_of(subject, snapshot, correction, reserve)
        if verdict not in (Verdict.FITS, Verdict.FITS_AFTER_EVICTION):
            return None
        return Candidate(
            name=model.name,
            provider=offer.provider,
            parameter_size=name.rpartition(":")[2].upper() if ":" in name else offer.parameter_size or "?",
            size_bytes=model.size_bytes,
            likely_bytes=likely,
            verdict=verdict,
            context_length=context,
            about=offer.description or ", ".join(offer.capabilities or ()),
            evicts=evicts,
        )

    looked = await asyncio.gather(*(look(offer, name) for offer, name in offers))
    return sorted((one for one in looked if one is not None), key=lambda one: -one.size_bytes)
