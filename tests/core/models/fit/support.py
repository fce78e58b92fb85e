"""Machines that are not here, and models made of headers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from tests.sparse_models import SparseModel, llama
from venom_tui.core.resources.estimate.from_gguf import shape_from_values
from venom_tui.core.resources.estimate.shape import ModelShape
from venom_tui.core.resources.estimate.weights import WeightsCounter
from venom_tui.core.types.device import Gpu, GuardSnapshot, HostInfo, LoadedModel, ModelOnGpu
from venom_tui.core.types.model import ModelInfo

GIB = 1024**3
MIB = 1024**2
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
HOST = HostInfo("gpu-07", 8, 10.0, 64 * GIB, 40 * GIB, 0, 0, 0.5)


def shape_of(model: SparseModel, **changes: object) -> ModelShape:
    counter = WeightsCounter()
    for name, shape, kind in model.tensors:
        counter.add(name, shape, kind)
    found = shape_from_values(model.header, counter.weights(), "header of the file")
    assert found is not None
    return replace(found, **changes)  # type: ignore[arg-type]  # fields of one dataclass


EIGHT_BILLION = shape_of(llama(kind="Q4_0"))
"""4.3 GiB of weights, 128 KiB of cache a token."""


def gpu(index: int = 0, *, total: float = 24.0, free: float = 23.0, **more: object) -> Gpu:
    known: dict[str, object] = {
        "uuid": f"GPU-{index}",
        "name": "NVIDIA RTX 4090",
        "memory_total_bytes": round(total * GIB),
        "memory_used_bytes": round((total - free) * GIB),
        "memory_free_bytes": round(free * GIB),
        "usable": True,
    }
    return Gpu(index, **(known | more))  # type: ignore[arg-type]  # fields of one dataclass


def held(name: str, *, gpus: dict[int, float] | None = None, ram: float | None = None, **more: object) -> LoadedModel:
    """Return a loaded model of Ollama that was measured."""
    on = tuple(ModelOnGpu(index, f"GPU-{index}", round(size * GIB)) for index, size in (gpus or {}).items())
    vram = sum(one.memory_bytes or 0 for one in on) if on else None
    facts: dict[str, object] = {
        "kind": "ollama",
        "context_length": 8192,
        "gpus": on,
        "vram_bytes": vram,
        "vram_measured": bool(on),
        "measured_bytes": None if ram is None else round(ram * GIB),
        "gpu_share": 1.0 if on else 0.0,
        "pids": (1000 + sum(map(ord, name)),),
    }
    return LoadedModel(name, "ollama", **(facts | more))  # type: ignore[arg-type]  # fields of one dataclass


def machine(*gpus: Gpu, loaded: tuple[LoadedModel, ...] = (), ram: float = 40.0, at: datetime = NOW) -> GuardSnapshot:
    why = {} if gpus else {"gpus": "no NVIDIA driver is installed"}
    host = replace(HOST, ram_available_bytes=round(ram * GIB))
    return GuardSnapshot(at, host, gpus, loaded, unavailable=why)


def model(name: str = "qwen", runtime: str = "ollama", **facts: object) -> ModelInfo:
    return ModelInfo(name, runtime, "ollama", **facts)  # type: ignore[arg-type]  # fields of one dataclass
