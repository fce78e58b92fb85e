"""The chat: sessions at the side, the conversation, the prompt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Static

from venom_tui.core.errors import VenomError
from venom_tui.ui.screens.chat.card import CARD_KEY, DEMONSTRATION_PROMPTS, CardFacts, card
from venom_tui.ui.screens.chat.session_list import SessionList, session_title
from venom_tui.ui.screens.chat.session_verbs import SessionVerbs
from venom_tui.ui.screens.chat.slash import COMMANDS, parse, similar
from venom_tui.ui.screens.chat.transcript import ChatTranscript
from venom_tui.ui.screens.section import SectionScreen
from venom_tui.ui.widgets.prompt import Prompt
from venom_tui.ui.widgets.rows import RowList
from venom_tui.ui.widgets.sections import RuleLine
from venom_tui.ui.widgets.transcript import Transcript
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.events import Event
    from venom_tui.ui.screens.chat.conversation import Visit


class ChatScreen(SessionVerbs, SectionScreen):
    """Talks to the active model."""

    NAME = "chat"
    AUTO_FOCUS = "Prompt"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+n", "new_session", "new", id="chat.new", tooltip="Begin a new session", priority=True),
        Binding(
            "ctrl+s",
            "sessions",
            "sessions",
            id="chat.sessions",
            tooltip="Go to the sessions, or pick one",
            priority=True,
        ),
        Binding("ctrl+f", "find", "find", id="chat.find", tooltip="Search the text of all sessions", priority=True),
        Binding("ctrl+r", "regenerate", "again", show=False, id="chat.again", tooltip="Ask for the last answer again"),
        Binding(
            "ctrl+y",
            "copy_answer",
            "copy answer",
            show=False,
            id="chat.copy",
            tooltip="Copy the last answer",
            priority=True,
        ),
        Binding(
            "pageup",
            "scroll_talk(-1)",
            "page up",
            show=False,
            id="chat.page-up",
            tooltip="Scroll the conversation up",
            priority=True,
        ),
        Binding(
            "pagedown",
            "scroll_talk(1)",
            "page down",
            show=False,
            id="chat.page-down",
            tooltip="Scroll the conversation down",
            priority=True,
        ),
        Binding(
            "ctrl+end",
            "scroll_end",
            "end",
            show=False,
            id="chat.end",
            tooltip="Go to the end and follow it",
            priority=True,
        ),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._facts = CardFacts()
        self._card_shown = False

    def compose_body(self) -> Iterable[Widget]:
        """Lay out sessions, conversation and prompt."""
        with Horizontal(id="columns"):
            with Vertical(id="side"):
                yield RuleLine("Sessions", id="sessions-rule")
                yield SessionList()
            with Vertical(id="talk"):
                yield RuleLine("New session", id="talk-rule")
                yield ChatTranscript(fps=self.host.answer_fps)
                yield RuleLine("", id="prompt-rule")
                with Horizontal(id="ask"):
                    yield Static("> ", id="sign")
                    yield Prompt(placeholder="ask, or / for a command", take=self.take_prompt)
                    yield Static("Direct", id="mode")

    def on_mount(self) -> None:
        """Show the card with what is known so far."""
        self.show_card()
        self.set_interval(1.0, self._tick)

    def _tick(self) -> None:
        """Renew what tells a time, while an answer is awaited."""
        if self.is_current:
            self.conversation.tick()

    # ------------------------------------------------------------------ the core

    def core_ready(self, core: Core) -> None:
        """Show the last session, the sessions there are, and the card."""
        start(self, lambda: self._open(core), group="open")

    async def _open(self, core: Core) -> None:
        try:
            await self.conversation.open_last(core)
        except VenomError as failure:
            self.complain(failure)
        await self.refresh_sessions()
        self._set_facts(guard=core.guard.latest(), models_dir=core.settings.models_dir)
        await self._renew_models()
        if self._card_shown:
            self.show_card()

    def core_event(self, event: Event) -> None:
        """Renew what the event is about."""
        from venom_tui.core.events import (
            ActiveModelChanged,
            GuardSampled,
            ModelsChanged,
            RuntimeChanged,
            SessionsChanged,
            StoreTrouble,
            TurnProgress,
        )
        from venom_tui.core.types.turn import TurnEnded

        match event:
            case SessionsChanged(session_id=session_id):
                start(self, lambda: self._sessions_changed(session_id), group="sessions")
            case TurnProgress(event=TurnEnded() as ended):
                self.conversation.turn_ended(ended)
            case GuardSampled(snapshot=snapshot):
                if self._facts.guard is None:
                    self._set_facts(guard=snapshot)
            case RuntimeChanged() | ModelsChanged() | ActiveModelChanged():
                # Not exclusive: of several at once, what is cancelled before it begins is never awaited.
                start(self, lambda: self._renew_models(), group="models")
            case StoreTrouble(message=message):
                self._set_facts(trouble=(*self._facts.trouble, message))
                self.notify(message, severity="warning", markup=False, timeout=20)

    async def _sessions_changed(self, session_id: str | None) -> None:
        await self.refresh_sessions()
        await self.conversation.refresh(session_id)

    async def _renew_models(self) -> None:
        core = self.core
        if core is not None:
            self._set_facts(
                runtimes=await core.runtimes.statuses(),
                models=await core.models.list(),
                active=await core.models.active(settled=False),
            )

    # ------------------------------------------------------------------ the card

    def _set_facts(self, **changes: object) -> None:
        self._facts = replace(self._facts, **changes)  # type: ignore[arg-type]  # keywords of one dataclass
        if self._card_shown:
            self.show_card()
        self._offer_prompts()

    def show_card(self) -> None:
        """Show the card under what is there."""
        self._card_shown = True
        self.query_one(ChatTranscript).put_last(card(self._facts, self.key_of("app.model")))

    def hide_card(self) -> None:
        """Take the card away: the conversation goes on."""
        if self._card_shown:
            self._card_shown = False
            self.query_one(ChatTranscript).remove_entry(CARD_KEY)

    def _offer_prompts(self) -> None:
        """Let up and down go through what was asked, and through what the demonstration model can do."""
        active = self._facts.active
        offered = DEMONSTRATION_PROMPTS if active is not None and active.demonstration else ()
        self.query_one(Prompt).set_history([*reversed(offered), *self.conversation.prompts])

    # ------------------------------------------------------------------ the prompt

    def take_prompt(self, text: str) -> bool:
        """Run a command or send the prompt; return whether it was taken."""
        command = parse(text)
        if command is not None:
            return self._run_command(command[0])
        if self.conversation.busy:
            self.notify("An answer is still being written. Esc stops it.", markup=False)
            return False
        visit = self.conversation.take_prompt()
        self.query_one(Prompt).remember(text)
        self.hide_card()
        start(self, lambda: self._send(visit, text), group="send")
        return True

    async def _send(self, visit: Visit, text: str) -> None:
        try:
            await self.conversation.send(visit, text)
        except VenomError as failure:
            self.conversation.give_back(visit, text)
            self.complain(failure)

    def _run_command(self, name: str) -> bool:
        if name in COMMANDS:
            self.call_later(self.run_action, COMMANDS[name].action)
            return True
        offered = "  ".join(f"/{command}" for command in similar(name))
        self.notify(f"/{name} is no command. There are: {offered}", markup=False, timeout=8)
        return False

    def on_prompt_empty_key(self, message: Prompt.EmptyKey) -> None:
        """In an empty prompt `?` is help and `:` finds a command."""
        self.call_later(self.app.run_action, "help" if message.key == "?" else "command_palette")

    def on_text_area_changed(self, message: Prompt.Changed) -> None:
        """Keep the draft."""
        self.conversation.draft(message.text_area.text)

    # ------------------------------------------------------------------ keys

    def stop_answer(self) -> bool:
        """Stop the answer of the open session; return whether there was one."""
        if not self.conversation.busy:
            return False
        start(self, lambda: self.conversation.stop(), group="stop")
        return True

    def action_back(self) -> None:
        """Esc: stop the answer, else leave the prompt, else come back to it."""
        if self.stop_answer():
            return
        if self.query_one(Prompt).has_focus:
            self.set_focus(self.query_one(ChatTranscript))
        else:
            self.set_focus(self.query_one(Prompt))

    def action_sessions(self) -> None:
        """Go to the list, or pick a session where the list is folded away."""
        if self.query_one("#side").display:
            self.set_focus(self.query_one(SessionList))
        else:
            self.pick_session()

    def action_scroll_talk(self, by: int) -> None:
        """Scroll the conversation by pages."""
        transcript = self.query_one(ChatTranscript)
        if by < 0:
            transcript.scroll_page_up(animate=False)
        else:
            transcript.scroll_page_down(animate=False)

    def action_scroll_end(self) -> None:
        """Follow the end again."""
        self.query_one(ChatTranscript).follow_end()

    def action_regenerate(self) -> None:
        """Ask for the last answer again."""
        self.hide_card()
        start(self, self.conversation.regenerate, group="send")

    def on_row_list_chosen(self, message: RowList.Chosen) -> None:
        """Open the chosen session."""
        self.open_session(message.key)

    def on_transcript_older_wanted(self, _message: Transcript.OlderWanted) -> None:
        """Read the messages before those that are here."""
        start(self, lambda: self.conversation.show_older(), group="older", exclusive=True)

    def on_transcript_follow_changed(self, message: Transcript.FollowChanged) -> None:
        """Say that there is more below."""
        hint = ""
        if not message.following:
            below = f"{message.new_lines:,} new lines below" if message.new_lines else "more below"
            hint = f"{below} · {self.key_of('chat.end')} to the end"
        self.query_one("#prompt-rule", RuleLine).set_title("", hint)

    def on_descendant_focus(self) -> None:
        """Let the rules tell where the focus is."""
        self.query_one("#sessions-rule").set_class(self.query_one(SessionList).has_focus, "-focused")
        self.query_one("#talk-rule").set_class(self.query_one(ChatTranscript).has_focus, "-focused")
        self.query_one("#prompt-rule").set_class(self.query_one(Prompt).has_focus, "-focused")

    def conversation_changed(self) -> None:
        """Renew the titles after the conversation changed its session or its state."""
        session = self.conversation.session
        title = "New session" if session is None else session_title(session)
        self.query_one("#talk-rule", RuleLine).set_title(title, self.conversation.measure())
        self.show_sessions()
