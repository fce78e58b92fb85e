"""The command palette: everything that can be done where one is, by name, made from the real bindings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.binding import Binding
from textual.content import Content
from textual.dom import DOMNode

from venom_tui.ui.dialogs.help import room_title
from venom_tui.ui.dialogs.picker import Choice, Picker
from venom_tui.ui.screens.section import SectionScreen, WrittenCommand
from venom_tui.ui.terminal.screen import is_there
from venom_tui.ui.theme import NAMES
from venom_tui.ui.widgets.columns import Column
from venom_tui.ui.widgets.prompt import Prompt
from venom_tui.ui.widgets.rows import CHOOSE, RowList

if TYPE_CHECKING:
    from venom_tui.ui.app import VenomApp

_COLUMNS = (
    Column("command", 36, worth=9, stretch=True),
    Column("where", 30, worth=3),
    Column("key", 12, worth=5, right=True),
)
_NOT_OFFERED = frozenset({"app.commands", "section.commands", "prompt.send", CHOOSE})
"""What one is doing already, or what only makes sense by its key."""
_MOVES = frozenset(
    {"list", "picker", "search", "transcript.up", "transcript.down", "prompt.up", "prompt.down", "prompt.newline"}
)
"""Rooms or ids of keys that only move about."""


@dataclass(frozen=True, slots=True)
class Command:
    """Something that can be done: its words, its key, and the action with the node that has it.

    `written` is how it is told in the prompt, where that can be done, too.
    """

    key: str
    words: str
    where: str
    keys: str
    action: str
    node: DOMNode
    written: str = ""


class _Palette(Picker):
    """The commands; what is typed behind a chosen one belongs to what it opens, not to the prompt below."""

    def __init__(self, choices: Sequence[Choice], prompt: Prompt | None) -> None:
        super().__init__("Commands", _COLUMNS, choices, empty="No command matches.", name="commands")
        self._prompt = prompt
        self.go_on: Callable[[], object] = lambda: None

    def _pick(self, rows: RowList) -> None:
        if self._prompt is not None and rows.cursor_key is not None:
            self.go_on = self._prompt.hold()
        super()._pick(rows)


def find_command(app: VenomApp) -> None:
    """Open the palette over what is shown, or close it again."""
    if isinstance(app.screen, Picker) and app.screen.name == "commands":
        app.screen.dismiss(None)
        return
    commands = {command.key: command for command in _commands(app)}
    choices = [
        Choice(
            command.key,
            (
                Content(command.words),
                Content.styled(command.where, "$text-muted"),
                Content.styled(command.keys, "bold"),
            ),
            f"{command.words} {command.where} {command.keys} {command.written}".lower(),
        )
        for command in commands.values()
    ]
    below = app.focused
    picker = _Palette(choices, below if isinstance(below, Prompt) else None)

    def run(key: str | None) -> None:
        command = commands.get(key) if key is not None else None
        if command is not None:
            app.call_later(_act, app, command)
        picker.go_on()

    app.push_screen(picker, run)


async def _act(app: VenomApp, command: Command) -> None:
    """Do it, unless what has the action was closed meanwhile, by a key that came behind."""
    if is_there(command.node):
        await app.run_action(command.action, command.node)


def binding_ids(app: VenomApp) -> Collection[str]:
    """Return the ids of all bindings that there are, of sections that were not opened yet, too."""
    import importlib
    import inspect
    import pkgutil

    import venom_tui.ui as root

    ids: set[str] = set()
    for module in pkgutil.walk_packages(root.__path__, f"{root.__name__}."):
        for _, member in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(member, DOMNode):
                ids |= {b.id for b in Binding.make_bindings(member.__dict__.get("BINDINGS", [])) if b.id is not None}
    return ids


def _commands(app: VenomApp) -> Iterator[Command]:
    written = {_bare(one.action or one.name): one for one in _written(app)}
    seen: set[str] = set()
    for active in app.screen.active_bindings.values():
        binding = active.binding
        if not active.enabled or binding.id is None or binding.action in seen or _is_left_out(binding.id):
            continue
        seen.add(binding.action)
        words = binding.tooltip or binding.description
        keys = app.get_key_display(binding)
        same = written.pop(_bare(binding.action), None)
        spoken = "" if same is None else same.written
        yield Command(binding.id, words, room_title(binding.id), keys, binding.action, active.node, spoken)
    for one in written.values():
        words = one.meaning[:1].upper() + one.meaning[1:]
        action = f"write_command('{one.name}')"
        yield Command(f"/{one.name}", words, room_title("prompt."), f"/{one.name}", action, app.screen, one.written)
    for name in NAMES:
        yield Command(f"theme {name}", f"Colours: {name}", "Settings", "", f"app.theme('{name}')", app)


def _written(app: VenomApp) -> Sequence[WrittenCommand]:
    screen = app.screen
    return screen.written_commands() if isinstance(screen, SectionScreen) else ()


def _bare(action: str) -> str:
    """Return an action without the node that has it."""
    return action.removeprefix("screen.").removeprefix("app.")


def _is_left_out(binding_id: str) -> bool:
    return binding_id in _NOT_OFFERED or binding_id in _MOVES or binding_id.partition(".")[0] in _MOVES
