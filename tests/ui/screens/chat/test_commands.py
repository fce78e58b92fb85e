"""The commands of the prompt can be found: in the help, in the palette, which does or begins them."""

from __future__ import annotations

import re

from tests.openai import plain
from tests.servers import serving
from tests.ui.screens.chat.conftest import OpenChat
from tests.ui.screens.chat.support import Chat
from venom_tui.core.chat.self_answers import HELP, QUIT
from venom_tui.ui.dialogs.help import KeyTable
from venom_tui.ui.dialogs.picker import Picker
from venom_tui.ui.screens.chat.slash import COMMANDS


async def find(shown: Chat, words: str, row: str) -> None:
    """Filter the palette until a row is there."""
    await shown.press("ctrl+p")
    await shown.until_text("─ Commands ─")
    await shown.type(words)
    await shown.until(lambda: shown.line(row))


async def test_the_help_of_the_chat_tells_them_all(chat: OpenChat) -> None:
    async with serving(plain("tiny")) as server, chat(VLLM_ENDPOINT=server.url, rows=60) as shown:
        await shown.press("f1")
        await shown.until_text("Focus decides")
        await shown.press("end")
        await shown.until_text("Commands of the prompt")
        told = "\n".join(str(table.render()) for table in shown.app.screen.query(KeyTable))
        for name, command in COMMANDS.items():
            line = re.escape(f"/{name} {command.usage}".rstrip())
            assert re.search(rf"^ {line}\s+{command.meaning[0].upper()}", told, re.MULTILINE), name
        await shown.press("escape", "f3", "f1")
        await shown.until_text("Focus decides")
        assert not [table for table in shown.app.screen.query(KeyTable) if "/think" in str(table.render())]


async def test_the_palette_finds_each_of_them(chat: OpenChat) -> None:
    async with serving(plain("tiny")) as server, chat(VLLM_ENDPOINT=server.url) as shown:
        await shown.press("ctrl+p")
        palette = shown.app.screen
        assert isinstance(palette, Picker)
        texts = [choice.text for choice in palette._choices]
        for name in COMMANDS:
            found = [text for text in texts if re.search(rf"(^|\s)/{name}(\s|$)", text)]
            assert len(found) == 1, (name, found)


async def test_one_that_takes_something_is_begun_and_what_is_typed_behind_belongs_to_it(chat: OpenChat) -> None:
    async with serving(plain("tiny")) as server, chat(VLLM_ENDPOINT=server.url) as shown:
        await find(shown, "/oldest", "Whether the oldest turns are left out")
        await shown.press("enter", "l", "e", "a", "v", "e")
        await shown.until(lambda: shown.prompt.text == "/oldest leave")
        await shown.press("enter")
        await shown.until_text("oldest left out")
        await shown.press("escape")
        await find(shown, "/format", "What answers must be")
        await shown.press("enter")
        await shown.until(lambda: shown.prompt.text == "/format " and shown.prompt.has_focus)


async def test_one_that_takes_nothing_is_done(chat: OpenChat) -> None:
    async with serving(plain("tiny")) as server, chat(VLLM_ENDPOINT=server.url) as shown:
        await find(shown, "/params", "Show the parameters of the active model")
        await shown.press("enter")
        await shown.until_text("Parameters of tiny")


async def test_what_is_written_is_not_overwritten(chat: OpenChat) -> None:
    async with serving(plain("tiny")) as server, chat(VLLM_ENDPOINT=server.url) as shown:
        await shown.type("a draft")
        await find(shown, "/oldest", "Whether the oldest turns are left out")
        await shown.press("enter")
        await shown.until(lambda: "it would be overwritten" in shown.notices[-1])
        await find(shown, "/context", "Tokens of context")
        await shown.press("enter")
        await shown.until_text("leave it as it is")
        await shown.press("escape")
        await shown.until(lambda: shown.prompt.text == "a draft" and shown.prompt.has_focus)


def test_what_venom_tui_answers_of_itself_names_commands_that_are_there_and_no_keys_that_may_be_changed() -> None:
    for text in (HELP, QUIT):
        assert not re.search(r"ctrl\+|F[2-9]|\^[a-z]|Esc", text)
        assert all(name in COMMANDS for name in re.findall(r"`/(\w+)`", text))
