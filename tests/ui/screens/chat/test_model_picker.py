"""The model picker over all runtimes, what is told while a model loads, and loads that fail."""

from __future__ import annotations

import asyncio

import pytest
from textual.content import Content
from textual.widgets import Input

from tests.ollama import FakeOllama, replays
from tests.openai import llamacpp, plain, vllm
from tests.servers import Exchange, serving
from tests.ui.screens.chat.conftest import OpenChat
from tests.ui.screens.chat.support import Chat
from venom_tui.ui.dialogs.models import ModelPicker
from venom_tui.ui.dialogs.picker import Choice, Picker
from venom_tui.ui.dialogs.waiting import Waiting
from venom_tui.ui.widgets.columns import Column


async def test_models_of_all_runtimes_and_those_that_do_not_answer(chat: OpenChat) -> None:
    tools = {"qwen3:14b": {"capabilities": ["completion", "tools", "thinking"]}, "all-minilm:22m": {}}
    fake = FakeOllama(tools)
    async with (
        serving(fake) as ollama,
        serving(vllm("served", 2048)) as other,
        chat(columns=140, OLLAMA_HOST=ollama.url, VLLM_ENDPOINT=other.url) as shown,
    ):
        await shown.press("ctrl+o")
        await shown.until_text("qwen3:14b")
        row = shown.line("qwen3:14b")
        for part in ("○", "134.52M", "Q4_1", "0.1", "8k", "tools think", "ollama"):
            assert part in row
        assert "2k" in shown.line("│ ● served")
        await shown.type("tools ollama")
        await shown.until(lambda: "served" not in "\n".join(shown.lines[4:]))
        await shown.press("enter")
        await shown.until(lambda: "qwen3:14b @ ollama" in shown.lines[0])
        assert fake.loads == [("qwen3:14b", 4096)], "it is loaded before it is the active one"


async def test_one_that_does_not_answer_says_why_and_is_asked_again(
    chat: OpenChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(plain("tiny")) as server, chat(VLLM_ENDPOINT=server.url, OLLAMA_HOST="127.0.0.1:1") as shown:
        await shown.press("ctrl+o")
        await shown.until_text("ollama at 127.0.0.1:1:")
        row = shown.line("ollama at 127.0.0.1:1:")
        assert row.startswith("│ ✕ ollama at 127.0.0.1:1: ") and "enter asks again" in row
        await shown.type("ollama")
        await shown.press("enter")
        assert isinstance(shown.app.screen, ModelPicker), "it is no model"
        await shown.until_text("enter asks again")
        looks: list[str | None] = []
        look = shown.core.runtimes.look

        async def watched(runtime: str | None = None) -> None:
            looks.append(runtime)
            await look(runtime)

        monkeypatch.setattr(shown.core.runtimes, "look", watched)
        await shown.pilot.click(shown.app.screen.query_one("#choices"), offset=(5, 0), times=2)
        await shown.until(lambda: "ollama" in looks)
        assert isinstance(shown.app.screen, ModelPicker), "nor when it is clicked twice"


async def test_a_failed_load_leaves_the_model_before(chat: OpenChat) -> None:
    fake = FakeOllama({"good:1b": {}, "broken:1b": {}})
    real = fake.__call__

    async def script(exchange: Exchange) -> None:
        if exchange.target == "POST /api/generate" and exchange.json["model"] == "broken:1b":
            await replays("load-broken-model")(exchange)
        else:
            await real(exchange)

    async with serving(script) as server, chat(OLLAMA_HOST=server.url, VENOM_ACTIVE_MODEL="good:1b") as shown:
        await shown.press("ctrl+o")
        await shown.until_text("broken:1b")
        await shown.type("broken")
        await shown.press("enter")
        await shown.until_text("good:1b stays active.")
        assert "broken:1b was not switched to" in shown.squeezed
        await shown.press("escape")
        assert "good:1b @ ollama" in shown.lines[0]
        await shown.ask("hello")
        messages = await shown.answered()
        assert messages[-1].model == "good:1b"


class Slow:
    """An Ollama with two models, of which `slow:1b` is loaded when it is let."""

    def __init__(self) -> None:
        self._fake = FakeOllama({"quick:1b": {}, "slow:1b": {}})
        self.asked, self.let = asyncio.Event(), asyncio.Event()

    async def __call__(self, exchange: Exchange) -> None:
        """Answer a request."""
        if exchange.target == "POST /api/generate" and exchange.json["model"] == "slow:1b":
            self.asked.set()
            await self.let.wait()
        await self._fake(exchange)


async def test_what_it_is_doing_is_told_while_it_loads_and_prompts_go_there(chat: OpenChat) -> None:
    slow = Slow()
    async with serving(slow) as server, chat(OLLAMA_HOST=server.url, VENOM_ACTIVE_MODEL="quick:1b") as shown:
        await shown.press("ctrl+o")
        await shown.until_text("slow:1b")
        await shown.type("slow")
        await shown.press("enter")
        await shown.until_text("Switch to slow:1b")
        await shown.until_text("loading slow:1b")
        await shown.type("meanwhile")  # closes what tells of it, and goes to the prompt
        await shown.until(lambda: shown.prompt.text == "meanwhile")
        assert "quick:1b @ ollama" in shown.lines[0], "it is not the active one before it answers"
        await shown.press("enter")
        slow.let.set()
        messages = await shown.answered()
        assert messages[-1].model == "slow:1b"
        await shown.until(lambda: "slow:1b @ ollama" in shown.lines[0])


async def test_what_tells_of_a_switch_takes_no_keys_of_a_dialog_that_was_opened_meanwhile(chat: OpenChat) -> None:
    slow = Slow()
    async with serving(slow) as server, chat(OLLAMA_HOST=server.url, VENOM_ACTIVE_MODEL="quick:1b") as shown:
        await shown.press("ctrl+o")
        await shown.until_text("slow:1b")
        await shown.type("slow")
        await shown.press("enter", "ctrl+o")
        picker = shown.app.screen
        assert isinstance(picker, ModelPicker)
        await asyncio.wait_for(slow.asked.wait(), 10)
        await asyncio.sleep(0.5)  # longer than a switch is waited for in silence
        assert shown.app.screen is picker
        await shown.type("quick")
        await shown.press("enter")
        await shown.until(lambda: any(said.startswith("quick:1b answers") for said in shown.notices))
        assert not picker.is_attached
        slow.let.set()


async def test_it_opens_again_while_the_one_before_is_still_being_taken_away(chat: OpenChat) -> None:
    async with serving(plain("tiny")) as server, chat(VLLM_ENDPOINT=server.url) as shown:
        for _ in range(3):  # opens, closes, opens
            shown.app.switching.pick()
        await shown.until_text("type to filter")
        assert isinstance(shown.app.screen, ModelPicker)


async def test_a_command_of_a_dialog_that_was_closed_meanwhile_does_nothing(chat: OpenChat) -> None:
    async with serving(plain("tiny")) as server, chat(VLLM_ENDPOINT=server.url) as shown:
        await shown.press("ctrl+o", "ctrl+p")
        await shown.type("close without")
        await shown.until_text("Close without doing anything")
        palette = shown.app.screen
        assert isinstance(palette, Picker)
        palette.dismiss("dialog.no")
        await shown.press("f3")  # closes what lies below, too, before the command's turn has come
        await shown.until_text("sorted by name")
        assert not isinstance(shown.app.screen, Picker)


async def still_filling(shown: Chat) -> tuple[Picker, list[str | None]]:
    """Open a picker whose choices have not come yet; return it, and what will be picked."""
    picked: list[str | None] = []
    picker = Picker("Things", [Column("name", 8, stretch=True)], [])
    picker.filling = True
    shown.app.push_screen(picker, picked.append)
    await shown.until_text("Things")
    return picker, picked


async def test_what_is_picked_before_there_are_choices_is_picked_once_there_are(chat: OpenChat) -> None:
    async with serving(llamacpp("one")) as server, chat(VLLM_ENDPOINT=server.url) as shown:
        picker, picked = await still_filling(shown)
        await shown.type("se")
        await shown.press("enter")
        assert picked == []
        picker.set_choices([Choice(key, (Content(key),), key) for key in ("first", "second")])
        await shown.until(lambda: picked == ["second"])


async def test_what_is_typed_behind_a_pick_that_waits_for_the_first_choices_is_not_filtered_by(chat: OpenChat) -> None:
    async with serving(llamacpp("one")) as server, chat(VLLM_ENDPOINT=server.url) as shown:
        picker, picked = await still_filling(shown)
        for key in ("t", "h", "up", "down", "enter", "a", "n", "d"):
            await shown.press(key)
        assert picked == []
        picker.set_choices([Choice(key, (Content(key),), key) for key in ("first", "third", "fourth")])
        await shown.until(lambda: picked == ["fourth"])
        await shown.until(lambda: shown.prompt.text == "and")


async def test_what_is_typed_behind_a_pick_of_nothing_goes_on_to_filter(chat: OpenChat) -> None:
    async with serving(llamacpp("one")) as server, chat(VLLM_ENDPOINT=server.url) as shown:
        picker, picked = await still_filling(shown)
        for key in ("z", "enter", "backspace", "s"):
            await shown.press(key)
        picker.set_choices([Choice(key, (Content(key),), key) for key in ("first", "second")])
        await shown.until(lambda: picker.query_one(Input).value == "s")
        assert picked == []


async def test_what_was_waited_for_ends_below_another_dialog(chat: OpenChat) -> None:
    async with serving(plain("one")) as server, chat(VLLM_ENDPOINT=server.url) as shown:
        waiting = Waiting("Work", "working", lambda: None)
        waiting.tell("not shown yet")
        shown.app.push_screen(waiting)
        waiting.tell("begun")
        await shown.until_text("begun")
        await shown.press("ctrl+p")
        await shown.until_text("─ Commands ─")
        waiting.done()
        await shown.pilot.pause()
        assert "─ Commands ─" in shown.text, "what lies on top stays"
        await shown.press("escape")
        await shown.until(lambda: shown.app.screen is shown.screen)
