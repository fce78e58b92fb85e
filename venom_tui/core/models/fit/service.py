"""Whether models fit: asked by front ends, kept up to date behind them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from venom_tui.core.clients.http import HttpPool
from venom_tui.core.errors import ModelNotFound, UsageError
from venom_tui.core.events import EventBus, FitsChanged, GuardSampled, RuntimeChanged
from venom_tui.core.models.fit.better import installed_candidate, known_candidates
from venom_tui.core.models.fit.ledger import Ledger
from venom_tui.core.models.fit.offered import candidates, wanted
from venom_tui.core.models.fit.remote import RemoteShapes
from venom_tui.core.models.fit.reporting import Subject, report, unknown, verdict_of
from venom_tui.core.models.fit.room import place_of, room_of
from venom_tui.core.models.fit.shapes import Shapes
from venom_tui.core.models.headers import Headers
from venom_tui.core.models.registry import ModelRegistry
from venom_tui.core.resources.estimate.elements import known_kv_types
from venom_tui.core.resources.estimate.shape import ModelShape
from venom_tui.core.resources.here import is_here
from venom_tui.core.resources.limits import Limits, Reserve
from venom_tui.core.runtimes.controller import LlmServerController
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.settings import Settings
from venom_tui.core.store.estimates import EstimateStore
from venom_tui.core.types.device import GuardSnapshot, LoadedModel
from venom_tui.core.types.fit import Candidate, EstimateRecord, FitBadge, FitQuestion, FitReport, Quality, Verdict
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.runtime import RuntimeState, RuntimeStatus

_log = logging.getLogger(__name__)
Key = tuple[str, str]
"""Id of a runtime, name of a model."""

_FRESH = timedelta(seconds=10)
_LEARN_AT_ONCE = 3
"""Models whose shapes are looked for at the same time, for badges."""
_JUDGE_AT_ONCE = 50
"""Models that are judged in one go, for badges."""
_BADGES_EVERY_S = 5.0
_OFFERED, _LOOKED_AT = 8, 60
"""Models of this machine that are offered, and those that are looked at for that, the largest first."""
_GIB = 1024**3
_USUAL = 8192
_LONGEST = 100_000_000
_MOST_PARALLEL = 1024
_ANSWERS = frozenset({RuntimeState.READY, RuntimeState.BUSY, RuntimeState.LOADING})


class Guard(Protocol):
    """Who knows the machine."""

    def latest(self) -> GuardSnapshot | None:
        """Return the newest look, or None before the first."""

    async def snapshot(self) -> GuardSnapshot:
        """Look now."""


class FitService:
    """Estimates models and judges them against what is free."""

    def __init__(
        self,
        settings: Settings,
        pool: HttpPool,
        runtimes: LlmServerController,
        registry: ModelRegistry,
        store: EstimateStore,
        guard: Guard,
        events: EventBus,
    ) -> None:
        self._settings = settings
        self._limits = Limits(settings)
        self._runtimes = runtimes
        self._registry = registry
        self._guard = guard
        self._events = events
        self._shapes = Shapes(runtimes, settings.hub_cache, Headers())
        self._remote = RemoteShapes(settings, pool, registry.repository)
        self._ledger = Ledger(store, self._shape_of_loaded)
        self._badges: dict[Key, FitBadge] = {}
        self._wanted: dict[Key, ModelInfo] = {}
        self._learning: asyncio.Task[None] | None = None
        self._follower: asyncio.Task[None] | None = None
        self._judged_at = 0.0

    async def start(self) -> None:
        """Begin to note what loaded models take."""
        await self._ledger.load()
        self._follower = asyncio.create_task(self._follow(), name="estimates beside measures")

    async def close(self) -> None:
        """Note nothing more."""
        tasks = [task for task in (self._follower, self._learning) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ------------------------------------------------------------------ one model

    async def report(
        self,
        name: str,
        runtime: str | None = None,
        *,
        provider: str | None = None,
        context: int | None = None,
        kv_type: str | None = None,
        parallel: int = 1,
    ) -> FitReport:
        """Return what a model will cost and whether it fits now; one that is not installed is looked for outside.

        Args:
            name: in any form that the model's provider takes.
            runtime: whose model is meant, where several have the name.
            provider: who is asked for it, where the name alone would be taken otherwise.
            context: tokens of context of each sequence; None: as its runtime would load it.
            kv_type: type of the KV cache; None: the runtime's own.
            parallel: sequences at once.

        Raises:
            UsageError: the name or one of the numbers is not legal.
            AmbiguousModel: two runtimes have it.
            ModelNotFound, Offline, RuntimeFailure: it is not here, and could not be found elsewhere.
        """
        await self._runtimes.settled()
        try:
            model = await self._registry.find(name, runtime, provider)
        except ModelNotFound:
            if runtime is not None:
                raise
            asked = self._registry.provider_of(name, provider)
            return await self._report_remote(name, asked, context, kv_type, parallel)
        return await self.report_of(model, context=context, kv_type=kv_type, parallel=parallel)

    async def report_of(
        self,
        model: ModelInfo,
        *,
        context: int | None = None,
        kv_type: str | None = None,
        parallel: int = 1,
        reserve: Reserve | None = None,
        leaving: Sequence[LoadedModel] | None = None,
    ) -> FitReport:
        """Return the same of a model that is here.

        `reserve` and `leaving` say what is kept free and who may leave; None: what the settings say, who nobody keeps.

        Raises:
            UsageError: one of the numbers is not legal.
        """
        kind = self.kind_of(model.runtime)
        question = _question(kind, context, kv_type, parallel)
        shape = await self._shapes.of(model)
        if isinstance(shape, str):
            return unknown(model.name, model.runtime, question, shape)
        snapshot = await self._snapshot()
        subject = self._subject(model, kind, shape, question, snapshot)
        quality = self._ledger.quality(shape.architecture)
        return report(subject, snapshot, self._ledger.correction, quality, reserve or self._limits.reserve(), leaving)

    async def _report_remote(
        self, name: str, provider: str, context: int | None, kv_type: str | None, parallel: int
    ) -> FitReport:
        found = await self._remote.find(name, provider)
        question = _question(found.kind, context, kv_type, parallel)
        snapshot = await self._snapshot()
        chosen = context or min(_USUAL, found.shape.context_length or _USUAL)
        subject = Subject(found.name, "", found.kind, found.shape, chosen, question)
        quality = self._ledger.quality(found.shape.architecture)
        return report(subject, snapshot, self._ledger.correction, quality, self._limits.reserve())

    # ------------------------------------------------------------------ lists

    async def badges(self, models: Iterable[ModelInfo]) -> dict[Key, FitBadge]:
        """Return the badges of models as far as they are known; what is missing is looked for, and `FitsChanged` tells.

        Does no I/O by itself: a list is shown at once.
        """
        self._wanted = {(model.runtime, model.name): model for model in models}
        snapshot = self._guard.latest()
        if snapshot is not None:
            await self._judge_all(snapshot)
        self._learn_missing()
        return dict(self._badges)

    def _learn_missing(self) -> None:
        missing = [model for model in self._wanted.values() if self._shapes.known(model) is None]
        if missing and (self._learning is None or self._learning.done()):
            self._learning = asyncio.create_task(self._learn(), name="shapes of models")

    async def _learn(self) -> None:
        """Look for what the wanted models are made of, a few at a time."""
        while True:
            missing = [model for model in self._wanted.values() if self._shapes.known(model) is None]
            if not missing:
                return
            now = missing[:_LEARN_AT_ONCE]
            await asyncio.gather(*(self._shapes.of(model) for model in now))
            snapshot = self._guard.latest()
            if snapshot is not None:
                found = self._judged(now, snapshot)
                if any(_shown(badge) != _shown(self._badges.get(key)) for key, badge in found.items()):
                    self._badges = self._badges | found
                    self._events.emit(FitsChanged())

    async def _judge_all(self, snapshot: GuardSnapshot) -> bool:
        """Judge the wanted models anew, so many at a time that nobody waits; return whether a badge is another one."""
        found: dict[Key, FitBadge] = {}
        wanted = list(self._wanted.values())
        for start in range(0, len(wanted), _JUDGE_AT_ONCE):
            if start:
                await asyncio.sleep(0)
            found |= self._judged(wanted[start : start + _JUDGE_AT_ONCE], snapshot)
        changed = {key: _shown(badge) for key, badge in found.items()} != {
            key: _shown(badge) for key, badge in self._badges.items()
        }
        self._badges = found
        return changed

    def _judged(self, models: Iterable[ModelInfo], snapshot: GuardSnapshot) -> dict[Key, FitBadge]:
        found: dict[Key, FitBadge] = {}
        reserve = self._limits.reserve()
        for model in models:
            key = model.runtime, model.name
            shape = self._shapes.known(model)
            if shape is None:
                continue
            if isinstance(shape, str):
                found[key] = FitBadge(Verdict.UNKNOWN)
                continue
            kind = self.kind_of(model.runtime)
            subject = self._subject(model, kind, shape, _question(kind, None, None, 1), snapshot)
            verdict, likely, evicts = verdict_of(subject, snapshot, self._ledger.correction, reserve)
            loaded = any((one.runtime, one.name) == key for one in snapshot.loaded)
            found[key] = FitBadge(verdict, likely, evicts, loaded)
        return found

    async def better(self, models: Sequence[ModelInfo]) -> list[Candidate]:
        """Return better models that fit this machine: first those of `models` that are here, then well-known ones.

        Asks nobody outside.
        """
        snapshot = await self._snapshot()
        ollama = next((one for one, state in self._runtimes.states().items() if self._is_ollama(one, state)), "")
        kind = "ollama" if ollama else "embedded"
        place = place_of(kind, snapshot)
        room, _ = room_of(snapshot, None, place=place, reserve=self._limits.reserve())
        names = [model.name.lower() for model in models]
        here = await self._installed(models)
        cpus = snapshot.host.cpu_count
        known = known_candidates(room, kind=kind, place=place, ollama=bool(ollama), names=names, cpus=cpus)
        return [*here, *known]

    async def _installed(self, models: Sequence[ModelInfo]) -> list[Candidate]:
        """Return the models that are here and fit, the largest first."""
        usable = [one for one in models if one.runtime and not (one.demonstration or one.error or one.remote_host)]
        usable.sort(key=lambda one: -(one.size_bytes or 0))
        found: list[Candidate] = []
        for model in usable[:_LOOKED_AT]:
            made = await self.report_of(model)
            if made.verdict in (Verdict.FITS, Verdict.FITS_AFTER_EVICTION) and made.likely_bytes is not None:
                found.append(installed_candidate(model, made))
            if len(found) == _OFFERED:
                break
        return found

    async def offered(self) -> tuple[list[Candidate], list[str]]:
        """Return what hub and library offer now that fits this machine, and why one of them could not be asked.

        Asks outside: only for a user who opens it. Of the models that could fit the headers are read.
        """
        offers = await self._registry.trending()
        snapshot = await self._snapshot()
        kinds = {self.kind_of(one) for one, state in self._runtimes.states().items() if state in _ANSWERS}
        reserve = self._limits.reserve()
        room, _ = room_of(snapshot, None, place=place_of("ollama", snapshot), reserve=reserve)
        most = max([gpu.free_bytes or 0 for gpu in room.gpus if not gpu.reason] or [room.ram_bytes or 0])
        could = wanted(offers, most, kinds)
        found = await candidates(could, self._remote.find, snapshot, self._ledger.correction, reserve)
        return found, [one.error for one in offers if one.error]

    def _is_ollama(self, runtime_id: str, state: RuntimeState) -> bool:
        return state in _ANSWERS and self.kind_of(runtime_id) == "ollama"

    # ------------------------------------------------------------------ how good they have been

    def records(self) -> tuple[EstimateRecord, ...]:
        """Return what was estimated and then measured, the oldest first."""
        return self._ledger.records

    def qualities(self) -> tuple[Quality, ...]:
        """Return how good estimates have been, by architecture."""
        return self._ledger.qualities()

    # ------------------------------------------------------------------ behind

    async def _follow(self) -> None:
        told = ""
        with self._events.subscribe() as events:
            async for event in events:
                try:
                    if isinstance(event, RuntimeChanged):
                        self._ask_again(event.status)
                    elif isinstance(event, GuardSampled):
                        await self._take(event.snapshot)
                except Exception as failure:  # noqa: BLE001 (one look that fails must not be the last one)
                    if repr(failure) != told:
                        _log.exception("a look at the machine was not taken for estimates")
                    told = repr(failure)

    def _ask_again(self, status: RuntimeStatus) -> None:
        if status.state is RuntimeState.READY and self._shapes.forget_failures(status.id):
            self._learn_missing()

    async def _take(self, snapshot: GuardSnapshot) -> None:
        await self._ledger.take(snapshot)
        now = asyncio.get_running_loop().time()
        if self._wanted and now - self._judged_at >= _BADGES_EVERY_S:
            self._judged_at = now
            if await self._judge_all(snapshot):
                self._events.emit(FitsChanged())

    async def _shape_of_loaded(self, held: LoadedModel) -> ModelShape | None:
        offered = [one for one in self._runtimes.models() if (one.runtime, one.name) == (held.runtime, held.name)]
        model = offered[0] if offered else ModelInfo(held.name, held.runtime, "local", path=held.weights)
        shape = await self._shapes.of(model)
        return shape if isinstance(shape, ModelShape) else None

    # ------------------------------------------------------------------ what is asked

    async def _snapshot(self) -> GuardSnapshot:
        latest = self._guard.latest()
        if latest is not None and datetime.now(UTC) - latest.taken_at < _FRESH:
            return latest
        return await self._guard.snapshot()

    def kind_of(self, runtime_id: str) -> str:
        """Return the kind of a runtime; weights that no runtime here serves would be vLLM's."""
        if not runtime_id:
            return "vllm"
        runtime = self._runtimes.find(runtime_id)
        return "openai" if runtime is None else runtime.kind

    def _subject(
        self, model: ModelInfo, kind: str, shape: ModelShape, question: FitQuestion, snapshot: GuardSnapshot
    ) -> Subject:
        runtime = self._runtimes.find(model.runtime)
        here = runtime is None or not runtime.endpoint or is_here(runtime.endpoint)
        context = question.context_length or self._usual_context(model, kind, shape, snapshot)
        return Subject(model.name, model.runtime, kind, shape, context, question, here)

    def _usual_context(self, model: ModelInfo, kind: str, shape: ModelShape, snapshot: GuardSnapshot) -> int:
        """Return the context with which a model's runtime holds it, or would load it."""
        for held in snapshot.loaded:
            if (held.runtime, held.name) == (model.runtime, model.name) and held.context_length:
                return held.context_length
        trained = shape.context_length or model.context_length or _USUAL
        if kind == "embedded":
            return min(self._settings.int("VENOM_CONTEXT") or trained, trained)
        if kind == "ollama":
            # Its own choice, by the memory of the GPUs.
            vram = sum(gpu.memory_total_bytes or 0 for gpu in snapshot.gpus if gpu.usable is not False)
            automatic = 262_144 if vram >= 48 * _GIB else 32_768 if vram >= 24 * _GIB else 4096
            return min(automatic, trained)
        return trained if kind == "vllm" else min(_USUAL, trained)


def _question(kind: str, context: int | None, kv_type: str | None, parallel: int) -> FitQuestion:
    """Return what is asked.

    Raises:
        UsageError: one of the numbers is not legal, or there is no such type of cache.
    """
    types = known_kv_types(kind)
    chosen = (kv_type or ("auto" if kind == "vllm" else "f16")).lower()
    if chosen not in types:
        raise UsageError(
            f"{sanitize_line(chosen, 20)!r} is no type of a KV cache for {kind}.",
            hint=f"There are: {', '.join(types)}.",
        )
    if context is not None and not 1 <= context <= _LONGEST:
        raise UsageError(f"The context must be a number of tokens from 1 to {_LONGEST:,}.")
    if not 1 <= parallel <= _MOST_PARALLEL:
        raise UsageError(f"The number of parallel sequences must be from 1 to {_MOST_PARALLEL:,}.")
    return FitQuestion(context, chosen, parallel)


def _shown(badge: FitBadge | None) -> tuple[object, ...]:
    """Return what of a badge is shown."""
    return () if badge is None else (badge.verdict, badge.evicts, badge.loaded)
