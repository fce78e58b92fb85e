"""A widget of one line that repaints only when its text is another one."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget


class Line(Widget):
    """One line of text, cut at the widget's width."""

    DEFAULT_CSS = "Line { height: 1; width: 1fr; }"

    def __init__(self, text: Content | None = None, *, id: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id)
        self._text = Content() if text is None else text

    @property
    def text(self) -> Content:
        """What the line says."""
        return self._text

    def show(self, text: Content) -> None:
        """Say something; nothing is painted when it is what stands there."""
        if text != self._text or text.spans != self._text.spans:
            self._text = text
            self.refresh()

    def render(self) -> Content:
        """Return the text for the widget's width."""
        return self.fit(self.size.width)

    def fit(self, width: int) -> Content:
        """Return the text cut to `width` cells; derived lines lay their parts out here."""
        return self._text.truncate(width, ellipsis=True) if width else self._text
