"""Every setting: its key, default, meaning, and where its value came from.

Precedence, highest first: flags of the command, the environment, the store (what the program itself changes), `.env` in
the configuration directory, `config.toml` there, the default.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from venom_tui.core.errors import UsageError
from venom_tui.core.sanitize import sanitize_line

Source = Literal["flag", "environment", "store", ".env", "config.toml", "default"]
Kind = Literal["text", "int", "float", "bool", "path", "secret"]
Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Key:
    """One setting.

    `name` is its name in the environment and in `.env`; in `config.toml` it is written in lower case.
    `stored` keys are those that the program changes itself; they live in the store and nowhere else.
    """

    name: str
    kind: Kind
    default: Value
    meaning: str
    stored: bool = False
    minimum: float | None = None
    maximum: float | None = None


KEYS: tuple[Key, ...] = (
    Key("VENOM_DATA_DIR", "path", None, "folder of the database, logs and models (environment only)"),
    Key("VENOM_CONFIG_DIR", "path", None, "folder of config.toml, .env and keymap.toml (environment only)"),
    Key("VENOM_OFFLINE", "bool", False, "contact nothing outside this machine and its configured runtimes"),
    Key("VENOM_READ_ONLY", "bool", False, "change nothing: no loads, no removals, no settings"),
    Key("VENOM_MODELS_DIR", "path", None, "folder of GGUF files; default: models/ in the data directory"),
    Key("VENOM_THREADS", "int", 0, "CPU threads of the embedded llama.cpp; 0: one less than half of the CPUs, at least 1", minimum=0, maximum=1024),
    Key("VENOM_CONTEXT", "int", 8192, "context in tokens that the embedded llama.cpp loads a model with, at most what the model was trained for; 0: all of it", minimum=0, maximum=10_000_000),
    Key("VENOM_EMBEDDED_MODELS", "int", 2, "models that the embedded llama.cpp holds at once", minimum=1, maximum=16),
    Key("VENOM_LOAD_TIMEOUT_S", "float", 300.0, "seconds that a model load may take", minimum=1, maximum=86_400),
    Key("VENOM_THEME", "text", "venom-dark", "theme: venom-dark, venom-light, or ansi", stored=True),
    Key("VENOM_ASCII", "bool", False, "signs and bars in ASCII only; true by itself where the locale is not UTF-8"),
    Key("VENOM_FPS", "int", 0, "frames a second of a streamed answer; 0: 10, or 8 over SSH", minimum=0, maximum=60),
    Key("VENOM_PLAIN_OUTPUT", "bool", False, "leave Textual's own driver and renderer in place (no cell diff, no frame dropping)"),
    Key("VENOM_MOUSE", "bool", True, "use the mouse; false leaves selection to the terminal"),
    Key("VENOM_ACTIVE_MODEL", "text", "", "model that answers next", stored=True),
    Key("VENOM_ACTIVE_RUNTIME", "text", "", "runtime of the model that answers next", stored=True),
    Key("VENOM_PREVIOUS_MODEL", "text", "", "model that was active before", stored=True),
    Key("VENOM_PREVIOUS_RUNTIME", "text", "", "runtime of the model that was active before", stored=True),
    Key("VENOM_LAST_SESSION", "text", "", "session that was open last", stored=True),
    Key("SESSION_TTL_DAYS", "int", 0, "days after its last message that a session is kept; 0: for ever", minimum=0, maximum=36_500),
    Key("TRACE_TTL_DAYS", "int", 90, "days that request traces are kept; 0: for ever", minimum=0, maximum=36_500),
    Key("OPERATION_TTL_DAYS", "int", 365, "days that ended operations are kept; 0: for ever", minimum=0, maximum=36_500),
    Key("SIMPLE_MODE_SYSTEM_PROMPT", "text", "You are a helpful AI assistant.", "system message of Direct mode"),
    Key("AI_MODE", "text", "LOCAL", "routing: LOCAL (HYBRID and CLOUD are not built yet)"),
)
"""All keys, in the order in which `info` and the documentation list them."""

_BY_NAME = {key.name: key for key in KEYS}
_DIRECTORIES = ("VENOM_DATA_DIR", "VENOM_CONFIG_DIR")
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off", ""})


def parse_value(key: Key, raw: object) -> Value:
    """Return `raw` as a value of `key`.

    Raises:
        UsageError: it is not of the key's kind or not in its range.
    """
    text = str(raw).strip()
    try:
        if key.kind == "bool":
            if isinstance(raw, bool):
                return raw
            if text.lower() in _TRUE | _FALSE:
                return text.lower() in _TRUE
            raise ValueError
        if key.kind in ("int", "float"):
            number = int(text) if key.kind == "int" else float(text)
            if not (key.minimum is None or number >= key.minimum) or not (key.maximum is None or number <= key.maximum):
                raise ValueError
            return number
    except ValueError:
        wanted = {"bool": "true or false", "int": "a whole number", "float": "a number"}[key.kind]
        if key.minimum is not None and key.maximum is not None:
            wanted += f" from {key.minimum:g} to {key.maximum:g}"
        raise UsageError(
            f"{key.name} is {sanitize_line(text, 60)!r}, but must be {wanted}.",
            hint="Correct it where it is set: `venom-tui info` names the places.",
        ) from None
    return text


@dataclass(frozen=True, slots=True)
class SettingValue:
    """A value with its origin."""

    key: Key
    value: Value
    source: Source


class Settings:
    """The settings of this process. Reading a key is a dictionary look-up; nothing here waits.

    `set_stored` only changes what this process sees; the store's settings table is written by whoever calls it.
    """

    def __init__(self, layers: Mapping[Source, Mapping[str, object]] | None = None) -> None:
        """Use `load_settings` for the real places; tests give `layers` (source -> key name -> raw value).

        Raises:
            UsageError: a value is not of its key's kind.
        """
        self._layers: dict[Source, dict[str, Value]] = {
            source: {} for source in ("flag", "environment", "store", ".env", "config.toml", "default")
        }
        for source, values in (layers or {}).items():
            for name, raw in values.items():
                key = _BY_NAME.get(name)
                if key is None:
                    continue
                if source in (".env", "config.toml") and (name in _DIRECTORIES or key.stored):
                    if name in _DIRECTORIES:
                        raise UsageError(f"{name} can only be set in the environment, not in {source}.")
                self._layers[source][name] = parse_value(key, raw)
        self._layers["default"] = {key.name: key.default for key in KEYS}

    def lookup(self, name: str) -> SettingValue:
        """Return the value of a key and where it comes from.

        Raises:
            KeyError: there is no such key (a mistake in the program).
        """
        key = _BY_NAME[name]
        for source, values in self._layers.items():
            if name in values:
                return SettingValue(key, values[name], source)
        raise KeyError(name)

    def text(self, name: str) -> str:
        """Return a key's value as text, "" for none."""
        value = self.lookup(name).value
        return "" if value is None else str(value)

    def int(self, name: str) -> int:
        """Return the value of a whole-number key."""
        return int(self.lookup(name).value or 0)

    def float(self, name: str) -> float:
        """Return the value of a number key."""
        return float(self.lookup(name).value or 0.0)

    def flag(self, name: str) -> bool:
        """Return the value of a true-or-false key."""
        return bool(self.lookup(name).value)

    def all(self) -> list[SettingValue]:
        """Return every key with its value and origin, in the order of `KEYS`; secrets are masked."""
        found = [self.lookup(key.name) for key in KEYS]
        return [
            SettingValue(item.key, "set" if item.value else "", item.source) if item.key.kind == "secret" else item
            for item in found
        ]

    def set_stored(self, name: str, value: Value) -> None:
        """Take over a value that was written to the store."""
        self._layers["store"][name] = parse_value(_BY_NAME[name], value)

    def load_stored(self, values: Mapping[str, str]) -> None:
        """Take over all values read from the store; unknown or unreadable ones (of another version) are passed over."""
        for name, raw in values.items():
            if name in _BY_NAME:
                try:
                    self.set_stored(name, raw)
                except UsageError:
                    continue

    @property
    def data_dir(self) -> Path:
        """The folder of everything that venom-tui keeps (may not exist yet)."""
        return _directory(self.text("VENOM_DATA_DIR"), "user_data_path")

    @property
    def config_dir(self) -> Path:
        """The folder of config.toml, .env and keymap.toml (may not exist)."""
        return _directory(self.text("VENOM_CONFIG_DIR"), "user_config_path")

    @property
    def models_dir(self) -> Path:
        """The folder of GGUF files (may not exist yet)."""
        given = self.text("VENOM_MODELS_DIR")
        return Path(given).expanduser() if given else self.data_dir / "models"


def _directory(given: str, platform_path: str) -> Path:
    if given:
        return Path(given).expanduser().absolute()
    import platformdirs  # here, since the environment usually decides in tests and services

    path: Path = getattr(platformdirs, platform_path)("venom-tui", appauthor=False)
    return path


def load_settings(flags: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the flags, the environment and the configuration directory (small synchronous reads).

    Raises:
        UsageError: a file cannot be read or a value is not of its key's kind.
    """
    environ = os.environ if environ is None else environ
    from_environment: dict[str, object] = {key.name: environ[key.name] for key in KEYS if environ.get(key.name)}
    config_dir = _directory(str(from_environment.get("VENOM_CONFIG_DIR", "")), "user_config_path")
    return Settings(
        {
            "flag": dict(flags or {}),
            "environment": from_environment,
            ".env": read_env_file(config_dir / ".env"),
            "config.toml": read_config_file(config_dir / "config.toml"),
        }
    )


def read_env_file(path: Path) -> dict[str, object]:
    """Return the `KEY=value` lines of an env file that name a setting; {} when there is no file.

    Raises:
        UsageError: the file is there and cannot be read.
    """
    text = _read(path)
    values: dict[str, object] = {}
    for line in text.splitlines():
        name, equals, value = line.removeprefix("export ").partition("=")
        if equals and not name.lstrip().startswith("#") and name.strip() in _BY_NAME:
            values[name.strip()] = value.strip().strip("\"'")
    return values


def read_config_file(path: Path) -> dict[str, object]:
    """Return the settings of a `config.toml` (keys in lower case at its top level); {} when there is no file.

    Raises:
        UsageError: the file cannot be read, is not TOML, or sets a key that does not exist.
    """
    try:
        table = tomllib.loads(_read(path))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML: {error}.", hint="Correct the file or move it away.") from None
    values: dict[str, object] = {}
    for name, value in table.items():
        if isinstance(value, dict | list):
            continue
        if name.upper() not in _BY_NAME:
            raise UsageError(
                f"{path} sets {sanitize_line(name, 60)!r}, which is no setting.",
                hint="docs/configuration.md lists them all; `venom-tui info` shows those in force.",
            )
        values[name.upper()] = value
    return values


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}.", hint="Correct the file or its permissions.") from None
