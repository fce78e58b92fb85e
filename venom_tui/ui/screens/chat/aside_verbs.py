"""Shows the column at the right where there is room for it, and keeps it in step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from venom_tui.ui.screens.chat.base import ChatBase

if TYPE_CHECKING:
    from venom_tui.ui.screens.chat.aside import Aside

WIDE = 140
"""Columns from which on there is room: the breakpoint `-wide` of sections."""
_SAYS = {
    "both": "The last answer and the machine are shown at the right.",
    "request": "The last answer is shown at the right.",
    "machine": "The machine is shown at the right.",
    "off": "Nothing is shown at the right.",
}


class AsideVerbs(ChatBase):
    """The chat's part that owns the column. It is made when the terminal is wide and the core open."""

    _aside: Aside | None = None

    def fit_aside(self) -> None:
        """Make the column once there is room for it."""
        core = self.core
        if core is None or self._aside is not None or self.size.width < WIDE:
            return
        from venom_tui.ui.screens.chat.aside import Aside

        self._aside = Aside(core.settings.text("VENOM_CHAT_ASIDE"), self.renew_aside)
        self.query_one("#columns").mount(self._aside)

    def renew_aside(self) -> None:
        """Show what the last answer and the machine are now, where that can be seen."""
        aside, core = self._aside, self.core
        if aside is None or core is None or not aside.is_mounted or not self.is_current or self.size.width < WIDE:
            return
        aside.show_request(self.conversation.last_answer)
        aside.show_machine(core.guard.latest(), core.runtimes.unanswering())

    def action_aside(self) -> None:
        """Show the other region in the column, both, or none; the choice is kept."""
        aside, core = self._aside, self.core
        if core is None:
            return
        if aside is None or self.size.width < WIDE:
            self.say(f"The column at the right needs {WIDE} columns; there are {self.size.width}.")
            return
        shows = aside.show_next()
        self.say(_SAYS[shows], timeout=3)
        if not self.host.read_only:
            self.do(lambda: core.save_setting("VENOM_CHAT_ASIDE", shows), "aside")
