"""The user's own keys: `keymap.toml` in the configuration folder, lines of `"ID" = "KEYS"`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from venom_tui.core.errors import UsageError
from venom_tui.core.sanitize import sanitize_line


def read_keymap(path: Path) -> dict[str, str]:
    """Return id of a binding -> keys, separated by commas; {} when there is no file (a small synchronous read).

    Raises:
        UsageError: the file cannot be read, or does not consist of such lines.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"{path} cannot be read: {reason}.", hint="Correct it or move it away.") from None
    import tomllib  # here, since few have such a file and it is read before the first paint

    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            f"{path} is not valid TOML: {sanitize_line(str(error))}.", hint="Correct the file or move it away."
        ) from None
    wrong = [name for name, keys in table.items() if not isinstance(keys, str) or not keys.strip()]
    if wrong:
        raise UsageError(
            f"{path}: the keys of {sanitize_line(wrong[0], 60)!r} are no text.",
            hint='A line is "ID" = "KEYS", with the ids of docs/keys.md, as in "chat.new" = "ctrl+t".',
        )
    return {name: keys.replace(" ", "") for name, keys in table.items()}


def unknown_ids(keymap: Mapping[str, str], known: Collection[str]) -> list[str]:
    """Return those ids of a keymap that no binding has."""
    return sorted(sanitize_line(name, 60) for name in keymap if name not in known)
