"""Loads, unloads, keeps and switches models: planned first, one at a time on a machine, taken back where it fails."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from venom_tui.core.errors import NeedsYes, PlanChanged, RuntimeBusy, RuntimeRefused, VenomError
from venom_tui.core.models.memory import leaving
from venom_tui.core.models.memory.consent import check, differs, since, told, warned
from venom_tui.core.models.memory.keeping import FOR_EVER, Keeping
from venom_tui.core.models.memory.loads import Loads, missing
from venom_tui.core.models.memory.marks import Marks
from venom_tui.core.models.memory.planning import Planner
from venom_tui.core.operations.runner import OperationRunner, Progress
from venom_tui.core.runtimes.controller import LlmServerController
from venom_tui.core.runtimes.runtime import Status, silent
from venom_tui.core.settings import Settings
from venom_tui.core.store.settings import SettingsStore
from venom_tui.core.types.device import GuardSnapshot, LoadedModel
from venom_tui.core.types.memory import OURS, PINNED, Eviction, Freed, MemoryPlan, Present
from venom_tui.core.types.model import ActiveModel, ModelInfo
from venom_tui.core.types.request import GenerationParameters

if TYPE_CHECKING:
    from venom_tui.core.models.fit.service import Guard

May = Callable[[LoadedModel], None]
"""Raises a VenomError for a model that must stay as it is now."""
_log = logging.getLogger(__name__)
USER = "user"
"""The cause of an unload that somebody asked for by itself."""
QUEUE = "memory"
"""The queue of this machine in which whoever changes what is loaded by a plan waits for the others."""


class Models(Protocol):
    """Who knows the models, and which one answers."""

    async def find(self, name: str, runtime: str | None = None) -> ModelInfo:
        """Return a model."""

    async def active(self, *, settled: bool = True) -> ActiveModel | None:
        """Return which one answers."""

    async def renew_active(self) -> None:
        """Read which one answers, as other processes may have written it."""

    async def make_active(self, model: ModelInfo, before: ActiveModel | None) -> None:
        """Let a model answer from now on."""


class ModelMemory:
    """What is in memory. Every public method waits until what it does is done, or has failed and is taken back."""

    def __init__(
        self,
        settings: Settings,
        store: SettingsStore,
        runtimes: LlmServerController,
        operations: OperationRunner,
        models: Models,
        planner: Planner,
        marks: Marks,
        guard: Guard,
    ) -> None:
        self._settings = settings
        self._store = store
        self._runtimes = runtimes
        self._operations = operations
        self._models = models
        self._planner = planner
        self._marks = marks
        self._guard = guard
        self.keeping = Keeping(runtimes, operations, marks)
        runtimes.watcher = Loads(self, runtimes, planner, marks, guard)

    # ------------------------------------------------------------------ plans

    async def plan(self, kind: str, model: ModelInfo, parameters: GenerationParameters | None = None) -> MemoryPlan:
        """Return what a `load` or a `switch` would do; see `carry_out`. Without `parameters` it is as they are saved.

        Raises:
            RuntimeFailure: the runtime cannot be asked, or takes no loads.
        """
        if kind == "load" and (words := self._runtimes.runtime(model.runtime).cannot("load")):
            raise RuntimeRefused(words)
        before = await self._models.active()
        if parameters is None:
            parameters = await self._store.parameters(model.runtime, model.name)
        key = None if before is None else (before.runtime, before.name)
        return await self._planner.plan(kind, model, parameters, key)

    async def carry_out(
        self, plan: MemoryPlan, *, yes: bool = False, others: bool = False, force: bool = False, status: Status = silent
    ) -> tuple[str, ...]:
        """Do what was planned: evict, wait for the memory, load, verify; a switch makes the model active after that.

        Returns what the user must know and was not asked, each a sentence: limits that only warn, and who else left.

        Args:
            plan: what was shown to whoever said yes.
            yes: whether what it asks was answered with yes.
            others: whether models that others loaded, or that are pinned, may leave too.
            force: go on though the guard refuses; says yes to everything else as well.
            status: told what is being done.

        Raises:
            NeedsYes: something needs a yes; nothing was done.
            GuardRefused: it does not fit, or breaks a limit that refuses; nothing was done.
            PlanChanged: meanwhile somebody else changed what it was made for; it carries the new plan.
            LoadFailed: it was not loaded; what had left for it was loaded again, and the model before answers.
            RuntimeFailure: a model did not leave, or a runtime cannot be asked; all is as before.
        """
        yes, others = yes or force, others or force
        check(plan, yes=yes, others=others, force=force)
        model = await self._models.find(plan.name, plan.runtime)
        target = model.name
        if plan.kind == "switch" and plan.before is not None and plan.before[1] != model.name:
            target = f"{plan.before[1]} → {model.name}"

        async def work(progress: Progress) -> tuple[str, ...]:
            def tell(text: str) -> None:
                progress.update(message=text)
                status(text)

            now = await self._again(plan, model)
            if not force and (why := differs(plan, now)):
                raise await self._changed(plan, now, why)
            check(now, yes=yes, others=others, force=force)
            for words in (*now.warnings, *((now.refusal,) if now.refusal else ())):
                progress.log(words)
            try:
                return warned(now) + await self._do(now, model, progress, tell, anybody=force)
            except NeedsYes as failure:  # of what was to leave, and all is taken back
                raise await self._changed(now, await self._again(plan, model), failure.message.rstrip(".")) from failure

        # Not the queue of a runtime: what it evicts waits for those, while they must not wait for it.
        return await self._operations.run(plan.kind, target, work, runtime=model.runtime, queue=QUEUE, machine=QUEUE)

    async def _again(self, plan: MemoryPlan, model: ModelInfo) -> MemoryPlan:
        """Make a plan anew, by how things stand now."""
        await self._models.renew_active()
        return await self.plan(plan.kind, model)

    async def _changed(self, plan: MemoryPlan, now: MemoryPlan, why: str) -> PlanChanged:
        done = [told(one) for one in await self._operations.list(20) if since(one, plan.made_at)]
        meanwhile = f" Meanwhile: {', '.join(reversed(done))}." if done else ""
        failure = PlanChanged(
            f"{plan.name} was not {'switched to' if plan.kind == 'switch' else 'loaded'}: {why}.{meanwhile}",
            hint="Look at what it would do now, and ask again.",
        )
        failure.plan = now
        return failure

    async def _do(
        self, plan: MemoryPlan, model: ModelInfo, progress: Progress, tell: Status, *, anybody: bool
    ) -> tuple[str, ...]:
        """Carry a plan out, and take it back where it fails; `anybody`: who is to leave does, whatever it became.

        Returns who else left, each a sentence.
        """
        active = await self._models.active(settled=False)
        evicted = {(one.runtime, one.name) for one in plan.evicts}
        there = [
            self._marks.present(one)
            for one in self._runtimes.loaded()
            if one.runtime == model.runtime or (one.runtime, one.name) in evicted
        ]
        try:
            for eviction in plan.evicts:
                held = self._held_by(eviction)
                if held is not None:
                    tell(f"{held.name} leaves for {model.name}")
                    cause = f"evicted for {model.name}: {eviction.why}"
                    await self.evict(held, cause, tell, may=self.up_to(PINNED if anybody else eviction.tier))
            saved = await self._store.parameters(model.runtime, model.name)
            within = progress if plan.kind == "load" else None
            prepared = await self._runtimes.prepare(model, saved, status=tell, cause=plan.kind, within=within)
            await self._runtimes.verify(prepared)
            if plan.kind == "switch":
                await self._models.make_active(model, active)
        except BaseException:
            if not self._operations.closing:  # a load or unload in it that was cancelled by itself is a failure, too
                await self._take_back(model, there, progress)
            raise
        for words in prepared.told:
            progress.log(words)
            progress.update(message=words)
        return prepared.told

    async def _take_back(self, model: ModelInfo, there: Sequence[Present], progress: Progress) -> None:
        """Have loaded again what had left, also what a runtime pushed out by itself; what was loaded for it leaves."""
        cause = f"taken back: {progress.operation.kind} failed"
        await self._runtimes.look(model.runtime)
        gone = missing(self._runtimes, there)
        new = all((one.held.runtime, one.held.name) != (model.runtime, model.name) for one in there)
        if new and gone and self._held(model) is not None:
            try:
                await self._runtimes.unload(model, cause=cause)
            except VenomError as failure:
                progress.log(f"{model.name} could not be unloaded again: {failure.message}")
        for one in reversed(gone):
            held = one.held
            try:
                again = await self._models.find(held.name, held.runtime)
                saved = await self._store.parameters(held.runtime, held.name)
                if held.context_length is not None:
                    saved = replace(saved, context_length=held.context_length)
                await self._runtimes.prepare(again, saved, cause=cause)
                if held.pinned:
                    await self._runtimes.keep(again, FOR_EVER)
                now = self._held(again)
                if now is not None:
                    await self._marks.note(now, loaded=one.ours, pinned=one.pin_is_ours and now.pinned)
                progress.log(f"{held.name} is loaded again")
            except VenomError as failure:
                progress.log(f"{held.name} could not be loaded again: {failure.message}")

    # ------------------------------------------------------------------ unload

    async def unload(
        self, model: ModelInfo, *, yes: bool = False, within_s: float | None = None, status: Status = silent
    ) -> Freed:
        """Take a model out of memory, wait until that is back, and return how much is.

        Raises:
            NeedsYes: somebody else pinned it.
            RuntimeBusy: it still answers somebody after that time; it was left where it is.
            RuntimeRefused: its runtime cannot be told to.
            RuntimeUnavailable: its runtime does not answer.
        """
        if words := self._runtimes.runtime(model.runtime).cannot("unload"):
            raise RuntimeRefused(words)
        held = await self.keeping.seen(model)
        if held is None:
            return Freed(model.name, model.runtime, None, None, reason="it was not loaded")

        def may(now: LoadedModel) -> None:
            self.keeping.check(now, "they want it kept", yes=yes)

        may(held)
        return await self.evict(held, USER, status, within_s, may=may)

    async def evict(
        self, held: LoadedModel, cause: str, status: Status, within_s: float | None = None, *, may: May | None = None
    ) -> Freed:
        """Unload a model as an operation of its own, which ends when its memory is back.

        `may` is asked when its turn has come, by how the model is then; None: what is ours and not pinned may leave.

        Raises:
            NeedsYes: it must stay; see `may`.
            RuntimeBusy: it still answers somebody after that time.
            RuntimeFailure: it did not leave.
        """
        model = ModelInfo(held.name, held.runtime, "")
        limit = self._settings.float("VENOM_UNLOAD_TIMEOUT_S") if within_s is None else within_s
        allowed = self.up_to(OURS) if may is None else may
        seen: list[leaving.Before] = []
        freed: list[Freed] = []

        async def before(progress: Progress) -> None:
            there = await self.keeping.seen(model)
            if there is not None:
                allowed(there)
            snapshot = await self._planner.snapshot()
            now = _in(snapshot, held)
            if now is None or now.pid is None:  # what was just loaded has not been measured yet
                snapshot = await self._guard.snapshot()
                now = _in(snapshot, held)
            seen.append(await leaving.look(now or held, snapshot))
            progress.update(bytes_total=seen[0].expected_bytes, vram_before_bytes=_used(snapshot.gpus))

        async def after(progress: Progress) -> None:
            status(f"{held.name} has left; its memory is waited for")
            found = await leaving.came_back(seen[0], self._guard, limit)
            freed.append(found)
            progress.log(found.text)
            latest = self._guard.latest()
            progress.update(
                message=found.text,
                bytes_done=found.freed_bytes,
                vram_after_bytes=None if latest is None else _used(latest.gpus),
            )

        try:
            await self._runtimes.unload(
                model, cause=cause, within_s=within_s, status=status, before=before, after=after
            )
        except BaseException as failure:
            asked = seen and cause != USER and not self._operations.closing
            if asked and await self.keeping.stays(held) and isinstance(failure, RuntimeBusy):
                failure.hint = "It stays loaded. Stop its answers, or wait for their end."
            raise
        await self._marks.note(held, loaded=False, pinned=False)
        return freed[0] if freed else Freed(held.name, held.runtime, None, None, reason="it had left already")

    def up_to(self, tier: int) -> May:
        """Return what lets a model leave that needs no more of a yes by now than those of a tier."""

        def may(now: LoadedModel) -> None:
            if self._planner.tier(now) > tier:
                why = "pinned" if now.pinned else "somebody else's"
                raise NeedsYes(f"{now.name} is {why} by now, and stays.", hint="That needs a yes of its own (--force).")

        return may

    # ------------------------------------------------------------------ parts

    def _held(self, model: ModelInfo) -> LoadedModel | None:
        found = (one for one in self._runtimes.loaded() if (one.runtime, one.name) == (model.runtime, model.name))
        return next(found, None)

    def _held_by(self, one: Eviction) -> LoadedModel | None:
        found = (held for held in self._runtimes.loaded() if (held.runtime, held.name) == (one.runtime, one.name))
        return next(found, None)


def _in(snapshot: GuardSnapshot, held: LoadedModel) -> LoadedModel | None:
    """Return a loaded model as it was seen in a look at the machine."""
    return next((one for one in snapshot.loaded if (one.runtime, one.name) == (held.runtime, held.name)), None)


def _used(gpus: Sequence[object]) -> int | None:
    sizes = [getattr(gpu, "memory_used_bytes", None) for gpu in gpus]
    known = [size for size in sizes if size is not None]
    return sum(known) if known and len(known) == len(sizes) else None
