"""Every setting: its key, default, meaning, and where its value came from.

Precedence, highest first: flags of the command, the environment, the store (what the program itself changes), `.env` in
the configuration directory, `config.toml` there, the default.
"""

from venom_tui.core.settings.control import ControlTable, Profile
from venom_tui.core.settings.files import read_config_file, read_env_file, read_toml
from venom_tui.core.settings.keys import KEYS, Key, Kind, Source, Value, parse_value
from venom_tui.core.settings.runtimes import RuntimeTable, key_of, read_runtimes
from venom_tui.core.settings.sizes import parse_size, parse_sizes
from venom_tui.core.settings.values import Settings, SettingValue, load_settings, unknown_names

__all__ = [
    "KEYS",
    "ControlTable",
    "Key",
    "Kind",
    "Profile",
    "RuntimeTable",
    "SettingValue",
    "Settings",
    "Source",
    "Value",
    "key_of",
    "load_settings",
    "parse_size",
    "parse_sizes",
    "parse_value",
    "read_config_file",
    "read_env_file",
    "read_runtimes",
    "read_toml",
    "unknown_names",
]
