"""The prompt: lines, pastes, history, files, completion, commands, drafts, and what is chosen by it."""

from __future__ import annotations

import asyncio
import base64
import threading
from pathlib import Path

import pytest
from textual import events

from tests.ollama import FakeOllama
from tests.openai import plain
from tests.servers import answer, sends, serving
from tests.ui.screens.chat.conftest import OpenChat
from tests.ui.screens.chat.support import Chat
from venom_tui.core.core import Core
from venom_tui.core.types.session import SessionOptions
from venom_tui.ui.app import core_life

_VLLM = {"VENOM_ACTIVE_RUNTIME": "vllm"}
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the program was started."""
    place = tmp_path / "work"
    place.mkdir()
    monkeypatch.chdir(place)
    (place / "notes.txt").write_text("a note\n" * 300)
    (place / "a picture.png").write_bytes(PNG)
    return place


async def paste(shown: Chat, text: str) -> None:
    shown.prompt.post_message(events.Paste(text))
    await shown.pilot.pause()


async def test_lines_and_a_long_paste_are_one_message(chat: OpenChat) -> None:
    fake = plain("tiny")
    async with serving(fake) as server, chat(VLLM_ENDPOINT=server.url, **_VLLM) as shown:
        await shown.type("first")
        await shown.press("ctrl+j")
        await shown.type("second")
        await shown.press("alt+enter")
        long = "x" * 60_000 + "\n" + "y" * 40_000
        await paste(shown, long.replace("\n", "\r\n"))
        assert shown.prompt.text == "first\nsecond\n[pasted 1: 2 lines, 98 KiB]"
        await shown.type(" end")
        await shown.press("enter")
        (prompt, _) = await shown.answered()
        assert prompt.content == f"first\nsecond\n{long} end"
        assert fake.chats[0]["messages"][-1]["content"] == prompt.content
        assert len(fake.chats) == 1
        await shown.press("up")
        assert shown.prompt.content == prompt.content, "it comes back whole"
        await shown.press("up", "down", "down")


async def test_history_goes_through_all_sessions_by_the_words_that_are_written(chat: OpenChat) -> None:
    async with serving(plain("tiny")) as server, chat(VLLM_ENDPOINT=server.url, **_VLLM) as shown:
        await shown.ask("about apples")
        await shown.answered(1)
        await shown.press("ctrl+n")
        await shown.ask("about pears")
        await shown.answered(1)
        await shown.press("up", "up")
        assert shown.prompt.text == "about apples"
        await shown.press("down", "down")
        assert shown.prompt.text == ""
        await shown.type("apples")
        await shown.press("up")
        assert shown.prompt.text == "about apples"


async def test_files_go_along_and_are_told_with_their_size(chat: OpenChat, folder: Path) -> None:
    fake = plain("tiny")
    async with serving(fake) as server, chat(VLLM_ENDPOINT=server.url, **_VLLM) as shown:
        await shown.type("look at @no")
        await shown.until_text("── notes.txt ─")
        await shown.press("tab")
        await shown.until(lambda: shown.prompt.text == "look at @notes.txt")
        await shown.until_text("@ notes.txt text 2 KiB")
        await shown.type(" and @a")
        await shown.until_text("── a picture.png ─")
        await shown.press("tab")
        await shown.until(lambda: shown.prompt.text == 'look at @notes.txt and @"a picture.png"')
        await shown.until_text("notes.txt text 2 KiB · a picture.png image 70 B")
        await shown.press("enter")
        (prompt, _) = await shown.answered()
        assert [(one.name, one.size_bytes) for one in prompt.attachments] == [
            ("notes.txt", 2100),
            ("a picture.png", len(PNG)),
        ]
        assert "notes.txt · text, 2 KiB" in shown.text and "a picture.png · image, 70 B" in shown.text
        assert "image_url" in str(fake.chats[0]["messages"][-1]["content"])

        await shown.type("or @a\\ picture.png @none.txt")
        await shown.until_text("none.txt no such file, sent as text")
        await shown.press("alt+x", "alt+x")
        assert shown.prompt.text == "or"
        await shown.until(lambda: "no such file" not in shown.text)


async def test_a_long_paste_names_no_files(chat: OpenChat, folder: Path) -> None:
    fake = plain("tiny")
    secret = folder / "secret.txt"
    secret.write_text("the password")
    pasted = "a line\n" * 60 + f"@{secret}\nand @notes.txt"
    async with serving(fake) as server, chat(VLLM_ENDPOINT=server.url, **_VLLM) as shown:
        await paste(shown, pasted)
        assert shown.prompt.text == f"[pasted 1: 62 lines, {len(pasted)} B]"
        await shown.press("enter")
        (prompt, _) = await shown.answered()
        assert (prompt.content, prompt.attachments) == (pasted, ())
        assert fake.chats[0]["messages"][-1]["content"] == pasted

        await shown.type("see @notes.txt ")
        await paste(shown, pasted)
        await shown.until_text("@ notes.txt text 2 KiB")
        assert "secret.txt" not in shown.line("@ notes.txt")
        await shown.press("enter")
        prompt = (await shown.answered(2))[2]
        assert [one.name for one in prompt.attachments] == ["notes.txt"]
        await shown.press("up")
        await shown.until_text("@ notes.txt text 2 KiB")
        assert shown.prompt.text.startswith("see @notes.txt [pasted 1: "), "it comes back as it was"


async def test_what_is_written_in_the_editor_names_files_and_that_is_told(
    chat: OpenChat, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = "a line\n" * 60 + "@notes.txt"

    async def edit_text(text: str) -> str:
        return text or written

    async with serving(plain("tiny")) as server, chat(VLLM_ENDPOINT=server.url, **_VLLM) as shown:
        monkeypatch.setattr(shown.app, "edit_text", edit_text)
        await paste(shown, written)
        await shown.press("alt+e")
        await shown.until(lambda: not [worker for worker in shown.app.workers if worker.group == "editor"])
        assert shown.prompt.naming == shown.prompt.text, "what was only looked at there is still a paste"
        shown.prompt.put("")
        await shown.press("alt+e")
        await shown.until_text("@ notes.txt text 2 KiB")
        await shown.press("alt+x")
        assert "What you wrote in the editor names it" in shown.notices[-1]
        await shown.press("enter")
        (prompt, _) = await shown.answered()
        assert (prompt.content, [one.name for one in prompt.attachments]) == (written, ["notes.txt"])


async def test_a_file_goes_along_with_a_prompt_that_is_sent_before_the_core_is_open(
    chat: OpenChat, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_open = threading.Event()
    real = core_life._import_core

    def late() -> type[Core]:
        may_open.wait(20)
        return real()

    monkeypatch.setattr(core_life, "_import_core", late)
    async with (
        serving(plain("tiny")) as server,
        chat(opened=False, VLLM_ENDPOINT=server.url, **_VLLM) as shown,
    ):
        await shown.ask("read @notes.txt")
        assert shown.prompt.text == "" and shown.app.core is None
        may_open.set()
        (prompt, _) = await shown.answered()
        assert [one.name for one in prompt.attachments] == ["notes.txt"]


async def test_an_image_for_a_model_that_cannot_see(chat: OpenChat, folder: Path) -> None:
    fake = FakeOllama({"blind:1b": {"capabilities": ["completion"]}})
    async with serving(fake) as server, chat(OLLAMA_HOST=server.url) as shown:
        await shown.type('@"a picture.png" ?')
        await shown.until_text("a picture.png image 70 B ▲ blind:1b cannot see")
        await shown.press("enter")
        await shown.until_text("✕")
        assert "blind:1b" in shown.squeezed and "image" in shown.line("✕")
        assert not [exchange for exchange in server.asked if exchange.target == "POST /api/chat"]


async def test_commands_are_completed_and_unknown_ones_are_no_prompts(chat: OpenChat) -> None:
    fake = FakeOllama({"thinker:1b": {"capabilities": ["completion", "thinking"]}})
    async with serving(fake) as server, chat(OLLAMA_HOST=server.url) as shown:
        await shown.type("/th")
        await shown.until_text("/think")
        await shown.press("tab")
        await shown.type(" ")
        await shown.until_text("medium")
        await shown.type("high")
        await shown.press("enter")
        await shown.until(lambda: "Direct · think high" in shown.text)
        await shown.ask("/nonsense")
        assert "/nonsense is no command." in shown.notices[-1]
        assert shown.prompt.text == "/nonsense", "it can be mended"
        await shown.press("ctrl+u")
        await shown.ask("/format json")
        await shown.until(lambda: "think high · JSON" in shown.text)
        await shown.ask("go")
        await shown.answered()
        (sent,) = [exchange.json for exchange in server.asked if exchange.target == "POST /api/chat"]
        assert (sent["think"], sent["format"]) == ("high", "json")
        await shown.press("alt+t")
        await shown.until(lambda: "think auto · JSON" in shown.text)


async def test_what_is_chosen_quickly_is_all_chosen(chat: OpenChat, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeOllama({"thinker:1b": {"capabilities": ["completion", "thinking"]}})
    async with serving(fake) as server, chat(OLLAMA_HOST=server.url) as shown:
        real, may_go, asked = shown.core.sessions.set_options, asyncio.Event(), 0

        async def set_options(session_id: str, options: SessionOptions) -> None:
            nonlocal asked
            asked += 1
            await may_go.wait()
            await real(session_id, options)

        monkeypatch.setattr(shown.core.sessions, "set_options", set_options)
        await shown.ask("/think high")
        await shown.ask("/oldest leave")
        await shown.press("alt+t", "alt+t", "alt+t")
        await shown.until(lambda: asked > 0)
        may_go.set()
        await shown.until(lambda: asked == 5 and not [w for w in shown.app.workers if w.group == "options"])
        session = shown.screen.conversation.session
        assert session is not None
        options = (await shown.core.sessions.get(session.id)).options
        assert (options.think, options.leave_out_oldest) == ("off", True), "high, as the model likes, on, off"
        await shown.until_text("Direct · think off · oldest left out")


async def test_a_parameter_goes_to_the_wire_and_what_it_does_not_know_is_told(chat: OpenChat) -> None:
    fake = plain("tiny")
    async with serving(fake) as server, chat(VLLM_ENDPOINT=server.url, **_VLLM) as shown:
        await shown.ask("/set temperature 0.2")
        await shown.until(lambda: any("temperature of tiny is 0.2" in notice for notice in shown.notices))
        await shown.ask("/set temperature 99")
        await shown.until(lambda: any("temperature" in notice and "99" in notice for notice in shown.notices))
        await shown.ask("/params")
        await shown.until_text("Parameters of tiny")
        assert "0.2" in shown.line("temperature")
        await shown.press("escape")
        await shown.ask("go")
        await shown.answered()
        assert fake.chats[0]["temperature"] == 0.2


async def test_each_session_keeps_its_draft(chat: OpenChat) -> None:
    async with serving(plain("tiny")) as server, chat(VLLM_ENDPOINT=server.url, **_VLLM) as shown:
        await shown.ask("one")
        await shown.answered()
        await shown.type("more of one")
        await shown.press("ctrl+n")
        assert shown.prompt.text == ""
        await shown.type("another thing")
        await shown.until_text("draft: another thing")
        await shown.press("ctrl+s", "end", "enter")
        await shown.until(lambda: shown.prompt.text == "more of one")
        await shown.press("ctrl+s", "home", "enter")
        await shown.until(lambda: shown.prompt.text == "another thing")


async def test_what_cannot_be_sent_stays_in_the_prompt(chat: OpenChat, folder: Path) -> None:
    (folder / "binary.bin").write_bytes(b"\x00\xff" * 100)
    fake = plain("tiny")
    async with serving(fake) as server, chat(VLLM_ENDPOINT=server.url, **_VLLM) as shown:
        await shown.ask("see @binary.bin")
        await shown.until(lambda: shown.prompt.text == "see @binary.bin")
        await shown.until(lambda: any("binary.bin" in notice for notice in shown.notices))
        assert fake.chats == []
        fake.paths["POST /v1/chat/completions"] = sends(answer("Fine."))
        await shown.press("alt+x", "enter")
        await shown.answered()


async def test_what_a_command_could_be_goes_away_with_it(chat: OpenChat) -> None:
    async with serving(plain("one")) as server, chat(VLLM_ENDPOINT=server.url) as shown:
        await shown.press("slash")
        await shown.until_text("/help")
        shown.prompt.put("")  # at once, as where all keys of a command come in one packet
        await shown.until(lambda: "/help" not in shown.text)
