"""What can be done with the prompts that wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Vertical
from textual.content import Content

from venom_tui.core.errors import VenomError
from venom_tui.ui.screens.chat.base import ChatBase
from venom_tui.ui.screens.chat.queue import QueueList, title
from venom_tui.ui.text import signs
from venom_tui.ui.widgets.sections import RuleLine
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.types.session import QueuedPrompt

_PAUSED = {
    "stopped": "answer stopped",
    "failed": "answer failed",
    "interrupted": "answer interrupted",
}
"""State of the last answer -> why the queue does not go on."""


class QueueVerbs(ChatBase):
    """The verbs on the prompts that wait; the chat screen derives from this."""

    def renew_queue(self) -> None:
        """Show which prompts wait in the open session."""
        start(self, lambda: self._renew_queue(), group="queue", exclusive=True)

    async def _renew_queue(self) -> None:
        visit = self.conversation.visit
        waiting, paused = await self.conversation.asking.waiting()
        if self.conversation.visit is not visit:
            return
        found = list(self.query(QueueList))
        if not found:
            if not waiting:
                return
            talk = self.query_one("#talk", Vertical)
            found = [QueueList()]
            talk.mount(RuleLine("", id="queue-rule"), found[0], before="#prompt-rule")
        rows, rule = found[0], self.query_one("#queue-rule", RuleLine)
        if not waiting and rows.has_focus:
            self.set_focus(self.prompt)
        rows.display = rule.display = bool(waiting)
        rows.show(waiting)
        if waiting:
            self._show_title(rule, len(waiting), paused=paused)

    def _show_title(self, rule: RuleLine, count: int, *, paused: bool) -> None:
        edit = Content.assemble((self.key_of("chat.queue"), "bold"), (" edits", "$text-muted"))
        if not paused:
            rule.set_title(title(count, ""), edit + Content.styled(" or removes", "$text-muted"))
            return
        answer = self.conversation.last_answer
        why = _PAUSED.get("" if answer is None else answer.state.value, "from an earlier run")
        sends = Content.assemble((self.key_of("chat.resume"), "bold"), (" sends · ", "$text-muted"))
        rule.set_title(Content.styled(f"{signs().paused} {title(count, why)}", "$warning"), sends + edit)

    def action_queue(self) -> None:
        """Go to the prompts that wait, the last one first."""
        for rows in self.query(QueueList):
            if rows.display and rows.keys:
                rows.action_jump(-1)
                self.set_focus(rows)
                return
        self.say("No prompt waits.")

    def action_edit_queued(self) -> None:
        """Take the chosen prompt out of the queue and put it back into the prompt."""
        if self.prompt.text.strip():
            self.say("Send or clear the prompt first: it would be overwritten.")
        else:
            self.do(lambda: self._unqueue(edit=True), "queue verbs")

    def action_remove_queued(self) -> None:
        """Remove the chosen prompt from the queue."""
        self.do(lambda: self._unqueue(edit=False), "queue verbs")

    async def _unqueue(self, *, edit: bool) -> None:
        key = next((rows.cursor_key for rows in self.query(QueueList)), None)
        if key is None:
            return
        taken = await self.conversation.asking.unqueue(key)
        if edit and taken is not None:
            self.prompt.put(taken.text)
            self.set_focus(self.prompt)
            if taken.attachments:
                self._tell_what_is_lost(taken)

    def _tell_what_is_lost(self, taken: QueuedPrompt) -> None:
        """Say that files go along no more: a text that is too long to be shown names none."""
        from venom_tui.core.sanitize import sanitize_line
        from venom_tui.ui.screens.chat.mentions import mentions

        if not mentions(self.prompt.naming):
            names = ", ".join(sanitize_line(one.name, 60) for one in taken.attachments)
            self.say(f"Not attached any more: {names}. @path attaches a file again.", 10)

    def action_resume_queue(self) -> None:
        """Send the prompts that wait."""
        self.do(lambda: self._resume(), "queue verbs")

    async def _resume(self) -> None:
        waiting, _ = await self.conversation.asking.waiting()
        if not waiting:
            self.say("No prompt waits.")
            return
        try:
            await self.conversation.asking.resume()
        except VenomError as failure:
            self.complain(failure)
