"""Carries the core's events to the screens, and gives the screens a typed way to the core and the application."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.errors import VenomError
    from venom_tui.core.events import Event, Subscription
    from venom_tui.core.types.model import ModelInfo
    from venom_tui.ui.widgets.header import HeaderState

_log = logging.getLogger(__name__)


class Listens(Protocol):
    """What wants the core's events."""

    def core_ready(self, core: Core) -> None:
        """Take the core when it is open."""

    def core_event(self, event: Event) -> None:
        """Take one event."""


class CoreHost(Protocol):
    """What a screen needs of the application."""

    @property
    def core(self) -> Core | None:
        """The core, once it is open."""

    @property
    def read_only(self) -> bool:
        """Whether nothing may be changed."""

    @property
    def answer_fps(self) -> int:
        """Frames a second at most while an answer streams."""

    @property
    def header(self) -> HeaderState:
        """What the header says now."""

    def tell_unseen(self, answers: int) -> None:
        """Say in how many sessions an answer has ended that nobody looked at yet."""

    def join(self, listener: Listens) -> None:
        """Give the core and its events to `listener`, now or when the core is open."""

    def show_section(self, name: str) -> None:
        """Bring a section to the front."""

    def copy(self, text: str, what: str) -> None:
        """Copy a text to where the terminal can reach it, and say where that is; `what` names it in the sentence."""

    def switch_to(self, model: ModelInfo) -> None:
        """Load a model and make it active; where that fails, the one before stays and the reason is shown."""

    def pull(self, name: str = "", provider: str | None = None) -> None:
        """Ask which model is to be fetched, show what that costs, and fetch it after a yes."""

    @property
    def switching_to(self) -> ModelInfo | None:
        """The model that is being switched to, if any."""

    async def edit_text(self, text: str) -> str | None:
        """Let the user write a text in his own editor; return None where that did not go well, which is said then."""

    def complain(self, failure: VenomError) -> None:
        """Say what went wrong and what to do."""


class Bridge:
    """Hands every event of the core to everybody who listens."""

    def __init__(self) -> None:
        self._listeners: list[Listens] = []

    def add(self, listener: Listens) -> None:
        """Let somebody listen from now on."""
        self._listeners.append(listener)

    def has(self, listener: Listens) -> bool:
        """Return whether somebody listens already."""
        return listener in self._listeners

    async def run(self, events: Subscription) -> None:
        """Carry events until there are no more."""
        async for event in events:
            for listener in tuple(self._listeners):
                try:
                    listener.core_event(event)
                except Exception:  # noqa: BLE001 (the others, and the next events, must not miss theirs)
                    _log.exception("%s failed with %s", type(listener).__name__, type(event).__name__)
