"""A list of any length of which only the visible rows are rendered; its cursor stays on its row while rows change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.style import Style

from venom_tui.ui.widgets.key_order import act_in_order

RenderRow = Callable[[int, int], Content]
"""(index of the row, width in cells) -> its line."""
CHOOSE = "list.choose"
"""Id of the binding by which a row is chosen."""


class RowList(ScrollView, can_focus=True):
    """Rows with a cursor.

    Give it keys and a function that renders a row; it calls the function for visible rows only.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False, id="list.up", tooltip="Previous row"),
        Binding("down,j", "move(1)", "Down", show=False, id="list.down", tooltip="Next row"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="list.page-up", tooltip="One page up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="list.page-down", tooltip="One page down"),
        Binding("home,g", "jump(0)", "First", show=False, id="list.first", tooltip="First row"),
        Binding("end,G", "jump(-1)", "Last", show=False, id="list.last", tooltip="Last row"),
        Binding("enter", "choose", "Open", id=CHOOSE, tooltip="Open the row under the cursor"),
    ]

    class Highlighted(Message):
        """The cursor is on another row (None: there is none)."""

        def __init__(self, rows: RowList, key: str | None) -> None:
            super().__init__()
            self.rows = rows
            self.key = key

        @property
        def control(self) -> RowList:
            """The list."""
            return self.rows

    class Chosen(Message):
        """A row was chosen by enter or a double click."""

        def __init__(self, rows: RowList, key: str) -> None:
            super().__init__()
            self.rows = rows
            self.key = key

        @property
        def control(self) -> RowList:
            """The list."""
            return self.rows

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id)
        self._keys: Sequence[str] = ()
        self._render_row: RenderRow = lambda _index, _width: Content()
        self._cursor = 0
        self._told: str | None = None

    @property
    def cursor_key(self) -> str | None:
        """The key of the row under the cursor."""
        return self._keys[self._cursor] if self._cursor < len(self._keys) else None

    @property
    def keys(self) -> Sequence[str]:
        """The keys of all rows, in their order."""
        return self._keys

    @property
    def _width(self) -> int:
        return self.scrollable_content_region.width

    def set_rows(self, keys: Sequence[str], render_row: RenderRow) -> None:
        """Show other rows. The cursor stays on its key where that is still there, else on its place."""
        key = self.cursor_key
        self._keys, self._render_row = keys, render_row
        if key is not None and (self._cursor >= len(keys) or keys[self._cursor] != key):
            try:
                self._cursor = keys.index(key)
            except ValueError:
                self._cursor = max(0, min(self._cursor, len(keys) - 1))
        self._cursor = self.place_for(self._cursor, 1)
        self.virtual_size = Size(self._width, len(keys))
        self.refresh()
        self._show_cursor()
        self._tell()

    def set_cursor(self, key: str) -> bool:
        """Put the cursor on a row; return whether it is there."""
        if key not in self._keys:
            return False
        self._to(self._keys.index(key))
        return True

    def action_move(self, by: int) -> None:
        """Move the cursor by rows."""
        self._to(self._cursor + by)

    def action_page(self, by: int) -> None:
        """Move the cursor by pages."""
        self._to(self._cursor + by * max(1, self.size.height - 1))

    def action_jump(self, index: int) -> None:
        """Go to the first (0) or the last (-1) row."""
        self._to(index if index >= 0 else len(self._keys) - 1)

    def action_choose(self) -> None:
        """Choose the row under the cursor."""
        key = self.cursor_key
        if key is not None:
            self.post_message(self.Chosen(self, key))

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the clicked row; a double click chooses it."""
        index = event.y + self.scroll_offset.y
        if 0 <= index < len(self._keys):
            self._to(index)
            if event.chain > 1:
                self.action_choose()

    def on_resize(self) -> None:
        """Keep the cursor visible."""
        self.virtual_size = Size(self._width, len(self._keys))
        self._show_cursor()

    def on_focus(self) -> None:
        """Show that the cursor is live."""
        self._refresh_row(self._cursor)

    def on_blur(self) -> None:
        """Show that the cursor rests."""
        self._refresh_row(self._cursor)

    def place_for(self, index: int, direction: int) -> int:
        """Return the row that the cursor goes to when it wants to `index`; lists with rows that it passes over say so.

        `direction` is 1 when it comes from above, -1 when it comes from below.
        """
        return index

    @property
    def cursor_style(self) -> str:
        """How the row under the cursor differs from the others."""
        return "bold on $cursor-row" if self.has_focus else "bold"

    def _to(self, index: int) -> None:
        index = max(0, min(index, len(self._keys) - 1))
        index = self.place_for(index, -1 if index < self._cursor else 1)
        if index != self._cursor:
            self._refresh_row(self._cursor)
            self._cursor = index
            self._refresh_row(index)
            self._show_cursor()
        self._tell()

    def _tell(self) -> None:
        key = self.cursor_key
        if key != self._told:
            self._told = key
            self.post_message(self.Highlighted(self, key))

    def _show_cursor(self) -> None:
        height = self.size.height
        if height:
            top = self.scroll_offset.y
            wanted = min(max(top, self._cursor - height + 1), self._cursor)
            if wanted != top:
                self.scroll_to(y=wanted, animate=False, force=True)

    def _refresh_row(self, index: int) -> None:
        self._refresh_rows([index])

    def _refresh_rows(self, indices: Sequence[int]) -> None:
        """Paint these rows anew, all at once: of live figures many change at the same moment."""
        top, height, width = self.scroll_offset.y, self.size.height, self._width
        regions = [Region(0, index - top, width, 1) for index in indices if 0 <= index - top < height]
        if regions:
            self.refresh(*regions)

    def render_line(self, y: int) -> Strip:
        """Return one visible row, padded to the width."""
        width = self._width
        index = y + self.scroll_offset.y
        base = self.visual_style
        if index >= len(self._keys):
            return Strip.blank(width, base.rich_style)
        if index == self._cursor:
            base = base + Style.parse(self.cursor_style)
            if self.app.no_color and " on " in self.cursor_style:
                base = base + Style(reverse=True)
        line = self._render_row(index, width).truncate(width, ellipsis=True)
        segments = list(line.render_segments(base))
        segments.append(Segment(" " * (width - line.cell_length), base.rich_style))
        return Strip(segments, width)


class VerbRows(RowList):
    """Rows with keys of their own, of which some open something: what is typed behind such a key goes there."""

    async def on_key(self, event: events.Key) -> None:
        """Act in the order of the keys."""
        await act_in_order(self, event)
