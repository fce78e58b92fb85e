from __future__ import annotations

import asyncio

import pytest

from venom_tui.core.errors import StoreError
from venom_tui.core.store.debounce import DELAY_S, LONGEST_S, Debounce


class Sink:
    """Takes what is flushed; fails while `broken`."""

    def __init__(self) -> None:
        self.batches: list[dict[str, int]] = []
        self.times: list[float] = []
        self.broken = False
        self.arrived = asyncio.Event()
        self.failed = asyncio.Event()

    async def __call__(self, values: dict[str, int]) -> None:
        if self.broken:
            self.failed.set()
            raise StoreError("no space")
        self.batches.append(values)
        self.times.append(asyncio.get_running_loop().time())
        self.arrived.set()


def test_what_is_promised() -> None:
    assert DELAY_S == 0.5
    assert LONGEST_S == 1.5


async def test_the_newest_of_each_key() -> None:
    sink = Sink()
    debounce = Debounce(sink, delay_s=0.01, longest_s=1)
    debounce.put("a", 1)
    debounce.put("b", 1)
    debounce.put("a", 2)
    assert (debounce.pending("a"), debounce.pending("c")) == (2, None)
    await sink.arrived.wait()
    assert sink.batches == [{"a": 2, "b": 1}]
    assert debounce.pending("a") is None


async def test_waits_for_quiet_but_not_for_ever() -> None:
    sink = Sink()
    debounce = Debounce(sink, delay_s=0.2, longest_s=0.3)
    begun = asyncio.get_running_loop().time()
    number = 0
    while not sink.batches:
        debounce.put("a", number := number + 1)
        await asyncio.sleep(0.01)
    assert sink.times[0] - begun >= 0.29  # never quiet for 0.2 s, so the longest time decided
    assert number > 5


async def test_flush_and_drop() -> None:
    sink = Sink()
    debounce = Debounce(sink, delay_s=60, longest_s=60)
    debounce.put("a", 1)
    debounce.put("b", 1)
    debounce.drop("a")
    await debounce.flush()
    await debounce.flush()
    assert sink.batches == [{"b": 1}]


async def test_a_failed_write_waits() -> None:
    sink = Sink()
    sink.broken = True
    debounce = Debounce(sink, delay_s=60, longest_s=60)
    debounce.put("a", 1)
    debounce.put("b", 1)
    with pytest.raises(StoreError):
        await debounce.flush()
    debounce.put("a", 2)
    sink.broken = False
    await debounce.close()
    assert sink.batches == [{"a": 2, "b": 1}]


async def test_a_failed_write_behind_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    sink = Sink()
    sink.broken = True
    debounce = Debounce(sink, delay_s=0.01, longest_s=0.02)
    debounce.put("a", 1)
    await sink.failed.wait()
    await asyncio.sleep(0.5)  # two more tries
    assert [record.getMessage() for record in caplog.records] == ["a debounced write failed: no space"]
    sink.broken = False
    await sink.arrived.wait()
    assert sink.batches == [{"a": 1}]
    await debounce.close()


async def test_a_failure_at_the_end_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    sink = Sink()
    sink.broken = True
    debounce = Debounce(sink, delay_s=60, longest_s=60)
    debounce.put("a", 1)
    await debounce.close()
    assert "no space" in caplog.text
