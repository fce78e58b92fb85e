"""The core: opens the services in order, closes them in reverse, and does nothing else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType

from venom_tui.core.background import HOST
from venom_tui.core.chat.orchestrator import Orchestrator
from venom_tui.core.clients.http import HttpPool
from venom_tui.core.errors import ReadOnly, StoreError, VenomError
from venom_tui.core.events import EventBus, ModelsChanged, OperationChanged, SessionsChanged, StoreTrouble
from venom_tui.core.models.facts import Facts
from venom_tui.core.models.fit.service import FitService
from venom_tui.core.models.manager import ModelManager
from venom_tui.core.models.memory.marks import Marks
from venom_tui.core.models.memory.planning import Planner
from venom_tui.core.models.memory.service import ModelMemory
from venom_tui.core.models.memory.watch import LimitWatch
from venom_tui.core.models.outside import Outside
from venom_tui.core.models.pulls.service import Pulls
from venom_tui.core.models.pulls.unfinished import PULL
from venom_tui.core.models.registry import ModelRegistry
from venom_tui.core.models.versions.service import VersionService
from venom_tui.core.operations.runner import OperationRunner
from venom_tui.core.operations.worker import spawn
from venom_tui.core.owner import Owner
from venom_tui.core.resources.telemetry import Telemetry
from venom_tui.core.routing.router import ModelRouter
from venom_tui.core.runtimes.controller import LlmServerController
from venom_tui.core.servers.control import ServerControl
from venom_tui.core.settings import Settings, parse_value
from venom_tui.core.settings.keys import BY_NAME
from venom_tui.core.store.catalog import CatalogStore
from venom_tui.core.store.database import Database
from venom_tui.core.store.estimates import EstimateStore
from venom_tui.core.store.held import HeldStore
from venom_tui.core.store.operations import OperationStore
from venom_tui.core.store.sessions import SessionStore
from venom_tui.core.store.settings import SettingsStore
from venom_tui.core.store.versions import VersionStore
from venom_tui.core.store.watch import StoreWatch
from venom_tui.core.types.operation import Operation, OperationState

_log = logging.getLogger(__name__)


class Core:
    """Everything that venom-tui does, without a user interface.

    `async with Core(settings) as core:` opens the store first and everything else after it; leaving the block stops the
    answers (kept as interrupted), ends the embedded runtime, writes what is pending and closes the store.

    Raises (on entering):
        StoreTooNew: the database was written by a newer venom-tui.
        StoreError: the data directory cannot be used.
    """

    events: EventBus
    sessions: SessionStore
    operations: OperationRunner
    runtimes: LlmServerController
    models: ModelManager
    registry: ModelRegistry
    router: ModelRouter
    guard: Telemetry
    fits: FitService
    limits: LimitWatch
    servers: ServerControl
    versions: VersionService
    chat: Orchestrator
    database: Database

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.events = EventBus()
        self._stack = AsyncExitStack()
        self._behind: set[asyncio.Task[None]] = set()
        self._saving = asyncio.Lock()

    async def __aenter__(self) -> Core:
        try:
            await self._open()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def _open(self) -> None:
        settings, events, stack = self.settings, self.events, self._stack
        stack.callback(events.close)
        owner = await asyncio.to_thread(Owner.current)
        path = settings.data_dir / "venom.db"
        self.database = await Database.open(path, announce=lambda text: events.emit(StoreTrouble(text)))
        stack.push_async_callback(self.database.close)
        self._settings_store = SettingsStore(self.database)
        settings.load_stored(await self._settings_store.load())
        self.sessions = SessionStore(self.database, events, owner)
        stack.push_async_callback(self.sessions.close)
        self.operations = OperationRunner(OperationStore(self.database), events, owner)
        pool = HttpPool()
        stack.push_async_callback(pool.close)
        self.runtimes = LlmServerController(settings, pool, self.operations, events)
        stack.push_async_callback(self.runtimes.close)
        await self.runtimes.start()
        # Before the runtimes: a load that goes on is interrupted, and does not fail because its server was ended.
        stack.push_async_callback(self.operations.close)
        catalog = CatalogStore(self.database)
        self.models = ModelManager(
            settings, self._settings_store, self.runtimes, self.operations, events, Facts(catalog)
        )
        self.registry = ModelRegistry(
            settings, pool, self._settings_store, catalog, self.runtimes, self.operations, events, self.models
        )
        outside = Outside(settings, pool, catalog)
        self.models.pulls = Pulls(settings, pool, self.runtimes, self.operations, outside, owner)
        self.router = ModelRouter(self.models, self.runtimes)
        self.guard = Telemetry(settings, events, self.runtimes.loaded)
        await self.guard.start()
        stack.push_async_callback(self.guard.close)
        self.fits = FitService(
            settings, pool, self.runtimes, self.registry, EstimateStore(self.database), self.guard, events
        )
        await self.fits.start()
        stack.push_async_callback(self.fits.close)
        self.servers = ServerControl(settings, pool, self.operations, events, self.runtimes, self.fits, self.guard)
        await self.servers.start_watching()
        stack.push_async_callback(self.servers.close)
        self.versions = VersionService(
            settings, VersionStore(self.database), self._settings_store, self.models, self.runtimes, self.operations,
            self.fits,
        )  # fmt: skip
        marks = Marks(HeldStore(self.database), self.runtimes)
        planner = Planner(settings, self.runtimes, self.fits, self.guard, marks)
        self.models.memory = ModelMemory(
            settings, self._settings_store, self.runtimes, self.operations, self.models, planner, marks, self.guard
        )
        self.limits = LimitWatch(settings, events, self.operations, planner, self.models.memory)
        stack.push_async_callback(self.limits.close)
        self.chat = Orchestrator(settings, events, self.sessions, self.models, self.router, self.guard)
        stack.push_async_callback(self.chat.close)
        watch = StoreWatch(path, self._changed_elsewhere, elsewhere=self.database.changed_elsewhere)
        await watch.start()
        stack.push_async_callback(watch.close)
        await self.sessions.recover()
        await self.operations.recover()
        self.operations.noticed()
        stack.push_async_callback(self._end_behind)
        self._run_behind(self._renew_models())
        self._expiry = self._run_behind(self._expire())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def save_setting(self, name: str, value: str | None) -> None:
        """Change one of the settings that the program keeps itself (see `Key.stored`); None takes the change back.

        Raises:
            ReadOnly: venom-tui runs read-only.
            UsageError: the value is not of the key's kind.
            StoreError: it could not be written.
        """
        await self.save_settings({name: value})

    async def save_settings(self, values: Mapping[str, str | None]) -> None:
        """Change several of these settings at once, all or none; see `save_setting`."""
        if self.settings.flag("VENOM_READ_ONLY"):
            raise ReadOnly("venom-tui runs read-only: settings stay as they are.", hint="Start it without --read-only.")
        for name, value in values.items():
            if value is not None:
                parse_value(BY_NAME[name], value)
        async with self._saving:
            before = {name: self.settings.stored(name) for name in values}
            for name, value in values.items():
                self.settings.set_stored(name, value)
            try:
                await self._settings_store.save_all(values)
            except StoreError:
                for name, stored in before.items():
                    self.settings.set_stored(name, stored)
                raise

    async def leave_running(self) -> list[Operation]:
        """Let pulls go on in a process without a terminal; called before the core is closed. Return which.

        Raises:
            OperationRefused: no such process can be started; everything goes on here.
        """
        return await self.operations.hand_over(self.start_background)

    async def start_background(self, operation_ids: Sequence[str]) -> None:
        """Start a process without a terminal that adopts operations.

        Raises:
            OperationRefused: it cannot be started.
        """
        await spawn(HOST, self.settings, operation_ids)

    def _changed_elsewhere(self) -> None:
        """Take notice that another venom-tui wrote to the store."""
        self.events.emit(SessionsChanged(None))
        self.operations.noticed()
        self._run_behind(self._renew_active())
        self._run_behind(self._renew_limits())

    async def _renew_limits(self) -> None:
        """Take over the limits that another venom-tui has set: they are those of the machine, not of one program."""
        async with self._saving:
            try:
                stored = await self._settings_store.load()
            except StoreError as failure:
                _log.warning("limits that others set were not read: %s", failure.message)
                return
            limits = self.limits.settings()
            names = [one.name for one in limits] + [one.policy_name for one in limits if one.policy_name]
            for name in names:
                self.settings.set_stored(name, None)
            self.settings.load_stored({name: stored[name] for name in names if name in stored})

    def _run_behind(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._behind.add(task)
        task.add_done_callback(self._behind.discard)
        return task

    async def _end_behind(self) -> None:
        tasks = list(self._behind)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _renew_models(self) -> None:
        """Look at models again when a pull has ended, whichever process did it."""
        with self.events.subscribe() as events:
            async for event in events:
                if not isinstance(event, OperationChanged) or event.operation.kind != PULL:
                    continue
                if event.operation.state is OperationState.SUCCEEDED:
                    try:
                        await self.models.list(refresh=True)
                    except VenomError as failure:
                        _log.warning("models were not looked at after a pull: %s", failure.message)
                    self.events.emit(ModelsChanged())

    async def _renew_active(self) -> None:
        """Follow another venom-tui that let another model answer."""
        try:
            await self.models.renew_active()
        except VenomError as failure:
            _log.warning("it was not read which model answers: %s", failure.message)

    async def _expire(self) -> None:
        """Remove what the retention settings say is too old; behind everything else."""
        settings = self.settings
        if settings.flag("VENOM_READ_ONLY"):
            return
        try:
            await self.sessions.expire(
                sessions_days=settings.int("SESSION_TTL_DAYS"), traces_days=settings.int("TRACE_TTL_DAYS")
            )
            await self.operations.expire(settings.int("OPERATION_TTL_DAYS"))
        except StoreError as failure:
            _log.warning("retention was not applied: %s", failure.message)
