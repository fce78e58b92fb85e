"""What the opening card tells."""

from __future__ import annotations

from pathlib import Path

from venom_tui.core.types.model import ActiveModel
from venom_tui.core.types.runtime import RuntimeState, RuntimeStatus
from venom_tui.ui.screens.chat.card import CardFacts, card


def body(**facts: object) -> list[str]:
    return card(CardFacts(**facts), "^o", "f10").body.splitlines()  # type: ignore[arg-type]


def status(name: str, state: RuntimeState, origin: str, detail: str = "") -> RuntimeStatus:
    return RuntimeStatus(id=name, kind=name, state=state, detail=detail, origin=origin)


def test_only_runtimes_that_are_there_or_were_named() -> None:
    refused = "connection refused"
    shown = body(
        runtimes=[
            status("embedded", RuntimeState.IDLE, "built in", "starts with the first prompt"),
            status("ollama", RuntimeState.UNREACHABLE, "default", refused),
            status("box", RuntimeState.UNREACHABLE, "config.toml", refused),
        ]
    )
    assert shown == [
        "○ embedded llama.cpp: starts with the first prompt",
        "○ box: connection refused",
        "Looking for models …",
    ]
    answering = body(runtimes=[status("ollama", RuntimeState.READY, "default", "holds nothing")])
    assert answering[0] == "● ollama: holds nothing"


def test_the_demonstration_model_is_called_what_it_is() -> None:
    active = ActiveModel("smollm2-135m", "embedded", "no other model is here", demonstration=True)
    shown = body(models=(), active=active, models_dir=Path("/m"))
    assert "a demonstration model (135M, often wrong): no other model is here." in shown[0]
    assert len([line for line in shown if "“" in line]) == 3
    assert shown[-2:] == ["f10   better models that fit this machine", "A GGUF file in /m can be picked with ^o."]
    for sizes, words in (((1_830_000_000, 640_000_000), "(0.6 to 1.8 GB)"), ((2_500_000_000,), "(2.5 GB)")):
        shown = body(models=(), active=active, models_dir=Path("/m"), better=sizes)
        assert shown[-2] == f"f10   better models that fit this machine {words}"


def test_without_any_model_the_card_leads_to_some() -> None:
    assert body(models=())[-1] == "f10   better models that fit this machine"
