"""The application's colours: those that were chosen, or that suit the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from venom_tui.ui.terminal.app import TerminalApp
from venom_tui.ui.theme import FALLBACK_VARIABLES, OURS, theme_name
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.settings import Settings


class ColouredApp(TerminalApp[None], inherit_bindings=False):
    """An application that knows its themes; VENOM_THEME says which."""

    settings: Settings
    core: Core | None

    def wear(self, setting: str) -> None:
        """Take the colours that the setting says."""
        if OURS[0].name not in self.available_themes:
            for theme in OURS:
                self.register_theme(theme)
        self.theme = theme_name(setting, light=self.light_terminal)

    def terminal_told_background(self) -> None:
        """Take the colours that suit the terminal's background, unless others were chosen."""
        self.wear(self.settings.text("VENOM_THEME"))

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Give the tokens of ours to themes that lack them."""
        return FALLBACK_VARIABLES

    def action_theme(self, name: str) -> None:
        """Change the colours."""
        start(self, lambda: self.choose_theme(name), group="theme", exclusive=True)

    async def choose_theme(self, name: str) -> None:
        """Change the colours and keep the choice.

        Raises:
            VenomError: it could not be kept.
        """
        self.wear(name)
        if self.core is not None:
            await self.core.save_setting("VENOM_THEME", name)
