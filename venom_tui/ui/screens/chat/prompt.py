"""The chat's prompt: commands and paths are completed in it."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from venom_tui.ui.widgets.prompt import Prompt


class ChatPrompt(Prompt):
    """A prompt of which commands and paths are completed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "tab",
            "screen.complete(1)",
            "Complete",
            show=False,
            id="prompt.complete",
            tooltip="Complete the command or the path, else go to the next part of the screen",
        ),
        Binding(
            "shift+tab",
            "screen.complete(-1)",
            "Complete backwards",
            show=False,
            id="prompt.complete-back",
            tooltip="The choice before, else the part of the screen before",
        ),
    ]
