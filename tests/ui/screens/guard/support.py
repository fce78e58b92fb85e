"""Looks at machines that are not here: GPUs of every kind, and a sampler that shows what a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from venom_tui.core.events import EventBus, GuardSampled
from venom_tui.core.types.device import Disk, Gpu, GpuProcess, GuardSnapshot, HostInfo, LoadedModel

GIB = 1024**3
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

HOST = HostInfo(
    name="gpu-07",
    cpu_count=64,
    cpu_percent=31.4,
    ram_total_bytes=512 * GIB,
    ram_available_bytes=384 * GIB,
    swap_total_bytes=8 * GIB,
    swap_used_bytes=GIB,
    load_1m=3.2,
    disks=(
        Disk("/home/me/.local/share/venom-tui", "data", 100 * GIB, 40 * GIB),
        Disk("/models", "models", 2000 * GIB, 500 * GIB),
    ),
)


def gpu(index: int = 0, **facts: object) -> Gpu:
    """Return a GPU of which everything is known, but for what `facts` say."""
    known: dict[str, object] = {
        "uuid": f"GPU-{index:04}",
        "name": "NVIDIA H100 80GB HBM3",
        "memory_total_bytes": 80 * GIB,
        "memory_used_bytes": 20 * GIB,
        "memory_free_bytes": 59 * GIB,
        "memory_reserved_bytes": GIB,
        "utilization_percent": 87,
        "memory_utilization_percent": 54,
        "temperature_c": 62,
        "power_w": 512.3,
        "power_limit_w": 700.0,
        "mig_mode": False,
    }
    return Gpu(index, **(known | facts))  # type: ignore[arg-type]  # keywords of one dataclass


OURS = GpuProcess(41877, "ollama", "/usr/bin/ollama runner --model sha256-abc", 12 * GIB, "ollama", "qwen3:14b")
THEIRS = GpuProcess(40112, "other", "python train.py", 8 * GIB)
HIDDEN = GpuProcess(None, None, None, None)

LOST = gpu(
    3,
    memory_total_bytes=None,
    memory_used_bytes=None,
    memory_free_bytes=None,
    memory_reserved_bytes=None,
    utilization_percent=None,
    memory_utilization_percent=None,
    temperature_c=None,
    power_w=None,
    power_limit_w=None,
    mig_mode=None,
    unavailable=dict.fromkeys(
        ("memory_total_bytes", "memory_used_bytes", "utilization_percent", "temperature_c", "power_w", "processes"),
        "the GPU is lost: it fell off the bus",
    ),
)
MODEL = LoadedModel("qwen3:14b", "ollama", 11 * GIB, None, 12 * GIB, 16384, 41877)


def snapshot(gpus: Sequence[Gpu] = (), host: HostInfo = HOST, **facts: object) -> GuardSnapshot:
    """Return a look at a machine; without GPUs there is no driver."""
    why = {} if gpus else {"gpus": "no NVIDIA driver is installed"}
    given: dict[str, object] = {"unavailable": why, "taken_at": NOW}
    return GuardSnapshot(host=host, gpus=tuple(gpus), **(given | facts))  # type: ignore[arg-type]


def eight() -> list[Gpu]:
    """Return eight GPUs that differ."""
    return [gpu(index, utilization_percent=10 * index, memory_used_bytes=9 * index * GIB) for index in range(8)]


class Figures:
    """Stands for the sampler of the core: shows what a test gives it, and notes whether somebody watches."""

    def __init__(self, events: EventBus) -> None:
        self._events = events
        self._latest: GuardSnapshot | None = None
        self._shown = asyncio.Event()
        self.watched: list[bool] = []
        self.series: Mapping[str, Sequence[float | None]] = {}

    def show(self, look: GuardSnapshot) -> None:
        """Let this be the newest look; an equal one is not announced, as the sampler does."""
        before, self._latest = self._latest, look
        self._shown.set()
        if before is None or replace(before, taken_at=look.taken_at) != look:
            self._events.emit(GuardSampled(look))

    def watch(self, fast: bool) -> None:
        self.watched.append(fast)

    def latest(self) -> GuardSnapshot | None:
        return self._latest

    def history(self, name: str) -> tuple[float | None, ...]:
        return tuple(self.series.get(name, ()))

    async def snapshot(self) -> GuardSnapshot:
        await self._shown.wait()
        assert self._latest is not None
        return self._latest

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass
