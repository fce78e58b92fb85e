"""What the process without a terminal opens: the store, and the means to fetch models and to start servers.

No runtimes; the machine is looked at only where a start has failed for want of memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from venom_tui.core.clients.http import HttpPool
from venom_tui.core.events import EventBus
from venom_tui.core.models.pulls import performers as pulls
from venom_tui.core.operations.runner import OperationRunner
from venom_tui.core.owner import Owner
from venom_tui.core.resources.telemetry import Telemetry
from venom_tui.core.servers import performers as servers
from venom_tui.core.settings import Settings
from venom_tui.core.store.database import Database
from venom_tui.core.store.operations import OperationStore
from venom_tui.core.store.settings import SettingsStore
from venom_tui.core.types.device import GuardSnapshot

HOST = f"{__name__}:background"
"""How `operations.worker` is told of it."""


@asynccontextmanager
async def background(settings: Settings) -> AsyncIterator[OperationRunner]:
    """Open it; leaving the block interrupts what runs and writes what is pending."""
    async with AsyncExitStack() as stack:
        events = EventBus()
        stack.callback(events.close)
        owner = await asyncio.to_thread(Owner.current)
        database = await Database.open(settings.data_dir / "venom.db", announce=lambda text: None)
        stack.push_async_callback(database.close)
        settings.load_stored(await SettingsStore(database).load())
        pool = HttpPool()
        stack.push_async_callback(pool.close)
        operations = OperationRunner(OperationStore(database), events, owner)
        stack.push_async_callback(operations.close)
        pulls.register(operations, settings, pool)

        async def look() -> GuardSnapshot:
            telemetry = Telemetry(settings, events, tuple)
            await telemetry.start()
            try:
                return await telemetry.snapshot()
            finally:
                await telemetry.close()

        servers.register(operations, settings, pool, look)
        yield operations
