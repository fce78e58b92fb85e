"""The limits as a table: what is set, how it is written, and that what is written can be read again."""

from __future__ import annotations

import pytest

from venom_tui.core.resources.limit_settings import limit_settings
from venom_tui.core.settings import Settings
from venom_tui.core.types.limits import LimitSetting

GIB = 1024**3


def one(name: str, **layers: dict[str, object]) -> LimitSetting:
    """Return a limit as it is with these settings."""
    settings = Settings({"environment": layers.get("environment", {}), "store": layers.get("store", {})})
    return next(found for found in limit_settings(settings) if found.name == name)


@pytest.mark.parametrize(
    ("name", "value", "text", "typed"),
    [
        ("VENOM_KEEP_FREE_RAM", "4GiB", "4.0 GiB", "4GiB"),
        ("VENOM_KEEP_FREE_RAM", "512MiB", "0.5 GiB", "512MiB"),
        ("VENOM_KEEP_FREE_RAM", "1500GB", "1397.0 GiB", "1500000000000"),
        ("VENOM_KEEP_FREE_DISK", "2TiB", "2048.0 GiB", "2048GiB"),
        ("VENOM_KEEP_FREE_DISK", "0", "no limit", ""),
        ("VENOM_KEEP_FREE_VRAM", "0=4GiB, 1=512MiB", "0=4GiB, 1=512MiB", "0=4GiB, 1=512MiB"),
        ("VENOM_KEEP_FREE_VRAM", "0GiB", "no limit", ""),
        ("VENOM_KEEP_FREE_VRAM", "0=0", "no limit", ""),
        ("VENOM_KEEP_FREE_VRAM", ",", "no limit", ""),
        ("VENOM_MAX_TEMPERATURE", "85", "85 °C", "85"),
        ("VENOM_MAX_MODEL_SHARE", "60", "60 %", "60"),
        ("VENOM_EMBEDDED_MODELS", "3", "3", "3"),
        ("VENOM_NEVER_EVICT", "a, box/b", "a, box/b", "a, box/b"),
        ("VENOM_NEVER_EVICT", "", "none", ""),
    ],
)
def test_how_a_limit_is_written(name: str, value: str, text: str, typed: str) -> None:
    found = one(name, store={name: value})
    assert (found.text, found.typed, found.is_set) == (text, typed, bool(typed))
    if typed:
        assert one(name, store={name: typed}).value == found.value, "what is shown to be edited can be given back"


def test_where_it_is_set() -> None:
    name, policy = "VENOM_KEEP_FREE_RAM", "VENOM_POLICY_RAM"
    assert one(name).set_by == "default"
    assert one(name, store={policy: "refuse"}).set_by == "store"
    both = one(name, environment={name: "1GiB"}, store={name: "2GiB", policy: "warn"})
    assert (both.set_by, both.value, both.stored) == ("environment, store", GIB, (name, policy))


@pytest.mark.parametrize("size", ["1TB", "1500GB", "2TiB", "900PiB"])
def test_large_sizes_survive_being_passed_on(size: str) -> None:
    settings = Settings({"environment": {"VENOM_KEEP_FREE_DISK": size}})
    again = Settings({"environment": settings.passed_on()})
    assert again.int("VENOM_KEEP_FREE_DISK") == settings.int("VENOM_KEEP_FREE_DISK") > 0
    settings.set_stored("VENOM_KEEP_FREE_RAM", size)
    settings.set_stored("VENOM_KEEP_FREE_RAM", settings.stored("VENOM_KEEP_FREE_RAM"))
