"""The base of our screens: an update renders the widgets that it shows, and no others."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from itertools import chain
from typing import Any

from textual import events
from textual._compositor import ChopsUpdate, Compositor
from textual.app import App
from textual.await_complete import AwaitComplete
from textual.binding import Binding
from textual.css.query import NoMatches
from textual.dom import DOMNode
from textual.geometry import Offset, Region
from textual.message import Message
from textual.screen import ModalScreen, Screen, ScreenResultType
from textual.strip import Strip
from textual.widget import Widget


class FrugalCompositor(Compositor):
    """Textual's compositor, which (8.2.8) renders for one changed row every widget that shares a container with it."""

    _changed: Collection[Region] = ()
    """What is to be painted anew by an update of a part of the screen."""

    def render_partial_update(self) -> ChopsUpdate | None:
        """Return what changed, None where nothing did."""
        self._changed = tuple(self._dirty_regions)
        try:
            return super().render_partial_update()
        finally:
            self._changed = ()

    def _get_renders(self, crop: Region | None = None) -> Iterator[tuple[Region, Region, list[Strip]]]:
        """Yield region, clip and strips of what is seen of what changed, else of `crop`, front to back."""
        wanted = list(self._changed or (() if crop is None else (crop,)))
        for widget, (region, clip) in self.visible_widgets.items():
            visible = region.intersection(clip)
            if not visible or (crop and not any(part.overlaps(visible) for part in wanted)):
                continue
            yield region, clip, widget.render_lines(visible.translate(-region.offset))
            if crop:
                # What is behind it is not seen.
                wanted = [part for part in wanted if not visible.contains_region(part)]
                if not wanted:
                    return


class SteadyScreen(Screen[ScreenResultType]):
    """A screen that is not misled by what comes late: a press on what is gone, a size that is not the newest.

    A press of the mouse finds no widget that was taken away since the last picture. Textual (8.2.8) begins a selection
    in the parent of what it finds, and what is gone has none: a click on an expired toast would end the program.

    A size that is not the terminal's any more is left alone. With a dialog over it a screen is resized by the dialog,
    too, and tells itself each change of its size; two sizes among its messages, an old one behind the new one, would
    follow each other for ever, and nothing else would be done any more.
    """

    async def _dispatch_message(self, message: Message) -> None:
        """Take a message; one that is read once the screen was closed may miss its widgets, and is nothing then."""
        try:
            await super()._dispatch_message(message)
        except NoMatches:
            if is_open(self):
                raise

    async def _on_resize(self, event: events.Resize) -> None:
        if event.size != self.app.size:
            event.prevent_default()
            event.stop()

    def get_widget_and_offset_at(self, x: int, y: int) -> tuple[Widget | None, Offset | None]:
        """Return the widget at a place of the screen with the place in its text; None for what is not known."""
        widget, offset = super().get_widget_and_offset_at(x, y)
        gone = widget is not None and widget is not self and widget.parent is None
        return (None, None) if gone else (widget, offset)


class TerminalScreen(SteadyScreen[ScreenResultType]):
    """A screen of a `TerminalApp`."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._compositor = FrugalCompositor()


class TerminalModal(SteadyScreen[ScreenResultType], ModalScreen[ScreenResultType]):
    """A dialog of a `TerminalApp`. What is typed before it has its widgets is read by the one that gets the focus."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._early: list[events.Event] | None = []
        self.there = asyncio.Event()
        """Set once it has its widgets and one of them the focus."""

    def _forward_event(self, event: events.Event) -> None:
        if self._early is not None and isinstance(event, events.Key | events.Paste):
            self._early.append(event)
        else:
            super()._forward_event(event)

    def on_mount(self) -> None:
        """Read what came meanwhile: the widgets are there, and one of them has the focus."""
        early, self._early = self._early or [], None
        for event in early:
            (self.focused or self)._forward_event(event)
        self.there.set()

    def dismiss(self, result: ScreenResultType | None = None) -> AwaitComplete:
        """Close this dialog with an answer; one that is not in front any more does nothing.

        Textual (8.2.8) would close whatever is in front then, and end the program where that is a section: seen where
        esc was read behind the key of a section, which overtakes it.
        """
        return super().dismiss(result) if self.is_active else AwaitComplete()


def close_dialogs(app: App[Any]) -> None:
    """Answer the dialogs that lie over the section in front with None, the topmost first.

    `App.pop_screen` would leave whoever waits for the answer of one waiting for ever.
    """
    while isinstance(app.screen, ModalScreen):
        app.screen.dismiss(None)


def is_open(screen: Screen[Any]) -> bool:
    """Return whether a screen is shown, or lies below others or in another mode: it was not closed."""
    return any(screen in stack for stack in screen.app._screen_stacks.values())


def is_there(node: DOMNode) -> bool:
    """Return whether a node can be acted on: the application, or what lies on a screen that was not closed.

    A closed screen leaves its stack at once, and loses its widgets before it is detached itself.
    """
    return isinstance(node, App) or (node.is_attached and is_open(node.screen))


def binding_on(screen: Screen[Any], binding_id: str) -> Binding | None:
    """Return a binding of a screen, of its widgets or of the application, with the first of the user's own keys.

    It need not act now; that it does is told by `Screen.active_bindings`.
    """
    given = screen.app._keymap.get(binding_id)
    for node in (screen, *screen.walk_children(), screen.app):
        for binding in chain.from_iterable(node._bindings.key_to_bindings.values()):
            if binding.id == binding_id:
                return binding.with_key(given.partition(",")[0]) if given else binding
    return None
