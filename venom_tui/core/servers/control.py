"""The servers that this machine controls: what is known of each, and starting, stopping and restarting them."""

from __future__ import annotations

import asyncio
import logging
import os
from dataclasses import replace

from venom_tui.core.clients.http import HttpPool
from venom_tui.core.errors import OperationRefused, ReadOnly, VenomError
from venom_tui.core.events import EventBus, OperationChanged, ServerChanged
from venom_tui.core.models.fit.service import FitService, Guard
from venom_tui.core.operations.runner import OperationRunner, Terms
from venom_tui.core.owner import Owner
from venom_tui.core.runtimes.configured import of_table, url_of
from venom_tui.core.runtimes.controller import LlmServerController
from venom_tui.core.runtimes.ports import folder_of
from venom_tui.core.runtimes.runtime import silent
from venom_tui.core.servers import units
from venom_tui.core.servers.admission import Admission, Admitted, Notice
from venom_tui.core.servers.logs import log_path, size, tail
from venom_tui.core.servers.performers import RESTART, START, STOP, controlled, register, unit_of
from venom_tui.core.servers.records import Record, read_record
from venom_tui.core.servers.seeing import moment, shown_of, with_record
from venom_tui.core.settings import ControlTable, RuntimeTable, Settings, read_runtimes
from venom_tui.core.types.operation import Operation
from venom_tui.core.types.runtime import RuntimeState
from venom_tui.core.types.server import Server, ServerState

_log = logging.getLogger(__name__)

_LOOK_S = 2.0
"""Between two looks at what runs; the end of a process is noticed at once where the kernel tells it."""
_UNITS_S = 10.0
_AGAIN_S = (0.3, 1.0)
_NEWEST = 100
"""Operations among which those of a server are looked for."""
VERBS = (START, STOP, RESTART)
_OPEN = Admitted()


class ServerControl:
    """Starts and stops; knows which process is whose."""

    def __init__(
        self,
        settings: Settings,
        pool: HttpPool,
        operations: OperationRunner,
        events: EventBus,
        runtimes: LlmServerController,
        fits: FitService,
        guard: Guard,
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._operations = operations
        self._events = events
        self._runtimes = runtimes
        self._admission = Admission(settings, fits, guard)
        self._folder = folder_of(settings.data_dir)
        self._tables: dict[str, tuple[RuntimeTable, ControlTable]] = {}
        self._servers: dict[str, Server] = {}
        self._held: dict[str, tuple[Owner, int]] = {}
        """Processes of ours that the kernel tells us the end of: name -> which, descriptor."""
        self._units_at = float("-inf")
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        register(operations, settings, pool, guard.snapshot)

    async def start_watching(self) -> None:
        """See what runs, and go on looking.

        Raises:
            UsageError: config.toml is wrong.
        """
        tables = await asyncio.to_thread(read_runtimes, self._settings.config_dir / "config.toml")
        self._tables = {table.name: (table, table.control) for table in tables if table.control is not None}
        if not self._tables:
            return
        for name, (_, control) in self._tables.items():
            if control.unit:
                self._servers[name] = Server(
                    name, "unit", ServerState.STOPPED, detail="not asked yet", unit=control.unit
                )
        # systemd, which may take its time, is asked behind the opening.
        await self._look(units_too=False)
        self._wake.set()
        self._tasks = [
            asyncio.create_task(self._look_on(), name="look at servers"),
            asyncio.create_task(self._follow(), name="follow operations of servers"),
        ]

    async def close(self) -> None:
        """Look no more; servers go on."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for name in tuple(self._held):
            self._let_go(name)

    # ------------------------------------------------------------------ what is known

    def all(self) -> tuple[Server, ...]:
        """Return the servers that are controlled here, as they were seen last."""
        return tuple(self._servers.values())

    def get(self, name: str) -> Server | None:
        """Return one of them, None for what is not controlled here."""
        return self._servers.get(name)

    async def look(self) -> None:
        """Look at all of them now."""
        self._units_at = asyncio.get_running_loop().time()
        await self._look(units_too=True)

    async def _look(self, *, units_too: bool) -> None:
        here = await asyncio.to_thread(Owner.current)
        for name, (table, control) in self._tables.items():
            if control.unit and not units_too:
                continue
            server = await self._seen(table, control, here)
            before = self._servers.get(name)
            self._servers[name] = server
            if before is not None and before != server:
                self._events.emit(ServerChanged(server))
                if before.url != server.url:
                    await self._moved(table)
                self._runtimes.wake(name)

    async def log(self, name: str, count: int = 200) -> list[str]:
        """Return the last lines of a server's log, sanitized.

        Raises:
            UsageError: it is not controlled here.
        """
        _, control = await self._controlled(name)
        if control.unit:
            return await units.log(unit_of(control), count)
        return await asyncio.to_thread(tail, log_path(self._settings.data_dir, name), count)

    async def log_mark(self, name: str) -> object:
        """Return something that is another one when the log says more; None where that cannot be known (a journal)."""
        server = self.get(name)
        if server is None or not server.log_path:
            return None
        return server.started_at, await asyncio.to_thread(size, log_path(self._settings.data_dir, name))

    # ------------------------------------------------------------------ what is done

    async def start(
        self,
        name: str,
        cause: str = "user",
        *,
        waiting: bool = False,
        yes: bool = False,
        force: bool = False,
        notice: Notice = silent,
    ) -> Operation:
        """Begin to start a server and return the operation, which has succeeded when it answers.

        One that is being started already, by whichever venom-tui, is joined. With `waiting` it is left to a process
        that is started next. `yes`, `force` and `notice`: see `Admission.admit`.

        Raises:
            UsageError: it is not controlled here.
            ReadOnly: venom-tui runs read-only.
            OperationRefused: it runs, or somebody else answers at its address.
            GuardRefused: it would break a limit whose policy refuses.
            NeedsYes: it would break one whose policy asks, and nobody said yes.
        """
        if (running := await self._starting(name)) is not None:
            return running
        try:
            await self._check(name, START)
        except OperationRefused:
            # Somebody may have begun to start it in this very moment.
            if (running := await self._starting(name)) is not None:
                return running
            raise
        admitted = await self._admit(name, yes=yes, force=force, notice=notice)
        return await self._submit(START, name, cause, admitted, waiting=waiting)

    async def stop(self, name: str, cause: str = "user") -> Operation:
        """Begin to stop a server and return the operation; a start that is under way is cancelled.

        Raises:
            UsageError: it is not controlled here.
            ReadOnly: venom-tui runs read-only.
            OperationRefused: it does not run, or venom-tui did not start it.
        """
        if not await self._cancel_start(name):
            await self._check(name, STOP)
        return await self._submit(STOP, name, cause)

    async def restart(
        self, name: str, cause: str = "user", *, yes: bool = False, force: bool = False, notice: Notice = silent
    ) -> Operation:
        """Begin to stop and start a server and return the operation; what it holds itself breaks no limit.

        Raises:
            UsageError: it is not controlled here.
            ReadOnly: venom-tui runs read-only.
            OperationRefused: venom-tui did not start it.
            GuardRefused, NeedsYes: see `start`; it runs on.
        """
        await self._check(name, RESTART)
        admitted = await self._admit(name, yes=yes, force=force, notice=notice)
        await self._cancel_start(name)
        return await self._submit(RESTART, name, cause, admitted)

    async def _admit(self, name: str, *, yes: bool, force: bool, notice: Notice) -> Admitted:
        _, control = await self._controlled(name)
        server = self.get(name)
        pid = None if server is None else server.pid
        return await self._admission.admit(name, control, pid, yes=yes, force=force, notice=notice)

    async def _starting(self, name: str) -> Operation | None:
        """Return the operation that starts a server just now."""
        for one in await self._operations.list(_NEWEST):
            if one.kind == START and one.target == name and not one.state.final:
                return one
        return None

    async def _submit(
        self, kind: str, name: str, cause: str, admitted: Admitted = _OPEN, *, waiting: bool = False
    ) -> Operation:
        arguments: dict[str, object] = {"name": name}
        if admitted.share is not None:
            arguments["utilization"] = admitted.share
        if admitted.notes:
            arguments["notes"] = admitted.notes
        terms = Terms(queue=f"server {name}", claim=f"{kind} server {name}", arguments=arguments)
        return await self._operations.submit(kind, name, terms, runtime=name, cause=cause, waiting=waiting)

    async def _cancel_start(self, name: str) -> bool:
        """Cancel what starts a server, which ends it again; return whether anything did."""
        self._check_writable()
        await self._controlled(name)
        found = False
        for one in await self._operations.list(_NEWEST):
            if one.kind in (START, RESTART) and one.target == name and not one.state.final:
                await self._operations.cancel(one.id)
                found = True
        return found

    async def _check(self, name: str, verb: str) -> None:
        self._check_writable()
        await self._controlled(name)
        await self.look()
        await self._runtimes.look(name)
        server = self.get(name)
        assert server is not None
        if why := self.refused(server).get(verb):
            raise OperationRefused(f"{name} is not {_DONE[verb]}: {why}.")

    def _check_writable(self) -> None:
        if self._settings.flag("VENOM_READ_ONLY"):
            raise ReadOnly(
                "venom-tui runs read-only: no server is started or stopped.", hint="Start it without --read-only."
            )

    async def _controlled(self, name: str) -> tuple[RuntimeTable, ControlTable]:
        if name not in self._tables:
            self._runtimes.runtime(name)  # says so where there is no such runtime at all
            return await asyncio.to_thread(controlled, self._settings, name)
        return self._tables[name]

    def refused(self, server: Server) -> dict[str, str]:
        """Return which of `start`, `stop` and `restart` cannot be done with a server now, and why."""
        why = dict(server.refused)
        runtime = self._runtimes.find(server.id)
        answers = runtime is not None and runtime.status().state in (
            RuntimeState.READY, RuntimeState.BUSY, RuntimeState.LOADING
        )  # fmt: skip
        if answers and not server.ours and not server.unit and server.state is not ServerState.ELSEWHERE:
            foreign = f"what answers at {server.url} was not started by venom-tui"
            why |= dict.fromkeys(VERBS, foreign)
        return why

    # ------------------------------------------------------------------ looking

    async def _look_on(self) -> None:
        while True:
            try:
                async with asyncio.timeout(_LOOK_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                # To ask systemd costs a process each time.
                if asyncio.get_running_loop().time() - self._units_at > _UNITS_S:
                    await self.look()
                else:
                    await self._look(units_too=False)
            except Exception:  # noqa: BLE001 (a defect must not blind us for good)
                _log.exception("a look at the servers failed")

    async def _follow(self) -> None:
        """Look when an operation of a server, of whichever venom-tui, has begun or ended."""
        with self._events.subscribe() as events:
            async for event in events:
                if isinstance(event, OperationChanged) and event.operation.kind in VERBS:
                    self._wake.set()

    async def _seen(self, table: RuntimeTable, control: ControlTable, here: Owner) -> Server:
        record = await asyncio.to_thread(read_record, self._folder, table.name)
        url = await asyncio.to_thread(url_of, table, self._settings)
        if control.unit:
            return await self._unit_seen(table, control, record, url)
        lives = None if record is None else await asyncio.to_thread(record.alive, here)
        self._hold(table.name, record if lives else None)
        server = Server(
            table.name,
            "profile" if control.profile is not None else "command",
            ServerState.STOPPED,
            command=shown_of(control, url) if record is None else record.command,
            url=url,
            log_path=str(log_path(self._settings.data_dir, table.name)),
        )
        return with_record(server, record, lives)

    async def _unit_seen(self, table: RuntimeTable, control: ControlTable, record: Record | None, url: str) -> Server:
        unit = unit_of(control)
        state = await units.look(unit)
        owner = "the user's systemd" if unit.user else "systemd"
        server = Server(table.name, "unit", ServerState.STOPPED, url=url, unit=unit.name, pid=state.pid)
        if state.reason:
            return replace(server, detail=state.reason, refused=dict.fromkeys(VERBS, state.reason))
        ours = record is not None and bool(state.invocation) and record.invocation == state.invocation
        detail = f"{owner}: {state.active}{f' ({state.sub})' if state.sub else ''}"
        if state.active in ("active", "activating", "reloading"):
            return replace(
                server, state=ServerState.RUNS, ours=ours, detail=detail, refused={START: "it runs already"},
                started_at=moment(record.started_at) if ours and record is not None else None,
            )  # fmt: skip
        failed = state.active == "failed"
        if failed:
            detail += f": {state.result}"
        kind = ServerState.ENDED if failed else ServerState.STOPPED
        return replace(server, state=kind, detail=detail, refused={STOP: "it does not run"})

    async def _moved(self, table: RuntimeTable) -> None:
        """Ask a server at its new address from now on."""
        try:
            self._runtimes.replace(await asyncio.to_thread(of_table, table, self._settings, self._pool))
        except VenomError as failure:
            _log.warning("%s: %s", table.name, failure.message)

    def _hold(self, name: str, record: Record | None) -> None:
        """Have the kernel tell when a process of ours ends."""
        process = None if record is None else record.server
        held = self._held.get(name)
        if held is not None and held[0] != process:
            self._let_go(name)
        if process is None or name in self._held or not hasattr(os, "pidfd_open"):
            return
        try:
            descriptor = os.pidfd_open(process.pid)
        except OSError:
            return
        self._held[name] = process, descriptor
        asyncio.get_running_loop().add_reader(descriptor, self._process_ended, name)

    def _process_ended(self, name: str) -> None:
        self._let_go(name)
        self._wake.set()
        for later in _AGAIN_S:  # its keeper writes in a moment how it ended
            asyncio.get_running_loop().call_later(later, self._wake.set)

    def _let_go(self, name: str) -> None:
        _, descriptor = self._held.pop(name)
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)


_DONE = {START: "started", STOP: "stopped", RESTART: "restarted"}
