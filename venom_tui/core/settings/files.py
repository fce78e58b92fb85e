"""Reads the settings of the configuration directory: `.env` and `config.toml` (small synchronous reads)."""

from __future__ import annotations

import re
from pathlib import Path

from venom_tui.core.errors import UsageError
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.settings.keys import BY_NAME

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*\Z", re.DOTALL)
_QUOTED = re.compile(r"""(?:"((?:[^"\\]|\\.)*)"|'([^']*)')\s*(?:#.*)?\Z""", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\", "$": "$", "`": "`"}


def read_env_file(path: Path) -> dict[str, str]:
    r"""Return the `KEY=value` lines of an env file; {} when there is no file.

    Known are `export`, comments, single quotes (taken as they are) and double quotes (with `\n`, `\t`, `\"`, `\\`).
    Nothing is expanded. Lines of another form and empty values are passed over, the last of two lines counts.

    Raises:
        UsageError: the file is there and cannot be read.
    """
    values: dict[str, str] = {}
    for line in _read(path).replace("\r\n", "\n").split("\n"):
        match = _LINE.match(line)
        if match is not None:
            value = _unquoted(match[2])
            if value:
                values[match[1]] = value
    return values


def _unquoted(text: str) -> str:
    match = _QUOTED.match(text)
    if match is None:
        # A # is a comment only after a blank: addresses and keys may hold one.
        return re.split(r"(?:\A|\s)#", text, maxsplit=1)[0].rstrip()
    if match[2] is not None:
        return match[2]
    return re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[0]), match[1], flags=re.DOTALL)


def read_config_file(path: Path) -> dict[str, object]:
    """Return the settings of a `config.toml` (keys in lower case at its top level); {} when there is no file.

    Tables are left to those who know them (`[runtimes.NAME]`).

    Raises:
        UsageError: the file cannot be read, is not TOML, or sets a key that does not exist.
    """
    table = read_toml(path)
    values: dict[str, object] = {}
    for name, value in table.items():
        known = name.upper() in BY_NAME
        if not known and (isinstance(value, dict) or _tables(value)):
            continue
        if not known or name != name.lower():
            raise UsageError(
                f"{path} sets {sanitize_line(name, 60)!r}, which is no setting.",
                hint="docs/configuration.md lists them all, in lower case here; `venom-tui info` shows those in force.",
            )
        if isinstance(value, dict | list):
            raise UsageError(f"{path} gives {name} more than one value.", hint="Write one value.")
        values[name.upper()] = value
    return values


def read_toml(path: Path) -> dict[str, object]:
    """Return a TOML file; {} when there is none.

    Raises:
        UsageError: the file cannot be read, or is not TOML.
    """
    text = _read(path)
    if not text.strip():
        return {}
    import tomllib  # here, since few have such a file and it is read before the first paint

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            f"{path} is not valid TOML: {sanitize_line(str(error))}.", hint="Correct the file or move it away."
        ) from None


def _tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text.", hint="Save it as UTF-8 or move it away.") from None
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}.", hint="Correct its permissions or move it away."
        ) from None
