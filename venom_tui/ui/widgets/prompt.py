"""The prompt: enter sends, ctrl+j or alt+enter begins a new line, up and down go through what was asked before."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea


class Prompt(TextArea):
    """A text field of one to ten lines. A paste is one text however many lines it has; printable keys are text."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "send", "send", id="prompt.send", tooltip="Send the prompt", priority=True),
        Binding("ctrl+j,alt+enter", "newline", "New line", show=False, id="prompt.newline", tooltip="Begin a new line"),
        Binding("up", "up", "Earlier prompt", show=False, id="prompt.up", tooltip="Line above, or the prompt before"),
        Binding(
            "down", "down", "Later prompt", show=False, id="prompt.down", tooltip="Line below, or the prompt after"
        ),
    ]

    class EmptyKey(Message):
        """A key that means a command in an empty prompt."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(self, *, placeholder: str = "", take: Callable[[str], bool] = lambda _text: False) -> None:
        """`take` is asked with the text at enter; where it says True the text is its own, and the prompt is emptied."""
        super().__init__(id="prompt", soft_wrap=True, tab_behavior="focus", show_line_numbers=False)
        self.cursor_blink = False
        self.highlight_cursor_line = False
        self.placeholder = placeholder
        self._take = take
        self._history: list[str] = []
        self._place = 0
        self._unsent = ""

    def set_history(self, prompts: list[str]) -> None:
        """Set what up and down go through, oldest first."""
        if prompts != self._history:
            self._history = prompts
            self._place = len(prompts)

    def remember(self, text: str) -> None:
        """Add a sent prompt to the history."""
        if not self._history or self._history[-1] != text:
            self._history.append(text)
        self._place = len(self._history)

    def put(self, text: str) -> None:
        """Replace the text and go to its end."""
        self.text = text
        self.move_cursor(self.document.end)

    def action_send(self) -> None:
        """Send what is written, after the keys before this one: bindings overtake keys that wait in the queue."""
        self.call_later(self._send)

    def _send(self) -> None:
        # Not by a message: the keys behind enter would be read before it.
        if self.text.strip() and self._take(self.text):
            self.put("")

    def action_newline(self) -> None:
        """Begin a new line."""
        self.insert("\n")

    def action_up(self) -> None:
        """Go up a line, or in the first line to the prompt before."""
        if self.cursor_at_first_line:
            self._recall(-1)
        else:
            self.action_cursor_up()

    def action_down(self) -> None:
        """Go down a line, or in the last line to the prompt after."""
        if self.cursor_at_last_line:
            self._recall(1)
        else:
            self.action_cursor_down()

    def _recall(self, by: int) -> None:
        place = self._place + by
        if not 0 <= place <= len(self._history):
            return
        if self._place == len(self._history):
            self._unsent = self.text
        self._place = place
        self.put(self._unsent if place == len(self._history) else self._history[place])

    async def _on_key(self, event: events.Key) -> None:
        if not self.text and event.character in ("?", ":"):
            event.stop()
            event.prevent_default()
            self.post_message(self.EmptyKey(event.character))
            return
        await super()._on_key(event)
