"""Picks one of many, filtered while typing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from venom_tui.ui.dialogs.dialog import Dialog
from venom_tui.ui.terminal.keys import hand_on
from venom_tui.ui.widgets.columns import Column, fit_columns, lay_out
from venom_tui.ui.widgets.line import Line
from venom_tui.ui.widgets.line_input import LineInput
from venom_tui.ui.widgets.rows import RowList


@dataclass(frozen=True, slots=True)
class Choice:
    """One row of a picker: what is shown in each column, and the text that the filter looks at.

    A single cell takes the whole row.
    """

    key: str
    cells: tuple[Content, ...]
    text: str


class ColumnTitles(Line):
    """The head of the columns."""

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__()
        self._columns = columns

    def fit(self, width: int) -> Content:
        """Return the titles over their columns."""
        heads = [Content.styled(column.title, "$text-muted") for column in self._columns]
        return lay_out(heads, self._columns, fit_columns(self._columns, width))


class Filter(LineInput):
    """The filter of a picker: what comes behind a key that waits for the first choices waits with it."""

    async def on_key(self, event: events.Key) -> None:
        """Act in the order of the keys."""
        screen = self.screen
        if isinstance(screen, Picker) and screen.waits():
            event.stop()
            event.prevent_default()
            screen.hold(lambda: hand_on(event, self))
        else:
            await super().on_key(event)


class Picker(Dialog[str]):
    """A filter and a list. Typing filters, up and down move, enter picks; every word must be found."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "pick", "pick", id="picker.pick", tooltip="Take the row under the cursor", priority=True),
        Binding("up", "move(-1)", "Up", show=False, id="picker.up", tooltip="Previous row", priority=True),
        Binding("down", "move(1)", "Down", show=False, id="picker.down", tooltip="Next row", priority=True),
        Binding("pageup", "page(-1)", "Page up", show=False, id="picker.page-up", tooltip="One page up", priority=True),
        Binding(
            "pagedown",
            "page(1)",
            "Page down",
            show=False,
            id="picker.page-down",
            tooltip="One page down",
            priority=True,
        ),
    ]

    def __init__(
        self,
        title: str,
        columns: Sequence[Column],
        choices: Sequence[Choice],
        *,
        current: str | None = None,
        empty: str = "Nothing matches.",
        words: str = "",
        name: str | None = None,
    ) -> None:
        super().__init__(title, name=name)
        self._columns = columns
        self._choices = choices
        self._current = current
        self._empty = empty
        self._words = words
        self._note = ""
        self._shown: Sequence[Choice] = choices
        self._filtered_by: str | None = None
        self.filling = False
        """Whether more choices will come: keys that act on them wait until there are any."""
        self._filled = False
        self._held: list[Callable[[], object]] = []
        self._later: list[Callable[[RowList], object]] = []

    def compose_box(self) -> Iterable[Widget]:
        """Return the filter, the head and the list."""
        yield Filter(self._words, placeholder="type to filter", select_on_focus=False)
        yield ColumnTitles(self._columns)
        rows = RowList(id="choices")
        rows.can_focus = False
        yield rows
        yield Static(id="why")

    def on_mount(self) -> None:
        """Show all."""
        self._filter(self._words)
        if self._current is not None:
            self.query_one(RowList).set_cursor(self._current)

    def renew(self, choices: Sequence[Choice]) -> None:
        """Show other rows, or the same ones with more in them; the cursor stays where it is."""
        rows = self.query_one(RowList)
        key, text, self._filtered_by = rows.cursor_key, self._filtered_by or "", None
        self._choices = choices
        self._filter(text)
        if key is not None:
            rows.set_cursor(key)
        rows.refresh()

    def on_input_changed(self, message: Input.Changed) -> None:
        """Filter by what is typed; of several keys at once by all of them."""
        text = message.input.value
        if text != self._filtered_by:
            self._later.clear()
        self._filter(text)

    def set_note(self, note: str) -> None:
        """Say something below the choices, before they are shown."""
        self._note = note

    def set_choices(self, choices: Sequence[Choice], note: str = "") -> None:
        """Offer other choices; the cursor stays on its row. `note` is said below them."""
        self._choices, self._note = choices, note
        text, self._filtered_by = self._filtered_by or "", None
        self._filter(text)
        self._filled = True
        held, self._held = self._held, []
        for release in held:
            release()
        while self._later and self._shown:
            self._later.pop(0)(self.query_one(RowList))

    def waits(self) -> bool:
        """Whether a key waits for the first choices: what is known of them comes within a moment."""
        return bool(self._held)

    def hold(self, release: Callable[[], object]) -> None:
        """Call `release` once there are choices, behind all that waits already."""
        self._held.append(release)

    def _filter(self, text: str) -> None:
        if text == self._filtered_by or not self.query(RowList):  # a list that is gone: the dialog is being closed
            return
        self._filtered_by = text
        words = text.lower().split()
        self._shown = [c for c in self._choices if all(word in c.text for word in words)]
        rows = self.query_one(RowList)
        rows.set_rows([choice.key for choice in self._shown], self._render_row)
        self.query_one("#why", Static).update(Content(self._note if self._shown else self._empty))

    def _with_filter(self, work: Callable[[RowList], object], key: str) -> None:
        """Do something with the list as it is once all that was typed is read."""

        def do() -> None:
            if self.filling and not self._filled:
                self.hold(lambda: self.after_keys(do, key))
                return
            text = self.query_one(Input).value
            if text != self._filtered_by:
                self._later.clear()
                self._filter(text)
            if self._later or (self.filling and not self._shown):
                self._later.append(work)
            else:
                work(self.query_one(RowList))

        self.after_keys(do, key)

    def _render_row(self, index: int, width: int) -> Content:
        cells = self._shown[index].cells
        return cells[0] if len(cells) == 1 else lay_out(cells, self._columns, fit_columns(self._columns, width))

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        self._with_filter(lambda rows: rows.action_move(by), "up" if by < 0 else "down")

    def action_page(self, by: int) -> None:
        """Move the cursor by pages."""
        self._with_filter(lambda rows: rows.action_page(by), "pageup" if by < 0 else "pagedown")

    def action_pick(self) -> None:
        """Answer with the row under the cursor."""
        self._with_filter(self._pick, "enter")

    def _pick(self, rows: RowList) -> None:
        if rows.cursor_key is not None:
            self.dismiss(rows.cursor_key)

    def on_row_list_chosen(self, message: RowList.Chosen) -> None:
        """Take a double-clicked row."""
        self._pick(message.rows)
