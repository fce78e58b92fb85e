"""What `info` tells: version, places, each setting and where its value comes from. The store is only looked at."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from pathlib import Path

from venom_tui import __version__
from venom_tui.core.settings import Settings, Value
from venom_tui.core.store.peek import peek


@dataclass(frozen=True, slots=True)
class SettingInfo:
    """A setting in force; the value of a secret is only said to be set."""

    name: str
    value: Value
    source: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Info:
    """Everything that a report of a problem needs."""

    version: str
    python: str
    executable: str
    platform: str
    paths: dict[str, str]
    settings: tuple[SettingInfo, ...]
    store_error: str
    """Why the settings that the program changed itself are missing here, or ""."""


def collect(settings: Settings) -> Info:
    """Return it (small synchronous reads)."""
    database = settings.data_dir / "venom.db"
    seen = peek(database)
    settings.load_stored(seen.settings)
    return Info(
        version=__version__,
        python=platform.python_version(),
        executable=sys.executable,
        platform=platform.platform(),
        paths={
            "data": str(settings.data_dir),
            "database": str(database),
            "models": str(settings.models_dir),
            "hub_cache": str(settings.hub_cache),
            "log": str(settings.data_dir / "logs" / "venom-tui.log"),
            "config": str(settings.config_dir),
            "config_file": str(settings.config_dir / "config.toml"),
            "env_file": str(settings.config_dir / ".env"),
            "keymap": str(settings.config_dir / "keymap.toml"),
            "program": str(Path(__file__).resolve().parents[1]),
        },
        settings=tuple(
            SettingInfo(item.key.name, item.value, item.source, item.key.meaning) for item in settings.all()
        ),
        store_error=seen.error,
    )
