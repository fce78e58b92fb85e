"""Texts, and drawing without an application."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from rich.style import Style as RichStyle
from textual.app import App, ComposeResult
from textual.color import Color
from textual.style import Style

from venom_tui.ui.theme import DARK, LIGHT
from venom_tui.ui.widgets.transcript import Entry, Transcript
from venom_tui.ui.widgets.transcript.rows import Pen

BITS = [
    "# Head\n\n", "Title\n===\n\n", "Title\n---\n", "para one two three **bo", "ld** more `code` text", "\n\n",
    "\n", "\n\n\n\n", "- item\n", "- item two\n  continued\n", "  - nested\n", "    - deep\n",
    "\n  para in item\n\n", "1. one\n", "2", ". two\n\n", "10) ten\n", "   para in item\n\n",
    "```python\nx = 1\ndef f(): pass\n", "```\n", "```\n\n", "~~~\ntilde\n", "````\n```\n", "> quote\n",
    "> more\n>\n> para\n\n", "> - list\n", "| a | b |\n|---|--:|\n", "| 1 | 2 |\n", "a | b\n--|--\n", "***\n\n",
    "---\n", "<div>\nhtml\n</div>\n\n", "    indented code\n\n", "[link](http://x.y)", "![img](a.png)",
    "<http://auto.link>", "[ref]: http://x.y\n", "日本語テキスト ", "👩\u200d👩\u200d👧 ✅ ", "e\u0301\u200d", "\u200b",
    "* star\n", "+ plus\n\n", "line  \nbreak\n", "~~strike~~ ", "&amp; &#x202e; &#10; \\* ", "word " * 30,
    "x" * 70, "\t- tab\n", "\ttab", "- [ ] task\n", "- [x] done\n", "[/x] [@click=app.quit]go[/] [b]",
    "$x^2$ \\(y\\)", "\u001b[31mred\u001b[0m \u0007", "\u202ebidi", "   ", "*", "-", "`", "|", ">", "#",
]  # fmt: skip
"""Pieces of Markdown, whole and torn, with what must never act."""

markdown = st.lists(st.sampled_from(BITS) | st.text(max_size=12), max_size=40).map("".join)
longer = st.tuples(markdown, st.sampled_from(BITS), st.integers(20, 160)).map(lambda t: t[0] + t[1] * t[2] + t[0])
"""With something in it that does not end soon."""


def pieces(text: str, sizes: list[int]) -> list[str]:
    """Return a text in pieces of these sizes, again and again."""
    found, at, turn = [], 0, 0
    while at < len(text):
        size = sizes[turn % len(sizes)]
        found.append(text[at : at + size])
        at, turn = at + size, turn + 1
    return found


class PlainPen(Pen):
    """A pen without a theme."""

    def __init__(self, width: int = 60, words: tuple[str, ...] = ()) -> None:
        super().__init__(width, Style(Color(0, 0, 0), Color(255, 255, 255)), words)

    def with_words(self, words: tuple[str, ...]) -> Pen:
        return PlainPen(self.width, words)

    def rich(self, name: str) -> RichStyle:
        return super().rich(" ".join(word for word in name.split() if "$" not in word and word != "on"))


class Chat(App[None]):
    """A transcript in an application."""

    CSS = "#side { width: 20; }"
    AUTO_FOCUS = "Transcript"

    def __init__(self, *, fps: int = 30) -> None:
        super().__init__()
        self._fps = fps
        self.animation_level = "none"
        self.received: list[object] = []

    @property
    def transcript(self) -> Transcript:
        return self.query_one(Transcript)

    def compose(self) -> ComposeResult:
        yield Transcript(fps=self._fps)

    def on_mount(self) -> None:
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = "venom-dark"

    def on_transcript_follow_changed(self, message: Transcript.FollowChanged) -> None:
        self.received.append((message.following, message.new_lines))

    def on_transcript_older_wanted(self) -> None:
        self.received.append("older")


def question(key: str, text: str = "How large is it?") -> Entry:
    return Entry(key, "user", "you", text)


def answer(key: str, text: str, **more: Any) -> Entry:
    return Entry(key, "assistant", "qwen3:14b", text, **more)
