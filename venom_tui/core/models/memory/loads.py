"""What is done around loads: room for those that prompts need, whose they are, and who held what where they fail."""

from __future__ import annotations

import asyncio
import logging
import shlex
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from venom_tui.core.errors import NeedsYes, RuntimeBusy, VenomError
from venom_tui.core.models.memory import post_mortem
from venom_tui.core.models.memory.consent import check, warned
from venom_tui.core.models.memory.marks import Marks
from venom_tui.core.models.memory.planning import KEPT_FREE, Planner
from venom_tui.core.runtimes.controller import LlmServerController
from venom_tui.core.runtimes.runtime import Status
from venom_tui.core.types.device import LoadedModel
from venom_tui.core.types.limits import Policy
from venom_tui.core.types.memory import OURS, Consent, Eviction, MemoryPlan, Present
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.request import GenerationParameters

if TYPE_CHECKING:
    from venom_tui.core.models.fit.service import Guard
    from venom_tui.core.models.memory.service import ModelMemory

_log = logging.getLogger(__name__)


class Loads:
    """The `LoadWatcher` of the runtimes."""

    def __init__(
        self, memory: ModelMemory, runtimes: LlmServerController, planner: Planner, marks: Marks, guard: Guard
    ) -> None:
        self._memory = memory
        self._runtimes = runtimes
        self._planner = planner
        self._marks = marks
        self._guard = guard

    async def before(
        self, model: ModelInfo, parameters: GenerationParameters, status: Status, consent: Consent
    ) -> tuple[str, ...]:
        """Make room for a model that a prompt needs: what is ours and idle leaves. Return which limits only warn.

        One that is loaded, with another context, needs no yes any more.

        Raises:
            NeedsYes: a limit that asks would be broken, or holds only when somebody leaves who is not asked here.
            GuardRefused: a limit that refuses would be broken.
        """
        if not self._planner.limited:
            await self._marks.renew()  # as each plan does
            return ()
        plan = await self._memory.plan("prompt", model, parameters)
        if plan.refusal and any(one.policy is Policy.REFUSE for one in plan.broken):
            check(plan, yes=True, others=True, force=consent.force)
        agreed = consent.agreed or self._held(model) is not None
        stay = [one for one in plan.evicts if one.why == KEPT_FREE and (one.answering or one.asks_apart)]
        if (plan.limit_questions or stay) and not agreed:
            raise _needs_yes(plan, plan.limit_questions or [_stays(stay)])
        for one in plan.evicts:
            await self._evict(one, plan, status, agreed=agreed)
        words = warned(plan)
        for text in words:
            status(text)
        return words

    async def _evict(self, one: Eviction, plan: MemoryPlan, status: Status, *, agreed: bool) -> None:
        held = self._held(one)
        surplus = one.runtime == "embedded" and "VENOM_EMBEDDED_MODELS" in one.why
        if held is None or surplus or one.answering or one.asks_apart:
            return  # too many are unloaded after the load; the rest is for the runtime to decide, as ever
        try:
            await self._memory.evict(held, f"evicted for {plan.name}: {one.why}", status, may=self._idle_and_ours)
        except VenomError as failure:
            if one.why == KEPT_FREE and not agreed:
                raise _needs_yes(plan, [_stays([one])]) from failure
            # What the runtime itself can do something about, the prompt does not depend on.
            _log.warning("%s did not leave for %s: %s", held.name, plan.name, failure.message)

    def _held(self, one: ModelInfo | Eviction) -> LoadedModel | None:
        found = (held for held in self._runtimes.loaded() if (held.runtime, held.name) == (one.runtime, one.name))
        return next(found, None)

    def _idle_and_ours(self, now: LoadedModel) -> None:
        if self._runtimes.runtime(now.runtime).answering(now.name):
            raise RuntimeBusy(f"{now.name} answers a prompt by now, and stays.")
        self._memory.up_to(OURS)(now)

    def present(self, runtime: str) -> tuple[Present, ...]:
        """Return what a runtime holds now, and whose it is."""
        return tuple(self._marks.present(one) for one in self._runtimes.loaded() if one.runtime == runtime)

    async def loaded(self, model: ModelInfo, there: Sequence[Present], *, held_before: bool) -> tuple[str, ...]:
        """Mark what was loaded as ours, unless others had it loaded; return who was pushed out for it."""
        held = self._held(model)
        if held is not None:
            # With another context it is still whose it was.
            await self._marks.note(held, loaded=None if held_before else True)
        gone = [] if model.runtime == "embedded" else missing(self._runtimes, there)
        names = ", ".join(f"{one.held.name} ({one.whose})" for one in gone if one.held.name != model.name)
        return (f"{model.runtime} itself unloaded {names} when it loaded {model.name}.",) if names else ()

    async def failed(self, model: ModelInfo, failure: VenomError, log: Callable[[str], None]) -> VenomError:
        """Return a failed load as it should be told: for want of memory with who held what, which is logged too."""
        if not post_mortem.for_want_of_memory(failure):
            return failure
        held = await self._who_held()
        for line in held:
            log(line)
        return post_mortem.told(failure, held)

    async def broke_off(self, failure: VenomError) -> VenomError:
        """Return the failure of an answer, which has no record of its own, with who held most where memory ran out."""
        if post_mortem.for_want_of_memory(failure):
            failure.hint = f"{failure.hint} {post_mortem.shortly(await self._who_held())}".strip()
        return failure

    async def _who_held(self) -> tuple[str, ...]:
        snapshot = await self._guard.snapshot()
        processes = await asyncio.to_thread(post_mortem.largest_processes)
        return post_mortem.who_held(snapshot, processes)


def missing(runtimes: LlmServerController, there: Sequence[Present]) -> list[Present]:
    """Return what was in memory and is not any more, but for what left because its time was up."""
    now, moment = {(one.runtime, one.name) for one in runtimes.loaded()}, datetime.now(UTC)
    gone = (one for one in there if (one.held.runtime, one.held.name) not in now)
    return [one for one in gone if one.held.expires_at is None or one.held.expires_at > moment]


def _stays(there: Sequence[Eviction]) -> str:
    names = ", ".join(f"{one.name} ({'answers now' if one.answering else one.whose})" for one in there)
    return f"{names} would have to leave for {KEPT_FREE}"


def _needs_yes(plan: MemoryPlan, words: Sequence[str]) -> NeedsYes:
    shell = "" if plan.runtime == "embedded" else f"`venom-tui models activate {shlex.quote(plan.name)} --yes` or "
    failure = NeedsYes(
        f"{plan.name} is not loaded without a yes: {'; '.join(one.rstrip('.') for one in words)}.",
        hint="Switch to it with the picker or load it in the Catalog, which ask for it; on the shell "
        f"{shell}`venom-tui chat --yes` says it.",
    )
    failure.plan = plan
    return failure
