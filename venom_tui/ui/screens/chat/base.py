"""What the parts of the chat screen share: the conversation, and the widgets that all of them know."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import TYPE_CHECKING

from venom_tui.ui.screens.chat.transcript import ChatTranscript
from venom_tui.ui.screens.section import SectionScreen
from venom_tui.ui.widgets.prompt import Prompt
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.types.model import ActiveModel, ModelInfo
    from venom_tui.core.types.turn import TurnEnded
    from venom_tui.ui.screens.chat.conversation import Conversation


_OPENS_S = 1.0
"""What is typed waits no longer than this for a dialog whose content is asked for."""


class ChatBase(SectionScreen):
    """The chat screen as its verbs know it."""

    @cached_property
    def conversation(self) -> Conversation:
        """The open session. Its module comes with the core: the first paint does without."""
        from venom_tui.ui.screens.chat.conversation import Conversation

        return Conversation(
            self, self.transcript, self.prompt, changed=self.conversation_changed, ended=self.turn_ended_here
        )

    # What another part of the screen knows; `ChatScreen` puts the parts together.

    @property
    def active(self) -> ActiveModel | None:
        """Which model answers next."""
        raise NotImplementedError

    @property
    def active_model(self) -> ModelInfo | None:
        """The model that answers next, as far as it is known."""
        raise NotImplementedError

    @property
    def blind_model(self) -> str:
        """The name of the model that answers, where it is known that it cannot see images."""
        raise NotImplementedError

    @property
    def prompt(self) -> Prompt:
        """Where one writes."""
        return self.query_one(Prompt)

    @property
    def transcript(self) -> ChatTranscript:
        """Where the conversation is shown."""
        return self.query_one(ChatTranscript)

    def conversation_changed(self) -> None:
        """Renew what tells of the conversation."""

    def turn_ended_here(self, event: TurnEnded) -> None:
        """Take notice that a turn of the open session has ended."""

    def show_card(self) -> None:
        """Show the opening card."""

    def hide_card(self) -> None:
        """Take the opening card away."""

    def do(self, work: Callable[[], Awaitable[object]], group: str = "verbs") -> None:
        """Run work that waits; its failure is said."""
        start(self, work, group=group)

    def do_opening(self, work: Callable[[], Awaitable[object]], group: str) -> None:
        """Run work that opens a dialog when it knows enough; what is typed waits for that, for a moment."""
        go_on = self.prompt.hold()

        async def run() -> None:
            try:
                await work()
            finally:
                go_on()

        self.do(run, group)
        self.set_timer(_OPENS_S, go_on)

    def say(self, text: str, timeout: float | None = None) -> None:
        """Say something in passing."""
        self.notify(text, markup=False, timeout=timeout)
