"""Prompts that wait, answers that go on elsewhere, and the badges that tell of them."""

from __future__ import annotations

from pathlib import Path

from tests.servers import serving
from tests.ui.screens.chat.conftest import OpenChat
from tests.ui.screens.chat.support import Gated, words

_VLLM = {"VENOM_ACTIVE_RUNTIME": "vllm"}


async def test_prompts_wait_visibly_and_go_out_in_their_order(chat: OpenChat) -> None:
    slow = Gated()
    async with serving(slow.server) as server, chat(VLLM_ENDPOINT=server.url, **_VLLM) as shown:
        await shown.ask("one")
        await shown.until_text("beginning 1")
        for text in ("two", "three", "four"):
            await shown.ask(text)
        await shown.until_text("3 prompts wait")
        assert shown.line("1 two") and shown.line("2 three") and shown.line("3 four")
        await shown.press("alt+up", "up", "d")
        await shown.until_text("2 prompts wait")
        assert "three" not in shown.text
        await shown.press("escape", "alt+up", "e")  # the last one comes back into the prompt
        await shown.until(lambda: shown.prompt.text == "four")
        assert shown.line("1 prompt waits")
        await shown.ask(" and more")
        await shown.until_text("2 four and more")
        slow.let()
        await shown.until_text("beginning 2")
        await shown.until(lambda: shown.line("1 prompt waits"))
        slow.let()
        slow.let()
        messages = await shown.answered(3)
        assert [line for line in words(messages) if "user" in line] == ["user: one", "user: two", "user: four and more"]
        await shown.until(lambda: "wait" not in shown.text)


async def test_files_of_a_prompt_that_is_edited_again(chat: OpenChat, tmp_path: Path) -> None:
    slow, notes = Gated(), tmp_path / "notes.txt"
    notes.write_text("a note")
    text = f"see @{notes}\n" + "a line\n" * 60
    async with serving(slow.server) as server, chat(VLLM_ENDPOINT=server.url, **_VLLM) as shown:
        await shown.ask("one")
        await shown.until_text("beginning 1")
        session = shown.screen.conversation.session
        assert session is not None
        attached = await shown.core.chat.attach(notes)
        await shown.core.chat.enqueue(session.id, "short @" + str(notes), [attached])
        await shown.core.chat.enqueue(session.id, text, [attached])  # by an earlier run, as far as the prompt knows
        await shown.until_text("2 prompts wait")
        await shown.press("alt+up", "e")
        await shown.until(lambda: shown.prompt.text.startswith("[pasted 1: "))
        assert shown.notices == ["Not attached any more: notes.txt. @path attaches a file again."]
        shown.prompt.put("")
        await shown.press("alt+up", "e")
        await shown.until_text("@ notes.txt text 6 B")
        assert len(shown.notices) == 1
        slow.let()
        await shown.answered()


async def test_a_stopped_answer_holds_the_queue_until_it_is_sent_on(chat: OpenChat) -> None:
    slow = Gated()
    async with serving(slow.server) as server, chat(VLLM_ENDPOINT=server.url, **_VLLM) as shown:
        await shown.ask("one")
        await shown.until_text("beginning 1")
        await shown.ask("two")
        await shown.until_text("1 prompt waits")
        await shown.press("escape")
        await shown.until_text("⏸ 1 prompt waits: answer stopped")
        assert "alt+s sends" in shown.line("1 prompt waits")
        slow.let()
        slow.let()
        await shown.press("alt+s")
        messages = await shown.answered(2)
        assert words(messages)[-1] == "assistant: beginning 2 end 2"


async def test_an_answer_that_ended_elsewhere_leaves_badges_until_it_is_seen(chat: OpenChat) -> None:
    slow = Gated()
    async with serving(slow.server) as server, chat(VLLM_ENDPOINT=server.url, **_VLLM) as shown:
        await shown.ask("one")
        await shown.until_text("beginning 1")
        first = shown.screen.conversation.session
        assert first is not None
        await shown.press("ctrl+n")
        await shown.until(lambda: shown.line("one").startswith("◐ one"))
        await shown.type("meanwhile")
        slow.let()
        await shown.until(lambda: shown.line("one").startswith("● one"))
        assert shown.lines[1].startswith(" 1 Chat ●  2 Catalog")
        (_, answer) = await shown.core.sessions.messages(first.id)
        assert (answer.state.value, answer.content) == ("complete", "beginning 1 end 1"), "leaving stopped nothing"
        await shown.press("f3")
        await shown.until(lambda: "Models ─" in shown.text)
        assert shown.lines[1].startswith(" 1 Chat ●  2 Catalog"), "in every section"
        await shown.press("f2", "ctrl+s", "down", "enter")
        await shown.until_text("beginning 1 end 1")
        assert shown.lines[1].startswith(" 1 Chat  2 Catalog")
        assert shown.line("▸ one")


async def test_badges_where_the_list_is_folded_and_where_another_section_is_in_front(chat: OpenChat) -> None:
    slow = Gated()
    async with serving(slow.server) as server, chat(columns=80, VLLM_ENDPOINT=server.url, **_VLLM) as shown:
        await shown.ask("one")
        await shown.until_text("beginning 1")
        await shown.press("f3")
        await shown.until(lambda: "Models ─" in shown.text)
        slow.let()
        await shown.until(lambda: shown.lines[1].startswith(" 1 Chat ●  2 Catalog"))
        await shown.press("f2")
        await shown.until(lambda: shown.lines[1].startswith(" 1 Chat  2 Catalog"))
        await shown.press("ctrl+n")
        await shown.ask("two")
        await shown.until_text("beginning 2")
        await shown.press("ctrl+n", "ctrl+s")
        await shown.until_text("type to filter")
        assert shown.line("two").startswith("│ ◐ two")
        slow.let()
        await shown.press("escape")
        await shown.until(lambda: "1 Chat ●" in shown.lines[1])
        await shown.press("ctrl+s")
        await shown.until_text("type to filter")
        assert shown.line("two").startswith("│ ● two")
