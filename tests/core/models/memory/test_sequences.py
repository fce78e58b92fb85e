"""Random sequences of loads, unloads, pins, switches, kills, restarts and stops; 20 of them, 200 with VENOM_SOAK."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.core.models.memory.machine import MemoryMachine
from tests.ollama import FakeOllama
from tests.servers import serving
from venom_tui.core.models import files

SEQUENCES = 200 if os.environ.get("VENOM_SOAK") else 20


class Double:
    """The scripted Ollama."""

    names = ("one:latest", "two:latest")

    def __init__(self) -> None:
        self.url = ""
        self.fake = FakeOllama(models={name: {} for name in self.names})

    async def open(self, stack: AsyncExitStack, folder: Path) -> None:
        self.fake.loaded.clear()
        self.url = (await stack.enter_async_context(serving(self.fake))).url

    async def held(self) -> dict[str, bool]:
        return {name: row["expires_at"].startswith("23") for name, row in self.fake.loaded.items()}

    async def load(self, name: str, *, pinned: bool) -> None:
        kept = pinned or (await self.held()).get(name, False)
        if name not in self.fake.loaded or pinned:
            self.fake.hold(name, forever=kept)

    async def drop(self, name: str) -> None:
        self.fake.loaded.pop(name, None)


@pytest.mark.timeout(1800 if SEQUENCES > 20 else 120)
def test_sequences(demonstration_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "demonstration_file", lambda: None)

    class Machine(MemoryMachine):
        file = demonstration_model
        ollama = Double()

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=SEQUENCES,
            stateful_step_count=5 if SEQUENCES == 20 else 16,
            deadline=None,
            # A sequence takes seconds: one that fails is told as it is, not made shorter for minutes.
            phases=(Phase.reuse, Phase.generate),
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
