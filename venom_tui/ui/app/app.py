"""The application: its sections, and what is the same in all of them."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Input, TextArea

from venom_tui.core.errors import UsageError, VenomError
from venom_tui.ui.app.bindings import APP_BINDINGS
from venom_tui.ui.app.colours import ColouredApp
from venom_tui.ui.app.core_life import CoreLife
from venom_tui.ui.app.headline import Headline
from venom_tui.ui.app.keymap import read_keymap, unknown_ids
from venom_tui.ui.bridge import Bridge
from venom_tui.ui.screens.chat.screen import ChatScreen
from venom_tui.ui.screens.section import SectionScreen
from venom_tui.ui.stylesheets import ParsedOnce, stylesheets
from venom_tui.ui.terminal.environment import over_ssh
from venom_tui.ui.terminal.screen import close_dialogs
from venom_tui.ui.text import locale_is_utf8, use_ascii
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.events import Event
    from venom_tui.core.settings import Settings
    from venom_tui.core.types.model import ModelInfo
    from venom_tui.ui.app.switching import Switching
    from venom_tui.ui.bridge import Listens
    from venom_tui.ui.widgets.header import HeaderState

_AGAIN_S = 2.0
"""Seconds within which a second ctrl+c quits."""
_LOCAL_ANSWER_FPS = 10
_SSH_ANSWER_FPS = 8


def _catalog() -> Screen[None]:
    from venom_tui.ui.screens.catalog.screen import CatalogScreen

    return CatalogScreen()


def _operations() -> Screen[None]:
    from venom_tui.ui.screens.operations.screen import OperationsScreen

    return OperationsScreen()


def _guard() -> Screen[None]:
    from venom_tui.ui.screens.guard.screen import GuardScreen

    return GuardScreen()


def _runtimes() -> Screen[None]:
    from venom_tui.ui.screens.runtimes.screen import RuntimesScreen

    return RuntimesScreen()


class VenomApp(ColouredApp, inherit_bindings=False):
    """The cockpit. `failure` holds, after the end, why the core could not be opened."""

    TITLE = "venom-tui"
    ENABLE_COMMAND_PALETTE = False
    # The other sections are imported when they are gone to.
    MODES: ClassVar[dict[str, str | Callable[[], Screen[None]]]] = {
        "chat": ChatScreen,
        "catalog": _catalog,
        "operations": _operations,
        "guard": _guard,
        "runtimes": _runtimes,
    }

    BINDINGS: ClassVar[list[BindingType]] = [*APP_BINDINGS]

    def __init__(self, settings: Settings, *, section: str = "chat") -> None:
        """Take the settings as they are read; the core is opened after the first paint.

        Raises:
            UsageError: the keymap cannot be read.
        """
        keymap = read_keymap(settings.config_dir / "keymap.toml")
        ascii_only = settings.flag("VENOM_ASCII") or not locale_is_utf8()
        use_ascii(ascii_only)
        # The section that is asked for comes first; Textual's own default is a screen that would be thrown away.
        self.DEFAULT_MODE = section  # type: ignore[misc]  # read once, by the base class
        super().__init__(
            plain_output=settings.flag("VENOM_PLAIN_OUTPUT"), ascii_output=ascii_only, css_path=stylesheets()
        )
        self.settings = settings
        self.failure: VenomError | None = None
        self.core: Core | None = None
        self.headline = Headline(self._show_header, self._later, read_only=settings.flag("VENOM_READ_ONLY"))
        self._bridge = Bridge()
        self._waiting: list[Listens] = []
        """Sections that are there before the core is."""
        self._life = CoreLife(
            settings,
            self._bridge,
            opened=self._core_opened,
            ends=self._core_ends,
            gone=self._core_gone,
            failed=self._give_up,
        )
        self._quitting = False
        self._leave_running = True
        self._interrupted_at = float("-inf")
        self._mouse = settings.flag("VENOM_MOUSE")
        self._copied = ""
        self._given_keymap = keymap
        self.set_keymap(keymap)
        self.wear(settings.text("VENOM_THEME"))
        self.stylesheet = ParsedOnce(variables=self.get_css_variables())

    # ------------------------------------------------------------------ the core

    def on_ready(self) -> None:
        """Open the core now where no first paint is told (the stock driver, tests)."""
        if not self.terminal.ours:
            self._life.begin()

    def first_painted(self) -> None:
        """Open the core: the screen is there, so nobody waits for it."""
        super().first_painted()
        self._life.begin()

    def _give_up(self, failure: VenomError) -> None:
        self.failure = failure
        self._quitting = True
        self.exit(return_code=failure.exit_code)

    async def _core_ends(self, core: Core) -> None:
        """Leave downloads to a process without a terminal, where they are to go on."""
        self._end_alarms()
        if self._leave_running:
            from venom_tui.ui.app.pulls import leave_running

            await leave_running(core)

    def _core_gone(self) -> None:
        self.core = None

    async def _core_opened(self, core: Core) -> None:
        from venom_tui.ui.app.alarms import watch_limits

        self.core = core
        self.wear(core.settings.text("VENOM_THEME"))
        self._bridge.add(self)
        self._end_alarms = watch_limits(self)
        for listener in self._waiting:
            self.join(listener)
        self._waiting.clear()
        for notice in core.database.notices:
            self.notify(notice, severity="warning", markup=False, timeout=20)
        self._complain_of_keymap()
        await self.headline.core_ready(core)
        self.freeze_memory()

    def join(self, listener: Listens) -> None:
        """Give a section the core and its events, now or when the core is open."""
        if self.core is None:
            self._waiting.append(listener)
        elif not self._bridge.has(listener):
            self._bridge.add(listener)
            listener.core_ready(self.core)

    def core_ready(self, core: Core) -> None:
        """Nothing: the application opened it."""

    def core_event(self, event: Event) -> None:
        """Keep the header true."""
        self.headline.core_event(event)

    def _later(self, work: Callable[[], Awaitable[None]]) -> None:
        start(self, work, group="headline", exclusive=True)

    @property
    def header(self) -> HeaderState:
        """What the header says now."""
        return self.headline.state

    def tell_unseen(self, answers: int) -> None:
        """Say in how many sessions an answer has ended that nobody looked at yet."""
        self.headline.unseen_answers(answers)

    def _show_header(self, state: HeaderState) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, SectionScreen):
                screen.set_header(state)

    # ------------------------------------------------------------------ the end

    @property
    def quitting(self) -> bool:
        """Whether the program is about to end."""
        return self._quitting

    async def quit_in_order(self, *, leave_running: bool = True) -> None:
        """End the program: answers kept, writes flushed, terminal restored; downloads go on without it, or stop."""
        if self._quitting:
            return
        self._quitting = True
        self._leave_running = leave_running
        self.headline.note("closing")
        await self._life.end()
        self.exit()

    async def orderly_quit(self, reason: str) -> None:
        """End as `quit` does when the process is told to, or its terminal is gone."""
        await self.quit_in_order()

    async def action_quit(self) -> None:
        """Quit, after a question where downloads run."""
        from venom_tui.ui.app.pulls import ask_to_quit

        ask_to_quit(self)

    def action_interrupt(self) -> None:
        """Copy what is selected, else stop the answer, else quit at the second time."""
        selected = self._selected_text()
        if selected:
            self.copy(selected, "the selection")
            return
        if self.switching.give_up():
            return
        chat = self.section_screen("chat")
        if isinstance(chat, ChatScreen) and chat.stop_answer():
            return
        now = time.monotonic()
        if now - self._interrupted_at <= _AGAIN_S:
            start(self, self.action_quit, group="quit")
        else:
            self._interrupted_at = now
            self.notify("ctrl+c again quits.", markup=False, timeout=_AGAIN_S)

    def _selected_text(self) -> str:
        focused = self.focused
        if isinstance(focused, Input | TextArea) and focused.selected_text:
            return focused.selected_text
        return self.screen.get_selected_text() or ""

    def copy(self, text: str, what: str) -> None:
        """Copy a text to where the terminal can reach it, and say where that is; `what` names it in the sentence."""
        from venom_tui.ui.app.copying import copy

        self._copied = text
        start(self, lambda: copy(self, text, what), group="copy", exclusive=True)

    @property
    def clipboard(self) -> str:
        """What ctrl+v puts into an input: what was copied here last."""
        return self._copied

    def copy_to_clipboard(self, text: str) -> None:
        """Copy what an input cut or copied."""
        self.copy(text, "the text")

    # ------------------------------------------------------------------ what acts everywhere

    def get_key_display(self, binding: Binding) -> str:
        """Write a key as people say it."""
        return super().get_key_display(binding).replace("⏎", "enter")

    @property
    def read_only(self) -> bool:
        """Whether nothing may be changed."""
        return self.settings.flag("VENOM_READ_ONLY")

    @property
    def answer_fps(self) -> int:
        """Frames a second at most while an answer streams."""
        return self.settings.int("VENOM_FPS") or (_SSH_ANSWER_FPS if over_ssh() else _LOCAL_ANSWER_FPS)

    def section_screen(self, name: str) -> SectionScreen | None:
        """Return the screen of a section that was opened already."""
        try:
            stack = self.get_screen_stack(name)
        except KeyError:  # it was not gone to yet
            return None
        return stack[0] if stack and isinstance(stack[0], SectionScreen) else None

    def show_section(self, name: str) -> None:
        """Bring a section to the front; dialogs that are open are answered with no."""
        close_dialogs(self)
        self.switch_mode(name)

    def action_section(self, name: str) -> None:
        """Go to a section."""
        self.show_section(name)

    def action_help(self) -> None:
        """Show all keys, or close them again."""
        from venom_tui.ui.dialogs.help import HelpScreen

        if isinstance(self.screen, HelpScreen):
            self.screen.dismiss(None)
        else:
            below = self.screen
            written = below.written_commands() if isinstance(below, SectionScreen) else ()
            self.push_screen(HelpScreen(below, [(one.written, one.meaning) for one in written]))

    def action_command_palette(self) -> None:
        """Find a command by its name."""
        from venom_tui.ui.commands import find_command

        find_command(self)

    @cached_property
    def switching(self) -> Switching:
        """What switches models. Its module comes when it is used: the first paint does without."""
        from venom_tui.ui.app.switching import Switching

        return Switching(self)

    @property
    def switching_to(self) -> ModelInfo | None:
        """The model that is being switched to, if any."""
        return self.switching.target

    def action_pick_model(self, words: str = "") -> None:
        """Pick the model that answers; `words` are filtered by."""
        self.switching.pick(words)

    def action_previous_model(self) -> None:
        """Switch back to the model that was active before."""
        self.switching.back()

    def action_better_models(self) -> None:
        """Show better models that fit this machine."""
        from venom_tui.ui.app.better_models import better_models

        better_models(self)

    def switch_to(self, model: ModelInfo) -> None:
        """Load a model and make it active; where that fails, the one before stays and the reason is shown."""
        self.switching.switch_to(model)

    async def edit_text(self, text: str) -> str | None:
        """Let the user write a text in his own editor; return None where that did not go well, which is said then."""
        from venom_tui.ui.terminal.editor import EditorFailed, edit

        try:
            return await edit(self, text)
        except EditorFailed as failure:
            self.complain(VenomError(str(failure)))
            return None

    def pull(self, name: str = "", provider: str | None = None) -> None:
        """Ask which model is to be fetched, show what that costs, and fetch it after a yes."""
        from venom_tui.ui.app.pulls import ask_to_pull

        ask_to_pull(self, name, provider)

    def action_toggle_mouse(self) -> None:
        """Leave the mouse to the terminal, or take it back."""
        self._mouse = not self._mouse
        self.terminal.set_mouse(self._mouse)
        mine, theirs = "The mouse is venom-tui's again.", "The mouse is the terminal's now, to select and copy."
        self.notify(mine if self._mouse else theirs, markup=False)

    def complain(self, failure: VenomError) -> None:
        """Say what went wrong, with the server's words, and what to do."""
        parts = (failure.message, failure.server_message, failure.hint)
        self.notify(" ".join(part for part in parts if part), severity="error", markup=False, timeout=12)

    def _complain_of_keymap(self) -> None:
        from venom_tui.ui.commands import binding_ids

        unknown = unknown_ids(self._given_keymap, binding_ids(self)) if self._given_keymap else []
        if unknown:
            self.complain(UsageError(f"keymap.toml names no key that there is: {', '.join(unknown)}."))
