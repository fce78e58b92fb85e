"""The conversation's transcript with the verbs on its messages."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.widget import Widget

from venom_tui.ui.terminal.keys import TypingGoesOn
from venom_tui.ui.widgets.key_order import act_in_order
from venom_tui.ui.widgets.prompt import Prompt
from venom_tui.ui.widgets.transcript import Transcript


class ChatTranscript(Transcript, TypingGoesOn):
    """A transcript of which the messages can be copied and asked for again. What is no verb here is for the prompt."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "screen.regenerate", "Again", id="transcript.again", tooltip="Ask for the last answer again"),
        Binding(
            "R", "screen.retry_on", "Retry", id="transcript.retry", tooltip="Ask another model the last prompt, too"
        ),
        Binding(
            "v",
            "screen.compare",
            "Compare",
            show=False,
            id="transcript.compare",
            tooltip="Show two answers to one prompt side by side",
        ),
        Binding(
            "a",
            "screen.choose_answer",
            "Go on with",
            show=False,
            id="transcript.choose",
            tooltip="Go on with the selected answer among several to one prompt",
        ),
        Binding(
            "c",
            "screen.copy_message",
            "Copy",
            id="transcript.copy",
            tooltip="Copy the selected message, else the last answer",
        ),
        Binding(
            "b",
            "screen.copy_code",
            "Copy code",
            id="transcript.code",
            tooltip="Copy the next code block of the message",
        ),
        Binding(
            "x",
            "screen.export_session",
            "Export",
            show=False,
            id="transcript.export",
            tooltip="Write the session to a file",
        ),
        Binding(
            "slash", "screen.find", "Find", show=False, id="transcript.find", tooltip="Search the text of all sessions"
        ),
        # With priority it acts as it arrives: all that is typed behind it is the prompt's, in its order.
        Binding(
            *("i", "screen.prompt", "Prompt"),
            show=False,
            id="transcript.prompt",
            tooltip="Go to the prompt",
            priority=True,
        ),
    ]

    def typed_into(self) -> Widget | None:
        """Return the prompt."""
        return self.screen.query(Prompt).first() if self.screen.query(Prompt) else None

    async def on_key(self, event: events.Key) -> None:
        """Act in the order of the keys."""
        if isinstance(self.app.focused, Prompt):
            # It was pressed before the one that went to the prompt: no text, and no verb any more.
            event.stop()
            event.prevent_default()
        else:
            await act_in_order(self, event)
