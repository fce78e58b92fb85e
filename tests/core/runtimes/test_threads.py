"""How many threads llama.cpp takes: few enough that the machine stays usable."""

from __future__ import annotations

import pytest

from venom_tui.core.runtimes import threads
from venom_tui.core.runtimes.threads import default_threads, usable_cpus


@pytest.mark.parametrize(
    ("cpus", "taken"),
    [
        (0.1, 1),
        (0.5, 1),
        (1, 1),
        (2, 1),
        (3, 1),
        (3.9, 1),
        (4, 1),
        (5, 1),
        (6, 2),
        (7.5, 2),
        (8, 3),
        (16, 7),
        (128, 63),
    ],
)
def test_one_less_than_half(cpus: float, taken: int) -> None:
    assert default_threads(cpus) == taken


@pytest.mark.parametrize(("quota", "usable"), [(None, 4.0), (1.5, 1.5), (0.5, 0.5), (64.0, 4.0)])
def test_affinity_and_quota_count(monkeypatch: pytest.MonkeyPatch, quota: float | None, usable: float) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {0, 1, 2, 3})
    monkeypatch.setattr(threads, "cpu_quota", lambda: quota)
    assert usable_cpus() == usable
