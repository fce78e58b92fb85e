"""`venom-tui info`: version, places, settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from venom_tui.cli.options import json_option
from venom_tui.cli.output import note, pairs, show, table
from venom_tui.cli.running import settings_of

if TYPE_CHECKING:
    from venom_tui.core.info import Info


@click.command("info")
@json_option
@click.pass_obj
def command(flags: dict[str, Any], as_json: bool) -> None:
    """Show the version, where everything lies, and each setting with its source."""
    from venom_tui.core.info import collect

    found = collect(settings_of(flags))
    if found.store_error:
        note(f"venom-tui: the database cannot be read ({found.store_error}); what it holds is missing here.")
    show(found, lambda: _lines(found), as_json=as_json)


def _lines(found: Info) -> list[str]:
    facts = [
        ("version", found.version),
        ("python", f"{found.python} ({found.executable})"),
        ("platform", found.platform),
        *((name.replace("_", " "), path) for name, path in found.paths.items()),
    ]
    rows = [(item.name, item.source, _value(item.value)) for item in found.settings]
    return [*pairs(facts), "", *table(("SETTING", "FROM", "VALUE"), rows)]


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
