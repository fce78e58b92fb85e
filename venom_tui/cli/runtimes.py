"""`venom-tui runtimes`: the servers that hold models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from venom_tui.cli.options import json_option
from venom_tui.cli.output import or_unknown, show, table
from venom_tui.cli.running import ALL_ASKED_WITHIN_S, run_with_core
from venom_tui.core.types.runtime import RuntimeStatus

if TYPE_CHECKING:
    from venom_tui.core.core import Core


@click.group("runtimes")
def command() -> None:
    """See the runtimes and how they are."""


@command.command("list")
@json_option
@click.pass_obj
def list_runtimes(flags: dict[str, Any], as_json: bool) -> None:
    """List the runtimes with their health. What the embedded one holds belongs to the process that holds it."""

    async def work(core: Core) -> list[RuntimeStatus]:
        await core.runtimes.settled(ALL_ASKED_WITHIN_S)
        return await core.runtimes.statuses()

    found = run_with_core(work, flags)
    rows = [(one.id, one.kind, one.state.value, or_unknown(one.version), one.endpoint, one.detail) for one in found]
    show(found, lambda: table(("ID", "KIND", "STATE", "VERSION", "ENDPOINT", "DETAIL"), rows), as_json=as_json)
