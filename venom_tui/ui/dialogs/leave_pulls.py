"""Asks, before venom-tui ends, whether downloads go on without it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from venom_tui.ui.dialogs.dialog import Dialog
from venom_tui.ui.text import literal, signs

if TYPE_CHECKING:
    from venom_tui.core.types.operation import Operation

Answer = Literal["go on", "stop"]
_MOST = 6


class LeavePulls(Dialog[Answer]):
    """Names what runs; enter lets it go on, `n` stops it, esc stays."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "no", "stay", id="dialog.no", tooltip="Do not quit"),
        Binding("n", "stop", "stop them", id="leave.stop", tooltip="Quit and stop downloads; what came is kept"),
        Binding("enter,y", "go_on", "go on in the background", id="leave.go-on", tooltip="Quit; downloads go on"),
    ]

    def __init__(self, operations: Sequence[Operation]) -> None:
        super().__init__("Quit")
        self._operations = operations

    def compose_box(self) -> Iterable[Widget]:
        """Return what runs, and what becomes of it."""
        count = len(self._operations)
        yield Static(Content("A download is running." if count == 1 else f"{count} downloads are running."))
        lines = []
        for one in self._operations[:_MOST]:
            share = "" if one.share is None else f"  {int(one.share * 100)} %"
            lines.append(Content.assemble(f" {signs().pulling} ", literal(one.target), (share, "$text-muted")))
        yield Static(Content("\n").join(lines))
        text = "In the background it goes on after this terminal closes; the next venom-tui shows it and can cancel it."
        yield Static(Content.styled(text, "$text-muted"))

    def action_go_on(self) -> None:
        """Quit; downloads go on."""
        self.dismiss("go on")

    def action_stop(self) -> None:
        """Quit and stop them."""
        self.dismiss("stop")
