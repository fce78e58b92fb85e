"""The embedded runtime: one child process a model, several at once, the least recently used one leaves first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from venom_tui.core.errors import CutStream, RuntimeUnavailable, VenomError
from venom_tui.core.runtimes.child import ChildOptions, EmbeddedChild
from venom_tui.core.runtimes.threads import default_threads, usable_cpus
from venom_tui.core.settings import Settings
from venom_tui.core.types.device import LoadedModel
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.runtime import RuntimeState, RuntimeStatus

_END_NOTICE_S = 0.5


@dataclass(slots=True)
class Holding:
    """A model in memory."""

    name: str
    child: EmbeddedChild
    context_length: int
    """Tokens that one conversation may have."""
    size_bytes: int | None
    used: int = 0
    """Number of its last use; the smallest leaves first."""
    watcher: asyncio.Task[None] | None = field(default=None, repr=False)


class EmbeddedRuntime:
    """Holds models in child processes. `changed` is called whenever its state or what it holds is another."""

    def __init__(self, settings: Settings, changed: Callable[[], None]) -> None:
        self._settings = settings
        self._changed = changed
        self._held: dict[str, Holding] = {}
        self._loading: dict[str, EmbeddedChild] = {}
        self._died: dict[str, str] = {}
        self._uses = count(1)
        self._trouble = ""
        self._closing = False

    def status(self, version: str | None) -> RuntimeStatus:
        """Return its state."""
        if self._loading:
            state, detail = RuntimeState.LOADING, f"loading {next(iter(self._loading))}"
        elif self._held:
            state, detail = RuntimeState.READY, f"holds {', '.join(self._held)}"
        elif self._trouble:
            state, detail = RuntimeState.FAILED, self._trouble
        else:
            state, detail = RuntimeState.IDLE, "starts with the first prompt"
        return RuntimeStatus(
            id="embedded",
            kind="embedded",
            state=state,
            version=version,
            detail=detail,
            loaded=tuple(self._held),
            pids=tuple(held.child.pid for held in self._held.values() if held.child.pid is not None),
        )

    def loaded(self) -> tuple[LoadedModel, ...]:
        """Return what it holds."""
        return tuple(
            LoadedModel(
                name=held.name,
                runtime="embedded",
                reported_bytes=held.size_bytes,
                context_length=held.context_length,
                pid=held.child.pid,
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

    def surplus(self, kept: Holding) -> list[Holding]:
        """Return what must leave so that the limit holds, least recently used first; `kept` stays."""
        limit = self._settings.int("VENOM_EMBEDDED_MODELS")
        others = sorted((h for h in self._held.values() if h is not kept), key=lambda h: h.used)
        return others[: max(0, len(self._held) - limit)]

    async def load(self, model: ModelInfo) -> Holding:
        """Load a model in a child of its own.

        Raises:
            LoadFailed: llama.cpp could not load it.
            RuntimeUnavailable: venom-tui is closing.
        """
        if self._closing:
            raise RuntimeUnavailable("venom-tui is closing.")
        options = self._options(model)
        child = EmbeddedChild(options)
        self._loading[model.name] = child
        self._changed()
        try:
            await child.start(self._settings.float("VENOM_LOAD_TIMEOUT_S"))
            self._trouble = ""
        except VenomError as failure:
            self._trouble = failure.message
            raise
        finally:
            del self._loading[model.name]
            self._changed()
        held = Holding(model.name, child, options.context or model.context_length or 0, model.size_bytes)
        self._died.pop(model.name, None)
        self._held[model.name] = held
        self.used(held)
        held.watcher = asyncio.create_task(self._watch(held), name=f"watch of {model.name}")
        self._changed()
        return held

    def _options(self, model: ModelInfo) -> ChildOptions:
        wanted, trained = self._settings.int("VENOM_CONTEXT"), model.context_length
        context = min(wanted or trained or 0, trained or wanted)
        return ChildOptions(
            path=Path(model.path or ""),
            alias=model.name,
            context=context,
            threads=self._settings.int("VENOM_THREADS") or default_threads(usable_cpus()),
        )

    async def _watch(self, held: Holding) -> None:
        """Notice that a process ended by itself."""
        status = await held.child.wait()
        if self._held.get(held.name) is held:
            del self._held[held.name]
            how = f"signal {-status}" if status is not None and status < 0 else f"status {status}"
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
            return RuntimeUnavailable(
                f"The llama.cpp process that held {model} ended in the middle of its answer{how}.",
                hint="Ask again: it is started anew.",
                server_message=failure.server_message,
            )
        return failure

    async def unload(self, held: Holding) -> None:
        """End the process of a model; returns when it is gone and its memory with it."""
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
