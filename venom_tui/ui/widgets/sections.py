"""The line of sections under the header, and the thin rule that titles a region."""

from __future__ import annotations

from textual import events
from textual.content import Content
from textual.message import Message

from venom_tui.ui.text import signs, truncate_middle
from venom_tui.ui.widgets.line import Line

SECTIONS = (
    ("chat", "Chat"),
    ("catalog", "Catalog"),
    ("operations", "Operations"),
    ("guard", "Guard"),
    ("runtimes", "Runtimes"),
)
"""The sections that are built: (name, title), in the order of their keys."""


class SectionLine(Line):
    """`1 Chat  2 Catalog  …`, the current one marked; a click changes the section."""

    class Picked(Message):
        """A section was clicked."""

        def __init__(self, section: str) -> None:
            super().__init__()
            self.section = section

    def __init__(self, current: str) -> None:
        super().__init__(id="sections")
        self._current = current
        self._unseen = 0

    def set_unseen(self, answers: int) -> None:
        """Say in how many sessions an answer has ended that nobody looked at yet."""
        if answers != self._unseen:
            self._unseen = answers
            self.refresh()

    def fit(self, width: int) -> Content:
        """Return the titles with their keys."""
        parts = []
        for number, (name, title) in enumerate(SECTIONS, 1):
            style = "bold $accent underline" if name == self._current else "$text-muted"
            parts.append(
                Content.assemble((f"{number} ", "$text-muted"), (title, style), (self._badge(name), "$success"))
            )
        return Content("  ").join(parts).truncate(width, ellipsis=True)

    def _badge(self, name: str) -> str:
        """Return what stands behind a title."""
        if name != "chat" or not self._unseen:
            return ""
        return f" {signs().loaded}" + (f" {self._unseen}" if self._unseen > 1 else "")

    def on_click(self, event: events.Click) -> None:
        """Find the section under the mouse."""
        x = event.x - self.styles.padding.left
        for number, (name, title) in enumerate(SECTIONS, 1):
            length = len(f"{number} {title}{self._badge(name)}") + 2
            if x < length:
                if x >= 0:
                    self.post_message(self.Picked(name))
                return
            x -= length


class RuleLine(Line):
    """`── Title ──────── right`: names the region below; takes the accent while that region has the focus."""

    def __init__(self, title: str, *, id: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id)
        self._title: str | Content = title
        self._right: str | Content = ""

    def set_title(self, title: str | Content, right: str | Content = "") -> None:
        """Change the words; equal ones paint nothing."""
        if not (_same(title, self._title) and _same(right, self._right)):
            self._title, self._right = title, right
            self.refresh()

    def fit(self, width: int) -> Content:
        """Return the rule in the widget's width."""
        return rule(self._title, width, self._right)


def rule(title: str | Content, width: int, right: str | Content = "") -> Content:
    """Return `── title ──────── right ──` in `width` cells, for rules that stand within a list."""
    dash = signs().dash
    if isinstance(right, str) and right:
        right = Content.styled(right, "$text-muted")
    end = Content.assemble(" ", right, (f" {dash * 2}", "$text-muted")) if right else Content()
    room = max(4, width - end.cell_length - 6)
    if isinstance(title, str):
        title = Content(truncate_middle(title, room))
    left = Content.assemble((dash * 2 + " ", "$rule"), title.truncate(room, ellipsis=True), " ") if title else Content()
    fill = max(0, width - left.cell_length - end.cell_length)
    return Content.assemble(left, (dash * fill, "$rule"), end).truncate(width)


def _same(one: str | Content, other: str | Content) -> bool:
    spans = [text.spans if isinstance(text, Content) else () for text in (one, other)]
    return one == other and list(spans[0]) == list(spans[1])
