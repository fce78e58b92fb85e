"""A widget of one line that repaints only when its text is another one."""

from __future__ import annotations

from textual.content import Content
from textual.strip import Strip
from textual.widget import Widget

from venom_tui.ui.terminal.plain_lines import is_rendered, paint_plainly, rules_state
from venom_tui.ui.widgets.painted import Brush


class Line(Widget):
    """One line of text, cut at the widget's width."""

    DEFAULT_CSS = "Line { height: 1; width: 1fr; }"

    def __init__(self, text: Content | None = None, *, id: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id)
        self._text = Content() if text is None else text
        paint_plainly(self)
        self._brush = Brush()
        self._rules = -1
        self._at_left = False
        """Whether its rules let the text begin at the left."""

    @property
    def text(self) -> Content:
        """What the line says."""
        return self._text

    def show(self, text: Content) -> None:
        """Say something; nothing is painted when it is what stands there."""
        if text != self._text or text.spans != self._text.spans:
            self._text = text
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return the text; what Textual does for any text only where it is selected, aligned or too long."""
        if y or self.text_selection is not None or not self._begins_left():
            return super().render_line(y)
        line = self.render()
        width, base = self.size.width, self.visual_style
        if line.cell_length > width or "\n" in line.plain or "\t" in line.plain:
            return super().render_line(y)
        segments = self._brush.selectable(line, base)
        if segments is None:
            return super().render_line(y)
        is_rendered(self)
        return Strip(segments, line.cell_length)

    def _begins_left(self) -> bool:
        rules, styles = rules_state(self), self.styles
        if rules != self._rules:
            self._rules = rules
            self._at_left = (
                styles.text_align in ("left", "start", "justify")
                and styles.content_align == ("left", "top")
                and not styles.line_pad
            )
        return self._at_left

    def render(self) -> Content:
        """Return the text for the widget's width."""
        return self.fit(self.size.width)

    def fit(self, width: int) -> Content:
        """Return the text cut to `width` cells; derived lines lay their parts out here."""
        return self._text.truncate(width, ellipsis=True) if width else self._text
