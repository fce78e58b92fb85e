"""What `stop` does: ends what venom-tui started and unloads what it loaded, and nothing else.

Processes without a terminal are asked through the store to end their work, which can be resumed. Servers are ended as
their records tell (`servers.ours`). A model is ours when venom-tui loaded it while it was not loaded before, as the
operations tell; one that was loaded again since, or that somebody else pinned, is left alone. The embedded llama.cpp is
bound to the process that started it and ends with that; an orphan, which should not be, is named.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psutil

from venom_tui.core.background import background
from venom_tui.core.clients.http import HttpPool
from venom_tui.core.errors import UsageError, VenomError
from venom_tui.core.events import EventBus
from venom_tui.core.guard import look
from venom_tui.core.operations.runner import OperationRunner
from venom_tui.core.runtimes.controller import LlmServerController
from venom_tui.core.runtimes.leftovers import Worker, workers
from venom_tui.core.runtimes.ports import folder_of
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.servers.ours import end_all
from venom_tui.core.settings import Settings
from venom_tui.core.types.device import LoadedModel
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.operation import Operation, OperationState
from venom_tui.core.types.runtime import RuntimeState

_ANSWER_S = 5.0
"""So long runtimes have to say what they hold."""
_UNLOADS = ("ollama", "llamacpp")
_MAYBE_LOADED = (OperationState.SUCCEEDED, OperationState.INTERRUPTED, OperationState.CANCELLED)
_CLOCK = timedelta(seconds=5)
"""How much later than its load a model's process may seem to have begun."""


@dataclass(frozen=True, slots=True)
class StopReport:
    """What was stopped and what goes on."""

    stopped: tuple[str, ...]
    """Models that were unloaded and runtimes that were ended, each a sentence."""
    held: tuple[Worker, ...]
    """Embedded llama.cpps of a venom-tui that runs; they end with it."""
    left: tuple[Worker, ...]
    """Those whose venom-tui is gone and that did not end as they should."""
    interrupted: tuple[Operation, ...] = ()
    """What a process without a terminal did; it can be resumed."""
    failed: tuple[str, ...] = ()
    """What is ours and goes on nevertheless, each a sentence."""
    spared: tuple[str, ...] = ()
    """What venom-tui loaded once and is somebody else's now, each a sentence."""


async def stop(settings: Settings) -> StopReport:
    """Stop what is ours to stop, and look at what is left.

    Raises:
        StoreError: the database cannot be used.
        OperationRefused: a process without a terminal does not answer.
        UsageError: config.toml is wrong.
    """
    stopped: list[str] = []
    failed: list[str] = []
    spared: list[str] = []
    interrupted: list[Operation] = []
    if (settings.data_dir / "venom.db").exists():
        async with background(settings) as operations:
            interrupted = await operations.stop_background()
            ended, alive = await end_all(folder_of(settings.data_dir))
            stopped += ended
            failed += alive
            await _unload_ours(settings, operations, stopped, failed, spared)
    found = await asyncio.to_thread(workers)
    return StopReport(
        stopped=tuple(stopped),
        held=tuple(worker for worker in found if not worker.orphan),
        left=tuple(worker for worker in found if worker.orphan),
        interrupted=tuple(interrupted),
        failed=tuple(failed),
        spared=tuple(spared),
    )


# ---------------------------------------------------------------------- models


@dataclass(frozen=True, slots=True)
class _Ours:
    """A model that venom-tui loaded."""

    loaded_at: datetime
    pinned: bool


async def _unload_ours(
    settings: Settings, operations: OperationRunner, stopped: list[str], failed: list[str], spared: list[str]
) -> None:
    ours = ours_of(await operations.list())
    if not ours:
        return
    async with _runtimes(settings, operations) as runtimes:
        kinds = {one.id: one for one in await runtimes.statuses()}
        asked = sorted({runtime for runtime, _ in ours} & kinds.keys())
        busy = [name for name in asked if kinds[name].state is RuntimeState.BUSY]
        failed += [f"{name} is too busy to say which models it holds." for name in busy]
        held = [
            one for one in runtimes.loaded()
            if (one.runtime, one.name) in ours and kinds[one.runtime].kind in _UNLOADS
        ]  # fmt: skip
        begun = await _begun(settings, held) if held else {}
        pins = settings.text("LLM_KEEP_ALIVE").startswith("-")
        for model in held:
            mine = ours[model.runtime, model.name]
            title = f"{model.name} @ {model.runtime}"
            if (since := begun.get((model.runtime, model.name))) is not None and since > mine.loaded_at + _CLOCK:
                spared.append(f"{title} was loaded again by somebody else; it stays.")
            elif model.pinned and not (mine.pinned or pins):
                spared.append(f"{title} was pinned by somebody else; it stays.")
            else:
                await _unload(runtimes, model, title, stopped, failed)


async def _unload(
    runtimes: LlmServerController, model: LoadedModel, title: str, stopped: list[str], failed: list[str]
) -> None:
    try:
        await runtimes.unload(ModelInfo(model.name, model.runtime, model.kind), cause="venom-tui stop")
    except VenomError as failure:
        failed.append(f"{title}: {failure.message} {failure.hint}".strip())
    else:
        stopped.append(f"{title} was unloaded.")


def ours_of(operations: Iterable[Operation]) -> dict[tuple[str, str], _Ours]:
    """Return (runtime, model) -> when venom-tui loaded it, of what it did not unload since; the newest come first."""
    ours: dict[tuple[str, str], _Ours] = {}
    settled: set[tuple[str, str]] = set()
    pins: dict[tuple[str, str], bool] = {}
    for one in operations:
        key = (one.runtime, one.target)
        if key in settled or not one.runtime:
            continue
        if one.kind in ("pin", "unpin") and one.state is OperationState.SUCCEEDED:
            pins.setdefault(key, one.kind == "pin")
        elif one.kind == "unload" and one.state is OperationState.SUCCEEDED:
            settled.add(key)
        elif one.kind == "load" and one.state in _MAYBE_LOADED:
            settled.add(key)
            at = one.finished_at or one.started_at or one.created_at or datetime.now(UTC)
            ours[key] = _Ours(at, pins.get(key, False))
    return ours


async def _begun(settings: Settings, held: Iterable[LoadedModel]) -> dict[tuple[str, str], datetime]:
    """Return when the processes that hold models began, where they are of this machine and known."""
    snapshot = await look(settings)
    wanted = {(one.runtime, one.name) for one in held}
    pids = {(one.runtime, one.name): one.pid for one in snapshot.loaded if one.pid is not None}
    return await asyncio.to_thread(_since, {key: pid for key, pid in pids.items() if key in wanted})


def _since(pids: dict[tuple[str, str], int]) -> dict[tuple[str, str], datetime]:
    found = {}
    for key, pid in pids.items():
        try:
            found[key] = datetime.fromtimestamp(psutil.Process(pid).create_time(), UTC)
        except (psutil.Error, OSError):
            continue
    return found


@asynccontextmanager
async def _runtimes(settings: Settings, operations: OperationRunner) -> AsyncIterator[LlmServerController]:
    """Open the runtimes, each of which has been asked once where it answers."""
    async with AsyncExitStack() as stack:
        events = EventBus()
        stack.callback(events.close)
        pool = HttpPool()
        stack.push_async_callback(pool.close)
        runtimes = LlmServerController(settings, pool, operations, events)
        stack.push_async_callback(runtimes.close)
        try:
            await runtimes.start()
        except VenomError as failure:
            raise UsageError(
                f"Models were not unloaded: {sanitize_line(failure.message, 300)}", hint=failure.hint
            ) from failure
        await runtimes.settled(_ANSWER_S)
        yield runtimes
