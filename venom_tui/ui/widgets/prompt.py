"""The prompt: enter sends, ctrl+j or alt+enter begins a new line, up and down go through what was asked before."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea

from venom_tui.core.sanitize import sanitize
from venom_tui.ui.widgets.key_order import HeldKeys, act_in_order
from venom_tui.ui.widgets.pastes import Pastes
from venom_tui.ui.widgets.prompt_history import PromptHistory


class Prompt(TextArea):
    """A text field of one to ten lines. A paste is one text however long it is; printable keys are text.

    `content` is what was written. `text` is what the field shows of it: a token stands there for each long paste.
    `naming` is what of it can name files: what the field shows, and what was written in the editor, but no long paste.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "send", "send", id="prompt.send", tooltip="Send the prompt"),
        Binding(
            "ctrl+j,alt+enter,shift+enter",
            "newline",
            "New line",
            show=False,
            id="prompt.newline",
            tooltip="Begin a new line",
        ),
        Binding(
            "up",
            "up",
            "Earlier prompt",
            show=False,
            id="prompt.up",
            tooltip="Line above, or the prompt before that holds the words which are written",
        ),
        Binding(
            "down", "down", "Later prompt", show=False, id="prompt.down", tooltip="Line below, or the prompt after"
        ),
    ]

    class EmptyKey(Message):
        """A key that means a command in an empty prompt. Who carries it out calls `go_on` then: all keys wait."""

        def __init__(self, key: str, go_on: Callable[[], object]) -> None:
            super().__init__()
            self.key = key
            self.go_on = go_on

    class NothingFound(Message):
        """No prompt before holds the words which are written."""

    def __init__(self, *, placeholder: str = "", take: Callable[[str], bool] = lambda _text: False) -> None:
        """`take` is asked with the text at enter; where it says True the text is its own, and the prompt is emptied."""
        super().__init__(id="prompt", soft_wrap=True, tab_behavior="focus", show_line_numbers=False)
        self.cursor_blink = False
        self.highlight_cursor_line = False
        self.placeholder = placeholder
        self._take = take
        self._held = HeldKeys(self)
        self._pastes = Pastes()
        self._history = PromptHistory()
        self._recalled_at: tuple[int, int] | None = None
        """Where the cursor was put when an earlier prompt was brought back."""

    # ------------------------------------------------------------------ what is written

    @property
    def content(self) -> str:
        """What is written, long pastes and all."""
        return self._pastes.expand(self.text)

    @property
    def naming(self) -> str:
        """What can name files of what is written: a long paste stays a token, since nobody saw what it names."""
        return self._pastes.naming(self.text)

    def put(self, text: str, *, own: bool = False) -> None:
        """Replace the text and go to its end. `own`: all of it was written by the user, in the editor."""
        self.text = self._pastes.replace(self.text, text, own=own)
        self.move_cursor(self.document.end)

    @property
    def before_cursor(self) -> str:
        """What the field shows before the cursor."""
        return self.get_text_range((0, 0), self.cursor_location)

    def replace_before_cursor(self, count: int, text: str) -> None:
        """Put a text in the place of the last `count` characters of the line before the cursor."""
        row, column = self.cursor_location
        self.replace(text, (row, max(0, column - count)), (row, column), maintain_selection_offset=False)

    async def _on_paste(self, event: events.Paste) -> None:
        if self._held.take(event):
            return
        event.stop()
        event.prevent_default()
        text = sanitize(event.text.replace("\r\n", "\n").replace("\r", "\n"))
        begin, end = self.selection
        self.move_cursor(self.replace(self._pastes.hold(text), begin, end).end_location)

    # ------------------------------------------------------------------ what was asked before

    def set_history(self, prompts: Iterable[str]) -> None:
        """Set what up and down go through, newest first."""
        self._history.set(prompts)

    def remember(self, text: str) -> None:
        """Add a sent prompt to the history."""
        self._history.add(text)

    def _recall(self, earlier: bool) -> None:
        shown = self.content
        found = self._history.earlier(shown) if earlier else self._history.later(shown)
        if found is not None:
            self.put(found)
            self._recalled_at = self.cursor_location
        elif earlier and shown.strip() and not self._history.walking(shown):
            self.post_message(self.NothingFound())

    @property
    def _is_recalled(self) -> bool:
        """Whether an earlier prompt stands here as it was brought back, the cursor where it was put."""
        return self._recalled_at == self.cursor_location and self._history.walking(self.content)

    # ------------------------------------------------------------------ keys

    def hold(self) -> Callable[[], object]:
        """Let what is typed from now on wait for what is about to open; return what ends that."""
        return self._held.hold()

    async def _on_key(self, event: events.Key) -> None:
        if self._held.take(event):
            return
        if not self.text and event.character in ("?", ":"):
            event.stop()
            event.prevent_default()
            self.post_message(self.EmptyKey(event.character, self.hold()))
            return
        await act_in_order(self, event, screens_too=True)

    def action_send(self) -> None:
        """Send what is written."""
        content = self.content
        if content.strip() and self._take(content):
            self.put("")

    def action_newline(self) -> None:
        """Begin a new line."""
        begin, end = self.selection
        self.replace("\n", begin, end, maintain_selection_offset=False)

    def action_up(self) -> None:
        """Go up a line, or in the first line to the prompt before."""
        if self._is_recalled or self._row_of_cursor == 0:
            self._recall(earlier=True)
        else:
            self.action_cursor_up()

    def action_down(self) -> None:
        """Go down a line, or in the last line to the prompt after."""
        if self._is_recalled or self._row_of_cursor >= self.wrapped_document.height - 1:
            self._recall(earlier=False)
        else:
            self.action_cursor_down()

    @property
    def _row_of_cursor(self) -> int:
        return self.wrapped_document.location_to_offset(self.cursor_location).y

    # A token goes as a whole: half of one would be a paste that is lost unseen.

    def action_delete_left(self) -> None:
        """Delete the character before the cursor, or the paste that ends there."""
        if not self._delete_paste(before=True):
            super().action_delete_left()

    def action_delete_word_left(self) -> None:
        """Delete the word before the cursor, or the paste that ends there."""
        if not self._delete_paste(before=True):
            super().action_delete_word_left()

    def action_delete_right(self) -> None:
        """Delete the character behind the cursor, or the paste that begins there."""
        if not self._delete_paste(before=False):
            super().action_delete_right()

    def action_delete_word_right(self) -> None:
        """Delete the word behind the cursor, or the paste that begins there."""
        if not self._delete_paste(before=False):
            super().action_delete_word_right()

    def _delete_paste(self, *, before: bool) -> bool:
        if self.selection.start != self.selection.end:
            return False
        row, column = self.cursor_location
        span = self._pastes.span(self.document.get_line(row), column, before=before)
        if span is None:
            return False
        self.delete((row, span[0]), (row, span[1]), maintain_selection_offset=False)
        return True
