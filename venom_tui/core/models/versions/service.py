"""Registers versions of models, makes one active, goes back, and compares what was measured."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from venom_tui.core.clients.ollama_create import create, digest_of, upload
from venom_tui.core.errors import ModelInUse, NotFound, OperationRefused, PlanChanged, ReadOnly, UsageError
from venom_tui.core.models.fit.service import FitService
from venom_tui.core.models.manager import ModelManager
from venom_tui.core.models.parameters import parse_parameter
from venom_tui.core.models.versions.figures import differences, figures
from venom_tui.core.operations.runner import OperationRunner, Progress
from venom_tui.core.runtimes.controller import LlmServerController
from venom_tui.core.runtimes.ollama import OllamaRuntime
from venom_tui.core.runtimes.runtime import Status, silent
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.settings import Settings
from venom_tui.core.store.settings import SettingsStore
from venom_tui.core.store.versions import Activation, VersionStore
from venom_tui.core.types.memory import MemoryPlan
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.request import GenerationParameters
from venom_tui.core.types.version import Comparison, ModelVersion, VersionFigures

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}\Z")
_LONGEST_TEMPLATE = 64 * 1024
_PREFIX = "venom-"
# Inside the class `list` is the method.
Versions: TypeAlias = list[ModelVersion]


@dataclass(frozen=True, slots=True)
class _Back:
    """Where going back leads."""

    version: ModelVersion | None
    """None: the base model."""
    taken: Sequence[Activation]
    """What is taken back, the last one first."""
    runtime: str
    answers: str
    """The model that answers then."""
    parameters: Mapping[str, GenerationParameters]
    """Model -> what is saved for it then."""


class VersionService:
    """The versions."""

    def __init__(
        self,
        settings: Settings,
        store: VersionStore,
        saved: SettingsStore,
        models: ModelManager,
        runtimes: LlmServerController,
        operations: OperationRunner,
        fits: FitService,
    ) -> None:
        self._settings = settings
        self._store = store
        self._saved = saved
        self._models = models
        self._runtimes = runtimes
        self._operations = operations
        self._fits = fits
        self._changing = asyncio.Lock()
        """Which version answers is changed by one at a time."""

    async def list(self, model: str | None = None) -> Versions:
        """Return the versions, newest first; of one base model where that is named."""
        return [one for one in await self._store.all() if model in (None, one.model)]

    async def get(self, name: str) -> ModelVersion:
        """Return a version.

        Raises:
            NotFound: there is none of this name.
        """
        for one in await self._store.all():
            if one.name == name:
                return one
        raise NotFound(
            f"There is no version {sanitize_line(name, 60)!r}.", hint="`venom-tui models versions list` shows all."
        )

    async def register(
        self,
        name: str,
        model: str,
        runtime: str | None = None,
        *,
        parameters: Mapping[str, str] | None = None,
        template: str = "",
        adapter: str = "",
        note: str = "",
    ) -> ModelVersion:
        """Keep a version under a name; without parameters with those that are saved for the model now.

        A template or an adapter makes a model of its own in an Ollama, which shares the base's weights.

        Raises:
            UsageError: the name is taken or not legal, a parameter is wrong, or a template or adapter is not taken.
            ModelNotFound, AmbiguousModel: see `ModelManager.find`.
            RuntimeFailure: the runtime did not make it.
            ReadOnly: venom-tui runs read-only.
        """
        self._check_writable()
        if not _NAME.match(name):
            raise UsageError(
                f"{sanitize_line(name, 60)!r} is no name for a version.",
                hint="1 to 40 of a-z, 0-9, dots, dashes and underscores.",
            )
        if any(one.name == name for one in await self._store.all()):
            raise UsageError(f"There is a version {name} already.", hint="Remove it first, or choose another name.")
        if len(template) > _LONGEST_TEMPLATE:
            raise UsageError(f"The template has more than {_LONGEST_TEMPLATE:,} characters.")
        base = await self._models.find(model, runtime)
        if parameters is None:
            chosen = await self._saved.parameters(base.runtime, base.name)
        else:
            values: dict[str, Any] = {key: parse_parameter(key, text) for key, text in parameters.items()}
            chosen = GenerationParameters(**values)
        made = ""
        if template or adapter:
            made = await self._make(name, base, template, Path(adapter).expanduser() if adapter else None)
        version = ModelVersion(
            name, base.name, base.runtime, datetime.now(UTC), chosen, template, adapter, sanitize_line(note, 200), made
        )
        await self._store.save(version)
        return version

    async def _make(self, name: str, base: ModelInfo, template: str, adapter: Path | None) -> str:
        runtime = self._runtimes.runtime(base.runtime)
        if not isinstance(runtime, OllamaRuntime):
            raise UsageError(
                f"{base.name} of {base.runtime} takes no other template or adapter while it runs.",
                hint="Ollama does; a vLLM and a llama-server are started with theirs (config.toml).",
            )
        digest = None if adapter is None else await asyncio.to_thread(digest_of, adapter)
        made = f"{_PREFIX}{name}:latest"
        if any(one.name == made for one in runtime.models()):
            raise UsageError(
                f"{runtime.id} has a model {made} already.", hint="Choose another name; that one is left as it is."
            )
        client = runtime.client

        async def work(progress: Progress) -> None:
            def told(text: str) -> None:
                progress.update(message=text)
                progress.log(text)

            given = None
            if adapter is not None and digest is not None:
                told(f"giving {adapter.name} to Ollama")
                await upload(client, adapter, digest)
                given = (adapter.name, digest)
            await create(client, made, base.name, template=template, adapter=given, told=told)

        await self._operations.run("create", made, work, runtime=base.runtime)
        await self._runtimes.look(base.runtime)
        return made

    async def plan(self, name: str) -> MemoryPlan:
        """Return what letting a version answer needs and would do; see `activate`.

        Raises:
            NotFound: there is none of this name.
            ModelNotFound, RuntimeFailure: see `ModelManager.plan`.
            ReadOnly: venom-tui runs read-only.
        """
        self._check_writable()
        version = await self.get(name)
        return await self._plan(version.runtime, version.answers, version.parameters)

    async def activate(
        self,
        name: str,
        *,
        plan: MemoryPlan | None = None,
        yes: bool = False,
        others: bool = False,
        force: bool = False,
        status: Status = silent,
        notice: Status = silent,
    ) -> ModelVersion:
        """Let a version answer from now on: its model is loaded with its parameters, and becomes the active one.

        Args:
            name: the version.
            plan: what was shown to whoever said yes; None: it is made now.
            yes: see `ModelMemory.carry_out`, as the others.
            others: whether models that others loaded, or that are pinned, may leave too.
            force: go on though the guard refuses.
            status: told what is being done.
            notice: told what came of it without being asked for, a sentence each.

        Raises:
            NotFound: there is none of this name.
            ModelNotFound, LoadFailed: its model is gone or cannot be used; model and parameters are as they were.
            NeedsYes, GuardRefused, PlanChanged: see `ModelMemory.carry_out`.
            ReadOnly: venom-tui runs read-only.
        """
        self._check_writable()
        async with self._changing:
            version = await self.get(name)
            before = await self._saved.parameters(version.runtime, version.answers)
            with self._saved.trying(version.runtime, version.answers, version.parameters):
                told = await self._switch(version.runtime, version.answers, plan, yes, others, force, status)
            await self._saved.save_parameters(version.runtime, version.answers, version.parameters)
            now = datetime.now(UTC)
            await self._store.activated(Activation(version.runtime, version.model, version.name, now, before))
        for words in told:
            notice(words)
        return replace(version, active=True)

    async def plan_back(self, model: str | None = None, runtime: str | None = None) -> MemoryPlan:
        """Return what going back needs and would do; see `roll_back`."""
        self._check_writable()
        back = await self._back(model, runtime)
        return await self._plan(back.runtime, back.answers, back.parameters.get(back.answers))

    async def roll_back(
        self,
        model: str | None = None,
        runtime: str | None = None,
        *,
        plan: MemoryPlan | None = None,
        yes: bool = False,
        others: bool = False,
        force: bool = False,
        status: Status = silent,
        notice: Status = silent,
    ) -> ModelVersion | None:
        """Go back to what was before the last activation, of one model or of whichever came last; return that version.

        None: the base model as it was before any version of it was active. `plan` and what follows: see `activate`.

        Raises:
            OperationRefused: no version was made active.
            LoadFailed, NeedsYes, GuardRefused, PlanChanged: see `activate`.
            ReadOnly: venom-tui runs read-only.
        """
        self._check_writable()
        async with self._changing:
            back = await self._back(model, runtime)
            # First what can be refused: a version that stays active keeps its parameters.
            parameters = back.parameters.get(back.answers)
            with nullcontext() if parameters is None else self._saved.trying(back.runtime, back.answers, parameters):
                told = await self._switch(back.runtime, back.answers, plan, yes, others, force, status)
            for answers, kept in back.parameters.items():
                await self._saved.save_parameters(back.runtime, answers, kept)
            version = back.version
            await self._store.taken_back(back.taken, "" if version is None else version.name, datetime.now(UTC))
        for words in told:
            notice(words)
        return None if version is None else replace(version, active=True)

    async def _back(self, model: str | None, runtime: str | None) -> _Back:
        done = [
            one
            for one in await self._store.activations()
            if not one.undone and model in (None, one.model) and runtime in (None, one.runtime)
        ]
        if not done:
            raise OperationRefused(
                "There is nothing to go back to: no version was made active.",
                hint="`models versions activate` makes one.",
            )
        known = {one.name: one for one in await self._store.all()}
        last = done.pop()
        earlier = [one for one in done if (one.runtime, one.model) == (last.runtime, last.model)]
        taken = [last]
        while earlier and earlier[-1].version not in known:
            taken.append(earlier.pop())  # a version that was removed: what was before it is gone back to
        version = known[earlier[-1].version] if earlier else None
        kept: dict[str, GenerationParameters] = {}
        for one in taken:  # the oldest is the last one: its parameters are those from before all of them
            of = known.get(one.version)
            kept[one.model if of is None else of.answers] = one.parameters
        if version is not None:
            kept[version.answers] = version.parameters
        return _Back(version, taken, last.runtime, last.model if version is None else version.answers, kept)

    # ------------------------------------------------------------------ the model behind it

    async def _plan(self, runtime: str, answers: str, parameters: GenerationParameters | None) -> MemoryPlan:
        if self._runtimes.runtime(runtime).cannot("load"):
            return MemoryPlan("switch", answers, runtime, must_load=False, made_at=datetime.now(UTC))
        with nullcontext() if parameters is None else self._saved.trying(runtime, answers, parameters):
            return await self._models.plan("switch", answers, runtime)

    async def _switch(
        self, runtime: str, answers: str, plan: MemoryPlan | None, yes: bool, others: bool, force: bool, status: Status
    ) -> tuple[str, ...]:
        """Let a model answer, loaded by a plan where its runtime takes loads; return what must be told of it."""
        if self._runtimes.runtime(runtime).cannot("load"):
            await self._models.choose(answers, runtime)
            return ()
        if plan is None:
            plan = await self._models.plan("switch", answers, runtime)
        elif (plan.runtime, plan.name) != (runtime, answers):
            changed = PlanChanged(
                f"{plan.name} was not switched to: {answers} @ {runtime} is what would answer by now.",
                hint="Look at what it would do now, and ask again.",
            )
            changed.plan = await self._models.plan("switch", answers, runtime)
            raise changed
        return await self._models.carry_out(plan, yes=yes, others=others, force=force, status=status)

    async def remove(self, name: str) -> ModelVersion:
        """Forget a version, and the model that was made for it.

        Raises:
            NotFound: there is none of this name.
            ModelInUse: it is active.
            RuntimeFailure: the runtime did not remove its model.
            ReadOnly: venom-tui runs read-only.
        """
        self._check_writable()
        version = await self.get(name)
        if version.active:
            raise ModelInUse(f"Version {name} is active.", hint="Roll back, or activate another one first.")
        runtime = self._runtimes.find(version.runtime)
        if version.made and isinstance(runtime, OllamaRuntime):
            if any(one.name == version.made for one in runtime.models()):
                await runtime.client.delete(version.made)
            await self._runtimes.look(version.runtime)
        await self._store.remove(version)
        return version

    async def figures(self, version: ModelVersion) -> VersionFigures:
        """Return what was measured while a version was active."""
        traces = await self._store.traces(version.runtime, version.answers)
        return figures(version, await self._store.activations(), traces, self._fits.records())

    async def compare(self, first: str, second: str) -> Comparison:
        """Return two versions with what was measured of each.

        Raises:
            NotFound: there is none of one of these names.
        """
        one, other = await self.get(first), await self.get(second)
        measured = await self.figures(one), await self.figures(other)
        return Comparison(one, other, *measured, differences(*measured))

    def _check_writable(self) -> None:
        if self._settings.flag("VENOM_READ_ONLY"):
            raise ReadOnly("venom-tui runs read-only: versions stay as they are.", hint="Start it without --read-only.")
