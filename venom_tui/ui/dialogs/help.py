"""The help: every key that acts where one is, made from the real bindings, with the ids that a keymap needs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from venom_tui.ui.dialogs.dialog import Dialog

_KEYS_WIDTH = 18
_ID_WIDTH = 22

INTRODUCTION = (
    "Focus decides: in an input, keys are text; out of it, they are verbs on what is highlighted. "
    "Esc stops an answer, else clears a filter, else leaves the input, else goes back; it never quits."
)


class HelpScreen(Dialog[None]):
    """Lists the bindings that were active when it was opened, and what can be written in the prompt."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "no", "close", id="help.close", tooltip="Close the help"),
    ]

    def __init__(self, below: Screen[object], written: Sequence[tuple[str, str]] = ()) -> None:
        """`written` are the commands of the prompt and what they do."""
        super().__init__("Keys")
        self._groups = _groups(below)
        self._written = written

    def compose_box(self) -> Iterable[Widget]:
        """Return the list of keys."""
        with VerticalScroll(id="keys-list"):
            yield Static(Content(INTRODUCTION))
            for title, bindings in self._groups:
                yield Static(Content.assemble("\n", (title, "bold $accent")))
                yield KeyTable([self._row(same) for same in bindings])
            if self._written:
                yield Static(Content.assemble("\n", ("Commands of the prompt", "bold $accent")))
                yield KeyTable([(line, meaning[:1].upper() + meaning[1:], "") for line, meaning in self._written])
            yield Static(Content('\nAny key can be changed: keymap.toml in the configuration folder, "id" = "keys".'))

    def _row(self, same: Sequence[Binding]) -> tuple[str, str, str]:
        keys = " ".join(dict.fromkeys(self.app.get_key_display(binding) for binding in same))
        return keys, same[0].tooltip or same[0].description, same[0].id or ""


class KeyTable(Static):
    """One line a command: its keys, what it does, and where there is room the id that a keymap needs."""

    def __init__(self, rows: Sequence[tuple[str, str, str]]) -> None:
        super().__init__()
        self._rows = rows

    def on_resize(self) -> None:
        """Lay the columns out in the width that there is."""
        self.update(self._table(self.size.width))

    def _table(self, width: int) -> Content:
        shows_id = width >= _KEYS_WIDTH + _ID_WIDTH + 40
        room = max(10, width - _KEYS_WIDTH - (_ID_WIDTH if shows_id else 0) - 1)
        lines: list[Content] = []
        for keys, meaning, binding_id in self._rows:
            words = textwrap.wrap(meaning, room) or [""]
            name = (binding_id, "$text-muted") if shows_id else ""
            long = len(keys) > _KEYS_WIDTH - 2
            if long:  # on a line of its own
                lines.append(Content.styled(f" {keys}", "bold"))
            first = "" if long else keys
            lines.append(Content.assemble((f" {first:<{_KEYS_WIDTH - 1}}", "bold"), f"{words[0]:<{room}}", " ", name))
            lines.extend(Content(" " * _KEYS_WIDTH + more) for more in words[1:])
        return Content("\n").join(lines)


def _groups(screen: Screen[object]) -> list[tuple[str, list[list[Binding]]]]:
    """Return (title, bindings grouped by action), from the focused widget outwards."""
    groups: dict[str, dict[str, list[Binding]]] = {}
    for active in screen.active_bindings.values():
        if not active.enabled or active.binding.id is None:
            continue
        title = room_title(active.binding.id)
        groups.setdefault(title, {}).setdefault(active.binding.action, []).append(active.binding)
    return [(title, list(actions.values())) for title, actions in groups.items()]


_TITLES = {
    "app": "Everywhere",
    "section": "In a section, outside an input",
    "list": "In a list",
    "prompt": "In the prompt",
    "chat": "Chat",
    "sessions": "Sessions",
    "transcript": "Transcript",
    "catalog": "Catalog",
    "operations": "Operations",
    "guard": "Guard",
    "runtimes": "Runtimes",
}


def room_title(binding_id: str) -> str:
    """Return where a binding acts, by the room in its id."""
    room = binding_id.partition(".")[0]
    return _TITLES.get(room, room.capitalize())
