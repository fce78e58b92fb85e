"""A field of one line whose keys act in the order in which they were pressed."""

from __future__ import annotations

from textual import events
from textual.widgets import Input

from venom_tui.ui.widgets.key_order import act_in_order


class LineInput(Input):
    """A field without a blinking cursor. What it reads after it was left goes to whoever has the focus then.

    Args:
        value: what stands in it at first.
        placeholder: shown while it is empty.
        id: its id.
        select_on_focus: whether its text is selected when it gets the focus.
    """

    def __init__(
        self,
        value: str = "",
        *,
        placeholder: str = "",
        id: str | None = None,  # noqa: A002 (Textual's name)
        select_on_focus: bool = True,
    ) -> None:
        super().__init__(value, placeholder=placeholder, id=id, select_on_focus=select_on_focus)
        self.cursor_blink = False

    async def on_key(self, event: events.Key) -> None:
        """Act in the order of the keys."""
        await act_in_order(self, event, screens_too=True)
