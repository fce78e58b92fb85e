"""Runs what a command does with the core: the event loop, the signals, and an orderly end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, ClassVar, TypeVar

from venom_tui.cli.logs import log_to_file
from venom_tui.cli.output import note
from venom_tui.core.errors import Interrupted
from venom_tui.core.settings import Settings, load_settings

if TYPE_CHECKING:
    from venom_tui.core.core import Core

T = TypeVar("T")

ALL_ASKED_WITHIN_S = 10.0
"""Seconds that a listing waits for servers, each of which has a shorter limit of its own."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PATIENCE_S = 1.0
"""Seconds after which a further Ctrl-C no longer waits for the orderly end."""


def settings_of(flags: Mapping[str, object]) -> Settings:
    """Return the settings of this command, and begin to log where they say.

    Raises:
        UsageError: one of them is not legal.
    """
    settings = load_settings(flags)
    log_to_file(settings)
    return settings


def run_with_core(work: Callable[[Core], Awaitable[T]], flags: Mapping[str, object]) -> T:
    """Open the core, do the work and close the core again.

    SIGINT, SIGTERM and SIGHUP cancel the work, which may then say in an Interrupted of its own what was kept;
    everything is written before the process ends.

    Raises:
        Interrupted: a signal ended it.
        VenomError: what the core or the work says.
    """

    async def in_core(settings: Settings) -> T:
        from venom_tui.core.core import Core

        async with Core(settings) as core:
            for notice in core.database.notices:
                note(f"venom-tui: {notice}")
            return await work(core)

    return run_with_settings(in_core, flags)


def run_with_settings(work: Callable[[Settings], Awaitable[T]], flags: Mapping[str, object]) -> T:
    """Do work that needs no core, in an event loop; signals cancel it as they do in `run_with_core`.

    Raises:
        Interrupted: a signal ended it.
        VenomError: what the work says.
    """
    settings = settings_of(flags)

    async def interruptible() -> T:
        interrupts = _Interrupts()
        try:
            return await work(settings)
        except asyncio.CancelledError:
            if interrupts.received is None:
                raise
            raise Interrupted("Interrupted.") from None

    return asyncio.run(interruptible())


def hung_up() -> bool:
    """Return whether it is the end of the terminal that ends this command."""
    return _Interrupts.last is signal.SIGHUP


class _Interrupts:
    """Turns signals into the cancellation of the task that makes this object."""

    last: ClassVar[signal.Signals | None] = None
    """What this process received first."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._since = 0.0
        for number in _SIGNALS:
            # What is ignored from the start (nohup, a job in the background) stays ignored.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._loop.add_signal_handler(number, self._receive, number)

    def _receive(self, number: int) -> None:
        if self.received is None:
            self.received = number
            _Interrupts.last = signal.Signals(number)
            self._since = self._loop.time()
            if self._task is not None:
                self._task.cancel()
        elif number == signal.SIGINT and self._loop.time() - self._since > _PATIENCE_S:
            # The store stands a kill at any moment, and the embedded runtime ends with us.
            os._exit(Interrupted.exit_code)
