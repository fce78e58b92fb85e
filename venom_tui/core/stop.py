"""What `stop` does: ends what venom-tui started and unloads what it loaded, and nothing else.

Processes without a terminal are asked through the store to end their work, which can be resumed. Servers are ended as
their records tell (`servers.ours`). A model is ours when venom-tui loaded it while it was not loaded before, as marks
tell; one that was loaded again since, or that somebody else pinned, is left alone. The embedded llama.cpp is bound to
the process that started it and ends with that; an orphan, which should not be, is named.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from venom_tui.core.background import background
from venom_tui.core.clients.http import HttpPool
from venom_tui.core.errors import UsageError, VenomError
from venom_tui.core.events import EventBus
from venom_tui.core.guard import look
from venom_tui.core.operations.runner import OperationRunner
from venom_tui.core.owner import start_time
from venom_tui.core.runtimes.controller import LlmServerController
from venom_tui.core.runtimes.leftovers import Worker, workers
from venom_tui.core.runtimes.ports import folder_of
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.servers.ours import end_all
from venom_tui.core.settings import Settings
from venom_tui.core.store.database import Database
from venom_tui.core.store.held import HeldStore, Mark
from venom_tui.core.types.device import LoadedModel
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.operation import Operation
from venom_tui.core.types.runtime import RuntimeState

_ORPHAN_S = 7.0
"""More than the kernel takes to end one that does not end by itself (5 s)."""
_LOOK_S = 0.2
_ANSWER_S = 5.0
"""So long runtimes have to say what they hold."""
_LEAVES_WITHIN_S = 30.0
_UNLOADS = ("ollama", "llamacpp")
_CLOCK = timedelta(seconds=2)
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
        UsageError: config.toml is wrong.
    """
    stopped: list[str] = []
    failed: list[str] = []
    spared: list[str] = []
    interrupted: list[Operation] = []
    if (settings.data_dir / "venom.db").exists():
        async with background(settings) as operations:
            interrupted, silent = await operations.stop_background()
            ended, alive = await end_all(folder_of(settings.data_dir))
            stopped += ended
            failed += [*silent, *alive]
            await _unload_ours(settings, operations, stopped, failed, spared)
    found = await _workers()
    return StopReport(
        stopped=tuple(stopped),
        held=tuple(worker for worker in found if not worker.orphan),
        left=tuple(worker for worker in found if worker.orphan),
        interrupted=tuple(interrupted),
        failed=tuple(failed),
        spared=tuple(spared),
    )


async def _workers() -> list[Worker]:
    """Return the embedded llama.cpps; an orphan, whose parent was killed a moment ago, has time to end by itself."""
    deadline = asyncio.get_running_loop().time() + _ORPHAN_S
    while True:
        found = await asyncio.to_thread(workers)
        if not any(worker.orphan for worker in found) or asyncio.get_running_loop().time() >= deadline:
            return found
        await asyncio.sleep(_LOOK_S)


# ---------------------------------------------------------------------- models


async def _unload_ours(
    settings: Settings, operations: OperationRunner, stopped: list[str], failed: list[str], spared: list[str]
) -> None:
    async with _runtimes(settings, operations) as (runtimes, marks):
        if not (known := await marks.all()):
            return
        await runtimes.settled(_ANSWER_S)
        states = {one.endpoint: one for one in await runtimes.statuses()}
        asked = {endpoint for endpoint, _ in known}
        failed += [
            f"{one.id} is too busy to say which models it holds."
            for endpoint, one in states.items()
            if endpoint in asked and one.state is RuntimeState.BUSY
        ]
        held = [
            (one.runtime, key)
            for one in runtimes.loaded()
            if (key := (one.endpoint, one.name)) in known and one.kind in _UNLOADS
        ]
        for runtime_id, key in held:
            # Those before it may have taken minutes to leave: what somebody did with this one meanwhile counts.
            await runtimes.look(runtime_id)
            mark = (await marks.all()).get(key)
            model = next((one for one in runtimes.loaded() if (one.endpoint, one.name) == key), None)
            if model is None or mark is None:
                continue
            before = len(failed)
            await _let_go(settings, runtimes, model, mark, stopped, failed, spared)
            if len(failed) == before:
                await marks.put(replace(mark, loaded=False, pinned=False))


async def _let_go(
    settings: Settings,
    runtimes: LlmServerController,
    model: LoadedModel,
    mark: Mark,
    stopped: list[str],
    failed: list[str],
    spared: list[str],
) -> None:
    """Unload a model, or take back its pin, as far as that is ours by now."""
    title = f"{model.name} @ {model.runtime}"
    since = (await _begun(settings, [model])).get((model.runtime, model.name))
    if since is not None and since > mark.at + _CLOCK:
        spared.append(f"{title} was loaded again by somebody else; it stays.")
    elif model.pinned and not mark.pinned:
        spared.append(f"{title} was pinned by somebody else; it stays.")
    elif mark.loaded:
        await _unload(runtimes, model, title, stopped, failed)
    elif model.pinned:
        await _unpin(runtimes, model, title, stopped, failed)


async def _unpin(
    runtimes: LlmServerController, model: LoadedModel, title: str, stopped: list[str], failed: list[str]
) -> None:
    try:
        await runtimes.keep(ModelInfo(model.name, model.runtime, model.kind), None)
    except VenomError as failure:
        failed.append(f"{title}: {failure.message} {failure.hint}".strip())
    else:
        stopped.append(f"The pin of {title} was taken back; somebody else loaded it.")


async def _unload(
    runtimes: LlmServerController, model: LoadedModel, title: str, stopped: list[str], failed: list[str]
) -> None:
    try:
        await runtimes.unload(
            ModelInfo(model.name, model.runtime, model.kind), cause="venom-tui stop", within_s=_LEAVES_WITHIN_S
        )
    except VenomError as failure:
        failed.append(f"{title}: {failure.message} {failure.hint}".strip())
    else:
        stopped.append(f"{title} was unloaded.")


async def _begun(settings: Settings, held: Iterable[LoadedModel]) -> dict[tuple[str, str], datetime]:
    """Return when the processes that hold models began, where they are of this machine and known."""
    snapshot = await look(settings)
    wanted = {(one.runtime, one.name) for one in held}
    pids = {(one.runtime, one.name): one.pid for one in snapshot.loaded if one.pid is not None}
    return await asyncio.to_thread(_since, {key: pid for key, pid in pids.items() if key in wanted})


def _since(pids: dict[tuple[str, str], int]) -> dict[tuple[str, str], datetime]:
    try:
        up_s = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError):
        return {}
    now = datetime.now(UTC)
    # By how long they live: the moment of the boot is not known well enough for that.
    begun = {key: start_time(pid) for key, pid in pids.items()}
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    return {key: now - timedelta(seconds=up_s - ticks * tick_s) for key, ticks in begun.items() if ticks is not None}


@asynccontextmanager
async def _runtimes(
    settings: Settings, operations: OperationRunner
) -> AsyncIterator[tuple[LlmServerController, HeldStore]]:
    """Open the runtimes, and what is written of what they hold of ours."""
    async with AsyncExitStack() as stack:
        database = await Database.open(settings.data_dir / "venom.db", announce=lambda text: None)
        stack.push_async_callback(database.close)
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
        yield runtimes, HeldStore(database)
