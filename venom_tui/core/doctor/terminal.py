"""The terminal: what it says of itself, and what tmux, screen and SSH do to it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping

from venom_tui.core.doctor.check import Check, ok, warn
from venom_tui.core.sanitize import sanitize_line

_SMALLEST = (80, 24)
_SLOW_ESCAPE_MS = 100

Tmux = Callable[[str], str | None]


def checks(
    environ: Mapping[str, str], tmux: Tmux | None = None, size: tuple[int, int] | None = None
) -> Iterator[Check]:
    """Look at the terminal that `environ` describes; `tmux` answers for an option, `size` is (columns, rows)."""
    size = size or _measured()
    yield _type(environ)
    if size is not None:
        yield _colours(environ)
    yield _locale(environ)
    yield from _size(size)
    if environ.get("SSH_CONNECTION") or environ.get("SSH_TTY"):
        yield ok("ssh", "over SSH: fewer frames, no animation, copying by OSC 52")
    if environ.get("TMUX"):
        yield from _tmux(tmux or _tmux_option)
    elif environ.get("STY"):
        yield warn(
            "screen", "inside GNU screen, which does not hand copied text on", "Use tmux, or copy with the mouse."
        )


def _type(environ: Mapping[str, str]) -> Check:
    term = sanitize_line(environ.get("TERM", ""), 40)
    if not term:
        return warn("terminal", "TERM is not set: this is no terminal, or not said to be one", "Over SSH: `ssh -t`.")
    if term == "dumb":
        return warn("terminal", "TERM is dumb: nothing can be drawn", "Use `venom-tui chat`, or a real terminal.")
    if term == "screen" and environ.get("TMUX"):
        step = "In ~/.tmux.conf: set -g default-terminal tmux-256color"
        return warn("terminal", "TERM is screen: tmux offers few colours and keys", step)
    return ok("terminal", f"TERM is {term}")


def _colours(environ: Mapping[str, str]) -> Check:
    term = environ.get("TERM", "")
    if environ.get("NO_COLOR"):
        return ok("colours", "none, as NO_COLOR wishes")
    if environ.get("COLORTERM", "").lower() in ("truecolor", "24bit") or term.endswith("-direct"):
        return ok("colours", "16 million")
    if "256color" in term or term in ("xterm-kitty", "alacritty", "foot", "wezterm", "xterm-ghostty"):
        return ok("colours", "256 (COLORTERM=truecolor would give all, where the terminal can)")
    return warn("colours", "16 or fewer", "If the terminal can do more: export COLORTERM=truecolor")


def _locale(environ: Mapping[str, str]) -> Check:
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        value = sanitize_line(environ.get(name, ""), 40)
        if value:
            if "utf-8" in value.lower() or "utf8" in value.lower():
                return ok("locale", f"{name} is {value}")
            return warn("locale", f"{name} is {value}: signs are drawn in ASCII", f"export {name}=C.UTF-8")
    return warn("locale", "none is set", "export LANG=C.UTF-8")


def _measured() -> tuple[int, int] | None:
    for descriptor in (1, 0, 2):
        try:
            found = os.get_terminal_size(descriptor)
        except OSError:
            continue
        return found.columns, found.lines
    return None


def _size(size: tuple[int, int] | None) -> Iterator[Check]:
    if size is None:
        yield ok("size", "not a terminal: nothing to measure")
    elif size[0] < _SMALLEST[0] or size[1] < _SMALLEST[1]:
        yield warn("size", f"{size[0]} x {size[1]}", "The screens are made for 80 x 24 and more; enlarge the window.")
    else:
        yield ok("size", f"{size[0]} x {size[1]}")


def _tmux_option(name: str) -> str | None:
    """Return the value of a tmux option, or None when tmux does not tell."""
    try:
        done = subprocess.run(
            ["tmux", "show-options", "-gsvq", name], capture_output=True, text=True, timeout=2.0, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _tmux(option: Tmux) -> Iterator[Check]:
    clipboard = option("set-clipboard")
    if clipboard is None:
        yield warn("tmux", "its settings cannot be read", "See docs/troubleshooting.md for what they should be.")
        return
    if clipboard == "on":
        yield ok("tmux clipboard", "set-clipboard is on")
    else:
        found = f"set-clipboard is {sanitize_line(clipboard, 20) or 'not set'}: copied text is lost"
        yield warn("tmux clipboard", found, "In ~/.tmux.conf: set -g set-clipboard on")
    escape = option("escape-time") or ""
    if escape.isdigit() and int(escape) > _SLOW_ESCAPE_MS:
        yield warn("tmux escape", f"escape-time is {escape} ms: Esc is slow", "In ~/.tmux.conf: set -sg escape-time 10")
    else:
        yield ok("tmux escape", f"escape-time is {sanitize_line(escape, 10) or '?'} ms")
