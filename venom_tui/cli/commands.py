"""The commands; the module of each is imported when it is asked for."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from typing import Any

import click

from venom_tui import __version__
from venom_tui.core.errors import UsageError

_COMMANDS = ("chat", "models", "route", "sessions", "operations", "guard", "runtimes", "stop", "doctor", "info")
SCREENS = ("chat", "catalog", "operations", "guard", "runtimes")
"""What --screen may name."""


class _Commands(click.Group):
    """Imports `venom_tui.cli.NAME` for the command NAME; what it runs is the module's `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in _COMMANDS if importlib.util.find_spec(f"venom_tui.cli.{name}")]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = importlib.import_module(f"venom_tui.cli.{cmd_name}").command
        return command


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Every command takes --json. Exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted.",
)
@click.version_option(__version__, "-V", "--version", message="venom-tui %(version)s")
@click.option("--screen", type=click.Choice(SCREENS), help="Open the TUI on this section.")
@click.option("--read-only", is_flag=True, help="Change nothing: no loads, no removals, no prompts.")
@click.option("--no-mouse", is_flag=True, help="Leave the mouse to the terminal.")
@click.pass_context
def root(context: click.Context, screen: str | None, read_only: bool, no_mouse: bool) -> int | None:
    """See, switch and talk to the models on this machine. Without a command the TUI opens."""
    flags: dict[str, Any] = {}
    if read_only:
        flags["VENOM_READ_ONLY"] = True
    if no_mouse:
        flags["VENOM_MOUSE"] = False
    context.obj = flags
    if context.invoked_subcommand is None:
        from venom_tui.cli.tui import open_tui

        return open_tui(flags, screen=screen)
    if screen or no_mouse:
        raise UsageError("--screen and --no-mouse are for the TUI, which no command opens.")
    return None


def run(arguments: Sequence[str]) -> int:
    """Run the command that the arguments name and return its exit status.

    Raises:
        click.ClickException: the arguments are wrong.
        VenomError: the command failed.
    """
    status = root.main(list(arguments), prog_name="venom-tui", standalone_mode=False)
    return status if isinstance(status, int) else 0
