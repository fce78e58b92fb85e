"""The user's own keys: `keymap.toml` in the configuration folder, lines of `"ID" = "KEYS"`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from venom_tui.core.errors import UsageError
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.settings import read_toml


def read_keymap(path: Path) -> dict[str, str]:
    """Return id of a binding -> keys, separated by commas; {} when there is no file (a small synchronous read).

    Raises:
        UsageError: the file cannot be read, or does not consist of such lines.
    """
    table = read_toml(path)
    wrong = [name for name, keys in table.items() if not isinstance(keys, str) or not keys.strip()]
    if wrong:
        raise UsageError(
            f"{path}: the keys of {sanitize_line(wrong[0], 60)!r} are no text.",
            hint='A line is "ID" = "KEYS", with the ids of docs/keys.md, as in "chat.new" = "ctrl+t".',
        )
    return {name: str(keys).replace(" ", "") for name, keys in table.items()}


def unknown_ids(keymap: Mapping[str, str], known: Collection[str]) -> list[str]:
    """Return those ids of a keymap that no binding has."""
    return sorted(sanitize_line(name, 60) for name in keymap if name not in known)
