"""The prompts that wait until the answers before them are complete, above the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from venom_tui.ui.text import literal
from venom_tui.ui.widgets.rows import VerbRows

if TYPE_CHECKING:
    from venom_tui.core.types.session import QueuedPrompt

MOST_ROWS = 5


class QueueList(VerbRows):
    """Prompts that wait, the next one first."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,e", "screen.edit_queued", "Edit", id="queue.edit", tooltip="Take the prompt back and edit it"),
        Binding(
            "d,delete", "screen.remove_queued", "Remove", id="queue.remove", tooltip="Remove the prompt from the queue"
        ),
        Binding("s", "screen.resume_queue", "Send", id="queue.resume", tooltip="Send the prompts that wait"),
        Binding("escape", "screen.prompt", "Prompt", show=False, id="queue.leave", tooltip="Go back to the prompt"),
    ]

    def __init__(self) -> None:
        super().__init__(id="queue")
        self._waiting: Sequence[QueuedPrompt] = ()

    def show(self, waiting: Sequence[QueuedPrompt]) -> None:
        """Show these prompts."""
        self._waiting = waiting
        self.styles.height = min(MOST_ROWS, len(waiting))
        self.set_rows([prompt.id for prompt in waiting], self._row)

    def _row(self, index: int, width: int) -> Content:
        prompt = self._waiting[index]
        files = len(prompt.attachments)
        with_files = Content.styled(f"{files} file{'s' * (files != 1)}", "$text-muted") if files else Content()
        words = " ".join(prompt.text.split())
        room = max(4, width - 5 - with_files.cell_length)
        text = literal(words[: 4 * width]).truncate(room, ellipsis=True)
        return Content.assemble((f" {index + 1} ", "$text-muted"), text.pad_right(room - text.cell_length), with_files)

    def action_move(self, by: int) -> None:
        """Move the cursor; down from the last row is the prompt."""
        if by > 0 and self.keys and self.cursor_key == self.keys[-1]:
            self.call_later(self.app.run_action, "screen.prompt")
        else:
            super().action_move(by)


def title(count: int, paused: str) -> str:
    """Return what the rule above the queue says."""
    prompts = f"{count} prompt{'s' * (count != 1)} wait{'s' * (count == 1)}"
    return f"{prompts}: {paused}" if paused else prompts
