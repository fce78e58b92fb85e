"""Searches the text of all sessions while one types."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from venom_tui.core.errors import VenomError
from venom_tui.core.types.session import SearchHit
from venom_tui.ui.dialogs.dialog import Dialog
from venom_tui.ui.text import relative_time, signs
from venom_tui.ui.widgets.line_input import LineInput
from venom_tui.ui.widgets.rows import RowList
from venom_tui.ui.workers import start

Found = tuple[SearchHit, tuple[str, ...]]
"""A hit and the words that were searched for."""


class Search(Dialog[Found]):
    """A field and the hits, newest first, each with the words in their place."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "pick", "open", id="search.pick", tooltip="Open the session at the hit", priority=True),
        Binding("up", "move(-1)", "Up", show=False, id="search.up", tooltip="Previous hit", priority=True),
        Binding("down", "move(1)", "Down", show=False, id="search.down", tooltip="Next hit", priority=True),
        Binding("pageup", "page(-1)", "Page up", show=False, id="search.page-up", tooltip="One page up", priority=True),
        Binding(
            "pagedown",
            "page(1)",
            "Page down",
            show=False,
            id="search.page-down",
            tooltip="One page down",
            priority=True,
        ),
    ]

    def __init__(self, search: Callable[[str], Awaitable[list[SearchHit]]]) -> None:
        super().__init__("Find in all sessions")
        self._search = search
        self._hits: Sequence[SearchHit] = ()
        self._words: tuple[str, ...] = ()
        self._looked_for = self._wanted = ""
        self._looking = False

    def compose_box(self) -> Iterable[Widget]:
        """Return the field, the hits and a line about them."""
        yield LineInput(placeholder="words to find; the last one may be a beginning")
        rows = RowList(id="hits")
        rows.can_focus = False
        yield rows
        yield Static(id="why")

    def on_input_changed(self, message: Input.Changed) -> None:
        """Search at once; what is typed while a search goes on is searched for when that one is done."""
        self._wanted = message.value
        if not self._looking:
            self._looking = True
            start(self, lambda: self._look_on(), group="search")

    async def _look_on(self) -> None:
        try:
            while self._looked_for != self._wanted:
                await self._look(self._wanted)
        finally:
            self._looking = False

    async def _look(self, text: str) -> None:
        if text == self._looked_for:
            return
        why = ""
        hits: list[SearchHit] = []
        if text.strip():
            try:
                hits = await self._search(text)
                why = "" if hits else "No message holds these words."
            except VenomError as failure:
                why = f"{failure.message} {failure.hint}"
        self._looked_for = text
        self._hits, self._words = hits, tuple(text.split())
        self.query_one(RowList).set_rows([f"{n} {hit.message_id}" for n, hit in enumerate(hits)], self._row)
        self.query_one("#why", Static).update(Content(why))

    def _row(self, index: int, width: int) -> Content:
        hit = self._hits[index]
        age = relative_time(hit.created_at, datetime.now(UTC))
        title = Content(hit.session_title or "session").truncate(24, ellipsis=True)
        snippet = Content(hit.snippet.replace("\n", " "))
        for first, last in hit.matches:
            snippet = snippet.stylize("bold $accent", first, last)
        room = max(10, width - 24 - len(age) - 4)
        if hit.matches and snippet[: hit.matches[0][1]].cell_length >= room:  # what was searched for is to be seen
            snippet = Content(signs().ellipsis) + snippet[max(0, hit.matches[0][0] - room // 3) :]
        text = snippet.truncate(room, ellipsis=True)
        return Content.assemble(
            title.pad_right(24 - title.cell_length),
            "  ",
            text.pad_right(max(0, room - text.cell_length)),
            "  ",
            (age, "$text-muted"),
        )

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        self.query_one(RowList).action_move(by)

    def action_page(self, by: int) -> None:
        """Move the cursor by pages."""
        self.query_one(RowList).action_page(by)

    def action_pick(self) -> None:
        """Answer with the hit under the cursor; where the search for what is typed has not come back, wait for it."""
        self.after_keys(lambda: start(self, lambda: self._pick(), group="pick", exclusive=True))

    async def _pick(self) -> None:
        await self._look(self.query_one(Input).value)
        key = self.query_one(RowList).cursor_key
        if key is not None:
            self.dismiss((self._hits[int(key.split()[0])], self._words))

    def on_row_list_chosen(self) -> None:
        """Take a double-clicked hit."""
        self.action_pick()
