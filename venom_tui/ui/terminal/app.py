"""The base of our application: driver, display, signals and memory."""

from __future__ import annotations

import gc
import threading
from typing import Any, TypeVar

from textual.app import App

from venom_tui.ui.terminal.signals import QuitSignals
from venom_tui.ui.terminal.terminal import Terminal

ResultT = TypeVar("ResultT")


class TerminalApp(App[ResultT]):
    """An App whose output never waits for the terminal, which writes only cells that changed, and which ends in order.

    Args:
        plain_output: leave Textual's own driver and renderer in place.
        **arguments: those of `textual.app.App`.
    """

    def __init__(self, *, plain_output: bool = False, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.plain_output = plain_output
        self.terminal = Terminal()
        self.animation_level = "none"
        self._quit_signals = QuitSignals(self.orderly_quit, self._last_resort)

    async def orderly_quit(self, reason: str) -> None:
        """End the application as `quit` does; `reason` is a signal's name or "hangup". Override to save first."""
        self.exit()

    def freeze_memory(self) -> None:
        """Keep the garbage collector away from all that exists now (full collections would stop the loop for long)."""
        gc.freeze()

    async def _ready(self) -> None:
        await super()._ready()
        if not self.is_headless and threading.current_thread() is threading.main_thread():
            self._quit_signals.install()

    async def _shutdown(self) -> None:
        try:
            await super()._shutdown()
        finally:
            self._quit_signals.remove()

    def _last_resort(self) -> None:
        """Restore the terminal when there is no time left for anything else."""
