"""Carries the core's events to the screens, and gives the screens a typed way to the core."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.events import Event


class Listens(Protocol):
    """A screen that wants the core's events."""

    def core_event(self, event: Event) -> None:
        """Take one event."""


class CoreHost(Protocol):
    """What a screen needs of the application."""

    @property
    def core(self) -> Core | None:
        """The core, once it is open."""

    def quit_in_order(self) -> None:
        """End the program: answers kept, writes flushed, terminal restored."""

    def show_section(self, name: str) -> None:
        """Bring a section to the front."""


class Bridge:
    """Hands every event of the core to everybody who listens."""

    def __init__(self) -> None:
        self._listeners: list[Listens] = []

    def add(self, listener: Listens) -> None:
        """Listen from now on."""
        self._listeners.append(listener)

    def remove(self, listener: Listens) -> None:
        """Listen no more."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    async def run(self, core: Core) -> None:
        """Carry events until the core closes."""
        with core.events.subscribe() as events:
            async for event in events:
                for listener in tuple(self._listeners):
                    listener.core_event(event)
