"""What is kept of estimates and of what was then measured."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.core.store.support import open_store
from tests.core.store.test_migrations import make_format
from venom_tui.core.store import estimates as module
from venom_tui.core.store.estimates import EstimateStore
from venom_tui.core.types.fit import EstimateRecord

RECORD = EstimateRecord(
    datetime(2026, 3, 1, 12, tzinfo=UTC), "qwen3", "ollama", "qwen3:14b", 16_384, "q8_0", 2, "gpu",
    12_500_000_000, 12_450_000_000, 12_400_000_000, "measured",
)  # fmt: skip


async def test_what_is_kept_comes_back_in_order(folder: Path) -> None:
    later = replace(RECORD, at=RECORD.at + timedelta(days=1), place="cpu", source="reported")
    async with open_store(folder) as store:
        kept = EstimateStore(store.database)
        assert await kept.all() == []
        await kept.add(RECORD)
        await kept.add(later)
    async with open_store(folder) as store:
        assert await EstimateStore(store.database).all() == [RECORD, later]


async def test_only_the_newest_are_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEPT", 3)
    async with open_store(folder) as store:
        kept = EstimateStore(store.database)
        for number in range(6):
            await kept.add(replace(RECORD, actual_bytes=number))
        assert [record.actual_bytes for record in await kept.all()] == [3, 4, 5]


async def test_a_stored_file_of_format_5_works(folder: Path) -> None:
    make_format(5, folder / "venom.db")
    async with open_store(folder) as store:
        (record,) = await EstimateStore(store.database).all()
        assert (record.architecture, record.model, record.actual_bytes) == ("qwen3", "qwen3:14b", 12_400_000_000)
        assert record.error_percent == pytest.approx(0.403, abs=0.01)
