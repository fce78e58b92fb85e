"""What is typed while the conversation has the focus, in one burst as a slow line brings it."""

from __future__ import annotations

import pytest
from textual import events

from tests.openai import plain
from tests.servers import serving
from tests.ui.screens.chat.conftest import OpenChat
from tests.ui.screens.chat.support import Chat


def burst(shown: Chat, text: str) -> None:
    names = {" ": "space", "\r": "enter"}
    for character in text:
        shown.app.post_message(events.Key(names.get(character, character), character))


async def leave_the_prompt(shown: Chat) -> None:
    await shown.press("escape")
    await shown.until(lambda: shown.app.focused is shown.screen.transcript)


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("what is one", "what is one"),
        ("ihello", "hello"),
        ("i i", " i"),
        ("w/x", "w/x"),
        ("jjwhat", "what"),
    ],
)
async def test_text_goes_to_the_prompt_in_its_order(chat: OpenChat, typed: str, written: str) -> None:
    async with serving(plain("one")) as server, chat(VLLM_ENDPOINT=server.url) as shown:
        await leave_the_prompt(shown)
        burst(shown, typed)
        await shown.until(lambda: shown.prompt.text == written)
        assert shown.prompt.has_focus
        await shown.pilot.pause()
        assert shown.prompt.text == written


async def test_a_paste_is_for_the_prompt_and_verbs_stay_verbs(chat: OpenChat) -> None:
    async with serving(plain("one")) as server, chat(VLLM_ENDPOINT=server.url) as shown:
        await leave_the_prompt(shown)
        await shown.press("c", "space")
        assert shown.app.focused is shown.screen.transcript and shown.prompt.text == ""
        shown.app.post_message(events.Paste("pasted text"))
        await shown.until(lambda: shown.prompt.text == "pasted text")
        assert shown.prompt.has_focus
        await leave_the_prompt(shown)
        await shown.press("4")
        await shown.until(lambda: shown.app.current_mode == "guard")
