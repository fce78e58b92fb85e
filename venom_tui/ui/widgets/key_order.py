"""Keys that act in the order in which they were pressed.

Textual runs a widget's bindings when their key has gone up to the application; meanwhile the keys behind it are read by
the widget that had the focus when they came. Where several keys arrive at once (a slow line, a terminal multiplexer, a
macro), one that moves the focus thus comes too late for those behind it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from textual import events
from textual.widget import Widget

from venom_tui.ui.terminal.keys import hand_on, read_anew

_READ_S = 1.0
"""Within this time a widget reads what came before the hold on its keys ends; else it ends all the same."""


async def act_in_order(widget: Widget, event: events.Key, *, screens_too: bool = False) -> None:
    """Run a widget's own binding as it reads the key; what it reads after it lost the focus goes to whoever has it.

    Where a dialog was opened that has no focus yet, it goes to the dialog, but not what is being typed.

    A widget that moves the focus by a key calls this in `on_key`. With `screens_too` the bindings of what is around it
    are run so, too: for a widget in which much is typed.
    """
    focused = widget.app.focused
    if focused is not None and focused is not widget:
        event.stop()
        event.prevent_default()
        hand_on(event, focused)
        return
    if focused is None and not screens_too and not widget.screen.is_active:  # a dialog that is about to be there
        event.stop()
        event.prevent_default()
        hand_on(event, widget.app.screen)
        return
    if event.is_printable and widget.check_consume_key(event.key, event.character):
        return
    active = widget.screen.active_bindings.get(event.key)
    if active is not None and (screens_too or active.node is widget) and active.enabled:
        event.stop()
        event.prevent_default()
        await widget.app.run_action(active.binding.action, active.node)


class HeldKeys:
    """What a widget reads behind a key that opens something: it waits until that has the focus, or did not come.

    Args:
        widget: the widget; it gives `take` all that it reads, first of all.
    """

    def __init__(self, widget: Widget) -> None:
        self._widget = widget
        self._waits: set[object] = set()
        self._held: list[events.Key | events.Paste] = []

    def hold(self) -> Callable[[], object]:
        """Hold what is read from now on; return what ends that, once, behind all that the application was told to do.

        What opens something is to be told to the application (`app.call_later`) before: it mounts a screen and gives
        it the focus ere it reads on.
        """
        wait = object()
        self._waits.add(wait)
        return lambda: self._widget.app.call_later(self._end, wait)

    def take(self, event: events.Key | events.Paste) -> bool:
        """Keep an event while there is something to wait for; return whether it was kept."""
        if not self._waits:
            return False
        event.stop()
        event.prevent_default()
        self._held.append(event)
        return True

    async def _end(self, wait: object) -> None:
        if wait not in self._waits:
            return
        app, read = self._widget.app, asyncio.Event()
        # What the application handed to the widget meanwhile comes before what it reads next.
        if self._widget.call_later(read.set):
            with suppress(TimeoutError):
                async with asyncio.timeout(_READ_S):
                    await read.wait()
        self._waits.discard(wait)
        if self._waits:
            return
        held, self._held = self._held, []
        for event in held:  # as if they came now: bindings that overtake the rest are found
            await read_anew(event, app)
