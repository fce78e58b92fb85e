"""What venom-tui answers itself: whole prompts about itself and nothing else."""

from __future__ import annotations

import pytest

from venom_tui.core.chat.intents import static_intent


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        *((text, "help") for text in ("help", "HELP", " help ", "/help", "?", "/?", "help!", "What can you do?")),
        *((text, "help") for text in ("what can I do here", "how does this work?", "which keys are there?")),
        *((text, "quit") for text in ("quit", "exit", "/quit", ":q", ":q!", ":wq", "bye.", "logout")),
        *((text, "infra") for text in ("status", "/status", "what is loaded?", "Which model is active?", "what fits")),
        *((text, "infra") for text in ("how much  VRAM is free?", "which models are loaded", "what fits here?")),
        *((text, "time") for text in ("/time", "what time is it?", "What day is it today?", "what is today's date?")),
    ],
)
def test_prompts_about_venom_tui(text: str, intent: str) -> None:
    assert static_intent(text) == intent


@pytest.mark.parametrize(
    "text",
    [
        *("help me write a letter", "status of the union", "quit smoking: how?", "time", "what time is it in Tokyo?"),
        *("exit code 1 means what?", "what can you do about my roof", "???", "", " ", "help\nme", "hello"),
        *("help " + "x" * 80, "/helpless", "what fits in a suitcase?", ":quit now"),
    ],
)
def test_prompts_for_a_model(text: str) -> None:
    assert static_intent(text) is None
