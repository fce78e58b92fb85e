"""How a server is started, stopped and started anew: operations that any venom-tui can do, or go on with."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from venom_tui.core.clients.http import HttpPool
from venom_tui.core.errors import StartFailed, UsageError
from venom_tui.core.models.memory.post_mortem import largest_processes, who_held
from venom_tui.core.operations.runner import Kind, OperationRunner, Progress
from venom_tui.core.owner import Owner
from venom_tui.core.runtimes.configured import of_table, url_of
from venom_tui.core.runtimes.ports import choose_again, folder_of
from venom_tui.core.runtimes.runtime import Runtime
from venom_tui.core.runtimes.unidentified import UnidentifiedServer
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.servers import units
from venom_tui.core.servers.arguments import profile_arguments
from venom_tui.core.servers.ending import end
from venom_tui.core.servers.logs import log_path, tail
from venom_tui.core.servers.phases import phase
from venom_tui.core.servers.reasons import Reason, ending, last_lines, reason_of, words
from venom_tui.core.servers.records import Record, forget, read_record, write_record
from venom_tui.core.servers.spawn import PortTaken, Wanted, spawn
from venom_tui.core.settings import ControlTable, RuntimeTable, Settings, key_of, read_runtimes
from venom_tui.core.types.device import GuardSnapshot
from venom_tui.core.types.runtime import RuntimeState

START, STOP, RESTART = "start", "stop", "restart"
ENDS_WITHIN_S = 20.0
"""So long a server may take to end after SIGTERM."""
_EVERY_S = 0.5
_TAIL = 200
_PORTS = 3
_AGAIN = "starts again"
_DOWN = ("inactive", "failed", "deactivating")
"""States of a unit that nobody runs: what runs after our start is ours to stop."""
_LOOK_S = 10.0
_OUT_OF_MEMORY = "oom-kill"
"""How systemd says that the kernel killed a unit for want of memory."""
_ROOT = str(Path(__file__).resolve().parents[3])

Look = Callable[[], Awaitable[GuardSnapshot]]


def register(operations: OperationRunner, settings: Settings, pool: HttpPool, look: Look) -> None:
    """Let a runner start and stop servers; `look` looks at the machine, for a start that fails for want of memory."""
    work = Performers(settings, pool, look)
    operations.register(Kind(START, work.start))
    operations.register(Kind(STOP, work.stop))
    operations.register(Kind(RESTART, work.restart))


def unit_of(control: ControlTable) -> units.Unit:
    """Return the unit of a table that names one."""
    return units.Unit(control.unit, control.user_unit)


def controlled(settings: Settings, name: str) -> tuple[RuntimeTable, ControlTable]:
    """Return the table of a server that this machine controls (a small synchronous read).

    Raises:
        UsageError: there is none of this name, or config.toml is wrong.
    """
    for table in read_runtimes(settings.config_dir / "config.toml"):
        if table.name == name:
            if table.control is not None:
                return table, table.control
            break
    raise UsageError(
        f"{sanitize_line(name, 40)} is not started or stopped from here.",
        hint="config.toml says how: unit, command or profile in its table [runtimes.NAME].",
    )


class Performers:
    """Does the work of the operations."""

    def __init__(self, settings: Settings, pool: HttpPool, look: Look) -> None:
        self._settings = settings
        self._pool = pool
        self._look = look
        self.folder = folder_of(settings.data_dir)

    # ------------------------------------------------------------------ start

    async def start(self, arguments: Mapping[str, Any], progress: Progress) -> None:
        """Start a server, where it does not run yet, and return when it answers.

        Raises:
            StartFailed: it did not start, with the end of its log.
        """
        name = str(arguments["name"])
        table, control = await asyncio.to_thread(controlled, self._settings, name)
        for note in arguments.get("notes", ()):
            progress.log(str(note))
        begun = asyncio.get_running_loop().time()
        if control.unit:
            await self._start_unit(table, control, progress)
        else:
            await self._start_child(table, control, arguments.get("utilization"), progress)
        seconds = asyncio.get_running_loop().time() - begun
        progress.log(f"answered after {seconds:.1f} s")
        progress.update(message=f"{name} answers after {seconds:.0f} s")

    async def _start_child(
        self, table: RuntimeTable, control: ControlTable, utilization: float | None, progress: Progress
    ) -> None:
        progress.update(message=f"{table.name} starts its program")
        record, new = await self._spawned(table, control, utilization, progress)
        pid = 0 if record.server is None else record.server.pid
        progress.log(f"{'started' if new else 'runs already'}: process {pid}")
        progress.log(" ".join(record.command))
        try:
            await self._until_ready(table, progress)
        except TimeoutError:
            lines = await self._tail(table.name)
            await self._give_up(table.name, progress)
            raise self._late(table.name, lines) from None
        except asyncio.CancelledError:
            # Where another venom-tui goes on with it, or a later one may, the server goes on as well.
            if progress.given_up:
                await self._give_up(table.name, progress)
            raise

    async def _spawned(
        self, table: RuntimeTable, control: ControlTable, utilization: float | None, progress: Progress
    ) -> tuple[Record, bool]:
        for attempt in range(_PORTS):
            wanted = await asyncio.to_thread(self._wanted, table, control, utilization)
            try:
                return await self._begun(wanted, progress)
            except PortTaken:
                if table.url or attempt == _PORTS - 1:
                    raise
                await asyncio.to_thread(choose_again, self._settings.data_dir, table.name)
        raise AssertionError

    async def _begun(self, wanted: Wanted, progress: Progress) -> tuple[Record, bool]:
        """Begin a server; where that is given up meanwhile, return only when what was begun has ended again."""
        begins = asyncio.ensure_future(asyncio.to_thread(spawn, wanted))
        begins.add_done_callback(lambda task: task.cancelled() or task.exception())  # told below, where one still waits
        try:
            return await asyncio.shield(begins)
        except asyncio.CancelledError:
            if progress.given_up and await _has_begun(begins):
                await self._give_up(wanted.name, progress)
            raise

    def _wanted(self, table: RuntimeTable, control: ControlTable, utilization: float | None) -> Wanted:
        url = url_of(table, self._settings)
        environment = {**_environment(), **control.environment}
        command = control.command
        if control.profile is not None:
            command = profile_arguments(control.profile, url, utilization)
            environment.setdefault("PYTHONUNBUFFERED", "1")
            if key := key_of(table):
                environment["VLLM_API_KEY"] = key  # not among the arguments, which every user of the machine can read
        log = log_path(self._settings.data_dir, table.name)
        return Wanted(table.name, url, command, environment, self.folder, log)

    async def _start_unit(self, table: RuntimeTable, control: ControlTable, progress: Progress) -> None:
        unit = unit_of(control)
        before = await units.look(unit)
        progress.update(message=f"systemd starts {unit.name}")
        try:
            try:
                await units.order(unit, "start", self._settings.float("VENOM_START_TIMEOUT_S"))
            finally:
                # Whether or not we waited for its end: systemd goes on with what it was told, and that run is ours.
                after = await units.look(unit)
                if after.invocation and after.invocation != before.invocation:
                    try:
                        await asyncio.to_thread(self._note_unit, table, unit, after)
                    except OSError as error:
                        progress.log(f"that this run is ours cannot be written: {error.strerror}")
            await self._until_ready(table, progress, unit)
        except TimeoutError:
            raise self._late(table.name, await units.log(unit, _TAIL), unit.name) from None
        except asyncio.CancelledError:
            if progress.given_up and before.active in _DOWN:
                progress.log("is stopped again")
                await units.order(unit, "stop")
                await asyncio.to_thread(forget, self.folder, table.name)
            raise

    def _note_unit(self, table: RuntimeTable, unit: units.Unit, state: units.UnitState) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        url = url_of(table, self._settings)
        record = Record(
            table.name, url, unit=unit.name, user_unit=unit.user, invocation=state.invocation, started_at=now
        )
        write_record(self.folder, record)

    # ------------------------------------------------------------------ health

    async def _until_ready(self, table: RuntimeTable, progress: Progress, unit: units.Unit | None = None) -> None:
        """Return when the server answers as one that can be asked.

        Raises:
            TimeoutError: that took too long.
            StartFailed: it ended.
        """
        runtime = await asyncio.to_thread(of_table, table, self._settings, self._pool)
        told = ""
        async with asyncio.timeout(self._settings.float("VENOM_START_TIMEOUT_S")):
            while True:
                lines = await (self._tail(table.name) if unit is None else units.log(unit, _TAIL))
                now = phase(lines)
                if now and now != told:
                    told = now
                    progress.log(now)
                progress.update(message=f"{table.name} {told or 'waits for its first answer'}")
                await self._check_lives(table.name, lines, unit, progress)
                await runtime.look()
                if _ready(runtime):
                    break
                await asyncio.sleep(_EVERY_S)
        await self._check_lives(table.name, lines, unit, progress)

    async def _check_lives(self, name: str, lines: list[str], unit: units.Unit | None, progress: Progress) -> None:
        if unit is not None:
            state = await units.look(unit)
            if state.active in ("", "activating", "active", "reloading"):
                return
            status, killed = None, state.result == _OUT_OF_MEMORY
            how = f"systemd says {state.active} ({state.result})"
        else:
            record, lives = await asyncio.to_thread(self._record, name)
            if record is None or (not lives and record.asked):
                raise StartFailed(f"{name} was stopped while it started.")
            if lives:
                return
            for _ in range(10):  # its keeper writes in a moment how it ended
                if record is None or record.ended_at:
                    break
                await asyncio.sleep(0.1)
                record, _ = await asyncio.to_thread(self._record, name)
            lines = await self._tail(name)
            status, how = None if record is None else record.status, ""
            killed = status == -signal.SIGKILL
        reason = reason_of(lines, status)
        failure = _failure(f"{name} did not start", lines, reason, status, how)
        for line in last_lines(lines):
            progress.log(f"| {line}")
        if killed or reason.code == "memory":
            await self._tell_who_held(failure, progress)
        raise failure

    async def _tell_who_held(self, failure: StartFailed, progress: Progress) -> None:
        """Write into the log who holds the memory that was missing."""
        try:
            async with asyncio.timeout(_LOOK_S):
                held = who_held(await self._look(), await asyncio.to_thread(largest_processes))
        except TimeoutError:
            progress.log("who held the memory is not known: a driver does not answer")
            return
        for line in held:
            progress.log(line)
        failure.hint = f"{failure.hint} `venom-tui operations show` tells who held what."

    def _record(self, name: str) -> tuple[Record | None, bool]:
        record = read_record(self.folder, name)
        return record, record is not None and record.alive(Owner.current()) is True

    async def _tail(self, name: str) -> list[str]:
        return await asyncio.to_thread(tail, log_path(self._settings.data_dir, name), _TAIL)

    def _late(self, name: str, lines: list[str], unit: str = "") -> StartFailed:
        limit = self._settings.float("VENOM_START_TIMEOUT_S")
        doing = phase(lines)
        goes_on = f"the unit {unit} goes on" if unit else "it was ended"
        return StartFailed(
            f"{name} did not answer within {limit:g} s{f' ({doing})' if doing else ''}; {goes_on}.",
            hint="VENOM_START_TIMEOUT_S allows more.",
            server_message=words(lines),
        )

    async def _give_up(self, name: str, progress: Progress) -> None:
        progress.log("is ended again")
        await end(self.folder, name, ENDS_WITHIN_S)

    # ------------------------------------------------------------------ stop, restart

    async def stop(self, arguments: Mapping[str, Any], progress: Progress) -> None:
        """Stop a server of ours, or a unit, and return when it is gone.

        Raises:
            StartFailed: it did not end.
        """
        name = str(arguments["name"])
        _, control = await asyncio.to_thread(controlled, self._settings, name)
        if control.unit:
            unit = unit_of(control)
            progress.update(message=f"systemd stops {unit.name}")
            await units.order(unit, "stop")
            await asyncio.to_thread(forget, self.folder, name)
        else:
            progress.update(message=f"{name} ends")
            ended = await end(self.folder, name, ENDS_WITHIN_S)
            progress.log("has ended" if ended else "did not run")
        progress.update(message=f"{name} is stopped")

    async def restart(self, arguments: Mapping[str, Any], progress: Progress) -> None:
        """Stop a server where it runs, and start it.

        Raises:
            StartFailed: it did not end, or did not start.
        """
        if not any(line.endswith(_AGAIN) for line in progress.lines):  # another venom-tui may have got as far already
            await self.stop(arguments, progress)
            progress.log(_AGAIN)
        await self.start(arguments, progress)


async def _has_begun(begins: asyncio.Future[tuple[Record, bool]]) -> bool:
    """Wait for a thread that cannot be cancelled, however often its waiter is; return whether it began a server."""
    while not begins.done():
        try:
            await asyncio.wait({begins})
        except asyncio.CancelledError:
            continue
    return not begins.cancelled() and begins.exception() is None


def _ready(runtime: Runtime) -> bool:
    if isinstance(runtime, UnidentifiedServer):
        return runtime.found is not None
    return runtime.status().state is RuntimeState.READY


def _failure(sentence: str, lines: list[str], reason: Reason, status: int | None, how: str = "") -> StartFailed:
    clause = how or ending(status)
    if reason.code != "unknown" and reason.clause != clause:
        clause = (
            reason.clause
            if status == -signal.SIGKILL and reason.clause.startswith("it was killed")
            else f"{reason.clause}; {clause}"
        )
    return StartFailed(f"{sentence}: {clause}.", hint=reason.hint, server_message=words(lines, reason))


def _environment() -> dict[str, str]:
    """Return our own environment without what only our processes need."""
    found = dict(os.environ)
    paths = [path for path in found.pop("PYTHONPATH", "").split(os.pathsep) if path and path != _ROOT]
    if paths:
        found["PYTHONPATH"] = os.pathsep.join(paths)
    return found
