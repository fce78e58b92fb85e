"""The settings of the limits as a table: what is set, where that was done, and what may be set."""

from __future__ import annotations

from venom_tui.core.settings import Settings
from venom_tui.core.settings.keys import wanted
from venom_tui.core.types.limits import LimitKind, LimitSetting, Policy

_ROWS: tuple[tuple[LimitKind | None, str, str, str], ...] = (
    (LimitKind.VRAM, "VRAM kept free", "VENOM_KEEP_FREE_VRAM", "sizes"),
    (LimitKind.RAM, "RAM kept free", "VENOM_KEEP_FREE_RAM", "bytes"),
    (LimitKind.DISK, "disk kept free", "VENOM_KEEP_FREE_DISK", "bytes"),
    (LimitKind.TEMPERATURE, "temperature", "VENOM_MAX_TEMPERATURE", "celsius"),
    (LimitKind.SHARE, "share of a model", "VENOM_MAX_MODEL_SHARE", "percent"),
    (LimitKind.MODELS, "embedded models", "VENOM_EMBEDDED_MODELS", "models"),
    (None, "never evicted", "VENOM_NEVER_EVICT", "names"),
)


def limit_settings(settings: Settings) -> tuple[LimitSetting, ...]:
    """Return every limit that can be set, with its policy."""
    return tuple(_setting(settings, *row) for row in _ROWS)


def _setting(settings: Settings, kind: LimitKind | None, title: str, name: str, unit: str) -> LimitSetting:
    found = settings.lookup(name)
    policy_name = "" if kind is None else f"VENOM_POLICY_{kind.name}"
    policy = settings.lookup(policy_name) if policy_name else None
    return LimitSetting(
        kind,
        title,
        name,
        found.key.meaning,
        found.value,
        unit,
        "names of models, with commas" if unit == "names" else wanted(found.key),
        found.source,
        None if policy is None else Policy(str(policy.value)),
        policy_name,
        "" if policy is None else policy.source,
    )
