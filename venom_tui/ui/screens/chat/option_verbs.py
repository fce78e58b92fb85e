"""What is chosen for a session or a model: thinking, format, context, parameters; and how full the context is."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from textual.content import Content
from textual.widgets import Static

from venom_tui.core.errors import VenomError
from venom_tui.ui.screens.chat.base import ChatBase
from venom_tui.ui.screens.chat.session_list import session_title
from venom_tui.ui.text import tokens
from venom_tui.ui.widgets.sections import RuleLine
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.types.context import ContextUse
    from venom_tui.core.types.model import ActiveModel, ModelInfo
    from venom_tui.core.types.session import Message, SessionOptions
    from venom_tui.core.types.turn import TurnEnded

WARN_SHARE = 0.8
"""From here on the context is nearly full."""


class OptionVerbs(ChatBase):
    """The verbs on what is chosen; the chat screen derives from this."""

    _use: ContextUse | None = None

    @property
    def blind_model(self) -> str:
        """The name of the model that answers, where it is known that it cannot see images."""
        model = self.active_model
        if model is None or model.capabilities is None or "vision" in model.capabilities:
            return ""
        return model.name

    # ------------------------------------------------------------------ what is shown

    def show_options(self) -> None:
        """Show at the prompt's right what is chosen."""
        self.query_one("#mode", Static).update(Content(chosen_words(self.conversation.options, self.active_model)))

    def renew_meter(self) -> None:
        """Measure again how full the context is."""
        start(self, lambda: self._renew_meter(), group="meter", exclusive=True)

    async def _renew_meter(self) -> None:
        core, visit = self.core, self.conversation.visit
        use = None
        if core is not None and visit.session is not None:
            use = await core.chat.context_of(visit.session.id)
        if self.conversation.visit is visit:
            self._use = use
            self.show_title()

    def show_title(self) -> None:
        """Show the title of the open session, and how full its context is."""
        session = self.conversation.session
        title = "New session" if session is None else session_title(session)
        meter = meter_words(self._use)
        self.query_one("#talk-rule", RuleLine).set_title(title, meter or self.conversation.measure())

    # ------------------------------------------------------------------ thinking, format

    def action_toggle_think(self) -> None:
        """Let the model think first, then not, then leave it to the model."""
        order = {None: "on", "on": "off"}
        if self.conversation.options.think is None:
            self._warn_of_thinking()
        change = self.conversation.change_options
        self.do(lambda: change(lambda chosen: replace(chosen, think=order.get(chosen.think))), "options")

    def command_think(self, argument: str) -> bool:
        """Choose whether, or how much, the model thinks."""
        from venom_tui.core.types.session import THINKING

        word = argument.lower()
        if word not in (*THINKING, "auto"):
            self.say(f"/think takes {', '.join(THINKING)} or auto, which leaves it to the model.")
            return False
        think = None if word == "auto" else word
        if think not in (None, "off"):
            self._warn_of_thinking()
        self.do(lambda: self.conversation.choose(think=think), "options")
        return True

    def _warn_of_thinking(self) -> None:
        model = self.active_model
        if model is not None and "thinking" not in (model.capabilities or ("thinking",)):
            self.say(f"As far as is known {model.name} does not think.")

    def command_format(self, argument: str) -> bool:
        """Choose what answers must be: any JSON, JSON that fits a schema, or text."""
        if not argument:
            self.say("/format takes json, the path of a JSON schema, or off.")
            return False
        self.do(lambda: self._format(argument), "options")
        return True

    async def _format(self, argument: str) -> None:
        core = self.core
        if core is None:
            return
        schema = "" if argument.lower() == "off" else json.dumps(await core.chat.read_schema(argument))
        await self.conversation.choose(schema=schema)
        said = {"": "Answers are text again.", "{}": "Answers are JSON from now on, in this session."}
        self.say(said.get(schema, "Answers fit this schema from now on, in this session."))

    # ------------------------------------------------------------------ the context

    def command_oldest(self, argument: str) -> bool:
        """Choose whether the oldest turns are left out where the conversation does not fit."""
        if argument.lower() not in ("leave", "keep"):
            self.say("/oldest takes leave (the oldest turns are left out where all does not fit) or keep.")
            return False
        leave = argument.lower() == "leave"
        self.do(lambda: self.conversation.choose(leave_out_oldest=leave), "options")
        return True

    def command_context(self, argument: str) -> bool:
        """Choose the context that the model is loaded with; without a number show which there are.

        Where the last prompt did not fit, that shows what else can be done, too.
        """
        if not argument:
            self.do_opening(lambda: self._offer_contexts(self._overflowed), "context")
            return True
        if argument.lower() == "auto":
            self.do(lambda: self._choose_context(None), "options")
            return True
        number = number_of_tokens(argument)
        if number is None:
            self.say("/context takes a number of tokens (16384, 16k) or auto.")
            return False
        self.do(lambda: self._choose_context(number), "options")
        return True

    async def _choose_context(self, number: int | None) -> None:
        await self.conversation.choose(context_length=number)
        if number is None:
            self.say("The context is what the model has, or its server chooses.")
        else:
            self.say(f"From now on this session has {number:,} tokens of context; a loaded model is loaded again.")

    def turn_ended_here(self, event: TurnEnded) -> None:
        """Measure again; where a prompt did not fit, offer what can be done."""
        self.renew_meter()
        if event.message.overflow is not None and self.is_current:
            self.do(lambda: self._offer_contexts(event.message, unasked=True), "context")

    @property
    def _overflowed(self) -> Message | None:
        """The last answer of the open session where its prompt did not fit, in an earlier run too.

        While it is being repeated there is none.
        """
        last = self.conversation.last_answer
        failed = last is not None and last.overflow is not None
        return last if failed and not self.conversation.asking.busy else None

    async def _offer_contexts(self, failed: Message | None, *, unasked: bool = False) -> None:
        """Offer larger contexts; after an overflow what else can be done, too.

        `unasked`: the end of a turn offers it; who writes the next prompt meanwhile is only told.
        """
        from venom_tui.ui.dialogs.choose import Choose
        from venom_tui.ui.screens.chat.overflow import explanation, ways

        core, session = self.core, self.conversation.session
        if core is None:
            return
        if session is None:
            session = await self.conversation.ensure(self.conversation.begun())
        name = "The model" if self.active is None else self.active.name
        if failed is not None and failed.model:
            name = failed.model
        use = await core.chat.context_of(session.id)
        try:
            choices = await core.chat.context_choices(session.id)
        except VenomError as failure:
            choices = ()
            if failed is None:
                self.complain(failure)
        overflow = None if failed is None else failed.overflow
        title = "The conversation does not fit" if overflow is not None else "Context"
        if unasked and (self.prompt.content or not self.is_active):  # the next key would choose a way
            self.say("The conversation does not fit into its context. /context shows what can be done.", timeout=12)
            return
        dialog = Choose(title, explanation(name, use, overflow, choices), ways(choices, overflow))
        self.app.call_later(self.app.push_screen, dialog, lambda way: self._go_on(way, again=overflow is not None))

    def _go_on(self, way: str | None, *, again: bool) -> None:
        """Do what was chosen."""
        if way is None or way == "no":
            return
        asking, number = self.conversation.asking, int(way) if way.isdigit() else None
        if not again:
            self.do(lambda: self._choose_context(number), "options")
        elif number is not None:
            self.do(lambda: asking.regenerate(context_length=number), "send")
        else:
            self.do(lambda: self._leave_out(always=way == "always"), "send")

    async def _leave_out(self, *, always: bool) -> None:
        if always:
            await self.conversation.choose(leave_out_oldest=True)
        await self.conversation.asking.regenerate(leave_out_oldest=True)

    # ------------------------------------------------------------------ parameters

    def command_set(self, argument: str) -> bool:
        """Change a generation parameter of the active model."""
        name, _, value = argument.partition(" ")
        if not value.strip():
            self.say("/set takes a parameter and its value, or off: /set temperature 0.2. /params shows all.")
            return False
        self.do(lambda: self._set(name, value.strip()), "options")
        return True

    async def _set(self, name: str, value: str) -> None:
        core, active = self.core, self.active
        if core is None or active is None:
            self.say("No model answers.")
            return
        new = None if value.lower() in ("off", "default") else value
        await core.models.set_parameters(active.name, active.runtime, {name: new})
        self.say(f"{name} of {active.name} is {'left to the model' if new is None else new} from now on.")

    def action_parameters(self) -> None:
        """Show the parameters of the active model, with their ranges."""
        core, active = self.core, self.active
        if core is None or active is None:
            self.say("No model answers.")
        else:
            self.do_opening(lambda: self._parameters(core, active), "parameters")

    async def _parameters(self, core: Core, active: ActiveModel) -> None:
        from venom_tui.ui.screens.chat.parameters import ask_for, parameter_picker

        specs = (await core.registry.details(active.name, active.runtime)).parameters
        by_name = {spec.name: spec for spec in specs}

        def set_it(name: str, value: str | None) -> None:
            if value is not None:
                self.do(lambda: self._set(name, value), "options")

        def picked(name: str | None) -> None:
            if name is not None:
                self.app.push_screen(ask_for(by_name[name]), lambda value: set_it(name, value))

        self.app.call_later(self.app.push_screen, parameter_picker(active.name, specs), picked)


def meter_words(use: ContextUse | None) -> Content:
    """Return how full the context is: `2.1k of 8k context`; nothing where nothing is known."""
    if use is None or (use.used_tokens is None and use.context_length is None):
        return Content()
    about = "~" if use.estimated and use.used_tokens is not None else ""
    of = "" if use.context_length is None else f" of {tokens(use.context_length)}"
    words = f"{about}{tokens(use.used_tokens)}{of} context"
    if use.used_tokens is None:
        words = f"{tokens(use.context_length)} context"
    share = 0.0 if use.used_tokens is None or not use.context_length else use.used_tokens / use.context_length
    return Content.styled(words, "$error" if share >= 1 else "$warning" if share >= WARN_SHARE else "$text-muted")


def chosen_words(options: SessionOptions, model: ModelInfo | None) -> str:
    """Return what is chosen for a session, the mode first: `Direct · think high · JSON`."""
    words = ["Direct"]
    if options.think is not None:
        words.append(f"think {options.think}")
    elif model is not None and "thinking" in (model.capabilities or ()):
        words.append("think auto")
    if options.schema:
        words.append("JSON" if options.schema == "{}" else "schema")
    if options.leave_out_oldest:
        words.append("oldest left out")
    return " · ".join(words)


def number_of_tokens(text: str) -> int | None:
    """Return a number of tokens as it is written by hand (16384, 16,384, 16k), None where it is none."""
    digits = text.lower().replace(",", "").replace("_", "").strip()
    factor = 1024 if digits.endswith("k") else 1
    digits = digits.removesuffix("k")
    return int(digits) * factor if digits.isdecimal() and digits.isascii() and len(digits) < 10 else None
