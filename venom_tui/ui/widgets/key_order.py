"""Keys that act in the order in which they were pressed.

Textual runs a widget's bindings when their key has gone up to the application; meanwhile the keys behind it are read by
the widget that had the focus when they came. Where several keys arrive at once (a slow line, a terminal multiplexer, a
macro), one that moves the focus thus comes too late for those behind it.
"""

from __future__ import annotations

from textual import events
from textual.widget import Widget

from venom_tui.ui.terminal.keys import hand_on


async def act_in_order(widget: Widget, event: events.Key, *, screens_too: bool = False) -> None:
    """Run a widget's own binding as it reads the key; what it reads after it lost the focus goes to whoever has it.

    A widget that moves the focus by a key calls this in `on_key`. With `screens_too` the bindings of what is around it
    are run so, too: for a widget in which much is typed.
    """
    focused = widget.app.focused
    if focused is not None and focused is not widget:
        event.stop()
        event.prevent_default()
        hand_on(event, focused)
        return
    if event.is_printable and widget.check_consume_key(event.key, event.character):
        return
    active = widget.screen.active_bindings.get(event.key)
    if active is not None and (screens_too or active.node is widget) and active.enabled:
        event.stop()
        event.prevent_default()
        await widget.app.run_action(active.binding.action, active.node)
