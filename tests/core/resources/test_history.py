"""The last ten minutes of a few figures."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from venom_tui.core.resources.history import SLOT_S, SLOTS, History, gpu_series
from venom_tui.core.types.device import Gpu, GuardSnapshot, HostInfo

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def seen(cpu: float | None = None, *gpus: Gpu) -> GuardSnapshot:
    return GuardSnapshot(NOW, HostInfo("box", 8, cpu, None, None, None, None, None), gpus)


def test_a_slot_is_the_mean_of_what_was_seen_in_it() -> None:
    history = History()
    history.add(0.0, seen(10.0))
    history.add(5.0, seen(30.0))
    assert history.of("cpu") == (0.2,)
    history.add(SLOT_S, seen(50.0))
    assert history.of("cpu") == (0.2, 0.5)


def test_what_was_not_known_is_a_gap() -> None:
    history = History()
    history.add(0.0, seen(10.0))
    history.add(SLOT_S, seen(None))
    history.add(4 * SLOT_S, seen(20.0))
    assert history.of("cpu") == (0.1, None, None, None, 0.2)
    assert history.of("ram") == ()


def test_ten_minutes_and_no_more() -> None:
    history = History()
    for number in range(200):
        history.add(number * SLOT_S, seen(float(number % 100)))
    values = history.of("cpu")
    assert len(values) == SLOTS
    assert values[-1] == pytest.approx(0.99)
    history.add(1e6, seen(1.0))
    assert history.of("cpu") == (0.01,), "after a night of sleep nothing of before is left"


def test_gpus_are_known_by_their_uuid_and_stale_figures_do_not_count() -> None:
    gpu = Gpu(0, uuid="GPU-1", memory_total_bytes=100, memory_used_bytes=25, utilization_percent=50)
    history = History()
    history.add(0.0, seen(None, gpu, Gpu(1)))
    history.add(1.0, seen(None, replace(gpu, memory_used_bytes=99, stale_since=NOW)))
    assert history.of(gpu_series(gpu, "memory")) == (0.25,)
    assert history.of(gpu_series(gpu, "utilization")) == (0.5,)
    assert gpu_series(Gpu(1), "memory") == "gpu.1.memory"
    assert history.of("gpu.1.memory") == ()
