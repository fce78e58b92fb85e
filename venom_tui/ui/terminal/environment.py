"""What has to stand in the environment before textual is imported. Standard library only."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

LOCAL_FPS = 240
"""Repaints a second at most. The timer stops while nothing is dirty; a high rate only shortens the way to the paint."""

SSH_FPS = 60
"""The same over SSH, where each repaint costs packets."""

LOCAL_ESCAPE_MS = 200
"""Milliseconds after which a lone ESC byte is the Esc key: longer than a sequence is ever torn on one machine."""

SSH_ESCAPE_MS = 300
"""The same over SSH, where a sequence may be torn by the network."""


def over_ssh(environ: MutableMapping[str, str] | None = None) -> bool:
    """Return whether this process was started in an SSH session."""
    environ = os.environ if environ is None else environ
    return any(environ.get(name) for name in ("SSH_CONNECTION", "SSH_TTY", "SSH_CLIENT"))


def prepare(environ: MutableMapping[str, str] | None = None) -> None:
    """Set Textual's environment variables where the user has not set them. Call it before textual is imported."""
    environ = os.environ if environ is None else environ
    remote = over_ssh(environ)
    environ.setdefault("TEXTUAL_FPS", str(SSH_FPS if remote else LOCAL_FPS))
    environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    environ.setdefault("ESCDELAY", str(SSH_ESCAPE_MS if remote else LOCAL_ESCAPE_MS))
