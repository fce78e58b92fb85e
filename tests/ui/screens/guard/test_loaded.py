"""Loaded models in the guard: reported against measured, where they lie, when they leave, dead though listed."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.ui.screens.guard.conftest import OpenGuard
from tests.ui.screens.guard.support import GIB, MODEL, gpu, snapshot
from tests.ui.screens.guard.test_screen import facts, rows_of
from venom_tui.core.types.device import LoadedModel, ModelOnGpu
from venom_tui.core.types.fit import EstimateRecord

SPLIT = LoadedModel(
    "qwen3:32b", "ollama", 20 * GIB, 3 * GIB, 18 * GIB, 32_768, 41877,
    expires_at=None, pids=(41877, 41878), vram_measured=True, reported_vram_bytes=16 * GIB, gpu_share=0.86,
    gpus=(ModelOnGpu(0, "GPU-0000", 10 * GIB), ModelOnGpu(1, "GPU-0001", 8 * GIB)),
    kind="ollama", endpoint="http://127.0.0.1:11434", kv_type="q8_0", parallel=2, weights="/blobs/sha256-1",
)  # fmt: skip
DEAD = LoadedModel("llama3.2", "ollama", 2 * GIB, dead="its process 77 is gone", pids=(77,), kind="ollama")


async def test_what_is_reported_stands_beside_what_was_measured(guard: OpenGuard) -> None:
    async with guard(snapshot([gpu(), gpu(1)], loaded=(SPLIT,)), 120, 40) as (shown, _):
        head = next(line for line in shown.lines if "── Loaded 1 · GiB" in line)
        assert [word for word in head.split() if "─" not in word][4:] == [
            "runtime", "reported", "RAM", "VRAM", "on", "GPU", "context", "leaves", "pid",
        ]  # fmt: skip
        assert shown.line("● qwen3:32b") == "● qwen3:32b ollama 20.0 3.0 18.0 86 % 32,768 - 41877"
        rows_of(shown).set_cursor("loaded ollama qwen3:32b")
        await shown.until(lambda: "VRAM 18.0 GiB, measured" in shown.squeezed)
        assert "reported 16.0 GiB: 12 % more was measured" in shown.squeezed
        assert "GPUs by 86 %, the CPU by the rest: GPU 0 10.0 GiB, GPU 1 8.0 GiB" in shown.squeezed
        assert "32,768 tokens, cache q8_0, 2 sequences" in shown.squeezed
        assert "pid 41877, 41878" in shown.squeezed
        told = await facts(shown)
        assert "weights /blobs/sha256-1" in told and "http://127.0.0.1:11434" in told


async def test_a_model_that_is_dead_though_listed(guard: OpenGuard) -> None:
    async with guard(snapshot([gpu()], loaded=(DEAD, MODEL))) as (shown, _):
        assert shown.line("✕ llama3.2") == "✕ llama3.2 ollama its process 77 is gone"
        rows_of(shown).set_cursor("loaded ollama llama3.2")
        await shown.until(lambda: "its runtime still lists it" in shown.squeezed)


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (100, 30)])
async def test_the_countdown_runs_by_the_second_at_its_end(guard: OpenGuard, columns: int, rows: int) -> None:
    soon = replace(MODEL, expires_at=datetime.now(UTC) + timedelta(seconds=9))
    later = replace(MODEL, name="other", expires_at=datetime.now(UTC) + timedelta(hours=5))
    async with guard(snapshot([gpu()], loaded=(soon, later)), columns, rows) as (shown, _):
        assert " 4 h" in shown.line("● other") or " 5 h" in shown.line("● other")
        seen = set()

        def falls() -> bool:
            line = shown.line("● qwen3:14b")
            seen.add(next(word for word, unit in zip(line.split(), line.split()[1:], strict=False) if unit == "s"))
            return len(seen) >= 3

        await shown.until(falls)
        assert all(int(number) <= 9 for number in seen)


async def test_on_the_cpu_of_a_machine_with_a_gpu(guard: OpenGuard) -> None:
    there = replace(MODEL, vram_bytes=None, gpu_share=0.0)
    async with guard(snapshot([gpu()], loaded=(there, replace(there, name="other", gpu_share=None))), 120) as (
        shown,
        _,
    ):
        assert shown.line("● qwen3:14b").split()[4:7] == ["?", "-", "0"]
        assert shown.line("● other").split()[4:7] == ["?", "?", "?"]
        rows_of(shown).set_cursor("loaded ollama qwen3:14b")
        await shown.until(lambda: "VRAM none: it lies on the CPU" in shown.squeezed)


async def test_held_by_another_program(guard: OpenGuard) -> None:
    hers = replace(MODEL, elsewhere=True, runtime="embedded", gpu_share=0.0, unavailable={"pid": "it is not told"})
    async with guard(snapshot(loaded=(hers,))) as (shown, _):
        assert shown.line("● qwen3:14b").split()[:3] == ["●", "qwen3:14b", "embedded"]
        rows_of(shown).set_cursor("loaded embedded qwen3:14b")
        await shown.until(lambda: "held by another program" in shown.squeezed)
        assert "lies on the CPU" in shown.squeezed


def record(name: str, architecture: str, likely: float, actual: float, day: int = 1) -> EstimateRecord:
    return EstimateRecord(
        datetime(2026, 3, day, tzinfo=UTC), architecture, "ollama", name, 8192, "f16", 1, "gpu",
        round(likely * GIB), round(likely * GIB), round(actual * GIB), "measured",
    )  # fmt: skip


async def test_how_good_estimates_have_been(guard: OpenGuard) -> None:
    async with guard(snapshot([gpu()], loaded=(MODEL,))) as (shown, figures):
        assert "Estimates:" not in shown.text
        ledger = shown.core.fits._ledger
        ledger._records = [
            record("a", "qwen3", 10.0, 10.2, 1),
            record("b", "qwen3", 5.0, 5.5, 2),
            record("c", "llama", 8.0, 8.0, 3),
        ]
        ledger._qualities = None
        figures.show(snapshot([gpu(utilization_percent=3)], loaded=(MODEL,)))
        await shown.until(lambda: "Estimates: " in shown.text)
        assert shown.line("Estimates:") == "Estimates: 2.8 % off in the middle, 3 loads of 2 architectures measured"
        rows_of(shown).set_cursor("estimates")
        told = await facts(shown)
        assert "qwen3 2 5.5 % 9.1 % 5.5 %" in told and "llama 1 0 % 0 % 0 %" in told
        assert "8.0 8.0 c @ ollama, 8,192 tokens, f16, measured on GPU" in told


async def test_what_a_server_holds_that_does_not_answer_is_not_nothing(guard: OpenGuard) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    async with guard(snapshot([gpu()], loaded=()), OLLAMA_HOST=f"127.0.0.1:{port}") as (shown, _):
        await shown.until_text("ollama: no answer, so that what is loaded there is not known")
        assert "nothing: a model is loaded" not in shown.text
