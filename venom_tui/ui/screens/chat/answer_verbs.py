"""What can be done with answers: asked for again, of another model too, compared, chosen, copied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from venom_tui.core.errors import VenomError
from venom_tui.ui.screens.chat.base import ChatBase
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.types.model import ModelInfo
    from venom_tui.core.types.session import Message

COMPARE_COLUMNS = 100
"""Columns of the terminal from which on two answers have room beside each other."""


class AnswerVerbs(ChatBase):
    """The verbs on answers; the chat screen derives from this."""

    _block = 0

    # ------------------------------------------------------------------ again, stop

    def stop_answer(self) -> bool:
        """Stop the answer of the open session; return whether there was one."""
        if not self.conversation.asking.busy:
            return False
        start(self, lambda: self.conversation.asking.stop(), group="stop")
        return True

    def action_regenerate(self) -> None:
        """Ask for the last answer again."""
        start(self, lambda: self._regenerate(), group="send")

    async def _regenerate(self) -> None:
        visit = await self.conversation.asking.regenerate()
        if self.conversation.visit is visit:
            self.hide_card()

    def action_retry_on(self) -> None:
        """Pick another model and ask it the last prompt, too."""
        go_on = self.prompt.hold()
        self.command_retry("")
        go_on()

    def command_retry(self, words: str) -> bool:
        """Pick another model, filtered by `words`, and ask it the last prompt, too."""
        from venom_tui.ui.dialogs.models import ModelPicker

        core, last = self.core, self.conversation.last_answer
        if core is None or last is None:
            self.say("There is no answer to ask another model for.")
            return False
        if self.conversation.asking.busy:
            self.say("An answer is still being written. Esc stops it.")
            return False
        answered = {(answer.runtime, answer.model) for answer in self.conversation.answers_beside(None)}
        picker = ModelPicker(
            "Ask another model, too",
            core,
            words=words,
            without=lambda model: bool(model.error) or (model.runtime, model.name) in answered,
            note="Both answers stay.",
        )
        self.app.call_later(self.app.push_screen, picker, lambda key: self._retry(picker.model(key)))
        return True

    def _retry(self, model: ModelInfo | None) -> None:
        if model is not None:
            start(self, lambda: self.conversation.asking.regenerate(model, keep=True), group="send")

    # ------------------------------------------------------------------ several answers

    def _beside(self) -> list[Message]:
        """Return the answers beside the selected one, else those to the last prompt."""
        found = self.conversation.answers_beside(self.transcript.selected_key)
        return found or self.conversation.answers_beside(None)

    def action_compare(self) -> None:
        """Show two answers to one prompt side by side."""
        answers = self._beside()
        if len(answers) < 2:
            key = self.key_of("chat.retry")
            self.say(f"There is one answer only; {key} asks another model, too.")
        elif self.app.size.width < COMPARE_COLUMNS:
            self.say(f"Side by side takes {COMPARE_COLUMNS} columns; here they stand one under the other.")
        else:
            from venom_tui.ui.screens.chat.compare import Compare

            at = self.transcript.selected_key
            self.app.push_screen(Compare(answers, at, fps=self.host.answer_fps), lambda key: self._choose(key))

    def action_choose_answer(self) -> None:
        """Go on with the selected answer among those to its prompt."""
        key = self.transcript.selected_key
        answers = self._beside()
        if len(answers) < 2:
            self.say("There is one answer only.")
        elif key is None or all(answer.id != key for answer in answers):
            self.say(f"Select the answer first: {self.key_of('transcript.previous')} goes through the messages.")
        else:
            self._choose(key)

    def _choose(self, key: str | None) -> None:
        if key is not None:
            start(self, lambda: self._go_on_with(key), group="choose", exclusive=True)

    async def _go_on_with(self, key: str) -> None:
        core, visit = self.core, self.conversation.visit
        if core is None:
            return
        try:
            await core.sessions.choose_answer(key)
        except VenomError as failure:
            self.complain(failure)
        await self.conversation.show_stored(visit)

    # ------------------------------------------------------------------ copy

    def action_copy_answer(self) -> None:
        """Copy the last answer."""
        answer = self.conversation.last_answer
        self._copy("" if answer is None else answer.content, "the last answer")

    def action_copy_message(self) -> None:
        """Copy the selected message, else the last answer."""
        key = self.transcript.selected_key
        if key is None:
            self.action_copy_answer()
        else:
            self._copy(self.transcript.source(key), "the message")

    def action_copy_code(self) -> None:
        """Copy a code block of the selected message, else of the last answer; again copies the next one."""
        answer = self.conversation.last_answer
        key = self.transcript.selected_key or (None if answer is None else answer.id)
        blocks = [] if key is None else self.transcript.code_blocks(key)
        if not blocks:
            self.say("There is no code block in this message.")
            return
        self._block %= len(blocks)
        self._copy(blocks[self._block], f"code block {self._block + 1} of {len(blocks)}")
        self._block += 1

    def _copy(self, text: str, what: str) -> None:
        if text:
            self.host.copy(text, what)
        else:
            self.say("There is nothing to copy yet.")
