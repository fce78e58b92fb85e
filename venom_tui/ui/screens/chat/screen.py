"""The chat: sessions at the side, the conversation, the prompt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Static

from venom_tui.core.errors import VenomError
from venom_tui.ui.screens.chat.answer_verbs import AnswerVerbs
from venom_tui.ui.screens.chat.aside_verbs import AsideVerbs
from venom_tui.ui.screens.chat.bindings import CHAT_BINDINGS
from venom_tui.ui.screens.chat.card import CARD_KEY, DEMONSTRATION_PROMPTS, CardFacts, card
from venom_tui.ui.screens.chat.option_verbs import OptionVerbs
from venom_tui.ui.screens.chat.prompt import ChatPrompt
from venom_tui.ui.screens.chat.prompt_rule import PromptRule
from venom_tui.ui.screens.chat.prompt_verbs import PromptVerbs
from venom_tui.ui.screens.chat.queue_verbs import QueueVerbs
from venom_tui.ui.screens.chat.session_list import SessionList
from venom_tui.ui.screens.chat.session_verbs import SessionVerbs
from venom_tui.ui.screens.chat.transcript import ChatTranscript
from venom_tui.ui.widgets.rows import RowList
from venom_tui.ui.widgets.sections import RuleLine
from venom_tui.ui.widgets.transcript import Transcript
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.events import Event
    from venom_tui.core.types.model import ActiveModel, ModelInfo


class ChatScreen(SessionVerbs, PromptVerbs, QueueVerbs, AnswerVerbs, OptionVerbs, AsideVerbs):
    """Talks to the active model."""

    NAME = "chat"
    AUTO_FOCUS = "Prompt"

    BINDINGS: ClassVar[list[BindingType]] = [*CHAT_BINDINGS]

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
                yield PromptRule()
                with Horizontal(id="ask"):
                    yield Static("> ", id="sign")
                    yield ChatPrompt(placeholder="ask, or / for a command", take=self.take_prompt)
                    yield Static("Direct", id="mode")

    def on_mount(self) -> None:
        """Show the card with what is known so far."""
        self.show_card()
        self.set_interval(1.0, self._tick)

    def on_resize(self) -> None:
        """Make use of the room that there is."""
        self.fit_aside()
        self.renew_aside()

    def _tick(self) -> None:
        """Renew what tells a time, while an answer is awaited."""
        if self.is_current:
            self.conversation.asking.tick()

    # ------------------------------------------------------------------ the core

    def core_ready(self, core: Core) -> None:
        """Show the last session, the sessions there are, and the card."""
        self.fit_aside()
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
        await self._load_history()

    def core_event(self, event: Event) -> None:
        """Renew what the event is about."""
        from venom_tui.core.events import (
            ActiveModelChanged,
            GuardSampled,
            ModelsChanged,
            QueueChanged,
            RuntimeChanged,
            SessionsChanged,
            StoreTrouble,
            TurnProgress,
        )
        from venom_tui.core.types.turn import TurnEnded, TurnStarted

        match event:
            case SessionsChanged(session_id=session_id):
                start(self, lambda: self._sessions_changed(session_id), group="sessions")
            case QueueChanged(session_id=session_id):
                if self.conversation.session is not None and session_id == self.conversation.session.id:
                    self.renew_queue()
            case TurnProgress(event=TurnStarted() as started):
                self.conversation.asking.turn_started(started)
            case TurnProgress(event=TurnEnded() as ended):
                self.conversation.asking.turn_ended(ended)
            case GuardSampled(snapshot=snapshot):
                self.renew_aside()
                if self._facts.guard is None:
                    self._set_facts(guard=snapshot)
            case RuntimeChanged() | ModelsChanged() | ActiveModelChanged():
                # Not exclusive: of several at once, what is cancelled before it begins is never awaited.
                start(self, lambda: self._renew_models(), group="models")
            case StoreTrouble(message=message):
                self._set_facts(trouble=(*self._facts.trouble, message))
                self.notify(message, severity="warning", markup=False, timeout=20)

    def shown(self) -> None:
        """Take notice that the conversation is looked at."""
        if self.core is not None:
            self.conversation.seen()
            self.renew_aside()

    async def _sessions_changed(self, session_id: str | None) -> None:
        await self.refresh_sessions()
        await self.conversation.refresh(session_id)
        if session_id is None:
            await self._load_history()

    async def _renew_models(self) -> None:
        core = self.core
        if core is not None:
            self._set_facts(
                runtimes=await core.runtimes.statuses(),
                models=await core.models.list(),
                active=await core.models.active(settled=False),
            )
            self.show_options()
            self.renew_meter()
            await self._renew_better(core)

    async def _renew_better(self, core: Core) -> None:
        """Find out, once, how large the models are that would be better than the demonstration model."""
        found = self._facts
        if self._card_shown and not found.better and (found.active is None or found.active.demonstration):
            better = await core.fits.better(found.models or ())
            self._set_facts(better=tuple(one.size_bytes for one in better))

    async def _load_history(self) -> None:
        """Let up and down go through what was asked, and through what the demonstration model can do."""
        if self.core is not None:
            demonstration = self.active is not None and self.active.demonstration
            await self.load_history(self.core, DEMONSTRATION_PROMPTS if demonstration else ())

    @property
    def active(self) -> ActiveModel | None:
        """Which model answers next."""
        return self._facts.active

    @property
    def active_model(self) -> ModelInfo | None:
        """The model that answers next, as far as it is known."""
        return next((model for model in self._facts.models or () if model.active), None)

    # ------------------------------------------------------------------ the card

    def _set_facts(self, **changes: object) -> None:
        demonstration = self.active is not None and self.active.demonstration
        self._facts = replace(self._facts, **changes)  # type: ignore[arg-type]  # keywords of one dataclass
        if self._card_shown:
            self.show_card()
        if demonstration != (self.active is not None and self.active.demonstration):
            start(self, lambda: self._load_history(), group="history", exclusive=True)

    def show_card(self) -> None:
        """Show the card under what is there."""
        self._card_shown = True
        self.transcript.put_last(card(self._facts, self.key_of("app.model"), self.key_of("app.better")))

    def hide_card(self) -> None:
        """Take the card away: the conversation goes on."""
        if self._card_shown:
            self._card_shown = False
            self.transcript.remove_entry(CARD_KEY)

    # ------------------------------------------------------------------ keys

    def action_back(self) -> None:
        """Esc: stop the answer, else leave the prompt, else come back to it."""
        if self.stop_answer():
            return
        self.set_focus(self.transcript if self.prompt.has_focus else self.prompt)

    def action_sessions(self) -> None:
        """Go to the list, or pick a session where the list is folded away."""
        if self.query_one("#side").display:
            self.set_focus(self.query_one(SessionList))
        else:
            self.pick_session()

    def action_scroll_talk(self, by: int) -> None:
        """Scroll the conversation by pages."""
        if by < 0:
            self.transcript.scroll_page_up(animate=False)
        else:
            self.transcript.scroll_page_down(animate=False)

    def action_scroll_end(self) -> None:
        """Follow the end again."""
        self.transcript.follow_end()

    def on_row_list_chosen(self, message: RowList.Chosen) -> None:
        """Open the chosen session."""
        if isinstance(message.rows, SessionList):
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
        self.query_one(PromptRule).hint(hint)

    def on_descendant_focus(self) -> None:
        """Let the rules tell where the focus is."""
        self.query_one("#sessions-rule").set_class(self.query_one(SessionList).has_focus, "-focused")
        self.query_one("#talk-rule").set_class(self.transcript.has_focus, "-focused")
        self.query_one("#prompt-rule").set_class(self.prompt.has_focus, "-focused")

    def conversation_changed(self) -> None:
        """Renew what tells of the conversation after it changed its session or its state."""
        self.show_title()
        self.show_sessions()
        self.show_options()
        self.renew_queue()
        self.renew_meter()
        self.renew_aside()
