"""Tells what is being done while it is waited for; it goes on without the dialog, too."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget

from venom_tui.ui.dialogs.dialog import Dialog
from venom_tui.ui.terminal.keys import hand_on
from venom_tui.ui.text import duration, literal, signs
from venom_tui.ui.widgets.line import Line


class Waiting(Dialog[None]):
    """A line that says what is going on and since when. What is typed closes it and goes to who had the focus before.

    Args:
        title: what is waited for.
        words: what is going on at first.
        cancel: called when it is to be given up.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "no", "goes on behind", id="waiting.hide", tooltip="Close this; the work goes on"),
        Binding("ctrl+c", "cancel", "cancel", id="waiting.cancel", tooltip="Give the work up", priority=True),
    ]

    def __init__(self, title: str, words: str, cancel: Callable[[], object]) -> None:
        super().__init__(title)
        self._words = words
        self._cancel = cancel
        self._began = time.monotonic()
        self._done = False
        self._left = False
        self.seen = False
        """Whether it was shown."""

    def compose_box(self) -> Iterable[Widget]:
        """Return the line."""
        yield Line(id="doing")

    def on_mount(self) -> None:
        """Tell the time that passes."""
        self.seen = True
        self._tell()
        self.set_interval(1.0, self._tell)

    def tell(self, words: str) -> None:
        """Say what is going on now."""
        self._words = words
        self._tell()

    def _tell(self) -> None:
        passed = duration(time.monotonic() - self._began)
        sign = Content.styled(f"{signs().loading} ", "$busy")
        told = Content.assemble(sign, literal(self._words), (f" · {passed}", "$text-muted"))
        for line in self.query("#doing").results(Line):  # it is attached before it has its line
            line.show(told)

    def done(self) -> None:
        """Close: what was waited for has ended. Below another dialog that waits until this one is seen again."""
        self._done = True
        if self.is_attached:
            self._leave()

    def on_screen_resume(self) -> None:
        """Close where the work has ended meanwhile."""
        if self._done:
            self._leave()

    def _leave(self) -> None:
        # Below another dialog it stays until that one is closed: what is dismissed is what lies on top.
        if not self._left and self.is_active:
            self._left = True
            self.dismiss(None)

    def action_no(self) -> None:
        """Close; the work goes on."""
        self._leave()

    def on_key(self, event: events.Key) -> None:
        """Let what is typed go where it would go without this dialog, and all that it reads after it was left."""
        if event.is_printable or not self.is_active:
            event.stop()
            event.prevent_default()
            focused = self.app.focused
            if self.is_active:
                focused = self.app.screen_stack[-2].focused
                self._leave()
            if focused is not None:
                hand_on(event, focused)

    def action_cancel(self) -> None:
        """Give the work up."""
        self._cancel()
