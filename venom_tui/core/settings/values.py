"""The values in force, each with its origin."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from venom_tui.core.errors import UsageError
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.settings.files import read_config_file, read_env_file
from venom_tui.core.settings.keys import BY_NAME, DIRECTORIES, KEYS, Key, Source, Value, parse_value

_WHERE: dict[Source, str] = {
    "flag": "on the command line",
    "environment": "in the environment",
    "store": "in the store",
    ".env": "in .env",
    "config.toml": "in config.toml",
}


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
                key = BY_NAME.get(name)
                if key is None:
                    continue
                if source in (".env", "config.toml") and name in DIRECTORIES:
                    raise UsageError(
                        f"{name} can only be set in the environment, not in {source}.",
                        hint=f"Take it out of {source} and export it before venom-tui starts.",
                    )
                self._layers[source][name] = parse_value(key, raw, where=_WHERE.get(source, ""))
        self._layers["default"] = {key.name: key.default for key in KEYS}

    def lookup(self, name: str) -> SettingValue:
        """Return the value of a key and where it comes from.

        Raises:
            KeyError: there is no such key (a mistake in the program).
        """
        key = BY_NAME[name]
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

    def passed_on(self) -> dict[str, str]:
        """Return what a process that is to have the same settings needs in its environment."""
        values = self._layers["environment"] | self._layers["flag"]
        texts = {name: str(value) for name, value in values.items() if value is not None}
        return texts | {"VENOM_DATA_DIR": str(self.data_dir), "VENOM_CONFIG_DIR": str(self.config_dir)}

    def stored(self, name: str) -> Value:
        """Return what the store says of a setting, whatever else says more; None where it says nothing."""
        return self._layers["store"].get(name)

    def set_stored(self, name: str, value: Value) -> None:
        """Take over a value that was written to the store; None for one that was removed there.

        Raises:
            UsageError: it is not of the key's kind.
        """
        if value is None:
            self._layers["store"].pop(name, None)
        else:
            self._layers["store"][name] = parse_value(BY_NAME[name], value)

    def load_stored(self, values: Mapping[str, str]) -> None:
        """Take over all values read from the store; unknown or unreadable ones (of another version) are passed over."""
        for name, raw in values.items():
            if name in BY_NAME:
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
        return _absolute(given) if given else self.data_dir / "models"

    @property
    def hub_cache(self) -> Path:
        """The folder of the Hugging Face cache (may not exist)."""
        given = self.text("HF_HUB_CACHE")
        return _absolute(given) if given else self.hub_home / "hub"

    @property
    def hub_home(self) -> Path:
        """The folder of Hugging Face's files (may not exist)."""
        given = self.text("HF_HOME")
        return _absolute(given) if given else usual_hub_home()


def usual_hub_home() -> Path:
    """Return where Hugging Face keeps its files when nobody says anything."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "huggingface"


def _absolute(given: str) -> Path:
    try:
        return Path(given).expanduser().absolute()
    except RuntimeError:
        raise UsageError(
            f"{sanitize_line(given, 200)} names a home folder that is not known.", hint="Write the path out."
        ) from None


def _directory(given: str, platform_path: str) -> Path:
    if given:
        return _absolute(given)
    import platformdirs  # here, since the environment usually decides in tests and services

    path: Path = getattr(platformdirs, platform_path)("venom-tui", appauthor=False)
    return path


def load_settings(flags: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the flags, the environment and the configuration directory (small synchronous reads).

    Raises:
        UsageError: a file cannot be read or a value is not of its key's kind.
    """
    environ = os.environ if environ is None else environ
    # A variable that is set to nothing counts as not set, as shells make such ones easily.
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


def unknown_names(names: Iterable[str]) -> list[str]:
    """Return those that look like settings of venom-tui and are none: mistyped, or of another version."""
    return sorted(sanitize_line(name, 60) for name in names if name.startswith("VENOM_") and name not in BY_NAME)
