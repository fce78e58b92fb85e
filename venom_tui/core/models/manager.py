"""Which models are here, which one is active, and how it becomes so."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any, TypeAlias

from venom_tui.core.errors import (
    AmbiguousModel,
    LoadFailed,
    ModelNotFound,
    ReadOnly,
    UsageError,
)
from venom_tui.core.events import ActiveModelChanged, EventBus
from venom_tui.core.models.choice import choose
from venom_tui.core.models.contexts import Contexts
from venom_tui.core.models.facts import Facts
from venom_tui.core.models.files_here import FilesHere
from venom_tui.core.models.memory.service import ModelMemory
from venom_tui.core.models.names import check_name
from venom_tui.core.models.naming import check_answers, check_served, named
from venom_tui.core.models.parameters import parse_parameter
from venom_tui.core.models.pulls.service import Pulls
from venom_tui.core.operations.runner import OperationRunner
from venom_tui.core.runtimes.controller import LlmServerController
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.settings import Settings
from venom_tui.core.store.settings import SettingsStore
from venom_tui.core.types.device import LoadedModel
from venom_tui.core.types.memory import Freed, MemoryPlan
from venom_tui.core.types.model import ActiveModel, ModelInfo
from venom_tui.core.types.operation import Operation
from venom_tui.core.types.pull import PullPreview
from venom_tui.core.types.request import GenerationParameters

Status = Callable[[str], None]
Models: TypeAlias = list[ModelInfo]  # Inside the class `list` is the method.

_ACTIVE = ("VENOM_ACTIVE_MODEL", "VENOM_ACTIVE_RUNTIME", "VENOM_PREVIOUS_MODEL", "VENOM_PREVIOUS_RUNTIME")


def _silent(_text: str) -> None:
    """Tell nobody."""


class ModelManager:
    """Lists, finds, fetches, activates and unloads models, and keeps their generation parameters."""

    pulls: Pulls  # Both given by the core once they are made.
    memory: ModelMemory

    def __init__(
        self,
        settings: Settings,
        store: SettingsStore,
        runtimes: LlmServerController,
        operations: OperationRunner,
        events: EventBus,
        facts: Facts,
    ) -> None:
        self._settings = settings
        self._store = store
        self._runtimes = runtimes
        self._operations = operations
        self._events = events
        self.facts = facts
        self._files = FilesHere(settings, facts, events)
        self.contexts = Contexts(runtimes)
        self._chosen: tuple[str, str] | None = None
        """What was switched to against the environment, which wins over the store at the next start only."""

    async def preview_pull(
        self, name: str, provider: str | None = None, *, insecure: bool = False, runtime: str | None = None
    ) -> PullPreview:
        """Return what a pull would fetch, and whether there is room; see `Pulls.preview`."""
        return await self.pulls.preview(name, provider, insecure=insecure, runtime=runtime)

    async def pull(
        self,
        name: str,
        provider: str | None = None,
        *,
        insecure: bool = False,
        runtime: str | None = None,
        preview: PullPreview | None = None,
        waiting: bool = False,
        yes: bool = False,
        force: bool = False,
    ) -> Operation:
        """Begin to fetch a model and return the operation that does it; see `Pulls.pull`."""
        return await self.pulls.pull(
            name, provider, insecure=insecure, runtime=runtime, preview=preview, waiting=waiting, yes=yes, force=force
        )

    async def list(self, *, refresh: bool = False) -> Models:
        """Return all models, those of runtimes as they were seen last; `refresh` looks at files and runtimes again."""
        if refresh:
            await self._runtimes.look()
        await self.facts.load()
        found = await self._all(refresh=refresh)
        await self.facts.learn_capabilities(found, self._runtimes.capabilities())
        models = self.facts.complete(found)
        loaded = self._loaded()
        active = self._choose(models)
        key = None if active is None else (active.runtime, active.name)
        return [_as_it_is(model, loaded, active=(model.runtime, model.name) == key) for model in models]

    async def _all(self, *, refresh: bool = False) -> Models:
        """Return the files and what the runtimes offer; the demonstration model comes last."""
        files = await self._files.models(refresh=refresh)
        offered = self._runtimes.models()
        return [
            *(model for model in files if model.provider == "local"),
            *offered,
            *(model for model in files if model.provider == "huggingface"),
            *(model for model in files if model.demonstration),
        ]

    def _loaded(self) -> set[tuple[str, str]]:
        return {(model.runtime, model.name) for model in self._runtimes.loaded()}

    async def find(self, name: str, runtime: str | None = None) -> ModelInfo:
        """Return the model of a name; what was added meanwhile is found.

        Raises:
            UsageError: the name is not legal, or there is no such runtime.
            AmbiguousModel: two runtimes have it and none of them is active with it.
            ModelNotFound: nobody has it.
            RuntimeUnavailable: the runtime that was named does not answer.
        """
        check_name(name)
        await self._known(runtime)
        for refresh in (False, True):
            if refresh:
                await self._runtimes.settled()
                await self._runtimes.look(runtime)
                await self._files.models(refresh=True)
            found = named(await self.list(), name, runtime)
            if len(found) == 1:
                return found[0]
            for model in found:
                if (model.runtime, model.name) == self.wanted():  # the active one is meant
                    return model
            if found:
                *others, last = (model.runtime for model in found)
                where = f"{', '.join(others)} and {last}"
                raise AmbiguousModel(f"{where} have a model {name!r}.", hint="Say which with --runtime.")
        if runtime is not None:
            check_answers(self._runtimes.runtime(runtime))
        where = f" of runtime {sanitize_line(runtime, 40)!r}" if runtime else ""
        raise ModelNotFound(
            f"There is no model {sanitize_line(name, 80)!r}{where}.",
            hint=f"`venom-tui models list` shows all; GGUF files belong into {self._files.folder}.",
        )

    async def _known(self, runtime: str | None) -> None:
        """Wait until it is known which runtimes there are and, where none is named, what they have.

        Raises:
            UsageError: there is none of that name.
        """
        if runtime is None or self._runtimes.find(runtime) is None:
            await self._runtimes.settled()
        if runtime is not None:
            self._runtimes.runtime(runtime)

    async def of_runtime(self, runtime: str) -> ActiveModel:
        """Return which of a runtime's models answers, and why, by the same order as among all.

        Raises:
            UsageError: there is no such runtime.
            RuntimeUnavailable: it does not answer.
            ModelNotFound: it has none.
        """
        await self._known(runtime)
        for refresh in (False, True):
            if refresh:
                await self._runtimes.look(runtime)
            models = [model for model in await self._all(refresh=refresh) if model.runtime == runtime]
            wanted_runtime, wanted = self.wanted()
            last_used = (runtime, wanted if wanted_runtime in ("", runtime) else "")
            if (chosen := choose(models, last_used, self._loaded(), self._runtimes.states())) is not None:
                return chosen
        check_answers(self._runtimes.runtime(runtime))
        raise ModelNotFound(f"Runtime {runtime} has no model that answers prompts.", hint="Pick another runtime.")

    async def active(self, *, settled: bool = True) -> ActiveModel | None:
        """Return which model answers the next prompt, and why; None when there is none.

        `settled`: where that depends on runtimes that were not asked yet, wait for them (1.5 s at most); without it the
        answer is by what is known now.
        """
        models = await self._all()
        runtime, name = self.wanted()
        if settled and not any(model.name == name and model.runtime == runtime for model in models):
            await self._runtimes.settled()
            models = await self._all()
        return self._choose(models)

    def wanted(self) -> tuple[str, str]:
        """Return runtime and name of the model that was chosen or used last; "" where nobody has decided yet."""
        settings = self._settings
        return self._chosen or (settings.text("VENOM_ACTIVE_RUNTIME"), settings.text("VENOM_ACTIVE_MODEL"))

    def _choose(self, models: Models) -> ActiveModel | None:
        return choose(models, self.wanted(), self._loaded(), self._runtimes.states())

    async def plan(self, kind: str, name: str, runtime: str | None = None) -> MemoryPlan:
        """Return what loading a model (`load`) or switching to it (`switch`) needs and would do; see `carry_out`.

        Raises:
            ModelNotFound, AmbiguousModel, UsageError: see `find`.
            ReadOnly: venom-tui runs read-only.
            RuntimeFailure: the runtime cannot be asked, or takes no loads.
        """
        self._check_writable("no model is loaded" if kind == "load" else "another model cannot be made active")
        model = await self.find(name, runtime)
        check_served(model)
        return await self.memory.plan(kind, model)

    async def carry_out(
        self,
        plan: MemoryPlan,
        *,
        yes: bool = False,
        others: bool = False,
        force: bool = False,
        status: Status = _silent,
    ) -> tuple[str, ...]:
        """Do what was planned; see `ModelMemory.carry_out`."""
        self._check_writable("models stay as they are")
        return await self.memory.carry_out(plan, yes=yes, others=others, force=force, status=status)

    async def activate(
        self,
        name: str,
        runtime: str | None = None,
        *,
        yes: bool = False,
        force: bool = False,
        status: Status = _silent,
    ) -> ActiveModel:
        """Load a model, verify that it answers, and only then make it the active one; see `ModelMemory.carry_out`.

        Raises:
            LoadFailed: it could not be loaded; the model before stays active.
            NeedsYes, GuardRefused, PlanChanged: see `ModelMemory.carry_out`.
            ModelNotFound, AmbiguousModel, UsageError: see `find`.
            ReadOnly: venom-tui runs read-only.
        """
        await self.carry_out(await self.plan("switch", name, runtime), yes=yes, force=force, status=status)
        active = await self.active()
        assert active is not None
        return active

    async def load(
        self,
        name: str,
        runtime: str | None = None,
        *,
        yes: bool = False,
        force: bool = False,
        status: Status = _silent,
    ) -> ModelInfo:
        """Load a model into the memory of its runtime and return it; raises what `activate` does."""
        plan = await self.plan("load", name, runtime)
        if plan.must_load:
            await self.carry_out(plan, yes=yes, force=force, status=status)
        return await self.find(plan.name, plan.runtime)

    async def choose(self, name: str, runtime: str | None = None) -> ActiveModel:
        """Make a model active without loading it: for commands that end before it would be used.

        Raises:
            LoadFailed: its file is known to be unusable.
            ModelNotFound, AmbiguousModel, UsageError: see `find`.
            ReadOnly: venom-tui runs read-only.
        """
        self._check_writable("another model cannot be made active")
        model = await self.find(name, runtime)
        check_served(model)
        if model.error:
            raise LoadFailed(f"{model.name} cannot be used: {model.error}.", hint="Replace the file.")
        await self.make_active(model, await self.active())
        active = await self.active()
        assert active is not None
        return active

    async def make_active(self, model: ModelInfo, before: ActiveModel | None) -> None:
        """Let a model answer from now on, and remember which one did before."""
        values = {"VENOM_ACTIVE_MODEL": model.name, "VENOM_ACTIVE_RUNTIME": model.runtime}
        if before is not None and (before.name, before.runtime) != (model.name, model.runtime):
            values |= {"VENOM_PREVIOUS_MODEL": before.name, "VENOM_PREVIOUS_RUNTIME": before.runtime}
        await self._store.save_all(values)
        for key, value in values.items():
            self._settings.set_stored(key, value)
        await self._take_active((model.runtime, model.name))

    async def renew_active(self) -> None:
        """Take over which model answers, where another process has written that."""
        stored = await self._store.load()
        values = {key: stored[key] for key in _ACTIVE if key in stored and stored[key] != self._settings.stored(key)}
        for key, value in values.items():
            self._settings.set_stored(key, value)
        if values.keys() & set(_ACTIVE[:2]):
            await self._take_active((stored.get(_ACTIVE[1], ""), stored.get(_ACTIVE[0], "")))

    async def _take_active(self, chosen: tuple[str, str]) -> None:
        self._chosen = None
        if self.wanted() != chosen:
            self._chosen = chosen
        self._events.emit(ActiveModelChanged(await self.active()))

    async def unload(
        self, name: str, runtime: str | None = None, *, yes: bool = False, status: Status = _silent
    ) -> Freed:
        """Take a model out of memory, wait until that is back, and return how much; one that is not there is left so.

        Raises:
            NeedsYes: somebody else pinned it.
            RuntimeBusy: it still answers somebody.
            RuntimeRefused: its runtime cannot be told to.
            ModelNotFound, AmbiguousModel, UsageError: see `find`.
            ReadOnly: venom-tui runs read-only.
        """
        self._check_writable("models cannot be unloaded")
        return await self.memory.unload(await self.find(name, runtime), yes=yes, status=status)

    async def pin(self, name: str, runtime: str | None = None) -> LoadedModel:
        """Have a loaded model kept until somebody says otherwise; see `Keeping`."""
        self._check_writable("models stay as they are")
        return await self.memory.keeping.pin(await self.find(name, runtime))

    async def unpin(self, name: str, runtime: str | None = None, *, yes: bool = False) -> LoadedModel:
        """Let a pinned model leave as usual; see `Keeping`."""
        self._check_writable("models stay as they are")
        return await self.memory.keeping.unpin(await self.find(name, runtime), yes=yes)

    async def extend(self, name: str, duration: str, runtime: str | None = None, *, yes: bool = False) -> LoadedModel:
        """Have a loaded model kept so long from now; see `Keeping`."""
        self._check_writable("models stay as they are")
        return await self.memory.keeping.extend(await self.find(name, runtime), duration, yes=yes)

    async def parameters(self, name: str, runtime: str) -> GenerationParameters:
        """Return the parameters saved for a model; all None when none are."""
        return await self._store.parameters(runtime, name)

    async def set_parameters(
        self, name: str, runtime: str | None, changes: dict[str, str | None]
    ) -> GenerationParameters:
        """Change saved parameters of a model (None takes one back) and return what is saved now.

        Raises:
            UsageError: a parameter is unknown or out of its range.
            ModelNotFound, AmbiguousModel: see `find`.
            ReadOnly: venom-tui runs read-only.
        """
        self._check_writable("parameters cannot be changed")
        model = await self.find(name, runtime)
        values: dict[str, Any] = {
            key: None if text is None else parse_parameter(key, text, model.context_length)
            for key, text in changes.items()
        }
        saved = await self._store.parameters(model.runtime, model.name)
        try:
            saved = replace(saved, **values)
        except TypeError:
            raise UsageError(f"{sanitize_line(', '.join(values), 60)} is no generation parameter.") from None
        await self._store.save_parameters(model.runtime, model.name, saved)
        return saved

    def _check_writable(self, what: str) -> None:
        if self._settings.flag("VENOM_READ_ONLY"):
            raise ReadOnly(f"venom-tui runs read-only: {what}.", hint="Start it without --read-only.")


def _as_it_is(model: ModelInfo, held: Collection[tuple[str, str]], *, active: bool) -> ModelInfo:
    """Return a model with whether it is in memory and whether it answers; mostly that is what it says already."""
    loaded = (model.runtime, model.name) in held if model.runtime == "embedded" else model.loaded
    return model if (loaded, active) == (model.loaded, model.active) else replace(model, loaded=loaded, active=active)
