"""The life of the core: imported and opened beside the screen, closed in order."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from venom_tui.core.errors import VenomError

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.settings import Settings
    from venom_tui.ui.bridge import Bridge

_log = logging.getLogger(__name__)


class CoreLife:
    """Owns the core from its opening to its end.

    Args:
        settings: the settings.
        bridge: carries its events.
        opened: called when it is open.
        ends: called, and waited for, before it is closed.
        gone: called when nobody may use it any more.
        failed: called with the reason where it could not be opened.
    """

    def __init__(
        self,
        settings: Settings,
        bridge: Bridge,
        *,
        opened: Callable[[Core], Awaitable[None]],
        ends: Callable[[Core], Awaitable[None]],
        gone: Callable[[], None],
        failed: Callable[[VenomError], None],
    ) -> None:
        self._settings = settings
        self._bridge = bridge
        self._opened = opened
        self._ends = ends
        self._gone = gone
        self._failed = failed
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def begin(self) -> None:
        """Open the core, once."""
        if self._task is None:
            self._task = asyncio.create_task(self._live(), name="core")

    async def end(self) -> None:
        """Close the core; returns when that is done."""
        self._closing.set()
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _live(self) -> None:
        try:
            core_class = await asyncio.to_thread(_import_core)
            if self._closing.is_set():
                return
            async with core_class(self._settings) as core:
                # Before the sections read how things stand: what happens meanwhile is not missed.
                with core.events.subscribe() as events:
                    carrying = asyncio.create_task(self._bridge.run(events), name="bridge")
                    try:
                        await self._opened(core)
                        await self._closing.wait()
                        await self._ends(core)
                    finally:
                        self._gone()
                        carrying.cancel()
                        await asyncio.wait({carrying})
        except VenomError as failure:
            self._failed(failure)
        except Exception as error:  # noqa: BLE001 (a defect: said on the way out, its trace in the log)
            _log.exception("the core failed")
            self._failed(
                VenomError(
                    f"venom-tui made a mistake ({type(error).__name__}).",
                    hint="The log in the data directory has the details.",
                )
            )


def _import_core() -> type[Core]:
    """Import the core, and what the first answer will need, in a thread.

    Not while the garbage collector may run: a finalizer that imports something in the middle of an import makes that
    fail with a KeyError in Python 3.11 (seen here), and a collection would only stop the screen.
    """
    gc.disable()
    try:
        from venom_tui.core.core import Core
        from venom_tui.ui.screens.chat import conversation  # noqa: F401
        from venom_tui.ui.widgets.transcript.markdown import parser

        parser()
    finally:
        gc.freeze()
        gc.enable()
    return Core
