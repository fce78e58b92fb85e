"""What the guard may ask about or refuse: asked in a dialog, and done with what was answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, ClassVar, TypeVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from venom_tui.core.errors import GuardRefused, NeedsYes
from venom_tui.ui.dialogs.confirm import Confirm
from venom_tui.ui.dialogs.dialog import Dialog
from venom_tui.ui.text import literal

T = TypeVar("T")


class RefusedDialog(Dialog[bool]):
    """Says why the guard refuses something; `F` does it all the same, everything else does not."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("F", "force", "force", id="refused.force", tooltip="Do it though the guard refuses"),
        Binding("n", "no", "no", show=False, id="refused.no", tooltip="Do not"),
    ]

    def __init__(self, title: str, words: str) -> None:
        super().__init__(title)
        self._words = words

    def compose_box(self) -> Iterable[Widget]:
        """Return why, and what may be done."""
        yield Static(literal(self._words, "$error"))
        yield Static(Content())
        yield Static(literal("Free memory (F5, the guard, shows who holds it), or force it."))

    def action_force(self) -> None:
        """Answer that it is to be done all the same."""
        self.dismiss(True)


async def guarded(app: App[Any], title: str, work: Callable[[bool, bool], Awaitable[T]]) -> T | None:
    """Do something with what the guard wants for it, a yes or force; None after a no. Called from a worker.

    Args:
        app: where the questions are shown.
        title: what is to be done.
        work: does it; told whether yes was said, and whether it is forced.

    Raises:
        VenomError: see `work`.
    """
    yes = False
    try:
        return await work(False, False)
    except NeedsYes as question:
        if not await app.push_screen_wait(Confirm(title, [question.message])):
            return None
        yes = True
    except GuardRefused as refusal:
        if not await app.push_screen_wait(RefusedDialog(title, refusal.message)):
            return None
    return await work(yes, not yes)
