"""What venom-tui says of itself: only what is known, and never a zero for unknown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from venom_tui.core.chat.self_answers import status_answer, time_answer
from venom_tui.core.types.device import Gpu, GuardSnapshot, HostInfo
from venom_tui.core.types.model import ActiveModel, ModelInfo

GIB = 1024**3
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def host(available: int | None) -> HostInfo:
    return HostInfo("box", 8, None, 32 * GIB, available, None, None, None)


def model(name: str, **fields: object) -> ModelInfo:
    return ModelInfo(name=name, runtime="embedded", provider="local", **fields)  # type: ignore[arg-type]


ACTIVE = ActiveModel("tiny", "embedded", "the last one used")


def test_all_that_is_known() -> None:
    gpu = Gpu(0, memory_total_bytes=24 * GIB, memory_free_bytes=20 * GIB)
    models = [model("tiny", loaded=True), model("huge", size_bytes=100 * GIB), model("mid", size_bytes=4 * GIB)]
    text = status_answer(ACTIVE, models, GuardSnapshot(NOW, host(16 * GIB), (gpu,)))
    assert "**`tiny`** of the embedded runtime, the last one used" in text
    assert "Loaded: `tiny`." in text
    assert "16.0 of 32.0 GiB RAM free" in text
    assert "GPU 0: 20.0 of 24.0 GiB VRAM free" in text
    assert "Too large for what is free now, by their files alone: `huge` (100.0 GiB)." in text
    assert "mid" not in text


@pytest.mark.parametrize("snapshot", [None, GuardSnapshot(NOW, host(None)), GuardSnapshot(NOW, host(None), (Gpu(0),))])
def test_what_is_not_known_is_not_said(snapshot: GuardSnapshot | None) -> None:
    text = status_answer(None, [model("huge", size_bytes=100 * GIB)], snapshot)
    assert "No model is here" in text
    assert "No model is loaded" in text
    assert "0.0" not in text
    assert "Too large" not in text


@pytest.mark.parametrize(
    ("others", "told"),
    [
        ((), "Which models are loaded is not known: box, ollama did not tell."),
        (
            (model("tiny", loaded=True),),
            "Loaded: `tiny`. What else is loaded is not known: box, ollama did not tell.",
        ),
    ],
)
def test_what_no_runtime_told_is_not_denied(others: tuple[ModelInfo, ...], told: str) -> None:
    silent = [
        replace(model(name, loaded=None, size_bytes=100 * GIB), runtime=runtime)
        for name, runtime in (("a", "ollama"), ("b", "ollama"), ("c", "box"))
    ]
    text = status_answer(ACTIVE, [*silent, *others], GuardSnapshot(NOW, host(16 * GIB)))
    assert told in text
    assert "No model is loaded" not in text
    assert "Too large" not in text, "what may be loaded already is not told to be too large"


def test_why_there_is_no_gpu() -> None:
    reason = {"gpus": "no NVIDIA driver is installed"}
    assert "No GPU: no NVIDIA driver is installed." in status_answer(
        ACTIVE, [], GuardSnapshot(NOW, host(1), unavailable=reason)
    )


def test_a_name_cannot_break_out_of_its_code() -> None:
    text = status_answer(ActiveModel("a`b", "embedded", "asked for"), [], None)
    assert "`a'b`" in text


def test_the_time_is_that_of_this_machine() -> None:
    assert time_answer(NOW) == f"It is {NOW.astimezone():%H:%M on %A, %d %B %Y} on this machine."
