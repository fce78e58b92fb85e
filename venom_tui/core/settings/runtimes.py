"""The servers that the user names: tables `[runtimes.NAME]` of config.toml, and the keys that go with them.

[runtimes.box]
url = "http://gpu-07:8000"
kind = "vllm"            # ollama, vllm, llamacpp, openai; left out: found out by asking
key_env = "BOX_KEY"      # or key_file = "~/.config/box.key", a file of mode 0600

How such a server is started and stopped, where this machine does that, is in `control`.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from venom_tui.core.errors import UsageError
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.settings.control import CONTROL_FIELDS, ControlTable, read_control
from venom_tui.core.settings.files import read_toml

KINDS = ("ollama", "vllm", "llamacpp", "openai")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}\Z")
_FIELDS = frozenset({"url", "kind", "key_env", "key_file"})
_OURS = frozenset({"embedded", "google"})
_LARGEST_KEY = 16_384
_KEY = re.compile(r"[!-~]*")
"""What may stand in a header; anything else would be refused there, in a sentence that repeats it."""


@dataclass(frozen=True, slots=True)
class RuntimeTable:
    """A server as config.toml names it."""

    name: str
    url: str
    """Where it answers; "" for a profile: a free port of the loopback address is chosen."""
    kind: str = ""
    """One of KINDS, or "": it is asked."""
    key_env: str = ""
    key_file: str = ""
    control: ControlTable | None = None
    """How it is started and stopped; None: it is not venom-tui's to start."""


def read_runtimes(path: Path) -> tuple[RuntimeTable, ...]:
    """Return the servers of a config.toml, in their order; () when there is no file.

    Raises:
        UsageError: a table is wrong; the sentence names it.
    """
    tables = read_toml(path).get("runtimes", {})
    if not isinstance(tables, dict):
        raise UsageError(f"{path}: runtimes must be tables, as in [runtimes.box].")
    return tuple(_table(path, str(name), values) for name, values in tables.items())


def _table(path: Path, name: str, values: object) -> RuntimeTable:
    shown = sanitize_line(name, 60)
    where = f"{path}: [runtimes.{shown}]"
    if not _NAME.match(name) or name in _OURS:
        raise UsageError(
            f"{where} is no name for a runtime.", hint="Use 1 to 40 of a-z, 0-9, - and _, and not embedded or google."
        )
    if not isinstance(values, dict):
        raise UsageError(f"{where} must be a table.", hint='Write at least url = "http://HOST:PORT".')
    unknown = sorted(set(values) - _FIELDS - CONTROL_FIELDS)
    if unknown:
        raise UsageError(
            f"{where} has {sanitize_line(unknown[0], 40)!r}, which is not known.",
            hint=f"There are {', '.join(sorted(_FIELDS | CONTROL_FIELDS))}.",
        )
    if wrong := [field for field in sorted(_FIELDS & set(values)) if not isinstance(values[field], str)]:
        raise UsageError(f"{where}: {wrong[0]} must be text in quotes.")
    if not values.get("url") and "profile" not in values:
        raise UsageError(f"{where} has no url.", hint='Write url = "http://HOST:PORT".')
    kind = values.get("kind", "")
    if kind and kind not in KINDS:
        raise UsageError(f"{where}: kind is {sanitize_line(kind, 40)!r}, but must be one of {', '.join(KINDS)}.")
    if values.get("key_env") and values.get("key_file"):
        raise UsageError(f"{where} has key_env and key_file.", hint="Name one of them.")
    control = read_control(where, kind, values)
    if control is not None and control.profile is not None:
        kind = "vllm"
    url = values.get("url", "")
    return RuntimeTable(name, url, kind, values.get("key_env", ""), values.get("key_file", ""), control)


def key_of(table: RuntimeTable, environ: Mapping[str, str] | None = None) -> str | None:
    """Return the key of a server from its variable or file, None when none is named (a small synchronous read).

    Raises:
        UsageError: the file cannot be read, or others may read it, or what stands there can be no key. The key itself
            is never part of the sentence.
    """
    environ = os.environ if environ is None else environ
    if table.key_env:
        where, key = f"The variable {sanitize_line(table.key_env, 60)}", environ.get(table.key_env, "").strip()
    elif table.key_file:
        where, key = _key_file(table.key_file)
    else:
        return None
    if not _KEY.fullmatch(key):
        raise UsageError(f"{where} holds no key.", hint="A key is one word of plain characters, on one line.")
    return key or None


def _key_file(given: str) -> tuple[str, str]:
    """Return a file as it is named in sentences, and what it holds."""
    where = f"The key file {sanitize_line(given, 200)}"
    try:
        with Path(given).expanduser().open(encoding="utf-8") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise UsageError(
                    f"{where} may be read by others, so it is not used.", hint="chmod 600 makes it yours alone."
                )
            return where, file.read(_LARGEST_KEY).strip()
    except (OSError, ValueError, RuntimeError) as error:  # not there, not UTF-8 or no path, a home that is not known
        reason = "its home folder is not known" if isinstance(error, RuntimeError) else "it is no text file"
        reason = error.strerror or reason if isinstance(error, OSError) else reason
        raise UsageError(f"{where} cannot be read: {reason}.") from None
