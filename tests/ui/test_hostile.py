"""Generated hostile text in every widget that shows text of others: nothing acts, nothing crashes, nothing gets out.

`make soak` takes 10,000 texts. The texts are drawn from a seed, so that a failure names the text that caused it.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.color import ColorSystem
from textual.content import Content
from textual.screen import Screen

from tests.core.hostile import FORBIDDEN, MARKUP, SEQUENCES
from tests.ui.shown import Shown, open_app
from venom_tui.core.settings import Settings
from venom_tui.core.types.model import ActiveModel
from venom_tui.core.types.runtime import RuntimeState, RuntimeStatus
from venom_tui.core.types.session import Role, SearchHit, Session
from venom_tui.ui.dialogs.ask import Ask
from venom_tui.ui.dialogs.confirm import Confirm
from venom_tui.ui.dialogs.notice import Notice
from venom_tui.ui.dialogs.picker import Choice, Picker
from venom_tui.ui.dialogs.search import Search
from venom_tui.ui.screens.chat.card import CardFacts, card
from venom_tui.ui.screens.chat.session_list import SessionList
from venom_tui.ui.terminal.display import Display
from venom_tui.ui.text import literal
from venom_tui.ui.widgets.columns import Column
from venom_tui.ui.widgets.header import HeaderLine, HeaderState
from venom_tui.ui.widgets.prompt import Prompt
from venom_tui.ui.widgets.sections import RuleLine
from venom_tui.ui.widgets.transcript import Entry, Transcript

CASES = 10_000 if os.environ.get("VENOM_SOAK") else 150
NOW = datetime(2026, 3, 1, tzinfo=UTC)

_PIECES = [*SEQUENCES, *MARKUP, "\x1b", "\x1b[", "\x1b]", "\x9b", "\x9d", "\n", "\t", " ", "word", "é", "日本", "👩‍👧",
    "# ", "- ", "1. ", "> ", "```\n", "~~~", "|a|b|\n|-|-|\n", "**", "_", "`", "<b>", "&#x202e;", "&#27;", "&lt;",
    "[a](http://x)", "![i](x)", "<http://x>", "$x$", "\\", "\ud800", "\U000e0001", "\u0300" * 9, "नमस्ते", "🇩🇪",
    "[", "]", "[[", "]]", "[red on blue]", "[$accent]", "[not closed", "{{x}}", "%s", "\u200d", "\ufe0f"]  # fmt: skip
_OURS = re.compile(r"\x1b\[[0-9;]*[mHC]")


def text_of(chance: random.Random) -> str:
    """Return a text that tries something."""
    pieces = chance.choices(_PIECES, k=chance.randint(1, 14))
    return "".join(piece if chance.random() < 0.9 else chr(chance.randrange(0x3000)) for piece in pieces)


def check(shown: Shown, text: str) -> None:
    """See that the screens can be drawn, and that nothing of the text would drive a terminal."""
    assert shown.app.is_running, repr(text)
    assert shown.app._exception is None, repr(text)
    for screen in shown.app.screen_stack:
        written = drawn(screen)
        assert not FORBIDDEN.search(_OURS.sub("", written).replace("\n", "")), repr(text)


def drawn(screen: Screen[object]) -> str:
    """What the terminal would get of a screen."""
    display = Display()
    display.fit(*screen.size)
    update = screen._compositor.render_update(full=True)
    return display.render(update, ColorSystem.TRUECOLOR)[0]  # type: ignore[arg-type]


class Places:
    """Where text of others is shown."""

    def __init__(self, shown: Shown) -> None:
        self.shown = shown
        self.app = shown.app
        self.screen = shown.app.screen
        self.number = 0

    async def put(self, chance: random.Random, text: str) -> None:
        """Show a text somewhere."""
        kinds: list[Callable[[str], object]] = [self.message, self.streamed, self.line, self.dialog]
        self.number += 1
        chance.choices(kinds, weights=[4, 2, 2, 2])[0](text)
        await self.shown.pilot.pause()
        if isinstance(self.app.screen, Search):
            await self.app.screen._look(text or "x")
            await self.shown.pilot.pause()
        check(self.shown, text)
        if len(self.app.screen_stack) > 1:
            self.app.pop_screen()
            await self.shown.pilot.pause()
        if self.number % 100 == 0:
            self.screen.query_one(Transcript).set_entries(())
            self.app.clear_notifications()

    def message(self, text: str) -> None:
        role = ("user", "assistant", "program")[self.number % 3]
        entry = Entry(
            key=f"m{self.number}",
            role=role,  # type: ignore[arg-type]  # one of them
            title=text,
            body=text,
            thinking=text,
            notes=(text, f"interrupted {text}"),
            error=text,
            plain=role == "user",
        )
        transcript = self.screen.query_one(Transcript)
        transcript.put_last(entry)
        transcript.follow_end()
        transcript.go_to(entry.key, tuple(text.split()[:3]))
        transcript.action_fold()

    def streamed(self, text: str) -> None:
        transcript = self.screen.query_one(Transcript)
        entry = Entry(key=f"s{self.number}", role="assistant", title=text, body="")
        transcript.begin(entry)
        transcript.set_status(text)
        for at in range(0, len(text), 3):
            transcript.write_thinking(text[at : at + 2])
            transcript.write(text[at : at + 3])
        transcript.end(replace(entry, body=text, error=text))

    def line(self, text: str) -> None:
        header = HeaderState(host=text, known=True, model=text, runtime=text, running=(text, text), note=text)
        self.screen.query_one(HeaderLine).set_state(header)
        self.screen.query_one("#talk-rule", RuleLine).set_title(text, text)
        self.screen.query_one("#prompt-rule", RuleLine).set_title(text, text)
        self.screen.query_one(Prompt).put(text)
        sessions = [Session(f"{n}", text, NOW, NOW, message_count=n, draft=text, streaming=n == 1) for n in range(3)]
        self.screen.query_one(SessionList).show(sessions, "1", frozenset({"2"}))
        facts = CardFacts(
            runtimes=[RuntimeStatus(id=text, kind=text, state=RuntimeState.FAILED, version=text, detail=text)],
            models=[],
            active=ActiveModel(text, text, text),
            models_dir=Path("/models"),
            trouble=(text,),
        )
        self.screen.query_one(Transcript).put_last(card(facts, text, text))
        self.app.notify(text, title=text, markup=False)

    def dialog(self, text: str) -> None:
        hit = SearchHit("s", text, "m", 1, Role.USER, NOW, text, ((0, max(1, len(text))),))

        async def search(_words: str) -> list[SearchHit]:
            return [hit]

        column = Column(text, 10, stretch=True)
        choice = Choice("c", (literal(text, "bold"),), text)
        match self.number % 5:
            case 0:
                self.app.push_screen(Ask(text, text, placeholder=text))
            case 1:
                self.app.push_screen(Confirm(text, [text, text]))
            case 2:
                self.app.push_screen(Notice(text, [text, "", text]))
            case 3:
                self.app.push_screen(Picker(text, [column], [choice], current="c", empty=text))
            case _:
                self.app.push_screen(Search(search))


@pytest.mark.timeout(3600 if CASES > 1000 else 120)
@pytest.mark.parametrize("size", [(100, 30), (40, 12)])
async def test_hostile_text_everywhere(settings: Settings, size: tuple[int, int]) -> None:
    chance = random.Random(f"hostile {size}")
    async with open_app(settings, "chat", *size) as shown:
        places = Places(shown)
        for _ in range(CASES // 2):
            await places.put(chance, text_of(chance))
        shown.app.clear_notifications()


async def test_markup_is_shown_as_it_is(settings: Settings) -> None:
    text = "[b]bold[/b] [/x] [@click=app.quit]x[/] [$accent]a"
    async with open_app(settings, "chat", 120, 40) as shown:
        places = Places(shown)
        places.line(text)
        await shown.until(lambda: shown.text.count(text) >= 5)
        for number in range(5):
            places.number = number
            places.dialog(text)
            await shown.pilot.pause()
            if isinstance(shown.app.screen, Search):
                await shown.app.screen._look(text)
            await shown.until(lambda: text in shown.text)
            check(shown, text)
            shown.app.pop_screen()
            await shown.pilot.pause()
        places.message(text)
        await shown.until(lambda: "[/x] [@click=app.quit]x[/]" in shown.text)
        assert Content(text).plain == text
