"""Does it fit? Asked from the guard: the dialog, its keys, and the picker of models."""

from __future__ import annotations

from dataclasses import replace

from tests.ui.screens.guard.conftest import OpenGuard
from tests.ui.screens.guard.support import GIB, HOST, MODEL, gpu, snapshot
from tests.ui.screens.guard.test_screen import rows_of
from tests.ui.shown import Shown
from venom_tui.core.types.device import GuardSnapshot, LoadedModel
from venom_tui.core.types.fit import ContextFit, FitQuestion, FitReport, GpuFit, Quality, UtilizationRange, Verdict
from venom_tui.ui.dialogs.fit import lines, next_context


async def open_fit(shown: Shown) -> None:
    """Ask for the demonstration model, which is always there."""
    await shown.press("f")
    await shown.until(lambda: "Does it fit?" in shown.text)
    await shown.until(lambda: "smollm2-135m" in shown.text.partition("Does it fit?")[2])
    await shown.press("enter")
    await shown.until(lambda: "weights" in shown.text)


async def test_any_model_can_be_asked_about(guard: OpenGuard) -> None:
    async with guard(snapshot([gpu()]), 100, 40) as (shown, _):
        await open_fit(shown)
        text = shown.squeezed
        assert "fits It fits in RAM" in text or "fits" in shown.line("fits")
        assert "context 8,192 tokens · cache f16 · 1 sequence" in text
        assert "made from header of the file" in text and "no load of llama was measured yet" in text
        assert "131,072" in text and "longer than it was trained for" in text
        assert " 0.0 GiB" not in text


async def test_its_keys_change_what_is_asked(guard: OpenGuard) -> None:
    async with guard(snapshot(), 100, 40) as (shown, _):
        await open_fit(shown)
        await shown.press("left")
        await shown.until(lambda: "context 4,096 tokens" in shown.squeezed)
        await shown.press("right", "right")
        await shown.until(lambda: "context 16,384 tokens" in shown.squeezed)
        await shown.press("t")
        await shown.until(lambda: "cache q8_0" in shown.squeezed)
        await shown.press("p", "p")
        await shown.until(lambda: "4 sequences, each with all of that" in shown.squeezed)
        await shown.press("P")
        await shown.until(lambda: "2 sequences" in shown.squeezed)
        await shown.press("escape")
        await shown.until(lambda: "weights" not in shown.text)


async def test_the_verdict_follows_the_machine_while_it_is_open(guard: OpenGuard) -> None:
    async with guard(snapshot(), 100, 40) as (shown, figures):
        await open_fit(shown)
        await shown.until(lambda: "RAM 384.0 GiB free" in shown.squeezed)
        figures.show(_with_ram(GIB // 100))
        await shown.until(lambda: "does not fit" in shown.text, 6)


def _with_ram(free: int) -> GuardSnapshot:
    return snapshot(host=replace(HOST, ram_available_bytes=free))


async def test_a_loaded_model_is_asked_about_at_once(guard: OpenGuard) -> None:
    held = LoadedModel("smollm2-135m", "embedded", GIB, None, None, 2048, 77, kind="embedded")
    async with guard(snapshot(loaded=(held, MODEL)), 100, 40) as (shown, _):
        rows_of(shown).set_cursor("loaded embedded smollm2-135m")
        await shown.press("f")
        await shown.until(lambda: "Does smollm2-135m fit?" in shown.text and "context 2,048" in shown.squeezed)
        await shown.press("escape")
        # A model that its runtime no longer names: one is picked instead.
        rows_of(shown).set_cursor("loaded ollama qwen3:14b")
        await shown.press("f")
        await shown.until(lambda: "type to filter" in shown.text)


async def test_the_picker_shows_badges_as_they_become_known(guard: OpenGuard) -> None:
    async with guard(snapshot(), 100, 40) as (shown, _):
        await shown.press("f")
        await shown.until(lambda: shown.line("smollm2-135m 1").endswith("fits │") or " fits " in shown.text)


def test_contexts_go_by_powers_of_two_and_by_the_training() -> None:
    assert next_context(8192, 1, None) == 16_384 and next_context(8192, -1, None) == 4096
    assert next_context(32_768, 1, 40_960) == 40_960 and next_context(2048, -1, None) == 2048
    assert next_context(1_048_576, 1, None) == 1_048_576


def test_everything_of_a_report_is_written() -> None:
    report = FitReport(
        "big", "vllm", FitQuestion(32_768, "fp8", 4), Verdict.FITS_AFTER_EVICTION, "It fits after x leaves.",
        architecture="qwen3", context_length=32_768, trained_context_length=40_960, weights_bytes=16 * GIB,
        kv_bytes=5 * GIB, compute_bytes=GIB, overhead_bytes=GIB // 2, low_bytes=20 * GIB, likely_bytes=22 * GIB,
        high_bytes=25 * GIB, correction_bytes=-GIB // 2, place="gpu", free_bytes=10 * GIB, evicts=("x",),
        gpus=(GpuFit(0, "u", "n", 24 * GIB, 10 * GIB, True), GpuFit(1, "u", "n", 24 * GIB, None, None, "it is silent")),
        chosen_gpus=(0,),
        table=(
            ContextFit(4096, GIB // 30, 17 * GIB, Verdict.FITS),
            ContextFit(131_072, 20 * GIB, 37 * GIB, Verdict.DOES_NOT_FIT, ("x",)),
        ),
        utilization=UtilizationRange(0.71, 0.9, (0,), True), source="config.json",
        quality=Quality("qwen3", 2, 1.5, 4.0, 6.0), notes=("first", "second"),
    )  # fmt: skip
    text = "\n".join(" ".join(line.plain.split()) for line in lines(report))
    for part in (
        "▲ fits after eviction It fits after x leaves.",
        "learned -512 MiB",
        "likely 22.0 GiB 20.0 to 25.0 GiB",
        "4,096 0.03 17.0 fits",
        "131,072 20.0 37.0 ✕ does not fit x longer than it was trained for",
        "GPU 0 10.0 of 24.0 GiB free ▸",
        "GPU 1 ? of 24.0 GiB free, not counted: it is silent",
        "vLLM gpu-memory-utilization 0.71 to 0.90 holds it and starts now",
        "2 loads of qwen3: 1.5 % off in the middle, 4 % at most; without what was learned 6 %",
        "note first\nsecond",
    ):
        assert part in text, part


def test_of_what_is_not_known_only_the_reason_is_written() -> None:
    report = FitReport("x", "", FitQuestion(), Verdict.UNKNOWN, "Its header cannot be read.")
    assert [line.plain for line in lines(report) if line.plain] == ["not known  Its header cannot be read."]
