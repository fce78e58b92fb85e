"""The base of our application: driver, display, signals and memory."""

from __future__ import annotations

import asyncio
import gc
import os
import select
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from textual import events
from textual._ansi_sequences import SYNC_END, SYNC_START
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.actions import ActionParseResult
from textual.app import App
from textual.css.query import NoMatches
from textual.dom import DOMNode
from textual.driver import Driver
from textual.geometry import Offset
from textual.notifications import Notify

from venom_tui.ui.terminal import driver as terminal_driver
from venom_tui.ui.terminal.display import Display
from venom_tui.ui.terminal.driver import TerminalDriver
from venom_tui.ui.terminal.output import open_again
from venom_tui.ui.terminal.screen import TerminalModal, is_there
from venom_tui.ui.terminal.signals import QuitSignals
from venom_tui.ui.terminal.terminal import Terminal

if TYPE_CHECKING:
    from rich.console import RenderableType
    from textual.screen import Screen

ResultT = TypeVar("ResultT")

_LONE_SCROLL_S = 0.1
"""Seconds after which a scroll that no repaint followed is written by itself."""

_WIDGETS_S = 1.0
"""Seconds that a key waits for the widgets of a dialog."""

_LAST_WORDS_S = 1.0
"""Seconds that the terminal is given to take the report of a crash."""


class TerminalApp(App[ResultT]):
    """An App whose output never waits for the terminal, which writes only cells that changed, and which ends in order.

    Args:
        plain_output: leave Textual's own driver and renderer in place.
        ascii_output: write nothing but ASCII.
        **arguments: those of `textual.app.App`.
    """

    light_terminal = False
    """Whether the terminal has told that its background is light."""

    def __init__(self, *, plain_output: bool = False, ascii_output: bool = False, **arguments: Any) -> None:
        self.plain_output = plain_output
        super().__init__(**arguments)
        self.terminal = Terminal(self)
        self.animation_level = "none"
        self._terminal_display = Display(ascii_only=ascii_output, colourless=self.no_color)
        self._frame_missed = False
        self._cursor: Offset | None = None
        self._lone_scroll: asyncio.TimerHandle | None = None
        self._painted = False
        self._quit_signals = QuitSignals(self.orderly_quit, self._last_resort)

    async def orderly_quit(self, reason: str) -> None:
        """End the application as `quit` does; `reason` is "SIGTERM", "SIGHUP" or "hangup". Override to save first."""
        self.exit()

    def first_painted(self) -> None:
        """Called once, when the first frame has been written."""
        self.freeze_memory()

    def freeze_memory(self) -> None:
        """Keep the garbage collector away from all that exists now: full collections would stop the loop for long."""
        gc.freeze()
        gc.enable()

    def action_redraw(self) -> None:
        """Draw the whole screen anew."""
        self._redraw()

    async def on_event(self, event: events.Event) -> None:
        """Read what is typed once the dialog in front has its widgets: one that another task opens is shown before."""
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded and self._screen_stack:
            screen = self.screen
            if isinstance(screen, TerminalModal) and not screen.there.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(_WIDGETS_S):
                        await screen.there.wait()
        await super().on_event(event)

    async def run_action(
        self,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """Perform an action; one of a screen that was closed, whose widgets read their last keys late, does nothing."""
        try:
            return await super().run_action(action, default_namespace, namespaces)
        except NoMatches:
            if default_namespace is None or is_there(default_namespace):
                raise
            return False

    def on_notify(self, event: Notify) -> None:
        """Let a notice take the place of one that says the same: a key that is pressed again fills no screen."""
        new = event.notification
        for old in list(self._notifications):
            if (old.message, old.title, old.severity) == (new.message, new.title, new.severity):
                self._unnotify(old, refresh=False)

    # The driver

    def get_driver_class(self) -> type[Driver]:
        """Return our driver, or the stock one where ours is switched off or cannot work."""
        stock = super().get_driver_class()
        if (
            self.plain_output
            or "TEXTUAL_DRIVER" in os.environ
            or sys.platform != "linux"
            or not terminal_driver.usable()
        ):
            return stock
        return TerminalDriver

    @property
    def _driver_of_ours(self) -> TerminalDriver | None:
        driver = self._driver
        return driver if isinstance(driver, TerminalDriver) else None

    def _terminal_drained(self) -> None:
        """The terminal has taken all that it was late with."""
        if self._frame_missed:
            self.call_later(self._draw_missed)

    def _terminal_lost(self) -> None:
        """The terminal is gone."""
        if self._running and not self._exit:
            self._quit_signals.begin("hangup")

    def _terminal_background(self, luminance: float) -> None:
        """The terminal tells how light its background is, 0 to 1."""
        light = luminance > 0.5
        if light != self.light_terminal:
            self.light_terminal = light
            self.call_later(self.terminal_told_background)

    def terminal_told_background(self) -> None:
        """Take notice that the terminal's background is another one: `light_terminal`."""

    def _terminal_taken_back(self) -> None:
        """The process was stopped and continued."""
        self._redraw()

    # Frames

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        driver = self._driver_of_ours
        if driver is None or driver.output is None:
            super()._display(screen, renderable)
            return
        if not isinstance(renderable, LayoutUpdate | ChopsUpdate):
            if renderable is not None:
                self._terminal_display.invalidate()
                super()._display(screen, renderable)
            return
        try:
            if self._batch_count or not self._running or self._closed:
                return
            if driver.output.busy:
                self._frame_missed = True
                return
            if self._terminal_display.fit(*screen.size) or self._frame_missed:
                self._frame_missed = False
                renderable = self._whole(screen)
            self._write_frame(driver, renderable)
        finally:
            self.post_display_hook()

    def _whole(self, screen: Screen[Any]) -> LayoutUpdate:
        update = screen._compositor.render_update(full=True, screen_stack=self._background_screens)
        assert isinstance(update, LayoutUpdate)
        return update

    def _write_frame(self, driver: TerminalDriver, update: LayoutUpdate | ChopsUpdate | None) -> None:
        """Write what an update changes, as one piece; nothing where nothing changes."""
        assert driver.output is not None
        text, pieces = self._terminal_display.render(update, self.console._color_system)
        cursor = self.screen.outer_size.clamp_offset(self.cursor_position)
        if not text and cursor == self._cursor:
            return
        self._cursor = self._previous_cursor_position = cursor
        # Where the hidden cursor stands matters to input methods only.
        text += f"\x1b[{cursor.y + 1};{cursor.x + 1}H"
        if pieces > 1 and self._sync_available:
            text = f"{SYNC_START}{text}{SYNC_END}"
        driver.output.write(text.encode("utf-8", "replace"))
        if not self._painted:
            self._painted = True
            self.call_later(self.first_painted)

    def _draw_missed(self) -> None:
        """Draw the newest state after frames were dropped."""
        driver = self._driver_of_ours
        if self._frame_missed and driver is not None and self._running and self._screen_stack:
            self._display(self.screen, self._whole(self.screen))

    def _redraw(self) -> None:
        """Forget what the terminal shows and draw everything."""
        self._terminal_display.invalidate()
        self._cursor = None
        if self._running and self._screen_stack:
            self.screen.refresh()

    def _scrolled(self) -> None:
        """A scroll waits to be written with the next frame."""
        # Counted from the last one: while one follows another, the frames between them draw what came into view.
        if self._lone_scroll is not None:
            self._lone_scroll.cancel()
        self._lone_scroll = asyncio.get_running_loop().call_later(_LONE_SCROLL_S, self._complete_scroll)

    def _complete_scroll(self) -> None:
        """Write a scroll that no frame took along; draw rows that came into view and were not drawn."""
        self._lone_scroll = None
        driver = self._driver_of_ours
        if driver is None or driver.output is None or not self._running or not self._screen_stack:
            return
        if self._terminal_display.pending and not driver.output.busy:
            self._write_frame(driver, None)
        if not self._terminal_display.known():
            self.screen.refresh()

    async def _on_resize(self, event: events.Resize) -> None:
        # Textual calls the handler of every base class, App's too.
        # What was drawn last has this size, too: there was another one in between, and the terminal has moved its text.
        # (Textual takes several sizes as one, so that its own size may be the one in between.)
        if self._painted and event.size == (self._terminal_display.width, self._terminal_display.height):
            self._redraw()

    # Begin and end

    async def _ready(self) -> None:
        await super()._ready()
        if not self.is_headless and threading.current_thread() is threading.main_thread():
            self._quit_signals.install()

    async def _shutdown(self) -> None:
        if self._lone_scroll is not None:
            self._lone_scroll.cancel()
        try:
            await super()._shutdown()
        finally:
            self._quit_signals.remove()

    def _last_resort(self) -> None:
        """Restore the terminal when there is no time left for anything else."""
        if (driver := self._driver_of_ours) is not None:
            driver.restore_in_haste()

    def _print_error_renderables(self) -> None:
        """Print what was left to say (a crash, an exit message) without waiting for a terminal that nobody reads."""
        if self._driver_of_ours is None:
            super()._print_error_renderables()
            return
        console = self.error_console
        with console.capture() as capture:
            super()._print_error_renderables()
        data = memoryview(capture.get().encode("utf-8", "replace"))
        if not data:
            return
        if not os.isatty(2):
            os.write(2, data)
            return
        try:
            descriptor = open_again(2)
        except OSError:
            return
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        deadline = time.monotonic() + _LAST_WORDS_S
        try:
            while data and (left := deadline - time.monotonic()) > 0 and poll.poll(left * 1000):
                data = data[os.write(descriptor, data) :]
        except OSError:
            return
        finally:
            os.close(descriptor)
