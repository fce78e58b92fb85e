"""What all dialogs share: a box over the screen, a line of keys, esc for no."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import ClassVar, Generic, TypeVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input

from venom_tui.ui.terminal.keys import hand_on
from venom_tui.ui.terminal.screen import TerminalModal
from venom_tui.ui.text import literal
from venom_tui.ui.widgets.line import Line
from venom_tui.ui.widgets.rows import CHOOSE

Result = TypeVar("Result")


class KeysLine(Line):
    """The keys of a dialog, at its right edge, made from its bindings."""

    _words: Mapping[str, str] = MappingProxyType({})

    def on_mount(self) -> None:
        """Read the screen's bindings."""
        self.renew()

    def say(self, words: Mapping[str, str]) -> None:
        """Show the keys; `words` says by the id of a binding what it does just now."""
        self._words = words
        self.renew()

    def renew(self) -> None:
        """Show the keys that act now."""
        words, parts = self._words, []
        actions: set[str] = set()
        own = {one.key: one for one in type(self.screen).BINDINGS if isinstance(one, Binding)}
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if binding.id == CHOOSE and binding.key in own:
                binding = own[binding.key]  # the list takes the key, and the dialog does it
            elif active.node is not self.screen and not binding.action.startswith("screen."):
                continue
            if binding.show and binding.action not in actions:
                actions.add(binding.action)
                key = self.app.get_key_display(binding)
                does = words.get(binding.id or "", binding.description)
                parts.append(Content.assemble((key, "bold"), " ", does))
        self.show(Content("   ").join(parts))

    def fit(self, width: int) -> Content:
        """Return the keys, right-aligned."""
        text = self.text.truncate(width, ellipsis=True)
        return text.pad_left(max(0, width - text.cell_length))


class Dialog(TerminalModal[Result | None], Generic[Result]):
    """A question over the screen. Esc answers None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "no", "no", id="dialog.no", tooltip="Close without doing anything"),
    ]

    def __init__(self, title: str, *, name: str | None = None) -> None:
        # No id: the next one of its kind may be opened while this one is still being taken away.
        super().__init__(name=name)
        self._title = title

    def compose(self) -> ComposeResult:
        """Lay out the box."""
        with Vertical(id="box") as box:
            box.border_title = literal(self._title)
            yield from self.compose_box()
            yield KeysLine(id="keys")

    def compose_box(self) -> Iterable[Widget]:
        """Return what stands in the box."""
        return ()

    def on_descendant_focus(self) -> None:
        """Show the keys of what has the focus, too."""
        for line in self.query(KeysLine):
            line.renew()

    def after_keys(self, work: Callable[[], object], key: str = "enter") -> None:
        """Do something after the keys that the dialog's input has not read yet: bindings overtake them.

        Where one of these left the dialog, `key`, which was pressed for this, goes to where those behind it go.
        """
        field = next(iter(self.query(Input)), None)
        if field is None:  # the dialog is being taken away, and its field read this key late
            return

        def do() -> None:
            if self.is_active:
                work()  # What it returns is not awaited: the input would wait for the dialog, and that for the input.
            elif (focused := self.app.focused) is not None and focused is not field:
                hand_on(events.Key(key, "\r" if key == "enter" else None), focused)

        field.call_later(do)

    def action_no(self) -> None:
        """Answer no."""
        self.dismiss(None)
