"""What loaded models take, noted beside what was estimated, once each; and what that changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.core.models.fit.support import EIGHT_BILLION, GIB, MIB, NOW, gpu, held, machine
from venom_tui.core.errors import StoreError
from venom_tui.core.models.fit.ledger import SETTLED_S, Ledger
from venom_tui.core.resources.estimate.estimate import estimate
from venom_tui.core.resources.estimate.shape import ModelShape
from venom_tui.core.types.device import LoadedModel
from venom_tui.core.types.fit import EstimateRecord

PLAIN = estimate(EIGHT_BILLION, "ollama", context=8192, place="gpu").likely_bytes


class Kept:
    """A store in memory; fails when told to."""

    def __init__(self) -> None:
        self.records: list[EstimateRecord] = []
        self.broken = False

    async def all(self) -> list[EstimateRecord]:
        if self.broken:
            raise StoreError("It cannot be read.")
        return list(self.records)

    async def add(self, record: EstimateRecord) -> None:
        if self.broken:
            raise StoreError("It cannot be written.")
        self.records.append(record)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Book:
    """A ledger with its clock and its store."""

    def __init__(self, shape: ModelShape | None = EIGHT_BILLION) -> None:
        self.clock, self.store = Clock(), Kept()

        async def shape_of(_model: LoadedModel) -> ModelShape | None:
            return shape

        self.ledger = Ledger(self.store, shape_of, clock=self.clock)  # type: ignore[arg-type]  # as the store is asked

    async def see(self, *loaded: LoadedModel, for_s: float = SETTLED_S + 1) -> None:
        """Let models be loaded for some seconds."""
        for _ in range(2):
            await self.ledger.take(machine(gpu(), loaded=loaded, at=NOW + timedelta(seconds=self.clock.now)))
            self.clock.now += for_s


def on_gpu(size: int = PLAIN + 200 * MIB, name: str = "qwen", **more: object) -> LoadedModel:
    facts: dict[str, object] = {
        "kv_type": "f16",
        "parallel": 1,
        "reported_bytes": 6 * GIB,
        "reported_vram_bytes": 6 * GIB,
    }
    return held(name, gpus={0: size / GIB}, **(facts | more))  # type: ignore[arg-type]  # fields of one dataclass


async def test_a_load_is_noted_once_when_it_stands_still() -> None:
    book = Book()
    await book.see(on_gpu(), for_s=2)
    assert book.store.records == [], "it may still be loading"
    await book.see(on_gpu())
    (record,) = book.store.records
    assert (record.architecture, record.model, record.place, record.source) == ("llama", "qwen", "gpu", "measured")
    assert (record.plain_bytes, record.likely_bytes) == (PLAIN, PLAIN)
    assert record.actual_bytes == pytest.approx(PLAIN + 200 * MIB, abs=10)
    for _ in range(5):
        await book.see(on_gpu())
    assert len(book.store.records) == 1
    await book.see()
    await book.see(on_gpu())
    assert len(book.store.records) == 2, "it was loaded again"


async def test_memory_that_grows_is_not_settled() -> None:
    book = Book()
    for step in range(8):
        await book.see(on_gpu(PLAIN + step * GIB), for_s=SETTLED_S - 1)
        book.clock.now += 0.1
    assert len(book.store.records) <= 1 and book.clock.now > SETTLED_S


async def test_what_was_off_corrects_the_next_of_the_architecture() -> None:
    book = Book()
    await book.see(on_gpu())
    correction = book.ledger.correction(EIGHT_BILLION, "another", "gpu", PLAIN)
    assert correction == pytest.approx(200 * MIB, abs=10)
    await book.see(on_gpu(name="another"))
    first, second = book.store.records
    assert abs(second.error_percent) < 0.1 < abs(first.error_percent)
    quality = book.ledger.quality("llama")
    assert quality is not None
    assert quality.count == 2
    assert quality.median_percent < quality.plain_median_percent
    assert [found.architecture for found in book.ledger.qualities()] == ["llama"]
    assert book.ledger.quality("gemma3") is None


@pytest.mark.parametrize(
    "model",
    [
        on_gpu(elsewhere=True),
        on_gpu(dead="its process is gone"),
        on_gpu(context_length=None),
        on_gpu(kind="vllm"),
        on_gpu(gpu_share=0.6),
        on_gpu(vram_measured=False, vram_bytes=6 * GIB),
        held("qwen", ram=None),
    ],
    ids=["another's", "dead", "no context", "vllm", "partly", "not measured", "nothing known"],
)
async def test_what_is_not_comparable_is_not_noted(model: LoadedModel) -> None:
    book = Book()
    await book.see(model)
    assert book.store.records == []


async def test_in_ram() -> None:
    book = Book()
    shared = held("other", ram=2.0, reported_bytes=6 * GIB, context_length=4096)
    await book.see(held("qwen", ram=5.5, reported_bytes=5 * GIB), shared)
    measured, reported = book.store.records
    assert (measured.place, measured.source, measured.actual_bytes) == ("cpu", "measured", round(5.5 * GIB))
    assert (reported.place, reported.source, reported.actual_bytes) == ("cpu", "reported", 6 * GIB)
    # Who reports, reports buffers: the process itself is left out of the estimate then.
    assert reported.plain_bytes == estimate(EIGHT_BILLION, "ollama", context=4096, place="cpu").buffers_bytes


async def test_how_it_was_started_counts() -> None:
    book = Book()
    await book.see(on_gpu(kv_type="q8_0", parallel=2))
    (record,) = book.store.records
    assert (record.kv_type, record.parallel) == ("q8_0", 2)
    assert (
        record.plain_bytes
        == estimate(EIGHT_BILLION, "ollama", context=8192, kv_type="q8_0", parallel=2, place="gpu").likely_bytes
    )


async def test_models_of_which_nothing_is_known() -> None:
    book = Book(shape=None)
    await book.see(on_gpu())
    assert book.store.records == []


async def test_a_store_that_fails() -> None:
    book = Book()
    book.store.broken = True
    await book.ledger.load()
    await book.see(on_gpu())
    assert len(book.ledger.records) == 1, "it counts as long as the program runs"
    book.store.broken = False
    book.store.records = [replace(book.ledger.records[0], model="kept")]
    await book.ledger.load()
    assert [record.model for record in book.ledger.records] == ["kept"]
