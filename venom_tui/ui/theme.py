"""Themes. Colour has five meanings (accent, ok, warning, bad, busy) and two shades of text; nothing else is coloured.

`ansi` leaves all colours to the terminal's own palette.
"""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="venom-dark",
    primary="#7aa2c8",
    secondary="#8fb0a9",
    accent="#8ec07c",
    success="#8ec07c",
    warning="#e0b050",
    error="#e5706b",
    foreground="#d5d8d6",
    background="#14171a",
    surface="#1b1f23",
    panel="#242a2f",
    boost="#2b3238",
    dark=True,
    variables={
        "busy": "#7aa2c8",
        "text-muted": "#8b9498",
        "rule": "#3a4248",
        "cursor-row": "#2b3a36",
        "block-cursor-text-style": "none",
        "scrollbar": "#3a4248",
        "scrollbar-background": "#14171a",
        "scrollbar-corner-color": "#14171a",
        "scrollbar-background-hover": "#14171a",
        "scrollbar-background-active": "#14171a",
        "input-selection-background": "#7aa2c8 35%",
    },
)

LIGHT = Theme(
    name="venom-light",
    primary="#2b5f8a",
    secondary="#2f6d62",
    accent="#2f7a34",
    success="#2f7a34",
    warning="#8a5a00",
    error="#b3261e",
    foreground="#1d2326",
    background="#fafaf7",
    surface="#f1f1ec",
    panel="#e6e7e1",
    boost="#dcded7",
    dark=False,
    variables={
        "busy": "#2b5f8a",
        "text-muted": "#5d676b",
        "rule": "#b9bfba",
        "cursor-row": "#d5e6d4",
        "block-cursor-text-style": "none",
        "scrollbar": "#b9bfba",
        "scrollbar-background": "#fafaf7",
        "scrollbar-corner-color": "#fafaf7",
        "scrollbar-background-hover": "#fafaf7",
        "scrollbar-background-active": "#fafaf7",
        "input-selection-background": "#2b5f8a 30%",
    },
)

OURS = (DARK, LIGHT)
NAMES = {"auto": "venom-dark", "venom-dark": "venom-dark", "venom-light": "venom-light", "ansi": "ansi-dark"}
"""What the setting VENOM_THEME may say -> the theme's name in Textual."""


def theme_name(setting: str, *, light: bool) -> str:
    """Return the theme's name in Textual for VENOM_THEME, on a terminal whose background is light or not."""
    return "venom-light" if setting == "auto" and light else NAMES[setting]


FALLBACK_VARIABLES = {"busy": "ansi_blue", "rule": "ansi_bright_black", "cursor-row": "ansi_bright_black"}
"""Our own tokens for themes that do not define them."""
