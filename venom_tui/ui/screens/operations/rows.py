"""The list of operations: titles, operations, second lines; asks for older ones before its end is reached."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message

from venom_tui.core.types.operation import OperationState
from venom_tui.ui.screens.operations.ledger import Group, Ledger
from venom_tui.ui.screens.operations.words import has_second_line, line, second_line
from venom_tui.ui.widgets.live_rows import LiveRows, still
from venom_tui.ui.widgets.sections import rule

_AHEAD = 100
"""Rows below the window at which older ones are asked for."""
_TITLE, _SECOND, _NOTHING = "title ", "second ", "nothing"


class OperationRows(LiveRows):
    """Shows a Ledger."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "details", id="operations.details", tooltip="Show all that is known of it"),
    ]

    class MoreWanted(Message):
        """The end of what was read comes near; `whole`: all of it is wanted."""

        def __init__(self, whole: bool) -> None:
            super().__init__()
            self.whole = whole

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(id="operations")
        self.ledger = ledger
        self._titles: dict[str, str] = {}

    def renew_all(self) -> None:
        """Show the operations that there are now."""
        groups = self.ledger.groups()
        keys: list[str] = []
        self._titles = {}
        for group, ids in groups.items():
            if ids or group is Group.RUNNING:
                paused = sum(self._is_paused(key) for key in ids) if group is Group.RUNNING else 0
                self._title(keys, group, len(ids) - paused, paused)
            if group is Group.HISTORY:
                keys.extend(ids)
                continue
            for operation_id in ids:
                keys.append(operation_id)
                operation = self.ledger.get(operation_id)
                if operation is not None and has_second_line(operation):
                    keys.append(still(_SECOND + operation_id))
            if group is Group.RUNNING and not ids:
                keys.append(still(_NOTHING))
        self.show(keys, lambda index, width: self._line(keys, index, width))

    def _is_paused(self, operation_id: str) -> bool:
        operation = self.ledger.get(operation_id)
        return operation is not None and operation.state is OperationState.PAUSED

    def _title(self, keys: list[str], group: Group, count: int, paused: int = 0) -> None:
        key = still(_TITLE + group.value)
        keys.append(key)
        ended, words = self.ledger.ended, self.ledger.words
        shown = f"{count:,}"
        if group is Group.HISTORY and ended is not None and (words or ended > count):
            shown = f"{count:,} of {max(ended, count):,}"
        title = f"{group.value} {shown}" if count else group.value
        self._titles[key] = f"{title}, {paused:,} paused" if paused else title

    def _line(self, keys: Sequence[str], index: int, width: int) -> Content:
        key = keys[index]
        found = self._titles.get(key)
        if found is not None:
            return rule(found, width)
        operation = self.ledger.get(key)
        if operation is not None:
            in_front = None if operation.state.final else self.ledger.in_front_of(operation)
            return line(operation, width, datetime.now(UTC), in_front)
        if key == still(_NOTHING):
            return Content.styled(
                "   nothing that matches runs now" if self.ledger.words else "   nothing", "$text-muted"
            )
        operation = self.ledger.get(key.removeprefix(still(_SECOND)))
        return Content() if operation is None else second_line(operation, width)

    def ask_for_more(self) -> None:
        """Ask for older operations where the window is near the end of what is known."""
        if not self.ledger.complete and self.scroll_offset.y + self.size.height + _AHEAD >= len(self.keys):
            self.post_message(self.MoreWanted(whole=False))

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Look ahead when the window moves."""
        super().watch_scroll_y(old_value, new_value)
        if new_value > old_value:
            self.ask_for_more()

    def action_jump(self, index: int) -> None:
        """Go to the first (0) or the last (-1) row; the last one of all, not of what was read."""
        super().action_jump(index)
        if index < 0 and not self.ledger.complete:
            self.post_message(self.MoreWanted(whole=True))
