"""What happens with the prompt: it is sent, completed, written elsewhere; commands are run, files go along."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, cast

from textual.containers import Vertical
from textual.content import Content

from venom_tui.core.errors import VenomError
from venom_tui.ui.screens.chat.base import ChatBase
from venom_tui.ui.screens.chat.prompt_rule import PromptRule
from venom_tui.ui.screens.chat.slash import COMMANDS, parse, similar
from venom_tui.ui.screens.section import WrittenCommand
from venom_tui.ui.widgets.line import Line
from venom_tui.ui.widgets.prompt import Prompt
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.types.content import Attachment
    from venom_tui.ui.screens.chat.attached import Attached, Seen
    from venom_tui.ui.screens.chat.completer import Completer
    from venom_tui.ui.screens.chat.conversation import Visit

_LOOK_AFTER_S = 0.2
"""After the last key before the files that are named are looked at."""


class PromptVerbs(ChatBase):
    """The verbs on the prompt; the chat screen derives from this."""

    _seen: Sequence[Seen] = ()

    @cached_property
    def completer(self) -> Completer:
        """What completes the prompt. Its module comes when something is typed: the first paint does without."""
        from venom_tui.ui.screens.chat.completer import Completer

        return Completer(self, self.prompt, self.query_one(PromptRule).suggest)

    # ------------------------------------------------------------------ sending

    def take_prompt(self, text: str) -> bool:
        """Run a command or send the prompt; return whether it was taken."""
        command = parse(text)
        if command is not None:
            go_on = self.prompt.hold()  # what is typed behind it belongs to what it opens
            taken = self._run_command(*command)
            go_on()
            return taken
        visit, naming = self.conversation.asking.take_prompt(), self.prompt.naming
        self.prompt.remember(text)
        self.hide_card()
        start(self, lambda: self._send(visit, text, naming), group="send")
        return True

    async def _send(self, visit: Visit, text: str, naming: str) -> None:
        try:
            await self.conversation.asking.send(visit, text, lambda: self._read(naming), self.host.switching_to)
        except VenomError as failure:
            self.conversation.give_back(visit, text)
            self.complain(failure)

    async def _read(self, naming: str) -> Sequence[Attachment]:
        """Read the files that a prompt names."""
        if "@" not in naming or self.core is None:
            return ()
        attachments, missing = await self._attached(self.core).read(naming)
        if missing:
            from venom_tui.core.sanitize import sanitize_line

            names = ", ".join(sanitize_line(path, 80) for path in missing)
            self.say(f"There is no file {names}: what names it was sent as text.", 8)
        return attachments

    def _attached(self, core: Core) -> Attached:
        from venom_tui.ui.screens.chat.attached import Attached

        if self._looks is None:
            self._looks = Attached(core.chat.attach)
        return self._looks

    _looks: Attached | None = None

    # ------------------------------------------------------------------ commands

    def written_commands(self) -> Sequence[WrittenCommand]:
        """Return the commands of the prompt."""
        return [WrittenCommand(name, one.usage, one.meaning, one.action) for name, one in COMMANDS.items()]

    def action_write_command(self, name: str) -> None:
        """Do a command that takes nothing; one that takes something is begun in the prompt."""
        usage = COMMANDS[name].usage
        if not usage or (usage.startswith("[") and self.prompt.text.strip()):
            self._run_command(name, "")
        elif self.prompt.text.strip():
            self.say("Send or clear the prompt first: it would be overwritten.")
        else:
            self.set_focus(self.prompt)
            self.prompt.put(f"/{name} ")

    def _run_command(self, name: str, argument: str) -> bool:
        command = COMMANDS.get(name)
        if command is None:
            offered = "  ".join(f"/{one}" for one in similar(name))
            hint = " A blank before the slash sends it as a prompt." if argument else ""
            self.say(f"/{name[:40]} is no command.{hint} There are: {offered}", 8)
            return False
        if not command.action:
            run = cast("Callable[[str], bool]", getattr(self, f"command_{name}"))
            return run(argument)
        if argument:
            self.say(f"/{name} takes nothing behind it.")
            return False
        self.app.call_later(self.run_action, command.action)
        return True

    # ------------------------------------------------------------------ while one types

    def on_text_area_changed(self, _message: Prompt.Changed) -> None:
        """Keep the draft; show what it could go on to, and what goes along."""
        prompt = self.prompt
        self.conversation.draft(prompt.content)
        self.completer.changed()
        naming = prompt.naming
        if "@" in naming:
            start(self, lambda: self._look_at_files(naming), group="files", exclusive=True)
        elif self._seen:
            self._show_files(())

    async def _look_at_files(self, naming: str) -> None:
        await asyncio.sleep(_LOOK_AFTER_S)
        if self.core is not None:
            seen = await self._attached(self.core).look(naming)
            if self.prompt.naming == naming:
                self._show_files(seen)

    def _show_files(self, seen: Sequence[Seen]) -> None:
        """Show under the prompt what goes along, or why it cannot."""
        self._seen = seen
        lines = self.query("#attached").results(Line)
        line = next(iter(lines), None)
        if line is None:
            if not seen:
                return
            line = Line(id="attached")
            self.query_one("#talk", Vertical).mount(line, after="#ask")
        line.display = bool(seen)
        if seen:
            from venom_tui.ui.screens.chat.attached import told

            key = Content.assemble("  ", (self.key_of("chat.detach"), "bold"), (" takes the last away", "$text-muted"))
            line.show(Content.assemble(("@ ", "$accent"), told(seen, blind=self.blind_model), key))

    def action_complete(self, direction: int) -> None:
        """Complete the prompt; where there is nothing to complete, go to another part of the screen."""
        if not self.completer.complete(direction):
            self.focus_next() if direction > 0 else self.focus_previous()

    def action_detach(self) -> None:
        """Take the file out of the prompt that it names last."""
        from venom_tui.ui.screens.chat.mentions import without_last

        prompt = self.prompt
        without = without_last(prompt.text)
        if without == prompt.text:
            within = without_last(prompt.naming) != prompt.naming
            edits = f"What you wrote in the editor names it: {self.key_of('chat.edit')} goes back there."
            self.say(edits if within else "No file is attached: @path attaches one.")
            return
        prompt.replace(without, (0, 0), prompt.document.end, maintain_selection_offset=False)

    def on_prompt_empty_key(self, message: Prompt.EmptyKey) -> None:
        """In an empty prompt `?` is help and `:` finds a command."""
        self.app.call_later(self.app.run_action, "help" if message.key == "?" else "command_palette")
        message.go_on()

    def on_prompt_nothing_found(self, _message: Prompt.NothingFound) -> None:
        """Say that no prompt before holds the words."""
        self.say("No prompt before holds these words.", 3)

    # ------------------------------------------------------------------ the editor, what was asked before

    def action_edit_prompt(self) -> None:
        """Write the prompt in the user's own editor."""
        start(self, lambda: self._edit(), group="editor", exclusive=True)

    async def _edit(self) -> None:
        before = self.prompt.content
        text = await self.host.edit_text(before)
        if text is not None and text != before:  # what was only looked at stays what it was: a paste
            self.prompt.put(text, own=True)

    async def load_history(self, core: Core, offered: Sequence[str]) -> None:
        """Let up and down go through what was asked in all sessions; `offered` comes last."""
        self.prompt.set_history([*await core.sessions.prompts(), *offered])

    def command_model(self, words: str) -> bool:
        """Pick the model that answers; `words` are filtered by."""
        self.app.call_later(self.app.run_action, f"app.pick_model({words!r})")
        return True
