"""The column at the right of wide terminals."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from textual import events
from textual.content import Content

from tests.openai import plain
from tests.servers import answer, sends, serving
from tests.ui.screens.chat.conftest import OpenChat
from tests.ui.screens.guard.support import snapshot
from venom_tui.core.types.device import Gpu, LoadedModel
from venom_tui.core.types.session import Message, MessageState, Role, Timings, Usage
from venom_tui.ui.screens.chat.aside import WIDTH, Aside, machine_lines, request_lines, steps_of

GIB = 1024**3
ANSWER = Message(
    "1", "s", 2, Role.ASSISTANT, "Paris.", MessageState.COMPLETE, datetime(2026, 1, 1, tzinfo=UTC),
    model="qwen3:14b", runtime="ollama", finish_reason="stop",
    usage=Usage(prompt_tokens=1200, completion_tokens=300, tokens_per_second=48.2),
    timings=Timings(submit_to_first_token_ms=5000, total_ms=10_000, load_ms=4000, thinking_ms=2000),
)  # fmt: skip


def plain_of(lines: Sequence[Content]) -> list[str]:
    return [str(line) for line in lines]


def test_the_steps_of_an_answer() -> None:
    assert steps_of(ANSWER) == [
        ("load", 0, 4000), ("prompt", 4000, 5000), ("thinking", 5000, 7000), ("answer", 7000, 10_000),
    ]  # fmt: skip
    assert plain_of(request_lines(ANSWER)) == [
        "qwen3:14b @ ollama",
        "load     ██████░░░░░░░░      4.0 s",
        "prompt   ░░░░░░█░░░░░░░      1.0 s",
        "thinking ░░░░░░░███░░░░      2.0 s",
        "answer   ░░░░░░░░░░████      3.0 s",
        "tokens   1,200 + 300",
        "rate     48 tok/s",
        "end      by the model",
    ]
    untimed = replace(ANSWER, timings=Timings(), usage=Usage(), finish_reason="", runtime="embedded")
    assert plain_of(request_lines(untimed)) == ["qwen3:14b"]
    assert plain_of(request_lines(None)) == ["No answer yet."]
    hostile = replace(ANSWER, model="m\x1b[31m[b]" * 20)
    assert all(line.cell_length <= WIDTH for line in request_lines(hostile))
    assert "\x1b" not in "".join(plain_of(request_lines(hostile)))


def test_times_that_cannot_be_are_no_steps_backwards() -> None:
    """Clocks of several processes: a load that ended after the first token, thinking past the end."""
    odd = Timings(submit_to_first_token_ms=100, total_ms=200, load_ms=150, thinking_ms=500)
    assert steps_of(replace(ANSWER, timings=odd)) == [
        ("load", 0, 100), ("prompt", 100, 100), ("thinking", 100, 200), ("answer", 200, 200),
    ]  # fmt: skip


def test_a_model_that_was_there_was_not_loaded() -> None:
    steps = steps_of(replace(ANSWER, timings=Timings(submit_to_first_token_ms=50, total_ms=100, load_ms=1.2)))
    assert steps[:2] == [("load", 0, 0), ("prompt", 0, 50)]


def test_what_the_machine_holds() -> None:
    seen = snapshot()
    gpus = (
        Gpu(0, memory_used_bytes=18 * GIB, memory_total_bytes=24 * GIB),
        Gpu(1, memory_used_bytes=None, memory_total_bytes=24 * GIB),
    )
    held = (
        LoadedModel("small", "ollama", measured_bytes=2 * GIB),
        LoadedModel("large", "ollama", reported_bytes=9 * GIB, measured_bytes=GIB, vram_bytes=8 * GIB, pinned=True),
        LoadedModel("x" * 60, "vllm"),
    )
    host = replace(seen.host, ram_total_bytes=64 * GIB, ram_available_bytes=16 * GIB)
    lines = machine_lines(replace(seen, gpus=gpus, loaded=held, host=host))
    assert plain_of(lines)[:5] == [
        "GPU 0  ██████████▌░░░    18.0/24.0",
        "GPU 1  ░░░░░░░░░░░░░░            ?",
        "RAM    ██████████▌░░░    48.0/64.0",
        "● large ⚑                      8.0",
        "● small                        2.0",
    ]
    assert all(line.cell_length == WIDTH for line in lines)
    assert plain_of(machine_lines(replace(seen, gpus=(), loaded=(), host=host)))[1:] == ["No model is loaded."]
    quiet = machine_lines(replace(seen, gpus=(), loaded=(), host=host), ["ollama", "box"])
    assert plain_of(quiet)[1:] == ["ollama, box: no answer"], "not: nothing is loaded"
    assert plain_of(machine_lines(None)) == ["Nothing was measured yet."]
    many = tuple(replace(held[0], name=f"m{n}") for n in range(20))
    assert str(machine_lines(replace(seen, gpus=(), loaded=many, host=host))[-1]) == "and 8 more models"


async def test_it_stands_where_there_is_room_and_is_chosen_by_a_key(chat: OpenChat) -> None:
    fake = plain("one")
    fake.paths["POST /v1/chat/completions"] = sends(answer("Fine."))
    async with serving(fake) as server, chat(columns=160, rows=40, VLLM_ENDPOINT=server.url) as shown:
        await shown.until_text("── Last answer ─")
        await shown.until_text("No answer yet.")
        await shown.until_text("RAM ")
        await shown.type("hello")
        await shown.press("enter")
        await shown.answered()
        await shown.until_text("one @ vllm")
        await shown.until(lambda: any("by the model" in line for line in shown.lines))
        seen = []
        for _ in range(4):
            await shown.press("alt+g")
            text = shown.text
            seen.append(("── Last answer" in text, "── Machine" in text))
        assert seen == [(True, False), (False, True), (False, False), (True, True)]
        await shown.press("alt+g")
        await shown.until(lambda: shown.core.settings.text("VENOM_CHAT_ASIDE") == "request")
        await shown.pilot.resize_terminal(100, 30)
        await shown.until(lambda: "── Last answer" not in shown.text)
        await shown.press("alt+g")
        assert "The column at the right needs 140 columns; there are 100." in shown.notices
        await shown.pilot.resize_terminal(140, 30)
        await shown.until(lambda: "── Last answer" in shown.text)
    async with serving(fake) as server, chat(VLLM_ENDPOINT=server.url) as shown:
        assert not shown.app.screen.query(Aside), "a narrow terminal does not pay for it"


async def test_it_stays_off_when_it_was_turned_off(chat: OpenChat) -> None:
    async with (
        serving(plain("one")) as server,
        chat(columns=160, VLLM_ENDPOINT=server.url, VENOM_CHAT_ASIDE="off") as shown,
    ):
        await shown.until(lambda: shown.app.screen.query(Aside))
        await shown.pilot.pause()
        assert "── Last answer" not in shown.text and "── Machine" not in shown.text


async def test_it_is_filled_where_it_is_made_as_one_comes_back_to_the_chat(
    chat: OpenChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(plain("one")) as server, chat(VLLM_ENDPOINT=server.url) as shown:
        await shown.until(lambda: shown.core.guard.latest() is not None)
        monkeypatch.setattr(shown.screen, "core_event", lambda _event: None)  # no sample fills it by the way
        await shown.press("f5")
        await shown.pilot.resize_terminal(160, 30)
        await shown.press("f2")
        await shown.until_text("No answer yet.")
        await shown.until_text("RAM ")


async def test_what_a_low_terminal_has_no_room_for_can_be_scrolled_to(chat: OpenChat) -> None:
    async with serving(plain("one")) as server, chat(columns=140, rows=10, VLLM_ENDPOINT=server.url) as shown:
        await shown.ask("hello")
        await shown.answered()
        await shown.until_text("tokens ")
        assert "RAM " not in "\n".join(shown.lines[1:])
        wheel = events.MouseScrollDown(None, 110, 5, 0, 1, 0, shift=False, meta=False, ctrl=False)
        for _ in range(8):
            shown.app.post_message(copy(wheel))
        await shown.until(lambda: "RAM " in "\n".join(shown.lines[1:]))


@pytest.mark.parametrize("value", ["both", "request", "machine", "off"])
def test_every_choice_has_its_words(value: str) -> None:
    from venom_tui.core.settings.keys import KEYS
    from venom_tui.ui.screens.chat.aside import SHOWS
    from venom_tui.ui.screens.chat.aside_verbs import _SAYS

    (key,) = [key for key in KEYS if key.name == "VENOM_CHAT_ASIDE"]
    assert value in SHOWS and value in _SAYS and key.choices == SHOWS
