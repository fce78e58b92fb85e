"""The rule above the prompt: what the prompt could go on to, else that there is more of the conversation below."""

from __future__ import annotations

from textual.content import Content

from venom_tui.ui.widgets.sections import RuleLine


class PromptRule(RuleLine):
    """A rule with room for suggestions at its left and for a hint at its right."""

    def __init__(self) -> None:
        super().__init__("", id="prompt-rule")
        self._suggested = Content()
        self._hint = ""

    def suggest(self, suggested: Content) -> None:
        """Show what the prompt could go on to; an empty content takes that away."""
        self._suggested = suggested
        self.set_title(suggested, self._hint)

    def hint(self, text: str) -> None:
        """Say something at the right; "" takes it away."""
        self._hint = text
        self.set_title(self._suggested, text)
