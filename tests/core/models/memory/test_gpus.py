"""Plans on machines with GPUs that are not here: who leaves for the memory of a card, and what is kept free of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.core.support import open_core
from tests.ollama import FakeOllama
from tests.servers import Server
from venom_tui.core.core import Core
from venom_tui.core.models import files
from venom_tui.core.types.device import Gpu
from venom_tui.core.types.memory import MemoryPlan

ONE, TWO = "one:latest", "two:latest"
GIB = 1024**3


async def planned(core: Core, patch: pytest.MonkeyPatch, free_bytes: int, **facts: object) -> MemoryPlan:
    """Return the plan of a switch to the second model on a machine with one GPU, on which the first one holds 2 GiB."""
    real = await core.guard.snapshot()
    loaded = tuple(
        replace(one, vram_bytes=2 * GIB, reported_vram_bytes=2 * GIB, reported_bytes=2 * GIB) for one in real.loaded
    )
    card = Gpu(0, memory_total_bytes=8 * GIB, memory_free_bytes=free_bytes, usable=True, **facts)  # type: ignore[arg-type]
    seen = replace(real, taken_at=datetime.now(UTC), gpus=(card,), loaded=loaded, unavailable={})
    patch.setattr(core.guard, "latest", lambda: seen)
    return await core.models.plan("switch", TWO)


@pytest.mark.parametrize("policy", ["ask", "evict", "refuse", "warn"])
async def test_the_memory_of_a_card(
    tmp_path: Path, fake: FakeOllama, ollama: Server, monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    monkeypatch.setattr(files, "demonstration_file", lambda: None)
    async with open_core(tmp_path, OLLAMA_HOST=ollama.url, VENOM_POLICY_VRAM=policy) as core:
        await core.models.activate(ONE)
        roomy = await planned(core, monkeypatch, 6 * GIB)
        assert (roomy.quiet, roomy.evicts) == (True, ())
        full = await planned(core, monkeypatch, GIB // 100)
        (eviction,) = full.evicts
        assert (eviction.name, eviction.ours, eviction.held_bytes) == (ONE, True, 2 * GIB)
        assert bool(full.questions) is (policy != "evict"), "without room a model leaves; only evict asks nobody"
        await core.save_setting("VENOM_KEEP_FREE_VRAM", "0=6GiB")
        kept = await planned(core, monkeypatch, 6 * GIB)
        names = [one.name for one in kept.evicts]
        assert (bool(kept.questions), bool(kept.refusal), names) == {
            "ask": (True, False, [ONE]),
            "evict": (False, False, [ONE]),
            "refuse": (False, True, []),
            "warn": (False, False, []),
        }[policy]
        assert any("beside the 6.0 GiB that are to be kept" in words for words in kept.warnings) is (policy == "warn")
        assert bool(kept.limit_questions) is (policy == "ask"), "who has room for it itself leaves for a limit alone"
        assert full.limit_questions == ()
        if policy == "refuse":
            assert "beside the 6.0 GiB that are to be kept" in kept.refusal
        await core.save_setting("VENOM_NEVER_EVICT", "one")
        never = await planned(core, monkeypatch, GIB // 100)
        assert never.evicts == (), "it is never evicted"


@pytest.mark.parametrize("policy", ["refuse", "ask", "evict"])
async def test_a_hot_card_and_a_pinned_model_of_others(
    tmp_path: Path, fake: FakeOllama, ollama: Server, monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    monkeypatch.setattr(files, "demonstration_file", lambda: None)
    fake.hold(ONE, forever=True)
    async with open_core(
        tmp_path, OLLAMA_HOST=ollama.url, VENOM_MAX_TEMPERATURE=80, VENOM_POLICY_TEMPERATURE=policy
    ) as core:
        await core.runtimes.settled()
        await core.models.choose(ONE)
        cool = await planned(core, monkeypatch, GIB // 100, temperature_c=70)
        assert [(one.name, one.whose) for one in cool.apart] == [(ONE, "loaded by others, pinned")]
        hot = await planned(core, monkeypatch, 6 * GIB, temperature_c=85)
        words = "GPU 0: 85 °C, 80 °C is the limit."
        assert (hot.refusal, hot.limit_questions) == ((words, ()) if policy == "refuse" else ("", (words,)))
