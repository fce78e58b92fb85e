"""The application: sections, keys that act everywhere, and the life of the core."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.screen import ModalScreen, Screen
from textual.widgets import Input, TextArea

from venom_tui.core.errors import UsageError, VenomError
from venom_tui.ui.app.bindings import APP_BINDINGS
from venom_tui.ui.app.headline import Headline
from venom_tui.ui.app.keymap import read_keymap, unknown_ids
from venom_tui.ui.bridge import Bridge
from venom_tui.ui.screens.chat.screen import ChatScreen
from venom_tui.ui.screens.section import SectionScreen
from venom_tui.ui.stylesheets import ParsedOnce, stylesheets
from venom_tui.ui.terminal.app import TerminalApp
from venom_tui.ui.terminal.environment import over_ssh
from venom_tui.ui.text import locale_is_utf8, use_ascii
from venom_tui.ui.theme import FALLBACK_VARIABLES, NAMES, OURS
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.events import Event
    from venom_tui.core.settings import Settings
    from venom_tui.core.types.model import ModelInfo
    from venom_tui.ui.bridge import Listens
    from venom_tui.ui.widgets.header import HeaderState

_log = logging.getLogger(__name__)

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


class VenomApp(TerminalApp[None], inherit_bindings=False):
    """The cockpit. `failure` holds, after the end, why the core could not be opened."""

    TITLE = "venom-tui"
    ENABLE_COMMAND_PALETTE = False
    # The other sections are imported when they are gone to.
    MODES: ClassVar[dict[str, str | Callable[[], Screen[None]]]] = {
        "chat": ChatScreen,
        "catalog": _catalog,
        "operations": _operations,
        "guard": _guard,
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
        self._core_task: asyncio.Task[None] | None = None
        self._core_closing = asyncio.Event()
        self._quitting = False
        self._interrupted_at = float("-inf")
        self._mouse = settings.flag("VENOM_MOUSE")
        self._given_keymap = keymap
        self.set_keymap(keymap)
        for theme in OURS:
            self.register_theme(theme)
        self.theme = NAMES[settings.text("VENOM_THEME")]
        self.stylesheet = ParsedOnce(variables=self.get_css_variables())

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Give the tokens of ours to themes that lack them."""
        return FALLBACK_VARIABLES

    # ------------------------------------------------------------------ the core

    def on_ready(self) -> None:
        """Open the core now where no first paint is told (the stock driver, tests)."""
        if not self.terminal.ours:
            self._open_core()

    def first_painted(self) -> None:
        """Open the core: the screen is there, so nobody waits for it."""
        super().first_painted()
        self._open_core()

    def _open_core(self) -> None:
        if self._core_task is None:
            self._core_task = asyncio.create_task(self._live_with_core(), name="core")

    async def _live_with_core(self) -> None:
        """Own the core from its opening to its end."""
        try:
            core_class = await asyncio.to_thread(_import_core)
            if self._core_closing.is_set():
                return
            async with core_class(self.settings) as core:
                carrying = asyncio.create_task(self._bridge.run(core), name="bridge")
                try:
                    await self._core_opened(core)
                    await self._core_closing.wait()
                finally:
                    self.core = None
                    carrying.cancel()
                    await asyncio.wait({carrying})
        except VenomError as failure:
            self._give_up(failure)
        except Exception as error:  # noqa: BLE001 (a defect: said on the way out, its trace in the log)
            _log.exception("the core failed")
            self._give_up(
                VenomError(
                    f"venom-tui made a mistake ({type(error).__name__}).",
                    hint="The log in the data directory has the details.",
                )
            )

    def _give_up(self, failure: VenomError) -> None:
        self.failure = failure
        self._quitting = True
        self.exit(return_code=failure.exit_code)

    async def _core_opened(self, core: Core) -> None:
        self.core = core
        self.theme = NAMES[core.settings.text("VENOM_THEME")]
        self._bridge.add(self)
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

    def _show_header(self, state: HeaderState) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, SectionScreen):
                screen.set_header(state)

    # ------------------------------------------------------------------ the end

    @property
    def quitting(self) -> bool:
        """Whether the program is about to end."""
        return self._quitting

    async def quit_in_order(self) -> None:
        """End the program: answers kept, writes flushed, terminal restored."""
        if self._quitting:
            return
        self._quitting = True
        self.headline.note("closing")
        self._core_closing.set()
        if self._core_task is not None:
            await asyncio.wait({self._core_task})
        self.exit()

    async def orderly_quit(self, reason: str) -> None:
        """End as `quit` does when the process is told to, or its terminal is gone."""
        await self.quit_in_order()

    async def action_quit(self) -> None:
        """Quit."""
        start(self, lambda: self.quit_in_order(), group="quit")

    def action_interrupt(self) -> None:
        """Copy what is selected, else stop the answer, else quit at the second time."""
        selected = self._selected_text()
        if selected:
            self.copy(selected, "the selection")
            return
        chat = self.section_screen("chat")
        if isinstance(chat, ChatScreen) and chat.stop_answer():
            return
        now = time.monotonic()
        if now - self._interrupted_at <= _AGAIN_S:
            start(self, lambda: self.quit_in_order(), group="quit")
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

        self._clipboard = text  # what ctrl+v puts into an input
        start(self, lambda: copy(self, text, what), group="copy", exclusive=True)

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
        """Bring a section to the front; dialogs that are open there are closed."""
        while isinstance(self.screen, ModalScreen):
            self.pop_screen()
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
            self.push_screen(HelpScreen(self.screen))

    def action_command_palette(self) -> None:
        """Find a command by its name."""
        from venom_tui.ui.commands import find_command

        find_command(self)

    def action_pick_model(self) -> None:
        """Pick the model that answers."""
        from venom_tui.ui.app.model_picker import pick_model

        pick_model(self)

    def switch_to(self, model: ModelInfo) -> None:
        """Load a model and make it active; where that fails, the one before stays and the reason is shown."""
        from venom_tui.ui.app.model_picker import switch_to

        switch_to(self, model)

    def action_theme(self, name: str) -> None:
        """Change the colours."""
        from venom_tui.ui.commands import change_theme

        start(self, lambda: change_theme(self, name), group="theme", exclusive=True)

    async def choose_theme(self, name: str) -> None:
        """Change the colours and keep the choice.

        Raises:
            VenomError: it could not be kept.
        """
        self.theme = NAMES[name]
        if self.core is not None:
            await self.core.save_setting("VENOM_THEME", name)

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


def _import_core() -> type[Core]:
    """Import the core, and what the first answer will need, in a thread.

    Not while the garbage collector may run: a finalizer that imports something in the middle of an import makes that
    fail with a KeyError in Python 3.11 (seen here), and a collection would only stop the screen.
    """
    gc.disable()
    try:
        from venom_tui.core.core import Core
        from venom_tui.ui.screens.chat import conversation  # noqa: F401
        from venom_tui.ui.widgets.transcript.markdown import parser

        parser()
    finally:
        gc.freeze()
        gc.enable()
    return Core
