"""The runtimes: which there are, how they are, and the loading and unloading of what they hold."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from itertools import count

from venom_tui.core.clients.http import HttpPool
from venom_tui.core.errors import LoadFailed, RuntimeBusy, RuntimeUnavailable, UsageError, VenomError
from venom_tui.core.events import EventBus, ModelsChanged, RuntimeChanged
from venom_tui.core.operations.runner import OperationRunner, Progress
from venom_tui.core.runtimes.configured import configured
from venom_tui.core.runtimes.embedded import EmbeddedRuntime
from venom_tui.core.runtimes.load_watcher import LoadWatcher
from venom_tui.core.runtimes.lookout import Lookout, Rhythm
from venom_tui.core.runtimes.runtime import Plan, Runtime, Status, silent
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.settings import Settings
from venom_tui.core.types.device import LoadedModel
from venom_tui.core.types.memory import Consent, Present
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.request import ChatChunk, ChatRequest, GenerationParameters
from venom_tui.core.types.runtime import RuntimeFigures, RuntimeLoad, RuntimeState, RuntimeStatus

_log = logging.getLogger(__name__)
PROMPT = "prompt"
"""The cause of a load that a prompt needs."""
_NO_PARAMETERS = GenerationParameters()
_NO_CONSENT = Consent()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A model that is ready to be asked, and how."""

    runtime: Runtime
    model: ModelInfo
    plan: Plan
    told: tuple[str, ...] = ()
    """What the user must know of the load that it needed, each a sentence."""


class LlmServerController:
    """Knows the runtimes: the embedded llama.cpp, those that are configured, and those that were found."""

    def __init__(
        self,
        settings: Settings,
        pool: HttpPool,
        operations: OperationRunner,
        events: EventBus,
        rhythm: Rhythm | None = None,
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._operations = operations
        self._events = events
        self._embedded = EmbeddedRuntime(settings, pool, self._embedded_changed)
        self._lookout = Lookout(settings, pool, self._runtime_changed, rhythm)
        self._loading: dict[tuple[str, str], asyncio.Lock] = {}
        self._uses = count(1)
        self._used: dict[tuple[str, str], int] = {}
        self.watcher: LoadWatcher | None = None

    async def start(self) -> None:
        """Begin to look at the runtimes; waits for none.

        Raises:
            UsageError: an address or a table of config.toml is wrong.
        """
        self._lookout.start(await asyncio.to_thread(configured, self._settings, self._pool))

    async def close(self) -> None:
        """Look no more, and end the embedded runtime."""
        await self._lookout.close()
        await self._embedded.close()
        for runtime in self._lookout.runtimes:
            await runtime.close()

    # ------------------------------------------------------------------ what is known

    async def statuses(self) -> list[RuntimeStatus]:
        """Return the state of every runtime, as it was seen last."""
        return [runtime.status() for runtime in self._all()]

    def states(self) -> dict[str, RuntimeState]:
        """Return runtime -> how it is."""
        return {runtime.id: runtime.status().state for runtime in self._all()}

    def unanswering(self) -> tuple[str, ...]:
        """Return the runtimes that do not answer, but for one at a usual address that nobody named."""
        seen = [runtime.status() for runtime in self._all()]
        return tuple(one.id for one in seen if one.unanswering)

    def loaded(self) -> tuple[LoadedModel, ...]:
        """Return the models that the runtimes held when they were seen last."""
        return tuple(model for runtime in self._all() for model in runtime.loaded())

    def models(self) -> tuple[ModelInfo, ...]:
        """Return the models that the runtimes offer themselves (the embedded one's are files)."""
        return tuple(model for runtime in self._all() for model in runtime.models())

    def runtime(self, runtime_id: str) -> Runtime:
        """Return a runtime by its id.

        Raises:
            UsageError: there is none.
        """
        for runtime in self._all():
            if runtime.id == runtime_id:
                return runtime
        known = ", ".join(runtime.id for runtime in self._all())
        raise UsageError(f"There is no runtime {sanitize_line(runtime_id, 40)!r}.", hint=f"There are: {known}.")

    def find(self, runtime_id: str) -> Runtime | None:
        """Return a runtime by its id, None when there is none."""
        return self._embedded if runtime_id == self._embedded.id else self._lookout.get(runtime_id)

    def _all(self) -> list[Runtime]:
        return [self._embedded, *self._lookout.runtimes]

    async def settled(self, limit_s: float = 1.5) -> bool:
        """Wait until each runtime has been asked once, at most so long; return whether all have."""
        return await self._lookout.settled(limit_s)

    async def look(self, runtime_id: str | None = None) -> None:
        """Ask one runtime, or all, now."""
        await self._lookout.look(runtime_id)

    def watch(self, fast: bool) -> None:
        """Look more often while somebody watches."""
        self._lookout.watch(fast)

    def figures(self, runtime_id: str) -> RuntimeFigures:
        """Return how a runtime answered lately; what it has to do is asked for while somebody watches, or `measure`."""
        if runtime_id == self._embedded.id:
            return RuntimeFigures(load=RuntimeLoad(reason="only this program asks it, one prompt after the other"))
        return self._lookout.figures(runtime_id)

    async def measure(self) -> None:
        """Ask all runtimes now what they have to do."""
        await self._lookout.measure()

    def wake(self, runtime_id: str) -> None:
        """Look at a runtime soon: something happened to it."""
        self._lookout.wake(runtime_id)

    def replace(self, runtime: Runtime) -> None:
        """Ask a server at another address from now on."""
        self._lookout.replace(runtime)

    # ------------------------------------------------------------------ a model is asked

    async def prepare(
        self,
        model: ModelInfo,
        parameters: GenerationParameters = _NO_PARAMETERS,
        *,
        status: Status = silent,
        cause: str = "user",
        within: Progress | None = None,
        consent: Consent = _NO_CONSENT,
    ) -> Prepared:
        """Make a model ready: load it when it is not held, which takes seconds to minutes.

        Loads are recorded as operations, and so is what had to leave for them; with `within` in that operation. Whoever
        asks has made room, unless a prompt is the cause: for that one `consent` says what was said yes to.

        Raises:
            NeedsYes, GuardRefused: a prompt needs a load that would break a limit.
            LoadFailed: it could not be loaded, with the runtime's own words.
            RuntimeFailure: its runtime cannot be asked.
        """
        runtime = self.find(model.runtime)
        if runtime is None:
            raise RuntimeUnavailable(
                f"Runtime {sanitize_line(model.runtime, 40)!r} is not known here.", hint="Pick another model."
            )
        plan, must_load = await runtime.prepare(model, parameters)
        told: tuple[str, ...] = ()
        while must_load:
            # A load that somebody else had begun may have been one with another context.
            mine, words = await self._load(runtime, model, parameters, status, cause, within, consent)
            told = (*told, *words)
            plan, must_load = await runtime.prepare(model, parameters)
            if mine:
                break
        self._used[runtime.id, model.name] = next(self._uses)
        return Prepared(runtime, model, plan, told)

    def last_use(self, runtime_id: str, model: str) -> int:
        """Return the number of the last use of a model by this program: smaller is longer ago, 0 is never."""
        return self._used.get((runtime_id, model), 0)

    async def _load(
        self,
        runtime: Runtime,
        model: ModelInfo,
        parameters: GenerationParameters,
        status: Status,
        cause: str,
        within: Progress | None,
        consent: Consent,
    ) -> tuple[bool, tuple[str, ...]]:
        """Load a model, and return what must be told of it; False: this waited for a load that had begun before."""
        if model.error:
            raise LoadFailed(f"{model.name} cannot be loaded: {model.error}.", hint="Replace the file.")

        mine, held_before = False, None
        before: tuple[str, ...] = ()
        after: tuple[str, ...] = ()
        there: tuple[Present, ...] = ()

        async def load(progress: Progress) -> None:
            nonlocal mine, held_before, there
            mine = True
            # One load of a model at a time. It may have waited for long: others may have loaded or pinned it meanwhile.
            async with self._loading.setdefault((runtime.id, model.name), asyncio.Lock()):
                plan, must_load = await runtime.prepare(model, parameters)
                if must_load:
                    held_before = any(held.name == model.name for held in runtime.loaded())
                    there = () if self.watcher is None else self.watcher.present(runtime.id)
                    for words in before:
                        progress.log(words)
                    await self._load_it(runtime, model, plan, status, progress)
                else:
                    progress.update(message="it was loaded meanwhile")

        if within is not None:
            await load(within)
        else:
            # What is being loaded was agreed to, or judged, where that began; half of it in memory would count twice.
            if self.watcher is not None and cause == PROMPT and not self._under_way(model, runtime):
                before = await self.watcher.before(model, parameters, status, consent)
            await self._operations.run("load", model.name, load, runtime=runtime.id, cause=cause)
            if cause == PROMPT:
                await self._leave_surplus(model, runtime)
        if self.watcher is not None and held_before is not None:
            after = await self.watcher.loaded(model, there, held_before=held_before)
        return mine, (*before, *after)

    def _under_way(self, model: ModelInfo, runtime: Runtime) -> bool:
        """Return whether a load of a model, or a switch to it, goes on already."""
        return any(
            one.kind in ("load", "switch")
            and (one.runtime, one.target.rpartition(" → ")[2]) == (runtime.id, model.name)  # a switch says from what
            for one in self._operations.running()
        )

    async def _load_it(
        self, runtime: Runtime, model: ModelInfo, plan: Plan, status: Status, progress: Progress
    ) -> None:
        text = f"loading {model.name}"
        progress.update(message=text, bytes_total=model.size_bytes)
        status(text)
        try:
            await runtime.load(model, plan, status=status)
        except VenomError as failure:
            if self.watcher is None:
                raise
            told = await self.watcher.failed(model, failure, progress.log)
            if told is failure:
                raise
            raise told from failure
        finally:
            self._lookout.tell(runtime.id)
        context = f", context {plan.context_length:,}" if plan.context_length else ""
        progress.update(message=f"loaded{context}", bytes_done=model.size_bytes)

    async def _leave_surplus(self, model: ModelInfo, runtime: Runtime) -> None:
        """Let the embedded models leave that are too many after a load that a prompt needed; no answer is cut."""
        if runtime is not self._embedded or self._settings.text("VENOM_POLICY_MODELS") == "warn":
            return
        limit = self._settings.int("VENOM_EMBEDDED_MODELS")
        cause = f"evicted for {model.name}: VENOM_EMBEDDED_MODELS allows {limit}"
        for name in self._embedded.surplus(model.name):

            async def before(_: Progress, name: str = name) -> None:
                if name not in self._embedded.surplus(model.name):
                    raise RuntimeBusy(f"{name} is used by now, or the limit holds: it stays.")

            try:
                await self.unload(ModelInfo(name, runtime.id, "local"), cause=cause, before=before)
            except VenomError as failure:  # the prompt does not depend on it
                _log.warning("%s did not leave for %s: %s", name, model.name, failure.message)

    def chat(
        self, prepared: Prepared, request: ChatRequest, wire: Mapping[str, object]
    ) -> AsyncGenerator[ChatChunk, None]:
        """Ask a model that is ready; leaving the generator stops the server's work.

        Raises:
            RuntimeFailure: what the server did or said.
        """
        return prepared.runtime.chat(request, prepared.plan, wire)

    def capabilities(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """Return what models of the embedded runtime can do, by runtime and name, as far as their processes said it."""
        return {(self._embedded.id, name): said for name, said in self._embedded.capabilities().items()}

    async def verify(self, prepared: Prepared) -> None:
        """Ask the server itself whether it has the model ready.

        Raises:
            LoadFailed: it has not.
        """
        await prepared.runtime.verify(prepared.model)

    async def unload(
        self,
        model: ModelInfo,
        *,
        cause: str = "user",
        within_s: float | None = None,
        status: Status = silent,
        before: Callable[[Progress], Awaitable[None]] | None = None,
        after: Callable[[Progress], Awaitable[None]] | None = None,
    ) -> None:
        """Take a model out of memory and wait until it has left; one that is not held is left as it is.

        Args:
            model: which one.
            cause: why, for the record.
            within_s: seconds that it may take; None: as the settings say.
            status: told what is waited for.
            before: done in the same operation first.
            after: done in the same operation at its end.

        Raises:
            RuntimeBusy: it answers somebody still.
            RuntimeFailure: the runtime does not do that, or did not in time.
        """
        runtime = self.runtime(model.runtime)
        if not any(held.name == model.name for held in runtime.loaded()):
            return
        limit = self._settings.float("VENOM_UNLOAD_TIMEOUT_S") if within_s is None else within_s

        async def unload(progress: Progress) -> None:
            def tell(text: str) -> None:
                progress.update(message=text)
                status(text)

            tell(f"unloading {model.name}")
            if before is not None:
                await before(progress)
            try:
                await runtime.unload(model, within_s=limit, status=tell)
            finally:
                self._lookout.tell(runtime.id)
            if after is not None:
                await after(progress)

        await self._operations.run("unload", model.name, unload, runtime=runtime.id, cause=cause)

    async def keep(self, model: ModelInfo, keep_alive: str | float | None) -> None:
        """Have a loaded model kept so long, for ever when negative, as long as usual when None.

        Raises:
            RuntimeFailure: the runtime does not do that.
        """
        runtime = self.runtime(model.runtime)
        try:
            if keep_alive is None:
                await runtime.unpin(model)
            else:
                await runtime.keep(model, keep_alive)
        finally:
            self._lookout.tell(runtime.id)

    async def explain(self, runtime_id: str, model: str, failure: VenomError) -> VenomError:
        """Return a failure of a stream as it should be told; what is known of its runtime is renewed behind it."""
        self._lookout.wake(runtime_id)
        runtime = self.find(runtime_id)
        if runtime is None:
            return failure
        told = await runtime.explain(model, failure)
        return told if self.watcher is None else await self.watcher.broke_off(told)

    def log(self, model: str, runtime_id: str = "embedded") -> list[str]:
        """Return the last lines of the log of a model's server, where it is ours."""
        runtime = self.find(runtime_id)
        return [] if runtime is None else runtime.log(model)

    # ------------------------------------------------------------------ what changes

    def _embedded_changed(self) -> None:
        self._events.emit(RuntimeChanged(self._embedded.status()))
        self._events.emit(ModelsChanged())

    def _runtime_changed(self, status: RuntimeStatus, models_too: bool) -> None:
        self._events.emit(RuntimeChanged(status))
        if models_too:
            self._events.emit(ModelsChanged())
