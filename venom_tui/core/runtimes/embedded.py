"""The embedded runtime: one child process a model, several at once, the least recently used one leaves first."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path

from venom_tui.core.clients.http import HttpPool
from venom_tui.core.clients.llamacpp import LlamaCppClient, capabilities_of
from venom_tui.core.errors import (
    CutStream,
    LoadFailed,
    RuntimeBusy,
    RuntimeFailure,
    RuntimeRefused,
    RuntimeUnavailable,
    VenomError,
)
from venom_tui.core.resources.limits import Limits
from venom_tui.core.runtimes.child import KILLED_HINT, ChildOptions, EmbeddedChild, how_it_ended
from venom_tui.core.runtimes.runtime import LEAVES_WITHIN_S, Plan, Runtime, Status, silent
from venom_tui.core.runtimes.threads import default_threads, usable_cpus
from venom_tui.core.settings import Settings
from venom_tui.core.types.device import LoadedModel
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.request import ChatChunk, ChatRequest, GenerationParameters
from venom_tui.core.types.runtime import RuntimeState, RuntimeStatus

_END_NOTICE_S = 0.5


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass(slots=True)
class Holding:
    """A model in memory."""

    name: str
    child: EmbeddedChild
    context_length: int
    """Tokens that one conversation may have."""
    size_bytes: int | None
    capabilities: tuple[str, ...] | None = None
    """What it can do, as its process says; None where it did not."""
    used: int = 0
    """Number of its last use; the smallest leaves first."""
    answering: int = 0
    """How many answers it is writing now."""
    pinned: bool = False
    """Whether it stays until it is told to leave."""
    idle: asyncio.Event = field(default_factory=_set, repr=False)
    """Set while it is writing none."""
    watcher: asyncio.Task[None] | None = field(default=None, repr=False)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Count an answer as being written as long as the block lasts."""
        self.answering += 1
        self.idle.clear()
        try:
            yield
        finally:
            self.answering -= 1
            if not self.answering:
                self.idle.set()


class EmbeddedRuntime(Runtime):
    """Holds models in child processes. `changed` is called whenever its state or what it holds is another."""

    kind = "embedded"

    def __init__(self, settings: Settings, pool: HttpPool, changed: Callable[[], None]) -> None:
        super().__init__("embedded", endpoint="", origin="built in")
        self._settings = settings
        self._pool = pool
        self._changed = changed
        self._held: dict[str, Holding] = {}
        self._loading: dict[str, EmbeddedChild] = {}
        self._died: dict[str, str] = {}
        self._last: EmbeddedChild | None = None
        """The process that ended last, or that could not load its model: its log says more."""
        self._uses = count(1)
        self._trouble = ""
        self._closing = False
        self._status = replace(self._status, version=_package_version("xllamacpp"))

    def status(self) -> RuntimeStatus:
        """Return its state."""
        if self._loading:
            state, detail = RuntimeState.LOADING, f"loading {next(iter(self._loading))}"
        elif self._held:
            state, detail = RuntimeState.READY, f"holds {', '.join(self._held)}"
        elif self._trouble:
            state, detail = RuntimeState.FAILED, self._trouble
        else:
            state, detail = RuntimeState.IDLE, "starts with the first prompt"
        pids = tuple(held.child.pid for held in self._held.values() if held.child.pid is not None)
        return replace(self._status, state=state, detail=detail, loaded=tuple(self._held), pids=pids)

    async def look(self) -> None:
        """Its state is always known."""

    def loaded(self) -> tuple[LoadedModel, ...]:
        """Return what it holds."""
        return tuple(
            LoadedModel(
                name=held.name,
                runtime="embedded",
                reported_bytes=held.child.buffers.total_bytes,
                context_length=held.context_length,
                pid=held.child.pid,
                kind=self.kind,
                weights=str(held.child.options.path),
                reported_vram_bytes=held.child.buffers.gpu_bytes if held.child.buffers.total_bytes else None,
                pinned=held.pinned,
                kv_type="f16",
                parallel=held.child.options.parallel,
            )
            for held in tuple(self._held.values())
        )

    def held(self, name: str) -> Holding | None:
        """Return a model that is held by a living process."""
        held = self._held.get(name)
        return held if held is not None and held.child.alive else None

    def used(self, held: Holding) -> None:
        """Note that a model is used now."""
        held.used = next(self._uses)

    def surplus(self, kept: str) -> list[str]:
        """Return the models that must leave so that the limit holds, least recently used first; `kept` stays.

        So does what is never to be evicted. One that is answering stays until the next load: no answer is cut for want
        of a place.
        """
        limits = Limits(self._settings)
        reserve, limit = limits.reserve(), limits.most_embedded
        never = {one.name for one in self.loaded() if reserve.keeps(one)}
        others = (held for held in self._held.values() if held.name != kept and held.name not in never)
        idle = [held for held in others if not (held.answering or held.pinned)]
        idle.sort(key=lambda held: held.used)
        return [held.name for held in idle[: max(0, len(self._held) - limit)]]

    async def prepare(self, model: ModelInfo, parameters: GenerationParameters) -> tuple[Plan, bool]:
        """See whether it is held, and with the context that was chosen for it."""
        if model.path is None:
            raise RuntimeUnavailable(f"{model.name} is no file of this machine.", hint="Pick another model.")
        held = self.held(model.name)
        wanted = self._context(model, parameters.context_length)
        if held is not None:
            self.used(held)
            if parameters.context_length is None or held.context_length == wanted:
                return Plan(held.context_length), False
        return Plan(wanted, sends_context=parameters.context_length is not None), True

    async def load(self, model: ModelInfo, plan: Plan, *, status: Status) -> None:
        """Load a model in a child of its own; one that is held with another context leaves first, and keeps its pin.

        Raises:
            LoadFailed: llama.cpp could not load it.
            RuntimeBusy: it is held and still answers somebody.
            RuntimeUnavailable: venom-tui is closing.
        """
        if self._closing:
            raise RuntimeUnavailable("venom-tui is closing.")
        before = self._held.get(model.name)
        if before is not None:
            await self._until_idle(before, self._settings.float("VENOM_UNLOAD_TIMEOUT_S"), status)
            await self._leave(before)
        child = EmbeddedChild(self._options(model, plan))
        self._loading[model.name] = child
        self._changed()
        try:
            await child.start(self._settings.float("VENOM_LOAD_TIMEOUT_S"))
            if self._closing:  # the process was not there yet when all of them were ended
                await child.stop()
                raise RuntimeUnavailable("venom-tui is closing.")
            capabilities = await self._ask_capabilities(child)
            self._trouble = ""
        except VenomError as failure:
            self._trouble, self._last = failure.message, child
            raise
        finally:
            del self._loading[model.name]
            self._changed()
        held = Holding(model.name, child, plan.context_length or model.context_length or 0, model.size_bytes)
        held.capabilities = capabilities
        held.pinned = before is not None and before.pinned
        self._died.pop(model.name, None)
        self._held[model.name] = held
        self.used(held)
        held.watcher = asyncio.create_task(self._watch(held), name=f"watch of {model.name}")
        self._changed()

    async def _ask_capabilities(self, child: EmbeddedChild) -> tuple[str, ...] | None:
        """Ask a process that was just started what its model can do; a failure leaves that unknown."""
        try:
            return capabilities_of(await self._client_of(child).props())
        except RuntimeFailure:
            return None
        except BaseException:  # a load that is cancelled leaves no process
            await child.stop()
            raise

    def capabilities(self) -> Mapping[str, tuple[str, ...]]:
        """Return what its processes have said."""
        return {held.name: held.capabilities for held in self._held.values() if held.capabilities is not None}

    def _context(self, model: ModelInfo, chosen: int | None) -> int | None:
        """Return the tokens of context to load a model with; None leaves it to what it was trained for."""
        wanted, trained = chosen or self._settings.int("VENOM_CONTEXT"), model.context_length
        return min(wanted or trained or 0, trained or wanted) or None

    def _options(self, model: ModelInfo, plan: Plan) -> ChildOptions:
        return ChildOptions(
            path=Path(model.path or ""),
            alias=model.name,
            context=plan.context_length or 0,
            threads=self._settings.int("VENOM_THREADS") or default_threads(usable_cpus()),
            data_dir=self._settings.data_dir,
        )

    async def chat(
        self, request: ChatRequest, plan: Plan, wire: Mapping[str, object]
    ) -> AsyncGenerator[ChatChunk, None]:
        """Ask the process that holds the model."""
        chunks = self._client(request.model).chat(request, wire)
        held = self.held(request.model)
        try:
            with held.busy() if held is not None else nullcontext():
                async for chunk in chunks:
                    yield chunk
        finally:
            await chunks.aclose()

    async def count(self, request: ChatRequest) -> int | None:
        """Ask the process that holds the model."""
        return await self._client(request.model).prompt_tokens(request)

    async def verify(self, model: ModelInfo) -> None:
        """Ask the process itself whether it can read a text with its model."""
        try:
            tokens = await self._client(model.name).tokens("hello")
        except RuntimeFailure as failure:
            words = failure.server_message or failure.message
            raise LoadFailed(f"{model.name} was loaded but does not answer.", server_message=words) from failure
        if not tokens:
            raise LoadFailed(f"{model.name} was loaded but cannot read a text.", hint="Pick another model.")

    def _client(self, name: str) -> LlamaCppClient:
        held = self.held(name)
        if held is None:
            how = self._died.get(name)
            ended = f" ended ({how})" if how else " is gone"
            raise RuntimeUnavailable(f"The llama.cpp process of {name}{ended}.", hint="Ask again: it is started anew.")
        return self._client_of(held.child)

    def _client_of(self, child: EmbeddedChild) -> LlamaCppClient:
        return LlamaCppClient(self._pool, child.url, who="The embedded llama.cpp", api_key=child.api_key)

    def log(self, model: str) -> list[str]:
        """Return the last lines that llama.cpp wrote about a model; "" is the one whose process ended last."""
        held = self.held(model)
        if held is not None:
            return held.child.log
        last = self._last
        return last.log if last is not None and model in ("", last.options.alias) else []

    async def _watch(self, held: Holding) -> None:
        """Notice that a process ended by itself."""
        status = await held.child.wait()
        self._last = held.child
        if self._held.get(held.name) is held:
            del self._held[held.name]
            how = how_it_ended(status)
            self._died[held.name] = how
            self._trouble = f"the process of {held.name} ended ({how})"
            self._changed()

    async def explain(self, model: str, failure: VenomError) -> VenomError:
        """Return the failure of a stream, told as the end of the process where that is what happened."""
        if not isinstance(failure, CutStream | RuntimeUnavailable):
            return failure
        held = self._held.get(model)
        if held is not None and held.watcher is not None:
            # The connection breaks a moment before the kernel reports the end of the process.
            await asyncio.wait({held.watcher}, timeout=_END_NOTICE_S)
        held = self._held.get(model)
        if held is None or not held.child.alive:
            died = self._died.get(model, "")
            how = f" ({died})" if died else ""
            why = f"{KILLED_HINT} " if died == how_it_ended(-signal.SIGKILL) else ""
            return RuntimeUnavailable(
                f"The llama.cpp process that held {model} ended in the middle of its answer{how}.",
                hint=f"{why}Ask again: it is started anew.",
                server_message=failure.server_message,
            )
        return failure

    async def unload(self, model: ModelInfo, *, within_s: float = LEAVES_WITHIN_S, status: Status = silent) -> None:
        """End the process of a model once it answers nobody; returns when it is gone and its memory with it."""
        held = self._held.get(model.name)
        if held is not None:
            await self._until_idle(held, within_s, status)
            await self._leave(held)

    @staticmethod
    async def _until_idle(held: Holding, within_s: float, status: Status) -> None:
        if held.answering and held.child.alive:
            count = f"{held.answering} prompt{'s' * (held.answering != 1)}"
            status(f"{held.name} answers {count}; it leaves when that has ended")
            try:
                await asyncio.wait_for(held.idle.wait(), within_s)
            except TimeoutError:
                raise RuntimeBusy(
                    f"{held.name} still answers {count} after {within_s:g} s, and was left where it is.",
                    hint="Stop the answer, or wait for its end.",
                ) from None

    def cannot(self, verb: str) -> str:
        """It can all but keep a model for a time."""
        if verb == "extend":
            return "The embedded llama.cpp holds a model until it is told otherwise: there is no time to extend."
        return ""

    def answering(self, model: str) -> int:
        """Return how many answers a model is writing."""
        held = self._held.get(model)
        return 0 if held is None else held.answering

    def last_use(self, model: str) -> int:
        """Return the number of the last use of a model: the smallest is that of the least recently used one."""
        held = self._held.get(model)
        return 0 if held is None else held.used

    async def keep(self, model: ModelInfo, keep_alive: str | float) -> None:
        """Keep a model until it is told to leave; for ever is all that it knows."""
        if not str(keep_alive).startswith("-"):
            raise RuntimeRefused(self.cannot("extend"))
        self._pin(model, pinned=True)

    async def unpin(self, model: ModelInfo) -> None:
        """Let a model leave for others again."""
        self._pin(model, pinned=False)

    def _pin(self, model: ModelInfo, *, pinned: bool) -> None:
        held = self.held(model.name)
        if held is None:
            raise RuntimeRefused(f"{model.name} is not loaded.", hint="Load it first.")
        if held.pinned != pinned:
            held.pinned = pinned
            self._changed()

    async def _leave(self, held: Holding) -> None:
        if self._held.get(held.name) is held:
            del self._held[held.name]
        await self._end(held)
        self._changed()

    async def _end(self, held: Holding) -> None:
        await held.child.stop()
        if held.watcher is not None:
            await asyncio.wait({held.watcher})

    async def close(self) -> None:
        """End all processes."""
        self._closing = True
        held, self._held = list(self._held.values()), {}
        endings = [self._end(one) for one in held] + [child.stop() for child in self._loading.values()]
        await asyncio.gather(*endings)


def _package_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
