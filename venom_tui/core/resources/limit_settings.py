"""The settings of the limits as a table: what is set, where that was done, and what may be set."""

from __future__ import annotations

from venom_tui.core.resources.limits import gib
from venom_tui.core.settings import Key, Settings, Value, parse_sizes
from venom_tui.core.settings.keys import wanted
from venom_tui.core.types.limits import LimitKind, LimitSetting, Policy

_ROWS: tuple[tuple[LimitKind | None, str, str], ...] = (
    (LimitKind.VRAM, "VRAM kept free", "VENOM_KEEP_FREE_VRAM"),
    (LimitKind.RAM, "RAM kept free", "VENOM_KEEP_FREE_RAM"),
    (LimitKind.DISK, "disk kept free", "VENOM_KEEP_FREE_DISK"),
    (LimitKind.TEMPERATURE, "temperature", "VENOM_MAX_TEMPERATURE"),
    (LimitKind.SHARE, "share of a model", "VENOM_MAX_MODEL_SHARE"),
    (LimitKind.MODELS, "embedded models", "VENOM_EMBEDDED_MODELS"),
    (None, "never evicted", "VENOM_NEVER_EVICT"),
)
_UNITS = {LimitKind.TEMPERATURE: " °C", LimitKind.SHARE: " %"}
_SIZES = (("GiB", 1024**3), ("MiB", 1024**2))


def limit_settings(settings: Settings) -> tuple[LimitSetting, ...]:
    """Return every limit that can be set, with its policy."""
    return tuple(_setting(settings, *row) for row in _ROWS)


def _setting(settings: Settings, kind: LimitKind | None, title: str, name: str) -> LimitSetting:
    found = settings.lookup(name)
    policy_name = "" if kind is None else f"VENOM_POLICY_{kind.name}"
    policy = settings.lookup(policy_name) if policy_name else None
    is_set = _is_set(found.key, found.value)
    return LimitSetting(
        kind,
        title,
        name,
        found.key.meaning,
        found.value,
        is_set,
        _text(kind, found.key, found.value) if is_set else "none" if kind is None else "no limit",
        _typed(found.key, found.value) if is_set else "",
        "names of models, with commas" if kind is None else wanted(found.key),
        found.source,
        None if policy is None else Policy(str(policy.value)),
        policy_name,
        "" if policy is None else policy.source,
        tuple(one for one in (name, policy_name) if one and settings.stored(one) is not None),
    )


def _is_set(key: Key, value: Value) -> bool:
    if key.kind == "sizes":
        of_all, single = parse_sizes(str(value)) or (0, {})
        return bool(of_all or any(single.values()))
    return value not in (None, "", 0)


def _text(kind: LimitKind | None, key: Key, value: Value) -> str:
    if key.kind == "size":
        return f"{gib(int(value or 0))} GiB"
    return f"{value}{'' if kind is None else _UNITS.get(kind, '')}"


def _typed(key: Key, value: Value) -> str:
    if key.kind == "size":
        size = int(value or 0)
        for unit, factor in _SIZES:
            if not size % factor:
                return f"{size // factor}{unit}"
    return str(value)
