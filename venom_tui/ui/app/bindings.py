"""The keys that act everywhere."""

from __future__ import annotations

from textual.binding import Binding

from venom_tui.ui.widgets.sections import SECTIONS

APP_BINDINGS: tuple[Binding, ...] = (
    Binding("f1", "help", "help", id="app.help", tooltip="Show all keys that act here", priority=True),
    *(
        Binding(
            f"f{number}",
            f"section('{name}')",
            title,
            show=False,
            id=f"app.{name}",
            tooltip=f"Go to {title}",
            priority=True,
        )
        for number, (name, title) in enumerate(SECTIONS, 2)
    ),
    Binding("ctrl+o", "pick_model", "model", id="app.model", tooltip="Pick the model that answers", priority=True),
    Binding(
        "f9",
        "previous_model",
        "model before",
        show=False,
        id="app.previous-model",
        tooltip="Switch back to the model that was active before",
        priority=True,
    ),
    Binding("ctrl+p", "command_palette", "commands", id="app.commands", tooltip="Find any command", priority=True),
    Binding(
        "f8",
        "toggle_mouse",
        "Mouse",
        show=False,
        id="app.mouse",
        tooltip="Leave the mouse to the terminal, or take it back",
        priority=True,
    ),
    Binding(
        "f10",
        "better_models",
        "Better models",
        show=False,
        id="app.better",
        tooltip="Better models that fit this machine",
        priority=True,
    ),
    Binding("ctrl+l", "redraw", "Redraw", show=False, id="app.redraw", tooltip="Draw the screen anew"),
    Binding("ctrl+z", "suspend_process", "Suspend", show=False, id="app.suspend", tooltip="Suspend to the shell"),
    Binding(
        "ctrl+c",
        "interrupt",
        "Interrupt",
        show=False,
        id="app.interrupt",
        tooltip="Copy what is selected, else stop the answer; twice when nothing runs quits",
        priority=True,
    ),
    Binding("ctrl+q", "quit", "quit", id="app.quit", tooltip="Quit venom-tui", priority=True),
)
