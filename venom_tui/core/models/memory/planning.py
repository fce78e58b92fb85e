"""Plans a load or a switch: whether it fits, which limits it would break, who would leave, and what needs a yes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from venom_tui.core.models.memory.marks import Marks
from venom_tui.core.resources.limits import Limits, Reserve, gib
from venom_tui.core.runtimes.controller import LlmServerController
from venom_tui.core.runtimes.runtime import Runtime
from venom_tui.core.settings import Settings
from venom_tui.core.types.device import GuardSnapshot, LoadedModel
from venom_tui.core.types.fit import FitReport, Verdict
from venom_tui.core.types.limits import LimitKind, LimitState, Policy
from venom_tui.core.types.memory import OTHERS, OURS, PINNED, Eviction, MemoryPlan
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.request import GenerationParameters

if TYPE_CHECKING:
    from venom_tui.core.models.fit.service import FitService, Guard

_FRESH = timedelta(seconds=5)
_LEAVES = frozenset({"embedded", "ollama", "llamacpp"})
_SHORT = frozenset({Verdict.DOES_NOT_FIT, Verdict.PARTLY_ON_CPU})
KEPT_FREE = "the memory that is kept free"
"""What a model leaves for that has room itself."""


@dataclass(slots=True)
class _Draft:
    """A plan that is being made: what it is about, and what has come out so far."""

    model: ModelInfo
    context: int | None
    snapshot: GuardSnapshot
    candidates: Sequence[LoadedModel]
    """Who could leave."""
    surplus: Sequence[LoadedModel] = ()
    """Who leaves anyway, for there are too many."""
    evicts: list[Eviction] = field(default_factory=list)
    broken: list[LimitState] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    limit_questions: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def take(self, policy: Policy, words: str, *, limit: bool = True) -> None:
        """Do about something what its policy says; `limit`: its question is one of those that prompts do not answer."""
        kept = {Policy.REFUSE: self.refusals, Policy.WARN: self.warnings}.get(policy, self.questions)
        if words not in kept:
            kept.append(words)
            if limit and kept is self.questions:
                self.limit_questions.append(words)


class Planner:
    """Makes plans; changes nothing."""

    def __init__(
        self, settings: Settings, runtimes: LlmServerController, fits: FitService, guard: Guard, marks: Marks
    ) -> None:
        self._settings = settings
        self._limits = Limits(settings)
        self._runtimes = runtimes
        self._fits = fits
        self._guard = guard
        self._marks = marks

    @property
    def limited(self) -> bool:
        """Whether a limit is set that a load could break, besides what unloads the least recently used one anyway."""
        reserve = self._limits.reserve(all_of_it=True)
        memory = reserve.gpu_bytes or reserve.by_gpu or reserve.ram_bytes
        heat_or_share = self._limits.share_percent or self._limits.temperature
        return bool(memory or heat_or_share or self._limits.policy(LimitKind.MODELS) in (Policy.REFUSE, Policy.WARN))

    async def plan(
        self, kind: str, model: ModelInfo, parameters: GenerationParameters, before: tuple[str, str] | None
    ) -> MemoryPlan:
        """Return what loading a model, or switching to it, needs and would do.

        Raises:
            RuntimeFailure: its runtime cannot be asked.
        """
        runtime = self._runtimes.runtime(model.runtime)
        way, must_load = await runtime.prepare(model, parameters)
        now = datetime.now(UTC)
        empty = MemoryPlan(kind, model.name, model.runtime, must_load, before, made_at=now)
        if not must_load or model.remote_host:
            return empty
        snapshot = await self.snapshot()
        await self._marks.renew()
        candidates = self.candidates(snapshot, (model.runtime, model.name))
        draft = _Draft(model, way.context_length, snapshot, candidates)
        fit = await self._judge(draft, runtime)
        return replace(
            empty,
            fit=fit,
            evicts=tuple(draft.evicts),
            broken=tuple(draft.broken),
            questions=tuple(draft.questions),
            limit_questions=tuple(draft.limit_questions),
            refusal=" ".join(draft.refusals),
            warnings=tuple(draft.warnings),
        )

    async def snapshot(self) -> GuardSnapshot:
        """Return the machine as it is with what is loaded now."""
        latest = self._guard.latest()
        if latest is not None and datetime.now(UTC) - latest.taken_at < _FRESH:
            seen = {(one.runtime, one.name) for one in latest.loaded if not one.elsewhere}
            if seen == {(one.runtime, one.name) for one in self._runtimes.loaded()}:
                return replace(latest, loaded=tuple(self.as_it_is(one) or one for one in latest.loaded))
        return await self._guard.snapshot()

    def as_it_is(self, seen: LoadedModel) -> LoadedModel | None:
        """Return a model of a look at the machine as its runtime knows it now, pinned or not since; None: it has left.

        Its measured memory is that of the look. What another venom-tui holds stays as it was seen.
        """
        if seen.elsewhere:
            return seen
        for one in self._runtimes.loaded():
            if (one.runtime, one.name) == (seen.runtime, seen.name):
                return replace(seen, pinned=one.pinned, expires_at=one.expires_at)
        return None

    def candidates(self, snapshot: GuardSnapshot, target: tuple[str, str] | None) -> list[LoadedModel]:
        """Return the models that could leave, in the order in which they would; those that are kept are not among."""
        reserve = self._limits.reserve()
        able = [
            one
            for seen in snapshot.loaded
            if not seen.elsewhere
            and (one := self.as_it_is(seen)) is not None
            and one.kind in _LEAVES
            and (one.runtime, one.name) != target
            and not reserve.keeps(one)
            and (runtime := self._runtimes.find(one.runtime)) is not None
            and not runtime.cannot("unload")
        ]
        return sorted(able, key=self._order)

    def _order(self, held: LoadedModel) -> tuple[object, ...]:
        runtime = self._runtimes.runtime(held.runtime)
        never = datetime.max.replace(tzinfo=UTC)
        used = self._runtimes.last_use(held.runtime, held.name)
        return self.tier(held), runtime.answering(held.name) > 0, used, held.expires_at or never, held.name

    def tier(self, held: LoadedModel) -> int:
        """Return which of the tiers of `types.memory` a model is of."""
        if held.pinned:
            return PINNED
        return OURS if self._marks.ours(held) else OTHERS

    def eviction(self, held: LoadedModel, why: str) -> Eviction:
        """Return a model as one that would leave."""
        mark = self._marks.of(held)
        size = held.measured_bytes if held.measured_bytes is not None else held.reported_bytes
        if held.gpus or held.reported_vram_bytes:
            size = held.vram_bytes if held.vram_bytes is not None else size
        return Eviction(
            held.name,
            held.runtime,
            size,
            ours=self._marks.ours(held),
            pinned=held.pinned,
            answering=self._runtimes.runtime(held.runtime).answering(held.name),
            loaded_at=None if mark is None else mark.at,
            context_length=held.context_length,
            why=why,
        )

    # ------------------------------------------------------------------ the parts

    async def _judge(self, draft: _Draft, runtime: Runtime) -> FitReport:
        if runtime.kind == "embedded":
            draft.surplus = self._surplus(draft)
        fit = await self._memory(draft)
        await self._over_a_warning(draft, fit)
        self._share(draft, fit)
        for state in self._limits.states(draft.snapshot):
            if not state.broken:
                continue
            if state.kind is LimitKind.TEMPERATURE and fit.place == "gpu":
                draft.broken.append(state)
                draft.take(self._limits.policy(state.kind), f"{state.text}.")
            elif state.kind is LimitKind.DISK:
                draft.warnings.append(f"{state.text}.")
        return fit

    def _surplus(self, draft: _Draft) -> list[LoadedModel]:
        """Return who must leave because the embedded llama.cpp may hold only so many."""
        most = self._limits.most_embedded
        here = [one for one in draft.snapshot.loaded if one.kind == "embedded" and not one.elsewhere]
        others = [one for one in here if one.name != draft.model.name]
        many = len(others) + 1 - most
        if many <= 0:
            return []
        policy = self._limits.policy(LimitKind.MODELS)
        leaving = [one for one in draft.candidates if one.kind == "embedded"][:many]
        names = _and([one.name for one in others])
        rule = f"the embedded llama.cpp holds {names}, and VENOM_EMBEDDED_MODELS allows {most}"
        if policy in (Policy.WARN, Policy.REFUSE) or len(leaving) < many:
            text = f"embedded models: {len(others) + 1} with this one, {most} allowed"
            state = LimitState(LimitKind.MODELS, "embedded models", most, len(others) + 1, "models", policy, True, text)
            draft.broken.append(state)
            words = f"{rule[0].upper()}{rule[1:]}."
            draft.take(policy if policy is not Policy.EVICT else Policy.ASK, words, limit=False)
            if policy in (Policy.WARN, Policy.REFUSE):
                return []
        draft.evicts += [self.eviction(one, f"VENOM_EMBEDDED_MODELS allows {most}") for one in leaving]
        if policy is Policy.ASK and leaving:
            draft.take(policy, f"{_and([one.name for one in leaving])} must leave: {rule}.", limit=False)
        return leaving

    async def _memory(self, draft: _Draft) -> FitReport:
        """Judge it against the memory; note who must leave besides the surplus, and what is too little all the same."""
        reserve = self._limits.reserve()
        fit = await self._fit(draft, reserve)
        kind = LimitKind.VRAM if fit.place == "gpu" else LimitKind.RAM
        policy = self._limits.policy(kind)
        bare = replace(reserve, gpu_bytes=0, by_gpu={}, ram_bytes=0)
        if fit.verdict in (Verdict.FITS, Verdict.UNKNOWN):
            return fit
        if fit.verdict is Verdict.FITS_AFTER_EVICTION:
            more = self._more(fit, draft)
            if not more:
                return fit
            without = await self._fit(draft, bare)
            limit_only = without.verdict is Verdict.FITS or not self._more(without, draft)
            words = self._words(fit, reserve)
            if limit_only and policy is Policy.REFUSE:
                draft.refusals.append(words)
                draft.broken.append(self._broken(kind, fit, reserve, draft.snapshot))
                return fit
            for_what = KEPT_FREE if limit_only else f"{draft.model.name} needs its memory"
            draft.evicts += [self.eviction(one, for_what) for one in more]
            if policy is not Policy.EVICT:
                question = f"{_and([one.name for one in more])} must leave: {words[0].lower()}{words[1:]}"
                draft.take(Policy.ASK, question, limit=limit_only)
            return fit
        without = await self._fit(draft, bare)
        if without.verdict in (Verdict.FITS, Verdict.FITS_AFTER_EVICTION):
            more = self._more(without, draft)
            draft.evicts += [self.eviction(one, f"{draft.model.name} needs its memory") for one in more]
            draft.broken.append(self._broken(kind, fit, reserve, draft.snapshot))
            draft.take(policy if policy is not Policy.EVICT else Policy.ASK, self._words(fit, reserve))
        elif without.verdict is Verdict.PARTLY_ON_CPU:
            draft.take(Policy.ASK, f"It does not fit on the GPUs: {without.reason}", limit=False)
        else:
            draft.refusals.append(self._words(without, bare))
        return fit

    async def _over_a_warning(self, draft: _Draft, fit: FitReport) -> None:
        """Note where less memory would be left than what is to be kept free, which is only warned of."""
        kind = LimitKind.VRAM if fit.place == "gpu" else LimitKind.RAM
        reserve = self._limits.reserve(all_of_it=True)
        kept = (reserve.gpu_bytes or reserve.by_gpu) if kind is LimitKind.VRAM else reserve.ram_bytes
        if self._limits.policy(kind) is not Policy.WARN or not kept or fit.verdict in (*_SHORT, Verdict.UNKNOWN):
            return
        evicted = {(one.runtime, one.name) for one in draft.evicts}
        leaving = [one for one in draft.candidates if (one.runtime, one.name) in evicted]
        found = await self._fits.report_of(draft.model, context=draft.context, reserve=reserve, leaving=leaving)
        if found.verdict in _SHORT:
            draft.broken.append(self._broken(kind, found, reserve, draft.snapshot))
            draft.take(Policy.WARN, self._words(found, reserve))

    async def _fit(self, draft: _Draft, reserve: Reserve) -> FitReport:
        """Judge it with those leaving who must anyway, then with more and more of the others."""
        last: FitReport | None = None
        for tier in (-1, OURS, OTHERS, PINNED):
            more = [one for one in draft.candidates if one not in draft.surplus and self.tier(one) <= tier]
            if last is not None and not any(self.tier(one) == tier for one in more):
                continue
            found = await self._fits.report_of(
                draft.model, context=draft.context, reserve=reserve, leaving=[*draft.surplus, *more]
            )
            if found.verdict not in _SHORT:
                return found
            last = found if last is None or found.verdict is Verdict.PARTLY_ON_CPU else last
        assert last is not None
        return last

    @staticmethod
    def _more(fit: FitReport, draft: _Draft) -> list[LoadedModel]:
        """Return who must leave for the memory and does not leave anyway."""
        anyway = {(one.runtime, one.name) for one in draft.surplus}
        wanted = [key for key in fit.leaving if key not in anyway]
        return [one for key in wanted for one in draft.snapshot.loaded if (one.runtime, one.name) == key]

    def _words(self, fit: FitReport, reserve: Reserve) -> str:
        """Say in numbers what is needed and what there is."""
        place = "on GPUs" if fit.place == "gpu" else "of RAM"
        kept = max([reserve.gpu_bytes, *reserve.by_gpu.values()]) if fit.place == "gpu" else reserve.ram_bytes
        free = "an unknown amount" if fit.free_bytes is None else f"{gib(fit.free_bytes)} GiB"
        beside = f" beside the {gib(kept)} GiB that are to be kept" if kept else ""
        needs = "?" if fit.likely_bytes is None else gib(fit.likely_bytes)
        return f"{fit.name} needs {needs} GiB, and {free} {place} {'are' if fit.free_bytes else 'is'} free{beside}."

    def _broken(self, kind: LimitKind, fit: FitReport, reserve: Reserve, snapshot: GuardSnapshot) -> LimitState:
        """Return the limit as it would stand after the load."""
        policy = self._limits.policy(kind)
        if kind is LimitKind.RAM:
            free = snapshot.host.ram_available_bytes
            after = None if free is None or fit.likely_bytes is None else free - fit.likely_bytes
            limit, subject = reserve.ram_bytes, "RAM"
        else:
            limit = max([reserve.gpu_bytes, *reserve.by_gpu.values()])
            after = None if fit.free_bytes is None else fit.free_bytes + limit - (fit.likely_bytes or 0)
            subject = "GPU"
        left = "?" if after is None else gib(max(0, after))
        text = f"{subject}: {left} GiB would be free, {gib(limit)} GiB are to be kept"
        return LimitState(kind, subject, limit, after, "bytes", policy, broken=True, text=text)

    def _share(self, draft: _Draft, fit: FitReport) -> None:
        most, snapshot, model = self._limits.share_percent, draft.snapshot, draft.model
        if fit.place == "gpu":
            total = sum(gpu.memory_total_bytes or 0 for gpu in snapshot.gpus if gpu.usable is not False)
        else:
            total = snapshot.host.ram_total_bytes or 0
        if not most or not total or fit.likely_bytes is None:
            return
        share = math.ceil(100 * fit.likely_bytes / total)
        if share <= most:
            return
        policy = self._limits.policy(LimitKind.SHARE)
        where = "GPU memory" if fit.place == "gpu" else "RAM"
        text = f"{model.name} would take {share} % of the {where}, {most} % is the limit"
        draft.broken.append(LimitState(LimitKind.SHARE, model.name, most, share, "percent", policy, True, text))
        draft.take(policy if policy is not Policy.EVICT else Policy.ASK, f"{text}.")


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
