from __future__ import annotations

from dataclasses import replace

import pytest

from venom_tui.core.operations.progress import Progress
from venom_tui.core.types.operation import Operation, OperationState


class Told:
    """Collects what is told, at times that the test sets."""

    def __init__(self) -> None:
        self.time = 0.0
        self.seen: list[Operation] = []
        self.progress = Progress(
            Operation("id", "pull", "m", OperationState.RUNNING), self.seen.append, clock=lambda: self.time
        )

    def done(self, seconds: float, count: int) -> float | None:
        self.time += seconds
        self.progress.update(bytes_done=count)
        return self.progress.operation.rate_bytes_per_s


@pytest.fixture
def told() -> Told:
    return Told()


def test_only_changes_are_told(told: Told) -> None:
    told.progress.update(message="a")
    told.progress.update(message="a")
    told.progress.update()
    told.progress.update(bytes_done=0)
    told.progress.update(bytes_done=0, message="b")
    assert [(o.message, o.bytes_done) for o in told.seen] == [("a", None), ("a", 0), ("b", 0)]


def test_the_rate(told: Told) -> None:
    assert told.done(0, 1000) is None
    assert told.done(0.1, 2000) is None
    assert told.done(0.9, 3000) == 2000
    assert told.done(1, 3000) == pytest.approx(1200)
    assert told.done(1, 3000) == pytest.approx(720)


def test_a_step_back_is_no_negative_rate(told: Told) -> None:
    told.done(0, 1000)
    assert told.done(1, 3000) == 2000
    assert told.done(1, 500) == 2000
    assert told.done(1, 2500) == 2000


def test_after_the_end(told: Told) -> None:
    told.progress.operation = replace(told.progress.operation, state=OperationState.FAILED)
    told.progress.update(message="late")
    assert told.seen == []
